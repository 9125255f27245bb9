"""Changes in whole people that many small cells share.

A linear program answers three dimensions and more in fractions of people. An integer program that
lets many small cells move together, and is content with most of what they could, answers in whole
people at the price of a few linear programs, and each of its answers serves dozens of cells.
"""

from __future__ import annotations

import highspy
import numpy as np

from deid_platform.core.masking.changes import Questions
from deid_platform.core.masking.linear import model, solver, sum_rows
from deid_platform.core.masking.model import Bools, Floats, Ints, MaskingTable

_FURTHEST = 64.0
"""How far any cell may change: enough for every question, and little to search through."""
_FEW = 1_000
_GAP = 0.2
_NODES = 50
_SECONDS = 30.0
"""Given up after this: other means then look for the change."""
_FEASIBLE = 2
"""How HiGHS calls a solution that keeps all rows."""


class WholeChanges:
    """The integer program over the hidden cells of a table.

    Args:
        table: the table before masking.
        usable: the cells that questions and answers name by place.
        questions: what is asked.
        hidden: which of the usable cells are hidden, and so may change.
        bounds: how far each usable cell may fall and rise.
    """

    def __init__(
        self,
        table: MaskingTable,
        usable: Ints,
        questions: Questions,
        hidden: Bools,
        bounds: tuple[Floats, Floats],
    ) -> None:
        self._questions, self._count = questions, len(usable)
        self._places = np.flatnonzero(hidden)
        self._column = np.full(len(usable), -1, dtype=np.int64)
        self._column[self._places] = np.arange(len(self._places))
        groups, cells = table.layout.groups, table.layout.cells
        column = np.full(cells, -1, dtype=np.int64)
        column[usable] = self._column
        zero = np.zeros(cells, dtype=np.int64)
        self._rows, _ = sum_rows(groups, np.ones(groups.count, dtype=bool), zero, column)
        low, high = bounds
        self._low = np.maximum(low[self._places], -_FURTHEST)
        self._high = np.minimum(high[self._places], _FURTHEST)

    def together(self, asked: Ints) -> Floats | None:
        """A point that goes far for questions about different cells; None where none is found."""
        low, high, cost = self._low.copy(), self._high.copy(), np.zeros(len(self._places))
        column = self._column[self._questions.place[asked]]
        far = self._far(asked)
        cost[column] = -np.sign(far)
        high[column] = np.where(far > 0, np.minimum(high[column], far), high[column])
        low[column] = np.where(far < 0, np.maximum(low[column], far), low[column])
        return self._point(low, high, cost)

    def single(self, question: int) -> Floats | None:
        """A point that goes as far as one question asks; None where none is found.

        It is not looked for among many hidden cells, where it takes as long as for many questions.
        """
        if len(self._places) > _FEW:
            return None
        low, high = self._low.copy(), self._high.copy()
        column = self._column[self._questions.place[question]]
        low[column] = high[column] = float(self._far(np.array([question]))[0])
        return self._point(low, high, np.zeros(len(self._places)))

    def _far(self, asked: Ints) -> Floats:
        far: Floats = (self._questions.direction[asked] * self._questions.need[asked]).astype(float)
        return far

    def _point(self, low: Floats, high: Floats, cost: Floats) -> Floats | None:
        lp = model(low, high, self._rows)
        lp.col_cost_ = cost
        lp.integrality_ = [highspy.HighsVarType.kInteger] * len(low)
        highs = solver(mip_rel_gap=_GAP, mip_max_nodes=_NODES, time_limit=_SECONDS)
        highs.passModel(lp)
        highs.run()
        if highs.getInfo().primal_solution_status != _FEASIBLE:
            return None
        point = np.zeros(self._count)
        point[self._places] = np.round(np.array(highs.getSolution().col_value))
        return point
