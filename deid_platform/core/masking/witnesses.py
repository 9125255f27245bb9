"""Checks moves all at once: each must leave every sum as it is and every count possible."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from deid_platform.core.errors import MaskingError
from deid_platform.core.masking.complementary import Bounds, Pattern
from deid_platform.core.masking.model import Ints, MaskingTable
from deid_platform.core.masking.moves import Move


def reached(table: MaskingTable, bounds: Bounds, pattern: Pattern) -> tuple[Ints, Ints] | None:
    """The lowest and highest count of each cell over all tables that the moves lead to.

    None where people do not add up exactly along some axis: the moves then prove too little.

    Raises:
        MaskingError: a move changes a shown cell or a sum, or leads to an impossible count.
    """
    if not bool(table.layout.groups.exact.all()):
        return None
    low, high = table.people.copy(), table.people.copy()
    for moves in (pattern.up, pattern.down):
        _collect(table, bounds, pattern, moves, low, high)
    return low, high


def _collect(
    table: MaskingTable,
    bounds: Bounds,
    pattern: Pattern,
    moves: Mapping[int, Move],
    low: Ints,
    high: Ints,
) -> None:
    if not moves:
        return
    distinct = {id(move): move for move in moves.values()}.values()  # cells may share a move
    cells = np.concatenate([move.cells for move in distinct])
    amounts = np.concatenate([move.amounts for move in distinct])
    number = np.repeat(np.arange(len(distinct)), [len(move.cells) for move in distinct])
    changed = amounts != 0
    cells, amounts, number = cells[changed], amounts[changed], number[changed]
    after = table.people[cells] + amounts
    possible = pattern.hidden[cells] & (after >= bounds.low[cells]) & (after <= bounds.high[cells])
    if not bool(possible.all()) or _changes_a_sum(table, cells, amounts, number):
        raise MaskingError(
            table.name,
            "a move that should protect a cell contradicts what is published",
            "report the shape of this table",
        )
    np.minimum.at(low, cells, after)
    np.maximum.at(high, cells, after)


def _changes_a_sum(table: MaskingTable, cells: Ints, amounts: Ints, number: Ints) -> bool:
    """Whether some move changes a total by something else than it changes the members."""
    groups = table.layout.groups
    entry_cell = np.concatenate([groups.members, groups.total])
    entry_group = np.concatenate([groups.of_member, np.arange(groups.count)])
    entry_sign = np.concatenate(
        [np.ones(len(groups.members), dtype=np.int64), np.full(groups.count, -1)]
    )
    order = np.argsort(entry_cell, kind="stable")
    entry_group, entry_sign = entry_group[order], entry_sign[order]
    count = np.bincount(entry_cell, minlength=table.layout.cells)
    first = np.concatenate([[0], np.cumsum(count)])[:-1]
    repeats = count[cells]
    place = np.arange(int(repeats.sum())) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    entry = np.repeat(first[cells], repeats) + place
    key = np.repeat(number, repeats) * groups.count + entry_group[entry]
    change = np.repeat(amounts, repeats) * entry_sign[entry]
    _, where = np.unique(key, return_inverse=True)
    return bool(np.bincount(where, change).any())
