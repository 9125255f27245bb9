"""Moves: ways to change hidden cells that leave every published sum as it is.

Along one axis, a change keeps all sums when it follows a path from a leaf up to its root, or such
a path less another one. A *move* takes one such change per axis and multiplies them: with two
levels per axis it is the corners of a box with alternating signs. Adding a move to a table gives
another table that agrees with all that is published, so a move over hidden cells is a proof, in
whole people, of what a reader cannot rule out.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from deid_platform.core.errors import MaskingError
from deid_platform.core.masking.model import Axis, Bools, Ints, Layout

BLOCKED = 1 << 44
"""Cost of a cell that may not be in a move."""
_PER_LEVEL = 1 << 22
_LARGEST_LATTICE = 40_000_000
_BOXES = 6_000
"""How many moves are looked at together for one cell; the cheapest levels are kept."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Move:
    """Cells and by how much each changes; the first is the cell the move was made for."""

    cells: Ints
    amounts: Ints

    def __add__(self, other: Move) -> Move:
        """Both changes together; they are made for the same cell."""
        cells, inverse = np.unique(np.r_[self.cells, other.cells], return_inverse=True)
        amounts = np.bincount(inverse, np.r_[self.amounts, other.amounts]).astype(np.int64)
        here = (amounts != 0) & (cells != self.cells[0])
        first = np.flatnonzero(cells == self.cells[0])
        order = np.r_[first, np.flatnonzero(here)]
        return Move(cells=cells[order], amounts=amounts[order])

    def times(self, factor: int) -> Move:
        """The change, so many times over."""
        return Move(cells=self.cells, amounts=self.amounts * factor)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Steps:
    """The changes along one axis that involve one level: levels (padded) and signs per choice."""

    levels: Ints
    signs: Ints


