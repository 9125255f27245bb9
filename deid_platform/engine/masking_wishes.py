"""What a publication wishes of its masking, as arrays over the cells of its table.

Wishes steer which complements are taken. They hide nothing that would be shown otherwise but
complements, and show nothing that must be hidden: a wish that cannot be met is refused.

Source: DDG 2.0, 4.4.2 (which information may be lost), 4.4.3 (M-13) and 4.4.5 (equity).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deid_platform.core.errors import DeclarationError, MaskingError
from deid_platform.core.masking import MaskingRules, MaskingTable
from deid_platform.core.masking.model import Bools, Ints, primary
from deid_platform.core.masking_choice import Cells, MaskingChoice
from deid_platform.engine.masking_table import MaskingCells


def named_cells(cells: MaskingCells, where: str, entries: Sequence[Cells]) -> Bools:
    """The cells that any of the entries names.

    Raises:
        DeclarationError: an entry names a label that the table does not hold.
    """
    found = np.zeros(cells.layout.cells, dtype=bool)
    for entry in entries:
        named = np.ones(cells.layout.cells, dtype=bool)
        for column, labels in entry.items():
            texts, level = cells.labels[column]
            if absent := set(labels) - set(texts.tolist()):
                raise DeclarationError(
                    f"{cells.name}: masking.{where}",
                    f"the table does not hold {len(absent)} of the labels given for {column}",
                    "correct them",
                )
            named &= np.isin(texts, labels)[level]
        found |= named
    return found


def prices(cells: MaskingCells, people: Ints, choice: MaskingChoice) -> Ints | None:
    """What hiding each cell costs; None where that is just its people.

    In the smallest group of a dimension a cell costs ``1 + equity_weight`` times as much, in the
    largest once: a group's size is that of its largest cell, which is its margin.
    """
    if choice.weights == "people" and not choice.equity_weight:
        return None
    base = people if choice.weights == "people" else np.ones(len(people), dtype=np.int64)
    rarity = np.zeros(len(people))
    for number, axis in enumerate(cells.layout.axes):
        level = cells.layout.coordinates[:, number]
        size = np.zeros(axis.size, dtype=np.int64)
        np.maximum.at(size, level, people)
        parents = np.array(axis.parents)
        for parent in np.unique(parents[parents >= 0]).tolist():
            siblings = np.flatnonzero(parents == parent)
            largest = max(1, int(size[siblings].max()))
            rare = np.zeros(axis.size)
            rare[siblings] = 1 - size[siblings] / largest
            rarity = np.maximum(rarity, rare[level])
    return np.asarray(np.round(base * (1 + choice.equity_weight * rarity)), dtype=np.int64)


def check_must_publish(table: MaskingTable, rules: MaskingRules, wanted: Bools) -> None:
    """Refuse a wish to show what must be hidden.

    Raises:
        MaskingError: some of the cells are small, or another table hides them.
    """
    for cells, why in (
        (primary(table, rules), "are small and must be hidden (M-1)"),
        (table.withheld_elsewhere, "are hidden in another table that shares them (M-14)"),
    ):
        if count := int((wanted & cells).sum()):
            raise MaskingError(
                f"{table.name}: masking.must_publish",
                f"{count} of the cells it names {why}",
                "name other cells, or publish coarser groups",
            )
