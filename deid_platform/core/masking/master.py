"""The master program of the search: which cells to hide, by all that was said of them so far."""

from __future__ import annotations

from collections import defaultdict

import highspy
import numpy as np

from deid_platform.core.masking.changes import ENOUGH, Cut
from deid_platform.core.masking.linear import solver
from deid_platform.core.masking.model import Bools, Floats

_NODES = 2_000
_FEASIBLE = 2
"""How HiGHS calls a solution that keeps all rows."""


class Cuts:
    """All cuts found so far, by the cells they name."""

    def __init__(self) -> None:
        self._of: dict[int, list[Cut]] = defaultdict(list)

    def add(self, cut: Cut) -> None:
        """Remember a cut."""
        for place in cut.where.tolist():
            self._of[place].append(cut)

    def allow(self, choice: Floats, place: int) -> bool:
        """Whether a choice satisfies all cuts that name a cell."""
        return all(float(cut.weight @ choice[cut.where]) >= 1.0 - ENOUGH for cut in self._of[place])


class Master:
    """Chooses the cheapest cells that satisfy all cuts so far."""

    def __init__(self, loss: Floats, fixed: Bools) -> None:
        self.bound, self.proven = 0.0, True
        self._highs = solver(mip_rel_gap=0.0, mip_max_nodes=_NODES)
        self._count, self._whole = len(loss), False
        for place in range(self._count):
            self._highs.addVar(1.0 if fixed[place] else 0.0, 1.0)
        self._highs.changeColsCost(self._count, np.arange(self._count, dtype=np.int32), loss)

    def whole(self) -> None:
        """From now on cells are chosen wholly or not at all."""
        self._whole = True
        kinds = np.full(self._count, 1, dtype=np.uint8)
        self._highs.changeColsIntegrality(
            self._count, np.arange(self._count, dtype=np.int32), kinds
        )

    def add(self, cuts: list[Cut]) -> None:
        """Take notice of cuts."""
        for cut in cuts:
            self.proven &= cut.strict
            self._highs.addRow(
                1.0, highspy.kHighsInf, len(cut.where), cut.where.astype(np.int32), cut.weight
            )

    def choose(self, cuts: list[Cut]) -> Floats | None:
        """The cheapest choice; its cost, or what is known of it, raises the bound.

        None where the solver found none; the bound then stays.
        """
        self.add(cuts)
        self._highs.run()
        info = self._highs.getInfo()
        solved = self._highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
        if not solved and not (self._whole and info.primal_solution_status == _FEASIBLE):
            return None
        known = info.mip_dual_bound if self._whole else info.objective_function_value
        self.bound = max(self.bound, float(known))
        choice = np.array(self._highs.getSolution().col_value)
        return np.round(choice) if self._whole else choice
