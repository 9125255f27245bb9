"""The one constraint model that masking, attack and certificate share.

Margins are cells. An *axis* is a dimension whose levels form a tree: a level adds up into its
parent. A *group* is one published sum: a total cell and the cells that add up to it along one
axis (DDG 2.0, 7.2, M-14). Everything is a numpy array over cells in key order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from deid_platform.core.errors import MaskingError

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Strategy = Literal["least_interesting", "smallest", "most_similar"]

SHOWN, SMALL, COMPLEMENTARY = 0, 1, 2
UNBOUNDED = 1 << 40
"""Stands for "no upper bound": above any count of people, and safe to add up in 64 bits."""


@dataclass(frozen=True, kw_only=True)
class MaskingRules:
    """The thresholds of a policy, as masking needs them.

    ``feasible`` are the lowest and highest value that a reader must not be able to rule out for a
    hidden small cell."""

    min_people: int = 11
    feasible: tuple[int, int] = (1, 10)
    strategy: Strategy = "smallest"

    @property
    def largest_small(self) -> int:
        """The highest count that is small (10)."""
        return self.min_people - 1


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A dimension: the parent of each level (-1: none) and how a complement is chosen on it."""

    name: str
    parents: tuple[int, ...]
    strategy: Strategy | None = None
    least_interesting: frozenset[int] = frozenset()
    exact: bool = True

    @property
    def size(self) -> int:
        """How many levels the axis has, margins included."""
        return len(self.parents)


@dataclass(frozen=True, kw_only=True, eq=False)
class Groups:
    """Published sums, compressed: group ``g`` has the members ``members[starts[g]:starts[g+1]]``.

    ``exact`` says whether distinct people add up: a person is in one member only. Where they are
    not exact, the total lies between the largest member and the sum of the members.
    """

    total: Ints
    axis: Ints
    exact: Bools
    starts: Ints
    members: Ints

    @property
    def count(self) -> int:
        """How many groups there are."""
        return len(self.total)

    @cached_property
    def of_member(self) -> Ints:
        """The group of each entry of ``members``."""
        return np.repeat(np.arange(self.count), np.diff(self.starts))

    def sums(self, values: NDArray[np.number]) -> NDArray[np.number]:
        """The sum of the members' values, per group."""
        if self.count == 0:
            return np.zeros(0, dtype=values.dtype)
        sums: NDArray[np.number] = np.add.reduceat(values[self.members], self.starts[:-1])
        return sums

    def largest(self, values: Ints) -> Ints:
        """The largest of the members' values, per group."""
        if self.count == 0:
            return np.zeros(0, dtype=values.dtype)
        largest: Ints = np.maximum.reduceat(values[self.members], self.starts[:-1])
        return largest

    def least(self, nonzero: Bools, *, as_sums: bool = False) -> Ints:
        """The lowest count each cell can have when only the zeros are known.

        Zeros are never hidden (M-3), so whatever is not zero has at least one person, and a sum
        at least as many as its non-zero members. With ``as_sums``, totals whose members overlap
        are taken for sums as well.
        """
        low = nonzero.astype(np.int64)
        summed = self.exact | as_sums
        while True:
            members = np.where(summed, self.sums(low), self.largest(low))
            raised = low.copy()
            np.maximum.at(raised, self.total, members)
            if np.array_equal(raised, low):
                return raised
            low = raised


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """Where each cell lies: one row of level numbers per cell, in key order, no two alike."""

    name: str
    axes: tuple[Axis, ...]
    coordinates: Ints

    def __post_init__(self) -> None:
        keys = self.keys
        if len(keys) > 1 and not bool(np.all(np.diff(keys) > 0)):
            raise MaskingError(
                self.name, "two rows describe one cell", "aggregate to one row per cell"
            )

    @property
    def cells(self) -> int:
        """How many cells the table has."""
        return len(self.coordinates)

    @property
    def shape(self) -> tuple[int, ...]:
        """Levels per axis."""
        return tuple(axis.size for axis in self.axes)

    @cached_property
    def keys(self) -> Ints:
        """One number per cell; ascending in key order."""
        if not self.axes:
            return np.zeros(self.cells, dtype=np.int64)
        keys: Ints = np.asarray(np.ravel_multi_index(tuple(self.coordinates.T), self.shape))
        return keys

    @cached_property
    def groups(self) -> Groups:
        """Every published sum that the axes imply and whose total is a cell of the table."""
        totals, members, axes = [], [], []
        strides = np.array([int(np.prod(self.shape[k + 1 :])) for k in range(len(self.axes))])
        for number, axis in enumerate(self.axes):
            parents = np.array(axis.parents, dtype=np.int64)
            here = self.coordinates[:, number]
            parent = parents[here]
            wanted = self.keys + (parent - here) * strides[number]
            at = np.minimum(np.searchsorted(self.keys, wanted), max(self.cells - 1, 0))
            found = (parent >= 0) & (self.keys[at] == wanted)
            totals.append(at[found])
            members.append(np.flatnonzero(found))
            axes.append(np.full(int(found.sum()), number))
        return _grouped(totals, members, axes, [axis.exact for axis in self.axes])


