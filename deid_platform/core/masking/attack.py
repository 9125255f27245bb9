"""The attacker: what a reader of the published table can still work out.

He knows every published value, that zeros are never hidden, that sums add up, that people are
whole, what the codes say, a public upper bound where there is one, and how shown statistics are
rounded. For each hidden cell he gets the interval of counts that agree with all of it.

Source: DDG 2.0, 7.3.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from deid_platform.core.errors import MaskingError
from deid_platform.core.masking.blocks import blocks
from deid_platform.core.masking.intervals import Budget, Question, close
from deid_platform.core.masking.model import (
    COMPLEMENTARY,
    SMALL,
    UNBOUNDED,
    Bools,
    Floats,
    Groups,
    Ints,
    Layout,
    MaskingRules,
)
from deid_platform.core.masking.ratios import PEOPLE, Intervals, Ratio, pairs_of, tighten

_ROUNDS = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class PublishedTable:
    """A table as its readers see it.

    ``people`` is -1 where hidden; ``codes`` are the annotation codes; ``figures`` are whole
    numbers that add up (-1 where hidden) and of which each hidden one is at least its people.
    ``told`` are intervals that shown statistics give for people and figures, ``ratios`` what they
    say of two hidden numbers at once.
    """

    layout: Layout
    people: Ints
    codes: Ints
    figures: dict[str, Ints]
    limit: Ints | None = None
    told: Intervals = field(default_factory=dict)
    ratios: tuple[Ratio, ...] = ()

    @property
    def hidden(self) -> Bools:
        """Which cells are withheld."""
        hidden: Bools = self.people < 0
        return hidden

    @property
    def incomplete(self) -> Bools:
        """Which cells lack their people or a figure."""
        incomplete = self.people < 0
        for values in self.figures.values():
            incomplete = incomplete | (values < 0)
        return incomplete


@dataclass(frozen=True, kw_only=True, eq=False)
class Attack:
    """What the attacker knows in the end.

    ``low`` and ``high`` are the interval of every hidden cell (of shown cells, their value);
    ``watched`` are hidden cells that may be small; ``recovered`` are those of which a single
    value remains, for its people or for a figure, and ``narrowed`` those where a value the policy
    protects is ruled out. ``undecided`` ran out of time. ``reach_low`` and ``reach_high`` are
    values that some consistent table does have.
    """

    low: Ints
    high: Ints
    watched: Bools
    recovered: Bools
    narrowed: Bools
    undecided: Bools
    reach_low: Floats
    reach_high: Floats

    @property
    def holds(self) -> bool:
        """Whether the masking withstood."""
        return not bool(self.recovered.any() or self.narrowed.any() or self.undecided.any())

    def summary(self) -> dict[str, int]:
        """Counts only: cells watched, recovered, narrowed and undecided."""
        return {
            "hidden_watched": int(self.watched.sum()),
            "recovered": int(self.recovered.sum()),
            "narrowed": int(self.narrowed.sum()),
            "undecided": int(self.undecided.sum()),
        }


def attack(
    table: PublishedTable,
    rules: MaskingRules,
    *,
    small: Bools | None = None,
    seconds: float = 600.0,
    reached: tuple[Ints, Ints] | None = None,
) -> Attack:
    """Work out what can be worked out.

    Args:
        table: what is published.
        rules: what the policy protects.
        small: the cells to judge, where they are known. Otherwise every hidden cell that may be
            small is looked at, and one is narrowed when it is known to be small.
        seconds: what the linear programs may take in all; cells they leave open count against
            the masking.
        reached: lowest and highest counts that tables which agree with all that is published are
            known to have (`witnesses.reached`); only the other cells need programs.

    Raises:
        MaskingError: what is published contradicts itself.
    """
    low, high = prior(table, rules)
    low, high, figures = propagate(table, low, high)
    return closed(table, rules, low, high, figures, small, Budget(seconds), reached)


def closed(
    table: PublishedTable,
    rules: MaskingRules,
    low: Ints,
    high: Ints,
    figures: dict[str, tuple[Ints, Ints]],
    small: Bools | None,
    budget: Budget,
    known: tuple[Ints, Ints] | None,
) -> Attack:
    """Close the intervals that propagation left, block by block, and judge them."""
    watched = table.hidden & (low <= rules.largest_small)
    if small is not None:
        watched &= small
    floor, reach = goals(table, rules)
    undecided = np.zeros(len(low), dtype=bool)
    reach_low, reach_high = high.astype(float), low.astype(float)
    block = blocks(table.layout.groups, table.incomplete, pairs_of(table.ratios))
    for number in np.unique(block[watched]).tolist():
        reached = close(
            Question(
                layout=table.layout,
                people=np.where(table.hidden, 0, table.people),
                figure_values={n: np.where(v < 0, 0, v) for n, v in table.figures.items()},
                block=block == number,
                low=low,
                high=high,
                figures=figures,
                watched=watched,
                goal_low=floor,
                goal_high=reach,
                reached=known,
                ratios=table.ratios,
            ),
            budget,
        )
        undecided |= reached.open
        reach_low = np.minimum(reach_low, reached.low)
        reach_high = np.maximum(reach_high, reached.high)
    single = low == high
    for least, most in figures.values():
        single |= least == most
    recovered = watched & single
    narrowed = watched & ~recovered & ((low > floor) | (high < reach))
    if small is None:
        narrowed &= high <= rules.largest_small
    return Attack(
        low=low,
        high=high,
        reach_low=reach_low,
        reach_high=reach_high,
        watched=watched,
        recovered=recovered,
        narrowed=narrowed,
        undecided=undecided & ~recovered & ~narrowed,
    )


def goals(table: PublishedTable, rules: MaskingRules) -> tuple[Ints, Ints]:
    """The lowest and highest count that must stay possible, per cell.

    A reader who sees that so many cells under a margin are not zero, or a denominator, takes that
    much for known whatever is hidden, even where people might stand in several of them.
    """
    low, high = rules.feasible
    floor = np.maximum(low, table.layout.groups.least(table.people != 0, as_sums=True))
    reach = np.full(len(floor), high, dtype=np.int64)
    if table.limit is not None:
        reach = np.minimum(reach, np.maximum(table.limit, 1))
    return floor, np.maximum(reach, floor + 1)


def prior(table: PublishedTable, rules: MaskingRules) -> tuple[Ints, Ints]:
    """What is known before any sum is used.

    Code 1 says "small" only where the same block of sums also shows a code 2; elsewhere the codes
    of the block may have been collapsed to 1 (A-20).
    """
    hidden = table.hidden
    block = blocks(table.layout.groups, hidden)
    told = np.zeros(table.layout.cells + 1, dtype=bool)
    told[block[hidden & (table.codes == COMPLEMENTARY)]] = True
    told = told[block] & hidden
    low = np.where(hidden, 1, table.people)
    high = np.where(hidden, UNBOUNDED, table.people)
    if table.limit is not None:
        high = np.where(hidden, np.maximum(table.limit, 1), high)
    high = np.where(told & (table.codes == SMALL), np.minimum(high, rules.largest_small), high)
    low = np.where(told & (table.codes == COMPLEMENTARY), rules.min_people, low)
    if PEOPLE in table.told:
        least, most = table.told[PEOPLE]
        low, high = np.where(hidden, np.maximum(low, least), low), np.minimum(high, most)
        high = np.where(hidden, high, table.people)
    return low, high


def propagate(
    table: PublishedTable, low: Ints, high: Ints
) -> tuple[Ints, Ints, dict[str, tuple[Ints, Ints]]]:
    """Tighten intervals over sums, for people and for each figure, until nothing changes.

    Raises:
        MaskingError: an interval becomes empty.
    """
    low, high = low.copy(), high.copy()
    figures = {
        name: (
            np.where(values < 0, low, values),
            np.where(values < 0, UNBOUNDED, values),
        )
        for name, values in table.figures.items()
    }
    for name, (least, most) in figures.items():
        if name in table.told:
            unknown = table.figures[name] < 0
            np.maximum(least, table.told[name][0], out=least, where=unknown)
            np.minimum(most, table.told[name][1], out=most, where=unknown)
    groups, hidden = table.layout.groups, table.hidden
    every = np.ones(groups.count, dtype=bool)
    for _ in range(_ROUNDS):
        before = low.copy(), high.copy(), {n: (a.copy(), b.copy()) for n, (a, b) in figures.items()}
        _tighten(groups, groups.exact, low, high)
        _tighten_inexact(groups, ~groups.exact, low, high)
        for least, most in figures.values():
            np.maximum(least, low, out=least, where=hidden)
            _tighten(groups, every, least, most)
            np.minimum(high, most, out=high, where=hidden)
        tighten(table.ratios, {PEOPLE: (low, high), **figures})
        if bool((low > high).any()) or any(bool((a > b).any()) for a, b in figures.values()):
            raise MaskingError(
                table.layout.name,
                "what is published contradicts itself",
                "check that rows and margins come from the same data",
            )
        unchanged = np.array_equal(low, before[0]) and np.array_equal(high, before[1])
        if unchanged and all(
            np.array_equal(a, before[2][n][0]) and np.array_equal(b, before[2][n][1])
            for n, (a, b) in figures.items()
        ):
            break
    return low, high, figures


def _tighten(groups: Groups, of: Bools, low: Ints, high: Ints) -> None:
    """total = sum of members."""
    if not bool(of.any()):
        return
    least, most = groups.sums(low), groups.sums(high)
    np.maximum.at(low, groups.total[of], least[of])
    np.minimum.at(high, groups.total[of], most[of])
    entry = of[groups.of_member]
    member, group = groups.members[entry], groups.of_member[entry]
    least, most = groups.sums(low), groups.sums(high)
    ceiling = high[groups.total[group]] - (least[group] - low[member])
    floor = low[groups.total[group]] - (most[group] - high[member])
    np.minimum.at(high, member, ceiling)
    np.maximum.at(low, member, floor)


def _tighten_inexact(groups: Groups, of: Bools, low: Ints, high: Ints) -> None:
    """Largest member <= total <= sum of members: a person may be in several members."""
    if not bool(of.any()):
        return
    np.maximum.at(low, groups.total[of], groups.largest(low)[of])
    np.minimum.at(high, groups.total[of], groups.sums(high)[of])
    entry = of[groups.of_member]
    member, group = groups.members[entry], groups.of_member[entry]
    most = groups.sums(high)
    np.minimum.at(high, member, high[groups.total[group]])
    np.maximum.at(low, member, low[groups.total[group]] - (most[group] - high[member]))
