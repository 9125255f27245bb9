"""The protector: which further cells to hide so that no small cell can be worked out.

Each hidden small cell needs a move (`moves`) that raises it to the highest value a reader must
not rule out, and one that lowers it to the lowest. The cheapest such moves are hidden, cell after
cell; then every complement that turned out needless is shown again.

Source: DDG 2.0, 7.1 and 7.2 (M-2, M-3, M-6, M-11 to M-16), 7.3.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from deid_platform.core.errors import MaskingError
from deid_platform.core.masking.blocks import blocks
from deid_platform.core.masking.model import (
    COMPLEMENTARY,
    UNBOUNDED,
    Bools,
    Ints,
    MaskingRules,
    MaskingTable,
    primary,
)
from deid_platform.core.masking.moves import BLOCKED, Lattice, Move, Room
from deid_platform.core.masking.optimum import Optimiser, Optimum
from deid_platform.core.masking.walk import NEVER, Walk

_PREFERRED = 16
"""A cell that is preferred as a complement counts as this many times smaller."""
_TRIALS = 6_000
_SOLVED_CELLS = 5_000
"""Parts of a table with at most this many cells that are not zero are solved as a whole."""
_TINY = 3
"""A total under which all hidden values are at most this needs one more hidden cell (M-6)."""


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

    def allow(self, table: MaskingTable, move: Move) -> bool:
        """Whether a move leads to counts that are possible."""
        after = table.people[move.cells] + move.amounts
        return bool(np.all((after >= self.low[move.cells]) & (after <= self.high[move.cells])))

    @classmethod
    def published(
        cls, table: MaskingTable, codes: Ints, block: Ints, rules: MaskingRules
    ) -> Bounds:
        """As labelled in the blocks that show a code 2, and unlabelled in the others (A-20)."""
        told = np.isin(block, np.unique(block[codes == COMPLEMENTARY])) & (codes > 0)
        labelled, unlabelled = cls.labelled(table, codes, rules), cls.unlabelled(table)
        return cls(
            low=np.where(told, labelled.low, unlabelled.low),
            high=np.where(told, labelled.high, unlabelled.high),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Pattern:
    """Hidden cells, and for each small one the moves that protect it upwards and downwards.

    ``loss`` is what the complements cost, in sixteenths of a person unless preferences changed it;
    ``loss_bound`` is the least that any safe pattern costs, where that is known.
    """

    hidden: Bools
    up: dict[int, Move]
    down: dict[int, Move]
    loss: int = 0
    loss_bound: float | None = None

    @property
    def gap(self) -> float | None:
        """How far above the bound the loss is, as a share of the bound; None where not known."""
        if self.loss_bound is None:
            return None
        return max(0.0, self.loss - self.loss_bound) / max(1.0, self.loss_bound)


class Protector:
    """Searches moves over one table, under what a reader knows of hidden cells beforehand."""

    def __init__(self, table: MaskingTable, rules: MaskingRules, bounds: Bounds) -> None:
        self.table, self.rules, self.bounds = table, rules, bounds
        lattice = Lattice(table.layout)
        # A move keeps every sum, so it lowers no total below its members, overlap or not.
        self._least = table.layout.groups.least(table.people > 0, as_sums=True)
        self.losses = self._loss()
        spread = lattice.spread
        below = spread(table.people - bounds.low, absent=-1, free=UNBOUNDED)
        above = spread(bounds.high - table.people, absent=-1, free=UNBOUNDED)
        above[below < 0] = -1
        room = Room(
            below=below,
            above=above,
            cost=spread(self.losses, absent=BLOCKED, free=0),
            similar=tuple(
                (axis.strategy or rules.strategy) == "most_similar" for axis in table.layout.axes
            ),
        )
        self.walk = Walk(lattice, room)

    def needs(self, cell: int) -> tuple[int, int]:
        """How far a small cell must be able to rise and to fall; at least somewhere."""
        low, high = self.rules.feasible
        people = int(self.table.people[cell])
        up = min(high, int(self.bounds.high[cell])) - people
        down = people - max(low, int(self._least[cell]))
        return (max(0, up), max(0, down)) if max(up, down) > 0 else (1, 0)

    def offer(self, cell: int) -> None:
        """From now on this cell costs what it cost at first."""
        self.walk.room.cost[tuple(self.table.layout.coordinates[cell])] = self.losses[cell]

    def protect(self, cell: int, *, free_only: bool = False) -> tuple[Move, Move] | None:
        """The cheapest moves that let the cell rise and fall as far as it must, if there are any.

        With ``free_only``, only cells already hidden may be used.
        """
        up, down = self.needs(cell)
        below = 1 if free_only else NEVER
        walk = self.walk
        both = walk.lattice.search(cell, walk.room, up, down, below)
        if both.cost == 0:
            move = walk.lattice.move(cell, both)
            return move.times(up), move.times(-down)
        rise = walk.reach(cell, 1, up, below)
        if rise is None:
            return None
        freed = walk.free(rise)
        fall = walk.reach(cell, -1, down, below)
        walk.restore(freed)
        if fall is None:
            return None
        if both.cost < below and both.cost <= walk.cost_of(rise, fall):
            move = walk.lattice.move(cell, both)
            return move.times(up), move.times(-down)
        return rise, fall

    def join(self, cell: int) -> Move | None:
        """The cheapest move by one person through a cell that is shown so far."""
        return self.walk.reach(cell, 1, 1, NEVER)

    def _loss(self) -> Ints:
        """What hiding each cell costs: its price, adjusted by preferences; zeros never."""
        table, rules = self.table, self.rules
        price = table.people if table.price is None else table.price
        loss = price * _PREFERRED + 1
        preferred = np.zeros(len(loss), dtype=bool)
        for number, axis in enumerate(table.layout.axes):
            if axis.least_interesting and (axis.strategy or rules.strategy) == "least_interesting":
                levels = np.array(sorted(axis.least_interesting))
                preferred |= np.isin(table.layout.coordinates[:, number], levels)
        if table.prefer_hide is not None:
            preferred |= table.prefer_hide
        loss[preferred] = price[preferred] + 1
        loss[table.people == 0] = BLOCKED
        if table.must_publish is not None:
            loss[table.must_publish] = BLOCKED
        return np.where(primary(table, rules) | table.withheld_elsewhere, 0, loss)


def never() -> bool:
    """No time limit."""
    return False


def protect(
    table: MaskingTable, rules: MaskingRules, expired: Callable[[], bool] = never
) -> Pattern:
    """Hide the small cells and what else keeps them from being worked out.

    Deterministic, and the same whatever the order in which a source holds the rows: cells are
    visited in key order within their size. ``expired`` says when the time is over: the search then
    ends with the best safe pattern it has, and is refused where it has none.

    Raises:
        MaskingError: some small cell cannot be protected, whatever else is hidden, or the time
            was over before all were.
    """
    small = primary(table, rules)
    protector = Protector(table, rules, Bounds.unlabelled(table))
    hidden = small | table.withheld_elsewhere
    parts = _parts(table, small, protector, expired)
    for _, optimum in parts:
        hidden |= optimum.hidden
    for cell in np.flatnonzero(hidden & ~small).tolist():
        protector.walk.hide(cell)
    solved = {cell: part for part in parts for cell in part[0].cells}
    up: dict[int, Move] = {}
    down: dict[int, Move] = {}
    cells = np.flatnonzero(small)
    for cell in cells[np.argsort(table.people[cells], kind="stable")].tolist():
        safe = cell in solved and solved[cell][1].safe
        if not safe and expired():
            raise MaskingError(
                table.name,
                "the time was over before every small cell was protected",
                "allow more time, or publish coarser groups",
            )
        moves = None
        if safe:
            moves = _solved_moves(solved[cell][0], protector, hidden, cell, expired)
        moves = moves or protector.protect(cell)
        if moves is None:
            raise MaskingError(
                table.name,
                "a small cell cannot be protected, whatever else is hidden",
                "publish coarser groups, or allow more cells to be hidden",
            )
        up[cell], down[cell] = moves
        for used in np.union1d(up[cell].cells, down[cell].cells).tolist():
            hidden[used] = True
            protector.walk.hide(used)
    pattern = Pattern(hidden=hidden, up=up, down=down)
    unsolved = [cell for cell in cells.tolist() if cell not in solved]
    if unsolved:
        pattern = _shown_again(table, small, protector, pattern, expired)
    pattern = _rule_six(table, rules, protector, pattern)
    complements = pattern.hidden & ~small
    # A move keeps overlapping totals as well, which is more than publication asks of them.
    exact = bool(table.layout.groups.exact.all())
    proven = exact and not unsolved and all(optimum.proven for _, optimum in parts)
    return replace(
        pattern,
        loss=int(protector.losses[complements].sum()),
        loss_bound=sum(optimum.bound for _, optimum in parts) if proven else None,
    )


def _parts(
    table: MaskingTable, small: Bools, protector: Protector, expired: Callable[[], bool]
) -> list[tuple[Optimiser, Optimum]]:
    """Solve the parts of the table that no sum links to the rest, where they are not too large."""
    if "most_similar" in {axis.strategy or protector.rules.strategy for axis in table.layout.axes}:
        return []  # a partner's nearness is no cost of the cell itself
    component = blocks(table.layout.groups, table.people > 0)
    parts = []
    for number in np.unique(component[small]).tolist():
        inside = component == number
        if int(inside.sum()) > _SOLVED_CELLS:
            continue
        needs = {cell: protector.needs(cell) for cell in np.flatnonzero(inside & small).tolist()}
        optimiser = Optimiser(
            table,
            (small | table.withheld_elsewhere) & inside,
            np.where(inside, protector.losses, BLOCKED),
            needs,
            expired,
        )
        parts.append((optimiser, optimiser.solve()))
    return parts


def _solved_moves(
    optimiser: Optimiser,
    protector: Protector,
    hidden: Bools,
    cell: int,
    expired: Callable[[], bool],
) -> tuple[Move, Move] | None:
    """Moves over hidden cells: those the search left, else walks, else programs while time is left.

    Without them the cell takes further complements.
    """
    needs = protector.needs(cell)
    moves = optimiser.known(hidden, cell, needs) or protector.protect(cell, free_only=True)
    return moves if moves or expired() else optimiser.moves(hidden, cell, needs)


def _shown_again(
    table: MaskingTable,
    small: Bools,
    protector: Protector,
    pattern: Pattern,
    expired: Callable[[], bool],
) -> Pattern:
    """Show again the complements that the small cells can do without.

    Those that hide most people for the fewest small cells come first. The number of trials is
    bounded, not the time, so that the outcome is the same on any machine.
    """
    users: dict[int, set[int]] = defaultdict(set)
    for cell in pattern.up:
        for used in itertools.chain(pattern.up[cell].cells, pattern.down[cell].cells):
            users[int(used)].add(cell)
    hidden, up, down = pattern.hidden.copy(), dict(pattern.up), dict(pattern.down)
    trials, changed = _TRIALS, True
    while changed and trials > 0:
        changed = False
        complements = np.flatnonzero(hidden & ~small & ~table.withheld_elsewhere).tolist()
        for complement in sorted(
            complements, key=lambda c: (-int(table.people[c]) // (1 + len(users[c])), c)
        ):
            if users[complement] and (trials < 0 or expired()):
                break
            protector.walk.show(complement)
            found: dict[int, tuple[Move, Move]] = {}
            for cell in sorted(users[complement]):
                trials -= 1
                moves = protector.protect(cell, free_only=True)
                if moves is None:
                    break
                found[cell] = moves
            if len(found) < len(users[complement]):
                protector.walk.hide(complement)
                continue
            changed = True
            hidden[complement] = False
            protector.offer(complement)
            for cell, moves in found.items():
                for used in itertools.chain(up[cell].cells, down[cell].cells):
                    users[int(used)].discard(cell)
                up[cell], down[cell] = moves
                for used in itertools.chain(*(move.cells for move in moves)):
                    users[int(used)].add(cell)
    return replace(pattern, hidden=hidden, up=up, down=down)


def _rule_six(
    table: MaskingTable, rules: MaskingRules, protector: Protector, pattern: Pattern
) -> Pattern:
    """Hide one more cell under each shown total whose hidden cells are all tiny or under 11.

    The further cell brings the cheapest move through it, so that it is not given back at once.

    Source: DDG 2.0, 7.1, M-6, and 7.2, M-12 and M-16.

    Raises:
        MaskingError: no further cell can be hidden where the rule wants one.
    """
    hidden, groups = pattern.hidden.copy(), table.layout.groups
    while (broken := breaking_rule_six(table, rules, hidden)).size:
        group = int(broken[0])
        members = groups.members[groups.starts[group] : groups.starts[group + 1]]
        candidates = members[~hidden[members] & (table.people[members] >= rules.min_people)]
        found = [move for cell in candidates.tolist() if (move := protector.join(cell)) is not None]
        if not found and (move := protector.join(int(groups.total[group]))) is not None:
            found = [move]
        if not found:
            raise MaskingError(
                table.name,
                "no further cell can be hidden under a total whose hidden cells are all tiny",
                "publish coarser groups",
            )
        best = min(found, key=protector.walk.cost_of)
        for used in best.cells.tolist():
            hidden[used] = True
            protector.walk.hide(used)
    return replace(pattern, hidden=hidden)


def breaking_rule_six(table: MaskingTable, rules: MaskingRules, hidden: Bools) -> Ints:
    """The sums with a shown total under which what is hidden is alone, tiny or too few in all."""
    groups = table.layout.groups
    count = groups.sums(hidden.astype(np.int64))
    people = groups.sums(np.where(hidden, table.people, 0))
    largest = groups.largest(np.where(hidden, table.people, 0))
    watched = groups.exact & ~hidden[groups.total] & (count > 0)
    return np.flatnonzero(
        watched & ((count == 1) | (people < rules.min_people) | (largest <= _TINY))
    )