class Lattice:
    """The dense box of all level combinations, in which moves are searched.

    A combination without a row is zero where a published sum would count it, and otherwise
    unpublished, hence free to take any value.
    """

    def __init__(self, layout: Layout) -> None:
        if int(np.prod([axis.size + 1 for axis in layout.axes], dtype=object)) > _LARGEST_LATTICE:
            raise MaskingError(
                layout.name,
                "the dimensions span more combinations than can be searched",
                "split the table into parts with fewer dimensions",
            )
        self.layout = layout
        self.padded = tuple(axis.size + 1 for axis in layout.axes)
        self._steps: dict[tuple[int, int], _Steps] = {}
        self.cell_at = np.full(self.padded, -1, dtype=np.int64)
        self.cell_at[tuple(layout.coordinates.T)] = np.arange(layout.cells)
        self._inside = tuple(slice(0, axis.size) for axis in layout.axes)

    @cached_property
    def unpublished(self) -> Bools:
        """Combinations without a row that no published sum counts."""
        groups = self.layout.groups
        absent = self.cell_at[self._inside] < 0
        free = absent.copy()
        for number, axis in enumerate(self.layout.axes):
            total = np.zeros(self.layout.shape, dtype=bool)
            of_axis = groups.total[groups.axis == number]
            total[tuple(self.layout.coordinates[of_axis].T)] = True
            parents = np.array(axis.parents)
            counted = np.take(total, np.maximum(parents, 0), axis=number)
            shape = [1] * len(self.layout.axes)
            shape[number] = axis.size
            free &= ~(counted & (parents >= 0).reshape(shape))
        return free

    def spread(self, values: Ints, *, absent: int, free: int) -> Ints:
        """Values of the cells over the box; the padding level is free everywhere."""
        box = np.full(self.padded, free, dtype=np.int64)
        inside = np.where(self.unpublished, free, absent).astype(np.int64)
        inside[tuple(self.layout.coordinates.T)] = values
        box[self._inside] = inside
        return box

    def steps(self, axis: int, level: int) -> _Steps:
        """Every change along an axis that raises ``level`` by one."""
        if (axis, level) not in self._steps:
            self._steps[axis, level] = _steps(self.layout.axes[axis], level)
        return self._steps[axis, level]

    def search(self, cell: int, room: Room, up: int, down: int, below: int = BLOCKED) -> Search:
        """The cheapest move through a cell that can go up by ``up`` and, reversed, by ``down``.

        Moves that cost ``below`` or more are not looked for.
        """
        coordinates = self.layout.coordinates[cell]
        chosen = []
        for number in range(len(self.layout.axes)):
            picks, cost = self._affordable(number, coordinates, room, up, down)
            within = cost < below
            chosen.append((picks[within], cost[within]))
            if not bool(within.any()):
                return Search(cost=BLOCKED, kept=[], place=0, shape=())
        chosen = _fewer(chosen)
        return self._combined(coordinates, _fewer(chosen), room, up, down)

    def widest(self, cell: int, room: Room, direction: int) -> Search:
        """The move over free cells that takes the cell furthest up (1) or down (-1).

        ``reach`` of the result is how far; the cost is 0, or `BLOCKED` when it does not move.
        """
        coordinates = self.layout.coordinates[cell]
        chosen = []
        for number in range(len(self.layout.axes)):
            at = (*coordinates[:number], slice(None), *coordinates[number + 1 :])
            steps = self.steps(number, int(coordinates[number]))
            rising, falling = room.reaches(at, direction)
            reach = np.where(steps.signs > 0, rising[steps.levels], falling[steps.levels]).min(
                axis=1
            )
            picks = np.flatnonzero(reach > 0)
            if len(picks) == 0:
                return _NOTHING
            chosen.append((picks, -reach[picks]))
        chosen = _fewer(chosen)
        kept, unions, places = self._regions(coordinates, chosen)
        rising, falling = room.reaches(_region(unions), direction)
        for number, (steps, picks) in enumerate(kept):
            rising, falling = _folded(
                rising, falling, number, places[number], steps.signs[picks] > 0, np.minimum
            )
        place = int(np.argmax(rising))
        reach = int(rising.flat[place])
        cost = 0 if reach > 0 else BLOCKED
        return Search(cost=cost, kept=kept, place=place, shape=rising.shape, reach=reach)

    def _combined(
        self,
        coordinates: Ints,
        chosen: list[tuple[Ints, Ints]],
        room: Room,
        up: int,
        down: int,
    ) -> Search:
        kept, unions, places = self._regions(coordinates, chosen)
        rising, falling = room.costs(_region(unions), up, down)
        for number, (steps, picks) in enumerate(kept):
            rising, falling = _folded(
                rising, falling, number, places[number], steps.signs[picks] > 0, np.add
            )
            if room.similar[number]:
                distance = _distances(self.layout.axes[number], int(coordinates[number]))
                cost = distance[steps.levels[picks]].sum(axis=1)
                rising = rising + _along(cost, number, rising.ndim)
        place = int(np.argmin(rising))
        return Search(cost=int(rising.flat[place]), kept=kept, place=place, shape=rising.shape)

    def _regions(
        self, coordinates: Ints, chosen: list[tuple[Ints, Ints]]
    ) -> tuple[list[tuple[_Steps, Ints]], list[Ints], list[Ints]]:
        """The levels that the chosen changes touch, and where each change finds them."""
        kept, unions, places = [], [], []
        for number, (picks, _) in enumerate(chosen):
            steps = self.steps(number, int(coordinates[number]))
            levels = steps.levels[picks]
            touched = np.zeros(self.padded[number], dtype=bool)
            touched[levels] = True
            kept.append((steps, picks))
            unions.append(np.flatnonzero(touched))
            places.append((np.cumsum(touched) - 1)[levels])
        return kept, unions, places

    def move(self, cell: int, found: Search) -> Move:
        """The cells and signs of the move a search found."""
        picks = np.unravel_index(found.place, found.shape)
        levels, signs = [], []
        for number, (steps, kept) in enumerate(found.kept):
            choice = kept[picks[number]]
            here = steps.levels[choice] < self.layout.axes[number].size
            levels.append(steps.levels[choice][here])
            signs.append(steps.signs[choice][here])
        cells = self.cell_at[_region(levels)].ravel()
        product = functools.reduce(np.multiply.outer, signs).ravel()
        present = cells >= 0
        cells, product = cells[present], product[present]
        first = int(np.flatnonzero(cells == cell)[0])
        order = np.r_[first, np.delete(np.arange(len(cells)), first)]
        return Move(cells=cells[order], amounts=product[order])

    def _affordable(
        self, number: int, coordinates: Ints, room: Room, up: int, down: int
    ) -> tuple[Ints, Ints]:
        """The changes along one axis whose own cells are not blocked, and what they cost."""
        at = (*coordinates[:number], slice(None), *coordinates[number + 1 :])
        steps = self.steps(number, int(coordinates[number]))
        line_plus, line_minus = room.costs(at, up, down)
        cost = np.where(steps.signs > 0, line_plus[steps.levels], line_minus[steps.levels]).sum(
            axis=1
        )
        return np.arange(len(cost)), cost


