"""The protector: which further cells to hide so that no small cell can be worked out.

Each hidden small cell needs a move (`moves`) that raises it to the highest value a reader must
not rule out, and one that lowers it to the lowest. The cheapest such moves are hidden, cell after
cell; then every complement that turned out needless is shown again.

Source: DDG 2.0, 7.1 and 7.2 (M-2, M-3, M-6, M-11 to M-16), 7.3.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from deid_platform.core.errors import MaskingError
from deid_platform.core.masking.model import (
    COMPLEMENTARY,
    UNBOUNDED,
    Bools,
    Ints,
    MaskingRules,
    MaskingTable,
    primary,
)
from deid_platform.core.masking.moves import BLOCKED, Lattice, Move, Room, Search

_PREFERRED = 16
"""A cell that is preferred as a complement counts as this many times smaller."""
_NEVER = BLOCKED // 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class Bounds:
    """What a reader knows beforehand of a hidden cell: its lowest and highest possible count."""

    low: Ints
    high: Ints

    @classmethod
    def unlabelled(cls, table: MaskingTable) -> Bounds:
        """Codes say nothing: at least one person, as zeros are never hidden (M-3)."""
        high = np.full(table.layout.cells, UNBOUNDED, dtype=np.int64)
        if table.limit is not None:
            high = np.maximum(table.limit, table.people)
        return cls(low=np.ones(table.layout.cells, dtype=np.int64), high=high)

    @classmethod
    def labelled(cls, table: MaskingTable, codes: Ints, rules: MaskingRules) -> Bounds:
        """Codes say which hidden cells are small and which are not."""
        bounds = cls.unlabelled(table)
        low = np.where(codes == COMPLEMENTARY, rules.min_people, bounds.low)
        small = np.minimum(bounds.high, rules.largest_small)
        high = np.where((table.people <= rules.largest_small) & (codes > 0), small, bounds.high)
        return cls(low=low, high=high)


@dataclass(frozen=True, kw_only=True, eq=False)
class Pattern:
    """Hidden cells, and for each small one the moves that protect it upwards and downwards."""

    hidden: Bools
    up: dict[int, Move]
    down: dict[int, Move]


class Protector:
    """Searches moves over one table, under what a reader knows of hidden cells beforehand."""

    def __init__(self, table: MaskingTable, rules: MaskingRules, bounds: Bounds) -> None:
        self.table, self.rules, self.bounds = table, rules, bounds
        self.lattice = Lattice(table.layout)
        self._least = table.layout.groups.least(table.people > 0)
        spread = self.lattice.spread
        below = spread(table.people - bounds.low, absent=-1, free=UNBOUNDED)
        above = spread(bounds.high - table.people, absent=-1, free=UNBOUNDED)
        above[below < 0] = -1
        self._room = Room(
            below=below,
            above=above,
            cost=spread(self._loss(), absent=BLOCKED, free=0),
            similar=tuple(
                (axis.strategy or rules.strategy) == "most_similar" for axis in table.layout.axes
            ),
        )

    def needs(self, cell: int) -> tuple[int, int]:
        """How far a small cell must be able to rise and to fall; at least somewhere."""
        low, high = self.rules.feasible
        people = int(self.table.people[cell])
        up = min(high, int(self.bounds.high[cell])) - people
        down = people - max(low, int(self._least[cell]))
        return (max(0, up), max(0, down)) if max(up, down) > 0 else (1, 0)

    def hide(self, cell: int) -> None:
        """From now on this cell costs nothing."""
        self._room.cost[tuple(self.table.layout.coordinates[cell])] = 0

    def show(self, cell: int) -> None:
        """From now on this cell may not be in any move."""
        self._room.cost[tuple(self.table.layout.coordinates[cell])] = BLOCKED

    def allow(self, cell: int, cost: int) -> None:
        """Give the cell a cost again."""
        self._room.cost[tuple(self.table.layout.coordinates[cell])] = cost

    def protect(self, cell: int, *, free_only: bool = False) -> tuple[Move, Move] | None:
        """The cheapest moves that let the cell rise and fall as far as it must, if there are any.

        With ``free_only``, only cells already hidden may be used.
        """
        up, down = self.needs(cell)
        below = 1 if free_only else _NEVER
        both = self.lattice.search(cell, self._room, up, down, below)
        if both.cost == 0:
            move = self.lattice.move(cell, both)
            return move.times(up), move.times(-down)
        rise = self._reach(cell, 1, up, below)
        if rise is None:
            return None
        freed = self._free(rise)
        fall = self._reach(cell, -1, down, below)
        self._restore(freed)
        if fall is None:
            return None
        if both.cost < below and both.cost <= self._cost_of(rise, fall):
            move = self.lattice.move(cell, both)
            return move.times(up), move.times(-down)
        return rise, fall

    def _reach(self, cell: int, direction: int, amount: int, below: int) -> Move | None:
        """Move the cell by ``amount`` in several steps: over free cells first, then the cheapest.

        Leaves the room as it was.
        """
        total = Move(cells=np.array([cell]), amounts=np.array([0]))
        freed: list[tuple[tuple[int, ...], int]] = []
        left = amount
        while left > 0:
            found = self.lattice.widest(cell, self._room, direction)
            step = min(left, found.reach)
            if step == 0 and below > 1:
                found, step = self._cheapest(cell, direction, left, below)
            if step == 0:
                break
            move = self.lattice.move(cell, found).times(direction * step)
            freed.extend(self._free(move))
            self._shift(move, 1)
            total = total + move
            left -= step
        self._shift(total, -1)
        self._restore(freed)
        return None if left > 0 else total

    def _cheapest(self, cell: int, direction: int, left: int, below: int) -> tuple[Search, int]:
        """The cheapest move by all that is left, or by as much of it as there is a move for."""
        for step in range(left, 0, -1):
            up, down = (step, 0) if direction > 0 else (0, step)
            found = self.lattice.search(cell, self._room, up, down, below)
            if found.cost < below:
                return found, step
        return found, 0

    def _at(self, cells: Ints) -> tuple[Ints, ...]:
        return tuple(self.table.layout.coordinates[cells].T)

    def _shift(self, move: Move, times: int) -> None:
        """Use up the room that a move takes (1), or give it back (-1)."""
        at = self._at(move.cells)
        self._room.above[at] -= times * move.amounts
        self._room.below[at] += times * move.amounts

    def _free(self, move: Move) -> list[tuple[tuple[int, ...], int]]:
        """Make a move's cells free for the next search; returns what they cost before."""
        before = []
        for place in zip(*(axis.tolist() for axis in self._at(move.cells)), strict=True):
            before.append((place, int(self._room.cost[place])))
            self._room.cost[place] = 0
        return before

    def _restore(self, before: list[tuple[tuple[int, ...], int]]) -> None:
        for place, cost in reversed(before):
            self._room.cost[place] = cost

    def _cost_of(self, *moves: Move) -> int:
        cells = np.unique(np.concatenate([move.cells for move in moves]))
        return int(self._room.cost[self._at(cells)].sum())

    def _loss(self) -> Ints:
        """What hiding each cell costs: its people, adjusted by preferences; zeros never."""
        table, rules = self.table, self.rules
        loss = table.people * _PREFERRED + 1
        preferred = np.zeros(len(loss), dtype=bool)
        for number, axis in enumerate(table.layout.axes):
            if axis.least_interesting and (axis.strategy or rules.strategy) == "least_interesting":
                levels = np.array(sorted(axis.least_interesting))
                preferred |= np.isin(table.layout.coordinates[:, number], levels)
        if table.prefer_hide is not None:
            preferred |= table.prefer_hide
        loss[preferred] = table.people[preferred] + 1
        loss[table.people == 0] = BLOCKED
        if table.must_publish is not None:
            loss[table.must_publish] = BLOCKED
        return np.where(primary(table, rules), 0, loss)


