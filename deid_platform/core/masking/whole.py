"""A block's program in whole people: what fractions of people allow, tables may not.

Along three dimensions and more, and where a shown statistic ties two hidden counts, a linear
program may end at halves of persons. In blocks small enough, its answer is then asked for again
in whole numbers.
"""

from __future__ import annotations

import highspy
import numpy as np

from deid_platform.core.errors import MaskingError
from deid_platform.core.masking.linear import Rows, model
from deid_platform.core.masking.model import Floats, Ints


class WholeProgram:
    """One integer program, solved again and again for other objectives; deterministic."""

    def __init__(self, name: str, low: Ints, high: Ints, rows: Rows) -> None:
        self.name = name
        self.seconds = 0.0
        self._bounds, self._rows = (low, high), rows

    def furthest(
        self, column: int, direction: int, most: int, seconds: float
    ) -> tuple[float, Floats | None]:
        """A bound of how high (1) or low (-1) a variable goes, and a table that goes far.

        No higher than ``most`` is looked for. The table is None where the solver found none in
        time.

        Raises:
            MaskingError: what is published contradicts itself.
        """
        lp = model(*self._bounds, self._rows)
        cost, upper = np.zeros(lp.num_col_), np.array(lp.col_upper_)
        cost[column] = -float(direction)
        upper[column] = min(upper[column], float(most))
        lp.col_cost_, lp.col_upper_ = cost, upper
        lp.integrality_ = [highspy.HighsVarType.kInteger] * lp.num_col_
        highs = highspy.Highs()  # type: ignore[no-untyped-call]
        for option, value in (
            ("output_flag", False),
            ("threads", 1),
            ("random_seed", 0),
            ("mip_rel_gap", 0.0),
            ("time_limit", max(seconds, 1.0)),
        ):
            highs.setOptionValue(option, value)
        highs.passModel(lp)
        highs.run()
        self.seconds = highs.getRunTime()
        status = highs.getModelStatus()
        if status == highspy.HighsModelStatus.kInfeasible:
            raise MaskingError(
                self.name,
                "what is published contradicts itself",
                "check that rows and margins come from the same data",
            )
        info = highs.getInfo()
        found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        point = np.array(highs.getSolution().col_value) if found else None
        if status == highspy.HighsModelStatus.kOptimal and point is not None:
            return float(point[column]), np.round(point)
        return -float(direction) * float(info.mip_dual_bound), point
