"""Tables for tests of masking: counts with their margins, as models and as published text."""

from __future__ import annotations

from typing import Any

import numpy as np

from deid_platform.core.masking import Axis, Layout, Masking, MaskingTable


def cube(inner: Any, *, name: str = "table", totals: bool = True) -> MaskingTable:
    """The counts and, last on each axis, their margin."""
    values = np.asarray(inner, dtype=np.int64)
    if totals:
        for axis in range(values.ndim):
            values = np.concatenate([values, values.sum(axis=axis, keepdims=True)], axis=axis)
    at = np.stack([index.ravel() for index in np.indices(values.shape)], axis=1)
    axes = tuple(
        Axis(name=f"d{k}", parents=(*[size - 1] * (size - 1), -1) if totals else (-1,) * size)
        for k, size in enumerate(values.shape)
    )
    return MaskingTable(
        layout=Layout(name=name, axes=axes, coordinates=at),
        people=values.ravel(),
        gated=np.ones(values.size, dtype=bool),
    )


def declaration(table: MaskingTable) -> dict[str, Any]:
    """The declaration that fits `as_text`."""
    return {
        "dimensions": {
            axis.name: {"total": f"L{axis.size - 1:02}", "kind": "other"}
            for axis in table.layout.axes
        },
        "figures": {"people": {"people": "people"}},
    }


def as_text(masking: Masking) -> tuple[list[str], list[list[str]]]:
    """The masked table as header and rows."""
    layout = masking.table.layout
    header = [*(axis.name for axis in layout.axes), "people", "people_annotation"]
    rows = [
        [*(f"L{level:02}" for level in at), "" if code else str(people), str(code)]
        for at, people, code in zip(
            layout.coordinates.tolist(),
            masking.table.people.tolist(),
            masking.codes.tolist(),
            strict=True,
        )
    ]
    return header, rows
