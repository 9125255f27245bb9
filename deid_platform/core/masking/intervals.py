"""How far each hidden count can really go: every interval is closed from both sides.

Propagation and linear programs say what is impossible; every point found on the way says what is
possible, for all cells at once. A cell needs a program of its own only where the two still
differ after programs that push many cells together.

Source: DDG 2.0, 7.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from deid_platform.core.masking.linear import (
    Program,
    Rows,
    at_least_rows,
    loose_rows,
    sum_rows,
    together_rows,
)
from deid_platform.core.masking.model import Bools, Floats, Ints, Layout
from deid_platform.core.masking.ratios import PEOPLE, Ratio, ratio_rows
from deid_platform.core.masking.whole import WholeProgram

_NEAR = 0.01
_WHOLE_CELLS = 400
"""In blocks of at most this many cells, only tables of whole people count as possible."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """One block: its hidden cells, what is known of them, and which cells to look at.

    ``low`` and ``high`` are known bounds (changed in place as more is learnt); ``figures`` give
    the same for each further figure. ``goal_low`` and ``goal_high`` say how far is far enough.
    ``reached`` are counts that checked tables are known to have; in such tables every whole figure
    changes with its people.
    """

    layout: Layout
    people: Ints
    figure_values: dict[str, Ints]
    block: Bools
    low: Ints
    high: Ints
    figures: dict[str, tuple[Ints, Ints]]
    watched: Bools
    goal_low: Ints
    goal_high: Ints
    reached: tuple[Ints, Ints] | None = None
    ratios: tuple[Ratio, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Reached:
    """The lowest and highest value some consistent table has, per cell; and cells left open."""

    low: Floats
    high: Floats
    figures: dict[str, tuple[Floats, Floats]]
    open: Bools


class Budget:
    """Seconds left for programs, counted by the solver's own clock."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def spend(self, seconds: float) -> None:
        """Take what was used."""
        self.left -= seconds


def close(question: Question, budget: Budget) -> Reached:
    """Close the intervals of one block as far as the budget goes."""
    return _Closing(question, budget).run()


