"""Changes of a table that leave every sum as it is, as one linear program kept warm.

The variables say by how much each usable cell changes. A *choice* says how far each of them is
hidden (0 to 1) and so how much of its room it may use. A *question* asks how far one small cell
can rise or fall. Every point found answers all questions that it reaches far enough; a question
with no answer gives, by duality, a *cut*: cells of which enough must be hidden.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import highspy
import numpy as np

from deid_platform.core.errors import MaskingError
from deid_platform.core.masking.linear import Rows, apart_rows, model, solver, sum_rows
from deid_platform.core.masking.model import Bools, Floats, Ints, MaskingTable
from deid_platform.core.masking.moves import Move

_FURTHEST = 10_000.0
"""How far a hidden cell without a public limit may rise; far beyond what a question needs."""
_FURTHEST_IN_PART = 100.0
"""The same for a whole cell of which only a part is hidden: that part of it."""
ENOUGH = 1e-4
_NEAR = 1e-6
_PRIMAL = 4
"""HiGHS's primal simplex method: after a change of the objective the last answer still stands."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Questions:
    """Usable cells (by place), the direction asked for (1 or -1) and how far is far enough."""

    place: Ints
    direction: Ints
    need: Ints

    @property
    def count(self) -> int:
        """How many questions there are."""
        return len(self.place)


@dataclass(frozen=True, kw_only=True, eq=False)
class Cut:
    """At least 1 of the weighted cells (by place) must be hidden; ``strict``: in any safe pattern.

    A cut that is not strict rests on how far a cell without a limit was let rise.
    """

    where: Ints
    weight: Floats
    strict: bool