@dataclass(frozen=True, kw_only=True, eq=False)
class Room:
    """Over the box: how far each combination may fall and rise, and what it costs to hide it.

    ``similar`` says along which axes a nearer level is a better partner, whatever its size.
    """

    below: Ints
    above: Ints
    cost: Ints
    similar: tuple[bool, ...]

    def costs(self, at: Any, up: int, down: int) -> tuple[Ints, Ints]:
        """Costs of changing with the cell and of changing against it; `BLOCKED` if impossible."""
        below, above, cost = self.below[at], self.above[at], self.cost[at]
        plus = np.where((above >= up) & (below >= down), cost, BLOCKED)
        minus = np.where((below >= up) & (above >= down), cost, BLOCKED)
        return plus, minus

    def reaches(self, at: Any, direction: int) -> tuple[Ints, Ints]:
        """How far free cells can change with the cell and against it; 0 for any other cell."""
        free = self.cost[at] == 0
        above, below = np.where(free, self.above[at], 0), np.where(free, self.below[at], 0)
        return (above, below) if direction > 0 else (below, above)


@dataclass(frozen=True, kw_only=True, eq=False)
class Search:
    """The cheapest move that a search found; `BLOCKED` or more when there is none."""

    cost: int
    kept: list[tuple[_Steps, Ints]]
    place: int
    shape: tuple[int, ...]
    reach: int = 0


_NOTHING = Search(cost=BLOCKED, kept=[], place=0, shape=())


def _region(levels: list[Ints]) -> tuple[Ints, ...]:
    """An index of the box of these levels; as `numpy.ix_`, without its checks."""
    last = len(levels) - 1
    return tuple(
        chosen.reshape((-1,) + (1,) * (last - number)) for number, chosen in enumerate(levels)
    )


def _folded(
    rising: Ints,
    falling: Ints,
    number: int,
    places: Ints,
    same: Bools,
    join: Callable[[Ints, Ints], Ints],
) -> tuple[Ints, Ints]:
    """Apply every change of one axis: what rises with the cell, and what falls against it."""
    up = down = None
    for column in range(places.shape[1]):
        a = rising.take(places[:, column], axis=number)
        b = falling.take(places[:, column], axis=number)
        with_it = same[:, column]
        if not bool(with_it.any()):
            a, b = b, a
        elif not bool(with_it.all()):
            along = _along(with_it, number, a.ndim)
            a, b = np.where(along, a, b), np.where(along, b, a)
        up = a if up is None else join(up, a)
        down = b if down is None else join(down, b)
    if up is None or down is None:
        return rising, falling
    return up, down


def _fewer(chosen: list[tuple[Ints, Ints]]) -> list[tuple[Ints, Ints]]:
    """Keep the cheapest changes of the longest axes until few enough combinations remain."""
    sizes = [len(picks) for picks, _ in chosen]
    while np.prod(sizes, dtype=float) > _BOXES:
        longest = int(np.argmax(sizes))
        sizes[longest] = max(1, sizes[longest] * 3 // 4)
    fewer = []
    for (picks, cost), size in zip(chosen, sizes, strict=True):
        if size == len(picks):
            fewer.append((picks, cost))
        else:
            best = np.sort(np.argsort(cost, kind="stable")[:size])
            fewer.append((picks[best], cost[best]))
    return fewer


def _distances(axis: Axis, level: int) -> Ints:
    """What each level costs as a partner when the nearest is wanted; a margin is the farthest."""
    distance = np.abs(np.arange(axis.size + 1) - level)
    distance[list({parent for parent in axis.parents if parent >= 0})] = axis.size
    distance[[level, axis.size]] = 0
    return distance * _PER_LEVEL


def _along(values: Ints | Bools, number: int, dimensions: int) -> Ints | Bools:
    shape = [1] * dimensions
    shape[number] = len(values)
    return values.reshape(shape)


def _steps(axis: Axis, level: int) -> _Steps:
    """Path of a leaf under ``level``, alone or less the path of a leaf elsewhere in its tree."""
    parents = axis.parents
    inner = set(parents)

    def path(leaf: int) -> tuple[int, ...]:
        nodes = [leaf]
        while parents[nodes[-1]] >= 0:
            nodes.append(parents[nodes[-1]])
        return tuple(nodes)

    paths = {leaf: path(leaf) for leaf in range(axis.size) if leaf not in inner}
    under = [nodes for nodes in paths.values() if level in nodes]
    choices: list[list[tuple[int, int]]] = []
    for nodes in under:
        choices.append([(level, 1), *((n, 1) for n in nodes if n != level)])
        for others in paths.values():
            if level not in others and others[-1] == nodes[-1]:
                plus = [n for n in nodes if n != level and n not in others]
                choices.append(
                    [
                        (level, 1),
                        *((n, 1) for n in plus),
                        *((n, -1) for n in others if n not in nodes),
                    ]
                )
    width = max(map(len, choices))
    levels = np.full((len(choices), width), axis.size, dtype=np.int64)
    signs = np.ones((len(choices), width), dtype=np.int64)
    for row, choice in enumerate(choices):
        levels[row, : len(choice)] = [node for node, _ in choice]
        signs[row, : len(choice)] = [sign for _, sign in choice]
    return _Steps(levels=levels, signs=signs)