class _Closing:
    def __init__(self, question: Question, budget: Budget) -> None:
        self.question, self.budget = question, budget
        self.cells = np.flatnonzero(question.block)
        self.names = list(question.figures)
        self.count = len(self.cells)
        self.watched = np.flatnonzero(question.watched[self.cells])
        self.capped = (len(self.names) + 1) * self.count
        self.least = np.full(self.capped, np.inf)
        self.most = np.full(self.capped, -np.inf)
        self.settled_up = np.zeros(self.count, dtype=bool)
        self.settled_down = np.zeros(self.count, dtype=bool)
        if question.reached is not None:
            low, high = (values[self.cells].astype(float) for values in question.reached)
            self.least[: self.count], self.most[: self.count] = low, high
            for place in range(1, len(self.names) + 1):
                part = slice(place * self.count, (place + 1) * self.count)
                self.least[part], self.most[part] = np.where(high > low, (low, high), np.inf)
                self.most[part][high <= low] = -np.inf

    @cached_property
    def _rows(self) -> Rows:
        question, cells = self.question, self.cells
        column = np.full(question.layout.cells, -1, dtype=np.int64)
        column[cells] = np.arange(self.count)
        groups = question.layout.groups
        every = np.ones(groups.count, dtype=bool)
        columns = {PEOPLE: column}
        parts = [
            sum_rows(groups, groups.exact, question.people, column)[0],
            loose_rows(groups, ~groups.exact, question.people, column)[0],
        ]
        for place, name in enumerate(self.names, start=1):
            columns[name] = np.where(column >= 0, column + place * self.count, -1)
            parts.append(sum_rows(groups, every, question.figure_values[name], columns[name])[0])
            parts.append(at_least_rows(column[cells], columns[name][cells]))
        return Rows.joined([*parts, ratio_rows(question.ratios, columns)])

    @cached_property
    def _bounds(self) -> tuple[Ints, Ints]:
        question, cells = self.question, self.cells
        low, high = [question.low[cells]], [question.high[cells]]
        for name in self.names:
            low.append(question.figures[name][0][cells])
            high.append(question.figures[name][1][cells])
        return np.concatenate(low), np.concatenate(high)

    @cached_property
    def program(self) -> Program:
        """The block's linear program; most blocks need none when tables are already known."""
        low, high = self._bounds
        together = together_rows(self.watched, self.capped + np.arange(len(self.watched)))
        capped = self.question.goal_high[self.cells][self.watched]
        return Program(
            self.question.layout.name,
            np.concatenate([low, np.zeros(len(self.watched), dtype=np.int64)]),
            np.concatenate([high, capped]),
            Rows.joined([self._rows, together]),
        )

    @cached_property
    def whole(self) -> WholeProgram | None:
        """The same in whole people, for a block small enough to ask it."""
        if self.count > _WHOLE_CELLS:
            return None
        return WholeProgram(self.question.layout.name, *self._bounds, self._rows)

    def run(self) -> Reached:
        for direction in (1, -1):
            self._push_together(direction)
            self._push_alone(direction)
        self._separate_figures()
        return self._reached()

    def _learn(self, values: Floats) -> bool:
        """Take a point as a possible table; where whole people are asked for, only a whole one."""
        if self.whole is not None and bool((np.abs(values - np.round(values)) > _NEAR**2).any()):
            return False
        np.minimum(self.least, values, out=self.least)
        np.maximum(self.most, values, out=self.most)
        return True

    def _ask(self, point: Floats) -> tuple[Floats, bool]:
        self.budget.spend(self.program.seconds)
        values = point[: self.capped]
        return values, self._learn(values)

    def _extreme(
        self, column: int, direction: int, most: int, values: Floats, *, possible: bool
    ) -> float:
        """How far a variable goes (up to ``most``), from the end of its linear program."""
        if possible or self.whole is None:
            return float(values[column])
        bound, point = self.whole.furthest(column, direction, most, self.budget.left)
        self.budget.spend(self.whole.seconds)
        if point is not None:
            self._learn(point)
        return bound

    def _undecided(self, direction: int) -> Ints:
        """Watched cells of which it is not known whether they reach their goal."""
        cells = self.cells
        if direction > 0:
            goal = np.minimum(self.question.goal_high[cells], self.question.high[cells])
            unknown = (self.most[: self.count] < goal - _NEAR) & ~self.settled_up
        else:
            goal = np.maximum(self.question.goal_low[cells], self.question.low[cells])
            unknown = (self.least[: self.count] > goal + _NEAR) & ~self.settled_down
        return self.watched[unknown[self.watched]]

    def _push_together(self, direction: int) -> None:
        """Push all undecided cells at once, as long as that decides a fair share of them."""
        undecided = self._undecided(direction)
        while len(undecided) > 1 and self.budget.left > 0:
            self._ask(self._pushed(undecided, direction))
            left = self._undecided(direction)
            if len(left) > 0.9 * len(undecided):
                break
            undecided = left

    def _push_alone(self, direction: int) -> None:
        """Ask for the extreme of each cell that is still undecided."""
        question = self.question
        for place in self._undecided(direction).tolist():
            if self.budget.left <= 0:
                return
            undecided = self._undecided(direction)
            if place not in undecided:
                continue
            values, possible = self._ask(self._pushed(np.array([place]), direction))
            cell = int(self.cells[place])
            goal = int(question.goal_high[cell])
            furthest = self._extreme(place, direction, goal, values, possible=possible)
            trusted = self.whole is None
            if direction > 0:
                if furthest < goal - _NEAR:
                    question.high[cell] = int(np.floor(furthest + _NEAR))
                met = self.most[place] >= min(np.floor(furthest + _NEAR), goal) - _NEAR
                self.settled_up[place] = trusted or met
            else:
                question.low[cell] = int(np.ceil(furthest - _NEAR))
                met = self.least[place] <= question.low[cell] + _NEAR
                self.settled_down[place] = trusted or met

    def _pushed(self, places: Ints, direction: int) -> Floats:
        columns = places
        if direction > 0:
            columns = self.capped + np.searchsorted(self.watched, places)
        return self.program.furthest(columns, direction, self.budget.left)

    def _separate_figures(self) -> None:
        """Find two values for each further figure of a watched cell, or show there is one."""
        for number, name in enumerate(self.names, start=1):
            for place in self.watched.tolist():
                column = number * self.count + place
                if self.most[column] - self.least[column] >= 1 - _NEAR or self.budget.left <= 0:
                    continue
                cell = int(self.cells[place])
                low, high = self.question.figures[name]
                most = int(high[cell])
                low[cell] = int(np.ceil(self._push_figure(column, -1, most) - _NEAR))
                if self.most[column] - self.least[column] < 1 - _NEAR:
                    self.program.cap(column, low[cell] + 1)
                    furthest = self._push_figure(column, 1, int(low[cell]) + 1)
                    self.program.cap(column, most)
                    if furthest < low[cell] + 1 - _NEAR:
                        high[cell] = int(np.floor(furthest + _NEAR))

    def _push_figure(self, column: int, direction: int, most: int) -> float:
        point = self.program.furthest(np.array([column]), direction, self.budget.left)
        values, possible = self._ask(point)
        return self._extreme(column, direction, most, values, possible=possible)

    def _reached(self) -> Reached:
        cells = self.cells
        n = self.question.layout.cells
        low, high = np.full(n, np.inf), np.full(n, -np.inf)
        low[cells], high[cells] = self.least[: self.count], self.most[: self.count]
        figures = {}
        for number, name in enumerate(self.names, start=1):
            part = slice(number * self.count, (number + 1) * self.count)
            least, most = np.full(n, np.inf), np.full(n, -np.inf)
            least[cells], most[cells] = self.least[part], self.most[part]
            figures[name] = (least, most)
        undecided = np.zeros(n, dtype=bool)
        undecided[cells[self._undecided(1)]] = True
        undecided[cells[self._undecided(-1)]] = True
        return Reached(low=low, high=high, figures=figures, open=undecided)