class Changes:
    """The program over the usable cells of a table.

    Args:
        table: the table before masking.
        usable: the cells that may change.
        fixed: which of them are hidden whatever is chosen.
        questions: what is asked.
    """

    def __init__(
        self, table: MaskingTable, usable: Ints, fixed: Bools, questions: Questions
    ) -> None:
        self.table, self.usable, self.fixed, self.questions = table, usable, fixed, questions
        self.solved = 0
        self.down = (table.people[usable] - 1).astype(np.float64)
        self.room = np.full(len(usable), np.inf)
        if table.limit is not None:
            self.room = np.maximum(table.limit[usable] - table.people[usable], 0).astype(float)
        column = np.full(table.layout.cells, -1, dtype=np.int64)
        column[usable] = np.arange(len(usable))
        groups = table.layout.groups
        zero = np.zeros(table.layout.cells, dtype=np.int64)
        self._sums, _ = sum_rows(groups, np.ones(groups.count, dtype=bool), zero, column)
        self._links = _Links(self._sums, len(usable))
        self._flow = self._program(np.zeros(len(usable)))
        self._choice = np.zeros(len(usable))
        self._duals = np.zeros(len(usable))
        self._priced: highspy.Highs | None = None
        self._price = np.zeros(0)

    def choose(self, choice: Floats) -> None:
        """Let each cell use as much of its room as it is hidden."""
        changed = np.flatnonzero(choice != self._choice)
        self._choice = choice.copy()
        low, high = self.bounds(choice)
        self._flow.changeColsBounds(
            len(changed), changed.astype(np.int32), low[changed], high[changed]
        )

    def furthest(self, asked: Ints) -> Floats:
        """A point that goes as far as it can, up to what is asked, for some questions together.

        The questions are about different cells.

        Raises:
            MaskingError: the solver failed, on a fresh start as well.
        """
        places = self.questions.place[asked]
        direction, need = self.questions.direction[asked], self.questions.need[asked]
        low, high = self.bounds(self._choice, places)
        columns, count = places.astype(np.int32), len(asked)
        self._flow.changeColsCost(count, columns, -direction.astype(np.float64))
        self._flow.changeColsBounds(
            count,
            columns,
            np.where(direction < 0, np.maximum(low, -need), low),
            np.where(direction > 0, np.minimum(high, need), high),
        )
        self._run()
        point = np.array(self._flow.getSolution().col_value)
        self._duals = np.array(self._flow.getSolution().col_dual)
        self._flow.changeColsCost(count, columns, np.zeros(count))
        self._flow.changeColsBounds(count, columns, low, high)
        return point

    def cut(self, question: int) -> Cut | None:
        """What the last answer of `furthest`, to this question alone, asks to be hidden.

        None where the answer was far enough but for rounding.
        """
        duals = self._duals.copy()
        duals[np.abs(duals) < _NEAR] = 0.0
        rising = duals < 0
        room = np.where(np.isinf(self.room), _FURTHEST, self.room)
        weight = np.where(rising, -duals * room, duals * self.down)
        rest = float(self.questions.need[question]) - float(weight[self.fixed].sum())
        strict = not bool((rising & self.fixed & np.isinf(self.room)).any())
        weight[self.fixed] = 0.0
        if rest <= _NEAR:
            return None
        weight = np.minimum(weight / rest, 1.0)
        weight[rising & np.isinf(self.room) & ~self.fixed] = 1.0
        where = np.flatnonzero(weight > _NEAR)
        return Cut(where=where, weight=weight[where], strict=strict)

    def allowed(self, places: Ints, amounts: Floats, choice: Floats) -> Bools:
        """Which changes of single cells a choice leaves room for."""
        low, high = self.bounds(choice)
        return (amounts >= low[places] - ENOUGH) & (amounts <= high[places] + ENOUGH)

    def parts(self, point: Floats) -> Iterator[tuple[Ints, Floats]]:
        """The changes of a point that hang together, each a change of its own."""
        changed = np.flatnonzero(np.abs(point) > _NEAR)
        label = self._links.labels(changed)
        order = np.argsort(label, kind="stable")
        changed, label = changed[order], label[order]
        for part in np.split(changed, np.flatnonzero(np.diff(label)) + 1):
            if len(part):
                yield part, point[part]

    def cheapest(self, question: int, price: Floats) -> Move | None:
        """Whole changes that go far enough at the least price per person of what they change.

        None where the program answers in fractions, or not at all.
        """
        count, place = len(self.usable), int(self.questions.place[question])
        low, high = self.bounds(np.ones(count))
        if self._priced is None:
            self._priced = solver()  # bounds change: the dual simplex method starts warm
            self._priced.passModel(
                model(np.zeros(2 * count), np.r_[high, -low], apart_rows(self._sums, count))
            )
        program = self._priced
        if not np.array_equal(price, self._price):
            both = np.arange(2 * count, dtype=np.int32)
            program.changeColsCost(2 * count, both, np.r_[price, price])
            self._price = price
        rise, fall = place, count + place
        asked, other = (rise, fall) if self.questions.direction[question] > 0 else (fall, rise)
        need = float(self.questions.need[question])
        program.changeColBounds(asked, need, need)
        program.changeColBounds(other, 0.0, 0.0)
        program.run()
        solved = program.getModelStatus() == highspy.HighsModelStatus.kOptimal
        values = np.array(program.getSolution().col_value)
        program.changeColBounds(rise, 0.0, float(high[place]))
        program.changeColBounds(fall, 0.0, float(-low[place]))
        if not solved:
            return None
        for part, amounts in self.parts(values[:count] - values[count:]):
            if place in part:
                return self.move(part, amounts) if is_whole(amounts) else None
        return None

    def move(self, part: Ints, amounts: Floats) -> Move:
        """A change in whole people, by cell."""
        return Move(cells=self.usable[part], amounts=np.round(amounts).astype(np.int64))

    def _run(self) -> None:
        """Solve; nothing changing is always allowed, so that any other end is the solver's."""
        self.solved += 1
        for _ in range(2):
            self._flow.run()
            if self._flow.getModelStatus() == highspy.HighsModelStatus.kOptimal:
                return
            self._flow.clearSolver()
        raise MaskingError(
            self.table.name,
            "the solver failed on a linear program of this table",
            "the last good candidate stands; publish coarser groups, or report the table's shape",
        )

    def bounds(self, choice: Floats, of: Ints | None = None) -> tuple[Floats, Floats]:
        """How far each cell, or each of some, may fall and rise within a choice."""
        at = slice(None) if of is None else of
        furthest = np.where(choice[at] >= 1.0, _FURTHEST, _FURTHEST_IN_PART)
        return -self.down[at] * choice[at], np.minimum(self.room[at], furthest) * choice[at]

    def _program(self, choice: Floats) -> highspy.Highs:
        program = solver(simplex_strategy=_PRIMAL)
        program.passModel(model(*self.bounds(choice), self._sums))
        return program


def is_whole(amounts: Floats) -> bool:
    """Whether a change is in whole people, but for rounding."""
    return bool(np.all(np.abs(amounts - np.round(amounts)) < ENOUGH))


class _Links:
    """Which rows each column is in."""

    def __init__(self, rows: Rows, columns: int) -> None:
        row = np.repeat(np.arange(len(rows.lower)), np.diff(rows.starts))
        order = np.argsort(rows.columns, kind="stable")
        self._row = row[order]
        count = np.bincount(rows.columns, minlength=columns)
        self._start = np.r_[0, np.cumsum(count)]

    def labels(self, columns: Ints) -> Ints:
        """Equal numbers for columns that rows link, directly or through others of them."""
        repeats = self._start[columns + 1] - self._start[columns]
        place = np.arange(int(repeats.sum())) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        row = self._row[np.repeat(self._start[columns], repeats) + place]
        _, row = np.unique(row, return_inverse=True)
        entry = np.repeat(np.arange(len(columns)), repeats)
        label = np.arange(len(columns))
        while True:
            lowest = np.full(int(row.max(initial=-1)) + 1, len(columns))
            np.minimum.at(lowest, row, label[entry])
            lower = label.copy()
            np.minimum.at(lower, entry, lowest[row])
            lower = lower[lower]
            if np.array_equal(lower, label):
                return label
            label = lower
