"""Amounts of money that share hidden cells: what sums still tell of them, and what more to hide.

An amount is hidden with its cell. Its own sums may still bound it: two hidden amounts of which one
is large are each known to within the other. Nobody may come to know the amount of a small cell to
within the policy's tolerance, above or below: the p-percent rule. Where hiding the cells is not
enough, further amounts are hidden, in cells whose counts stay.

Source: DDG 2.0, 4.4.1 (M-4) and Appendix E (linear sensitivity rules for magnitude data).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from deid_platform.core.masking.blocks import blocks
from deid_platform.core.masking.linear import Program, Rows, sum_rows
from deid_platform.core.masking.model import UNBOUNDED, Bools, Floats, Groups, Ints, Layout
from deid_platform.core.masking.moves import Move

_UNITS = 100
"""Amounts are taken in hundredths: cents."""
_ROUNDS = 40
_ADDS_UP = 0.01
"""Sums that miss by up to this share of their total are rounded sums, and tell all the same."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Amounts:
    """One figure of money: its true values in hundredths, and which of them are hidden.

    ``tolerance`` is the share within which a reader may not know the amount of a ``small`` cell.
    """

    layout: Layout
    values: Ints
    hidden: Bools
    small: Bools
    tolerance: float

    @classmethod
    def of(
        cls, layout: Layout, values: Floats, hidden: Bools, small: Bools, tolerance: float
    ) -> Amounts:
        """From amounts as they are shown."""
        cents = np.round(values * _UNITS).astype(np.int64)
        return cls(layout=layout, values=cents, hidden=hidden, small=small, tolerance=tolerance)

    @property
    def wanted(self) -> tuple[Ints, Ints]:
        """The highest lower and the lowest upper bound a reader may have, per cell."""
        room = np.ceil(np.abs(self.values) * self.tolerance).astype(np.int64)
        room = np.maximum(room, 1)
        low = self.values - room
        return (np.maximum(low, 0) if self.none_negative else low), self.values + room

    @property
    def none_negative(self) -> bool:
        """Whether a reader takes it that no amount is below 0."""
        return bool(np.all(self.values >= 0))

    @property
    def slack(self) -> Ints:
        """By how much each sum may miss: as much as any does."""
        groups = self.layout.groups
        apart = np.abs(groups.sums(self.values) - self.values[groups.total])
        return np.full(groups.count, int(apart.max(initial=0)), dtype=np.int64)

    @property
    def add_up(self) -> bool:
        """Whether the sums tell anything at all."""
        groups = self.layout.groups
        apart = np.abs(groups.sums(self.values) - self.values[groups.total])
        scale = np.maximum(np.abs(self.values[groups.total]), _UNITS)
        return bool(np.all(apart <= _ADDS_UP * scale))


def exposed(amounts: Amounts, moves: Mapping[int, tuple[Move, Move]] | None = None) -> Bools:
    """The small cells whose amount a reader knows too well.

    ``moves`` are changes that keep every sum, per small cell; most cells need no program with them.
    """
    found = np.zeros(amounts.layout.cells, dtype=bool)
    watched = np.flatnonzero(amounts.small & amounts.hidden)
    if not len(watched) or not amounts.add_up:
        return found
    low, high = amounts.wanted
    unsure = [
        cell
        for cell in watched.tolist()
        if not _moved_far_enough(amounts, cell, (moves or {}).get(cell), low[cell], high[cell])
    ]
    block = blocks(amounts.layout.groups, amounts.hidden)
    for number in sorted({int(block[cell]) for cell in unsure}):
        cells = np.flatnonzero(block == number)
        program = _program(amounts, cells)
        for cell in (one for one in unsure if block[one] == number):
            place = int(np.searchsorted(cells, cell))
            program.cap(place, int(high[cell]))
            top = float(program.furthest(np.array([place]), 1, 60.0)[place])
            program.cap(place, UNBOUNDED)
            bottom = float(program.furthest(np.array([place]), -1, 60.0)[place])
            found[cell] = (
                top < high[cell] - 0.5 or bottom > low[cell] + 0.5 or top - bottom < 1 - 1e-6
            )
    return found