def protect(table: MaskingTable, rules: MaskingRules) -> Pattern:
    """Hide the small cells and what else keeps them from being worked out.

    Deterministic, and the same whatever the order in which a source holds the rows: cells are
    visited in key order within their size.

    Raises:
        MaskingError: some small cell cannot be protected, whatever else is hidden.
    """
    small = primary(table, rules)
    protector = Protector(table, rules, Bounds.unlabelled(table))
    hidden = small.copy()
    up: dict[int, Move] = {}
    down: dict[int, Move] = {}
    cells = np.flatnonzero(small)
    for cell in cells[np.argsort(table.people[cells], kind="stable")].tolist():
        moves = protector.protect(cell)
        if moves is None:
            raise MaskingError(
                table.name,
                "a small cell cannot be protected, whatever else is hidden",
                "publish coarser groups, or allow more cells to be hidden",
            )
        up[cell], down[cell] = moves
        for used in np.union1d(up[cell].cells, down[cell].cells).tolist():
            hidden[used] = True
            protector.hide(used)
    pattern = Pattern(hidden=hidden, up=up, down=down)
    pattern = _shown_again(table, small, protector, pattern)
    check_rule_six(table, rules, pattern.hidden)
    return pattern


def _shown_again(
    table: MaskingTable, small: Bools, protector: Protector, pattern: Pattern
) -> Pattern:
    """Show, largest first, every complement that the small cells can do without."""
    users: dict[int, set[int]] = defaultdict(set)
    for cell in pattern.up:
        for used in itertools.chain(pattern.up[cell].cells, pattern.down[cell].cells):
            users[int(used)].add(cell)
    hidden, up, down = pattern.hidden.copy(), dict(pattern.up), dict(pattern.down)
    changed = True
    while changed:
        changed = False
        complements = np.flatnonzero(hidden & ~small)
        largest_first = np.argsort(-table.people[complements], kind="stable")
        for complement in complements[largest_first].tolist():
            protector.show(complement)
            found: dict[int, tuple[Move, Move]] = {}
            for cell in sorted(users[complement]):
                moves = protector.protect(cell, free_only=True)
                if moves is None:
                    break
                found[cell] = moves
            if len(found) < len(users[complement]):
                protector.hide(complement)
                continue
            changed = True
            hidden[complement] = False
            for cell, moves in found.items():
                for used in itertools.chain(up[cell].cells, down[cell].cells):
                    users[int(used)].discard(cell)
                up[cell], down[cell] = moves
                for used in itertools.chain(*(move.cells for move in moves)):
                    users[int(used)].add(cell)
    return Pattern(hidden=hidden, up=up, down=down)


def check_rule_six(table: MaskingTable, rules: MaskingRules, hidden: Bools) -> None:
    """Where a total is shown, what is hidden under it is neither alone, tiny nor under 11 in all.

    Source: DDG 2.0, 7.1, M-6, and 7.2, M-12.

    Raises:
        MaskingError: a group breaks the rule.
    """
    groups = table.layout.groups
    count = groups.sums(hidden.astype(np.int64))
    people = groups.sums(np.where(hidden, table.people, 0))
    largest = groups.largest(np.where(hidden, table.people, 0))
    watched = groups.exact & ~hidden[groups.total] & (count > 0)
    broken = watched & ((count == 1) | (people < rules.min_people) | (largest <= 3))
    if bool(broken.any()):
        raise MaskingError(
            table.name,
            f"{int(broken.sum())} sums would still give a hidden cell away",
            "publish coarser groups",
        )