def _grouped(
    totals: list[Ints], members: list[Ints], axes: list[Ints], exact: list[bool]
) -> Groups:
    if not totals:
        empty = np.zeros(0, dtype=np.int64)
        return Groups(
            total=empty,
            axis=empty,
            exact=empty.astype(bool),
            starts=np.zeros(1, dtype=np.int64),
            members=empty,
        )
    total, member, axis = map(np.concatenate, (totals, members, axes))
    order = np.lexsort((member, total, axis))
    total, member, axis = total[order], member[order], axis[order]
    first = np.ones(len(total), dtype=bool)
    first[1:] = (np.diff(total) != 0) | (np.diff(axis) != 0)
    starts = np.append(np.flatnonzero(first), len(total)).astype(np.int64)
    return Groups(
        total=total[first],
        axis=axis[first],
        exact=np.array(exact, dtype=bool)[axis[first]],
        starts=starts,
        members=member,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskingTable:
    """A table before masking: people and further additive figures of every cell.

    ``gated`` marks the cells in which small counts must be hidden: those of a part whose score is
    at or over the threshold, and those of a high-risk subject (M-1, M-7). ``figures`` add up
    along every axis and are hidden with their cell, and so do ``amounts`` of money. ``limit`` is
    a public upper bound of the people of each cell (its denominator). ``must_publish`` cells are
    never complements, and ``must_hide`` cells always are: another table shows the ones and hides
    the others (M-14).
    ``price`` is what hiding a cell costs, where that is not its people.
    """

    layout: Layout
    people: Ints
    gated: Bools
    figures: dict[str, Floats] = field(default_factory=dict)
    amounts: dict[str, Floats] = field(default_factory=dict)
    limit: Ints | None = None
    must_publish: Bools | None = None
    must_hide: Bools | None = None
    prefer_hide: Bools | None = None
    price: Ints | None = None

    @property
    def name(self) -> str:
        """The table's name, for messages."""
        return self.layout.name

    @property
    def withheld_elsewhere(self) -> Bools:
        """The cells that another table hides."""
        none = np.zeros(self.layout.cells, dtype=bool)
        return none if self.must_hide is None else self.must_hide & (self.people > 0)

    def check(self) -> None:
        """Refuse a table whose margins are not the sums of their members.

        Raises:
            MaskingError: a count is negative, or a margin contradicts its members.
        """
        groups = self.layout.groups
        if len(self.people) and int(self.people.min()) < 0:
            raise MaskingError(self.name, "a count of people is negative", "correct the model")
        sums, total = groups.sums(self.people), self.people[groups.total]
        wrong = np.where(
            groups.exact,
            sums != total,
            (total > sums) | (total < groups.largest(self.people)),
        )
        self._refuse("people", wrong)
        for figure, values in (self.figures | self.amounts).items():
            scale = np.maximum(1.0, np.abs(values[groups.total]))
            apart = np.abs(groups.sums(values) - values[groups.total])
            self._refuse(figure, apart > 1e-6 * scale)

    def _refuse(self, figure: str, wrong: Bools) -> None:
        if bool(wrong.any()):
            axes = sorted({self.layout.axes[k].name for k in self.layout.groups.axis[wrong]})
            raise MaskingError(
                f"{self.name}: {figure}",
                f"{int(wrong.sum())} margins along {', '.join(axes)} are not the sum of their rows",
                "build margins and rows from the same data, or declare the totals inexact",
            )


def primary(table: MaskingTable, rules: MaskingRules) -> Bools:
    """Cells hidden for their own size: 1 to 10 people, where the gate covers them.

    Margins are cells (A-18); zero is never small.

    Source: DDG 2.0, 7.1, M-1, M-3 and M-7.
    """
    small: Bools = (table.people >= 1) & (table.people <= rules.largest_small) & table.gated
    return small
