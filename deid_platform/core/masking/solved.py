"""Witnesses found by a solver, for totals whose members overlap.

A move keeps every sum, which is more than such a total asks and not all of it: the total must stay
at least its largest member. Where a move breaks that, an integer program finds a complete table
that agrees with everything published: people and the further figures of the block together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import highspy
import numpy as np

from deid_platform.core.errors import MaskingError
from deid_platform.core.masking.attack import PublishedTable, prior, propagate
from deid_platform.core.masking.linear import (
    Rows,
    at_least_rows,
    loose_rows,
    model,
    solver,
    sum_rows,
)
from deid_platform.core.masking.model import Groups, Ints
from deid_platform.core.masking.moves import Move
from deid_platform.core.masking.suppression import Masking, published

_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Change:
    """Cells and by how much each differs from the true table: for people, and for each figure."""

    people: tuple[Ints, Ints]
    figures: dict[str, tuple[Ints, Ints]]


def overlapping(masking: Masking) -> Iterator[tuple[int, Move]]:
    """The moves of small cells that would put a total under one of its members."""
    groups = masking.table.layout.groups
    if bool(groups.exact.all()):
        return
    people = masking.table.people
    loose = _loose_groups(groups)
    for moves in (masking.pattern.up, masking.pattern.down):
        for cell in sorted(moves):
            move = moves[cell]
            moved = dict(
                zip(move.cells.tolist(), (people[move.cells] + move.amounts).tolist(), strict=True)
            )
            touched = {group for one in moved for group in loose.get(one, ())}
            if any(_breaks(groups, people, moved, group) for group in touched):
                yield cell, move


def solve(masking: Masking, cell: int, value: int) -> Change:
    """A table that agrees with everything published and has about ``value`` people in ``cell``:
    so many, or the nearest count that is not ruled out at once.

    Raises:
        MaskingError: there is none, or the solver found none in time.
    """
    table = published(masking.table, masking.codes)
    return _Program(masking, table, cell).solved(cell, value)


def _loose_groups(groups: Groups) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for group in np.flatnonzero(~groups.exact).tolist():
        found[int(groups.total[group])].append(group)
        for member in groups.members[groups.starts[group] : groups.starts[group + 1]].tolist():
            found[member].append(group)
    return found


def _breaks(groups: Groups, people: Ints, moved: dict[int, int], group: int) -> bool:
    total = int(groups.total[group])
    members = groups.members[groups.starts[group] : groups.starts[group + 1]].tolist()
    parts = [moved.get(member, int(people[member])) for member in members]
    return not max(parts) <= moved.get(total, int(people[total])) <= sum(parts)


class _Program:
    """The integer program of one block."""

    def __init__(self, masking: Masking, table: PublishedTable, cell: int) -> None:
        self.name = masking.table.name
        self.cells = np.flatnonzero(masking.block == masking.block[cell])
        self.people = masking.table.people
        self.figures = {
            name: masking.table.figures[name].astype(np.int64) for name in table.figures
        }
        groups, count = masking.table.layout.groups, len(self.cells)
        column = np.full(len(self.people), -1, dtype=np.int64)
        column[self.cells] = np.arange(count)
        every = np.ones(groups.count, dtype=bool)
        parts = [
            sum_rows(groups, groups.exact, self.people, column)[0],
            loose_rows(groups, ~groups.exact, self.people, column)[0],
        ]
        # Propagation carries what shown cells say of hidden ones, which have no row of their own.
        low, high, bounds = propagate(table, *prior(table, masking.rules))
        self.low, self.high = [low[self.cells]], [high[self.cells]]
        for place, (name, values) in enumerate(self.figures.items(), start=1):
            shifted = np.where(column >= 0, column + place * count, -1)
            parts.append(sum_rows(groups, every, values, shifted)[0])
            parts.append(at_least_rows(column[self.cells], shifted[self.cells]))
            self.low.append(bounds[name][0][self.cells])
            self.high.append(bounds[name][1][self.cells])
        self.rows = Rows.joined(parts)

    def solved(self, cell: int, value: int) -> Change:
        low, high = np.concatenate(self.low), np.concatenate(self.high)
        place = int(np.searchsorted(self.cells, cell))
        # A move may go further than overlapping people allow; as far as they do is far enough, or
        # the certificate will say that it is not.
        low[place] = high[place] = min(max(value, int(low[place])), int(high[place]))
        point = self._point(low, high)
        count = len(self.cells)
        return Change(
            people=self._changed(point[:count], self.people),
            figures={
                name: self._changed(point[k * count : (k + 1) * count], values)
                for k, (name, values) in enumerate(self.figures.items(), start=1)
            },
        )

    def _changed(self, point: Ints, before: Ints) -> tuple[Ints, Ints]:
        amounts = point - before[self.cells]
        return self.cells[amounts != 0], amounts[amounts != 0]

    def _point(self, low: Ints, high: Ints) -> Ints:
        lp = model(low, high, self.rows)
        lp.integrality_ = [highspy.HighsVarType.kInteger] * len(low)
        highs = solver(time_limit=_SECONDS)
        highs.passModel(lp)
        highs.run()
        if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            raise MaskingError(
                self.name,
                "no complete table proves that a small cell is protected",
                "publish coarser groups, or fewer dimensions along which people overlap",
            )
        return np.round(np.array(highs.getSolution().col_value)).astype(np.int64)
