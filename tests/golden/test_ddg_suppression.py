"""The guideline's own tables on suppression."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from deid_platform.core.masking import (
    COMPLEMENTARY,
    SMALL,
    Axis,
    Layout,
    MaskingRules,
    MaskingTable,
    attack,
    mask,
    published,
)

TABLES = yaml.safe_load(Path(__file__).with_name("suppression.yaml").read_text())["tables"]


def built(table: dict[str, Any]) -> tuple[MaskingTable, list[str]]:
    """The table with its totals, and the name of each cell."""
    if "cells" in table:
        labels = [[*table["cells"], "total"]]
        inner = np.array(list(table["cells"].values()))
    else:
        labels = [[*table["rows"], "total"], [*table["columns"], "total"]]
        inner = np.array(table["values"])
    for axis in range(inner.ndim):
        inner = np.concatenate([inner, inner.sum(axis=axis, keepdims=True)], axis=axis)
    at = np.stack([index.ravel() for index in np.indices(inner.shape)], axis=1)
    axes = tuple(
        Axis(name=f"d{k}", parents=(*[len(names) - 1] * (len(names) - 1), -1))
        for k, names in enumerate(labels)
    )
    cells = ["/".join(labels[k][level] for k, level in enumerate(row)) for row in at.tolist()]
    return (
        MaskingTable(
            layout=Layout(name=table["id"], axes=axes, coordinates=at),
            people=inner.ravel().astype(np.int64),
            gated=np.ones(inner.size, dtype=bool),
        ),
        cells,
    )


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table["id"])
def test_the_cells_the_guideline_hides_are_hidden_and_zeros_are_shown(table):
    model, cells = built(table)
    masked = mask(model, MaskingRules())
    hidden = sorted(np.array(cells)[masked.hidden].tolist())
    assert hidden in [sorted(choice) for choice in table["hidden"]]
    assert not masked.hidden[model.people == 0].any()
    if table.get("codes_may_differ") is False:
        assert set(masked.codes[masked.hidden]) == {SMALL}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table["id"])
def test_the_attacker_gets_no_small_cell_of_a_masked_table(table):
    model, _ = built(table)
    masked = mask(model, MaskingRules())
    assert attack(
        published(model, masked.codes), MaskingRules(), small=masked.reasons == SMALL
    ).holds


def test_revealing_which_cell_is_small_leaves_one_solution_in_example_4():
    table = next(t for t in TABLES if t["id"] == "one-small-cell-and-its-complement")
    model, cells = built(table)
    codes = np.zeros(len(cells), dtype=np.int64)
    codes[cells.index("A3")], codes[cells.index("A4")] = SMALL, COMPLEMENTARY
    assert attack(published(model, codes), MaskingRules()).recovered.sum() == 1
