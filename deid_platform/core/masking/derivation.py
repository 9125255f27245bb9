"""A worked derivation of one hidden cell: the published sums that, put together, give it back.

The solution of a linear program comes with multipliers: so many times this sum, less that one,
with these cells at the least or the most that is known of them. Added up, they bound the cell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deid_platform.core.masking.attack import PublishedTable, prior
from deid_platform.core.masking.blocks import blocks
from deid_platform.core.masking.linear import Program, Rows, loose_rows, sum_rows
from deid_platform.core.masking.model import UNBOUNDED, MaskingRules

_TINY = 1e-7


@dataclass(frozen=True, kw_only=True)
class Bound:
    """``cell <= value`` (or ``>=``), because of some sums and of what is known of other cells.

    ``sums`` are (multiplier, total cell) pairs: each stands for "the members of that total's sum
    along ``axes`` add up to it". ``known`` are (multiplier, cell, value) of hidden cells taken at
    the least or the most that is known of them.
    """

    value: int
    sums: tuple[tuple[float, int, str], ...]
    known: tuple[tuple[float, int, int], ...]


@dataclass(frozen=True, kw_only=True)
class Derivation:
    """How a reader gets the lowest and the highest possible count of one hidden cell."""

    cell: int
    low: Bound
    high: Bound


class Deriver:
    """Derives cells of one published table; programs are kept per block."""

    def __init__(self, table: PublishedTable, rules: MaskingRules) -> None:
        self._table = table
        self._low, self._high = prior(table, rules)
        self._block = blocks(table.layout.groups, table.hidden)
        self._programs: dict[int, tuple[Program, dict[int, int], list[tuple[int, str]]]] = {}

    def derive(self, cell: int) -> Derivation:
        """The two bounds of a hidden cell, each with its sums.

        Raises:
            MaskingError: what is published contradicts itself.
        """
        program, column, names = self._program(int(self._block[cell]))
        cells = list(column)
        bounds = []
        for direction in (-1, 1):
            goal = column[cell]
            if direction > 0 and int(self._high[cell]) >= UNBOUNDED:
                program.cap(goal, int(self._table.people.max()) + 1)
            point = program.furthest(np.array([goal]), direction, 60.0)
            rows, columns = program.multipliers()
            program.cap(goal, int(self._high[cell]))
            value = point[goal]
            bounds.append(
                Bound(
                    value=int(np.ceil(value - 0.01) if direction < 0 else np.floor(value + 0.01)),
                    sums=tuple(
                        (round(-direction * float(rows[r]), 6), *names[r])
                        for r in np.flatnonzero(np.abs(rows) > _TINY).tolist()
                    ),
                    known=tuple(
                        (round(-direction * float(columns[c]), 6), cells[c], round(float(point[c])))
                        for c in np.flatnonzero(np.abs(columns) > _TINY).tolist()
                        if c != goal
                    ),
                )
            )
        return Derivation(cell=cell, low=bounds[0], high=bounds[1])

    def _program(self, number: int) -> tuple[Program, dict[int, int], list[tuple[int, str]]]:
        if number not in self._programs:
            table, groups = self._table, self._table.layout.groups
            cells = np.flatnonzero(self._block == number)
            column = np.full(table.layout.cells, -1, dtype=np.int64)
            column[cells] = np.arange(len(cells))
            values = np.where(table.hidden, 0, table.people)
            exact, kept = sum_rows(groups, groups.exact, values, column)
            loose, loosely = loose_rows(groups, ~groups.exact, values, column)
            names = [
                (int(groups.total[g]), table.layout.axes[int(groups.axis[g])].name)
                for g in np.concatenate([kept, loosely]).tolist()
            ]
            program = Program(
                table.layout.name,
                self._low[cells],
                self._high[cells],
                Rows.joined([exact, loose]),
            )
            places = {cell: place for place, cell in enumerate(cells.tolist())}
            self._programs[number] = (program, places, names)
        return self._programs[number]