def _moved_far_enough(
    amounts: Amounts, cell: int, moves: tuple[Move, Move] | None, low: int, high: int
) -> bool:
    """Whether the moves that protect the count also move the amount as far as it must."""
    if moves is None or not amounts.none_negative:
        return False
    least = most = float(amounts.values[cell])
    for move in moves:
        step = int(move.amounts[move.cells == cell].sum())
        if step == 0 or not bool(amounts.hidden[move.cells].all()):
            continue
        for sign in (1, -1):
            change = sign * move.amounts
            falling = change < 0
            room = amounts.values[move.cells][falling] / -change[falling]
            times = float(room.min()) if len(room) else float(UNBOUNDED)
            reached = float(amounts.values[cell]) + sign * step * times
            least, most = min(least, reached), max(most, reached)
    return least <= low and most >= high


def _program(amounts: Amounts, cells: Ints) -> Program:
    groups = amounts.layout.groups
    column = np.full(amounts.layout.cells, -1, dtype=np.int64)
    column[cells] = np.arange(len(cells))
    rows, kept = sum_rows(groups, np.ones(groups.count, dtype=bool), amounts.values, column)
    slack = amounts.slack[kept]
    rows = Rows(
        starts=rows.starts,
        columns=rows.columns,
        values=rows.values,
        lower=rows.lower - slack,
        upper=rows.upper + slack,
    )
    floor = 0 if amounts.none_negative else -UNBOUNDED
    low = np.full(len(cells), floor, dtype=np.int64)
    return Program(amounts.layout.name, low, np.full(len(cells), UNBOUNDED), rows)


def also_hidden(amounts: Amounts, moves: Mapping[int, tuple[Move, Move]] | None = None) -> Bools:
    """The further amounts to hide, so that no small cell's is known within the tolerance.

    In each sum that tells too much the smallest amount that is large enough goes, else the total.
    Deterministic. In the end, where nothing less will do, the figure is hidden as a whole.
    """
    hidden = amounts.hidden.copy()
    groups = amounts.layout.groups
    for _ in range(_ROUNDS):
        now = _hiding(amounts, hidden)
        telling = np.flatnonzero(exposed(now, moves))
        if not len(telling):
            return hidden & ~amounts.hidden
        before = int(hidden.sum())
        for cell in telling.tolist():
            need = int(amounts.wanted[1][cell] - amounts.values[cell])
            # A hidden total is told by the sums above it in its turn.
            chain = [cell]
            for link in chain:
                for group in _sums_of(groups, link):
                    _hide_one(amounts, hidden, link, group, need)
                    total = int(groups.total[group])
                    if hidden[total] and total not in chain:
                        chain.append(total)
        if int(hidden.sum()) == before:
            break
    return ~amounts.hidden


def _hiding(amounts: Amounts, hidden: Bools) -> Amounts:
    return Amounts(
        layout=amounts.layout,
        values=amounts.values,
        hidden=hidden,
        small=amounts.small,
        tolerance=amounts.tolerance,
    )


def _sums_of(groups: Groups, cell: int) -> list[int]:
    as_member = groups.of_member[groups.members == cell]
    return sorted({*as_member.tolist(), *np.flatnonzero(groups.total == cell).tolist()})


def _hide_one(amounts: Amounts, hidden: Bools, cell: int, group: int, need: int) -> None:
    """Hide one more amount of a sum in which the hidden ones besides the cell's are too little."""
    groups = amounts.layout.groups
    members = groups.members[groups.starts[group] : groups.starts[group + 1]]
    total = int(groups.total[group])
    entries = np.append(members, total)
    others = entries[hidden[entries] & (entries != cell)]
    if len(others) and (hidden[total] or int(np.abs(amounts.values[others]).max()) >= need):
        return
    shown = members[~hidden[members] & (amounts.values[members] != 0)]
    enough = shown[np.abs(amounts.values[shown]) >= need]
    chosen = enough if len(enough) else shown
    if not len(chosen):
        hidden[total] = True
        return
    sizes = np.abs(amounts.values[chosen])
    hidden[chosen[int(np.argmin(sizes) if len(enough) else np.argmax(sizes))]] = True
