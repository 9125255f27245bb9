"""What is published, as linear programs: one per block, kept warm between questions.

The variables are the hidden counts of people of a block, and the hidden values of every further
figure; the rows are the published sums and "a figure is at least its people".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import highspy
import numpy as np

from deid_platform.core.errors import MaskingError
from deid_platform.core.masking.model import UNBOUNDED, Bools, Floats, Groups, Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Sparse rows ``lower <= sum(value * x[column]) <= upper``."""

    starts: Ints
    columns: Ints
    values: Floats
    lower: Floats
    upper: Floats

    @classmethod
    def joined(cls, parts: list[Rows]) -> Rows:
        """All rows of all parts, in order."""
        offsets = np.cumsum([0, *(len(part.columns) for part in parts)])
        starts = [part.starts[:-1] + offset for part, offset in zip(parts, offsets, strict=False)]
        return cls(
            starts=np.concatenate([*starts, offsets[-1:]]),
            columns=np.concatenate([part.columns for part in parts]),
            values=np.concatenate([part.values for part in parts]),
            lower=np.concatenate([part.lower for part in parts]),
            upper=np.concatenate([part.upper for part in parts]),
        )


def sum_rows(groups: Groups, of: Bools, values: Ints, column: Ints) -> tuple[Rows, Ints]:
    """``total - members = 0`` over the hidden cells (``column`` 0 or more) of some groups.

    Also says which group each row is of.
    """
    entry = of[groups.of_member]
    group = np.concatenate([groups.of_member[entry], np.flatnonzero(of)])
    cell = np.concatenate([groups.members[entry], groups.total[of]])
    sign = np.concatenate([np.full(int(entry.sum()), -1.0), np.ones(int(of.sum()))])
    hidden = column[cell] >= 0
    constant = np.bincount(group[~hidden], (sign * values[cell])[~hidden], minlength=groups.count)
    group, cell, sign = group[hidden], cell[hidden], sign[hidden]
    order = np.lexsort((column[cell], group))
    group, cell, sign = group[order], cell[order], sign[order]
    kept, starts = np.unique(group, return_index=True)
    rows = Rows(
        starts=np.append(starts, len(group)).astype(np.int64),
        columns=column[cell],
        values=sign,
        lower=-constant[kept],
        upper=-constant[kept],
    )
    return rows, kept


def loose_rows(groups: Groups, of: Bools, values: Ints, column: Ints) -> tuple[Rows, Ints]:
    """``member <= total <= sum of members`` over the hidden cells of some groups.

    Also says which group each row is of.
    """
    exact, kept = sum_rows(groups, of, values, column)
    most = Rows(
        starts=exact.starts,
        columns=exact.columns,
        values=exact.values,
        lower=np.full(len(exact.lower), -np.inf),
        upper=exact.upper,
    )
    entry = np.flatnonzero(of[groups.of_member])
    member, total = groups.members[entry], groups.total[groups.of_member[entry]]
    both = (column[member] >= 0) & (column[total] >= 0)
    member, total = member[both], total[both]
    pairs = groups.of_member[entry][both]
    least = Rows(
        starts=np.arange(0, 2 * len(member) + 1, 2),
        columns=np.stack([column[total], column[member]], axis=1).ravel(),
        values=np.tile([1.0, -1.0], len(member)),
        lower=np.zeros(len(member)),
        upper=np.full(len(member), np.inf),
    )
    return Rows.joined([most, least]), np.concatenate([kept, pairs])


def at_least_rows(people: Ints, figure: Ints) -> Rows:
    """``figure - people >= 0`` for pairs of columns."""
    return Rows(
        starts=np.arange(0, 2 * len(people) + 1, 2),
        columns=np.stack([figure, people], axis=1).ravel(),
        values=np.tile([1.0, -1.0], len(people)),
        lower=np.zeros(len(people)),
        upper=np.full(len(people), np.inf),
    )


def together_rows(column: Ints, capped: Ints, direction: Ints | None = None) -> Rows:
    """``capped - direction * column <= 0``: a capped variable counts how far a column got.

    The direction is up (1) or down (-1); up for all where none is given.
    """
    signs = np.ones(len(column)) if direction is None else direction.astype(np.float64)
    return Rows(
        starts=np.arange(0, 2 * len(column) + 1, 2),
        columns=np.stack([capped, column], axis=1).ravel(),
        values=np.stack([np.ones(len(column)), -signs], axis=1).ravel(),
        lower=np.full(len(column), -np.inf),
        upper=np.zeros(len(column)),
    )


def apart_rows(rows: Rows, count: int) -> Rows:
    """The same rows over rises less falls: column ``count + k`` is how far column ``k`` falls."""
    return Rows(
        starts=2 * rows.starts,
        columns=np.stack([rows.columns, rows.columns + count], axis=1).ravel(),
        values=np.stack([rows.values, -rows.values], axis=1).ravel(),
        lower=rows.lower,
        upper=rows.upper,
    )


def solver(**options: bool | int | float | str) -> highspy.Highs:
    """A solver that answers alike on every machine: silent, one thread, a fixed seed."""
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    for option, value in {"output_flag": False, "threads": 1, "random_seed": 0, **options}.items():
        highs.setOptionValue(option, value)
    return highs


def model(low: Ints | Floats, high: Ints | Floats, rows: Rows) -> highspy.HighsLp:
    """Variables between ``low`` and ``high`` that keep every row, as the solver takes them."""
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(low), len(rows.lower)
    lp.col_cost_ = np.zeros(len(low))
    lp.col_lower_ = low.astype(np.float64)
    lp.col_upper_ = np.where(high >= UNBOUNDED, highspy.kHighsInf, high).astype(np.float64)
    lp.row_lower_ = np.where(np.isinf(rows.lower), -highspy.kHighsInf, rows.lower)
    lp.row_upper_ = np.where(np.isinf(rows.upper), highspy.kHighsInf, rows.upper)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = rows.starts.astype(np.int32)
    lp.a_matrix_.index_ = rows.columns.astype(np.int32)
    lp.a_matrix_.value_ = rows.values
    return lp


class Program:
    """One linear program, solved again and again for other objectives.

    One thread, a fixed seed and the dual simplex method make it deterministic.
    """

    def __init__(self, name: str, low: Ints, high: Ints, rows: Rows) -> None:
        self.name = name
        self.size = len(low)
        self.seconds = 0.0
        lp = model(low, high, rows)
        self._highs = solver(solver="simplex")
        if self._highs.passModel(lp) == highspy.HighsStatus.kError:
            raise MaskingError(name, "the solver refused the model", "report this table's shape")

    def furthest(self, columns: Ints, direction: int, seconds: float) -> Floats:
        """A point where the sum of some variables is as high (1) or as low (-1) as it can be.

        The simplex method starts from the last answer.

        Raises:
            MaskingError: the solver gave up, or what is published contradicts itself.
        """
        self._options({"time_limit": self._highs.getRunTime() + max(seconds, 1.0)})
        cost = np.full(len(columns), -float(direction))
        self._highs.changeColsCost(len(columns), columns.astype(np.int32), cost)
        try:
            return self._solve()
        finally:
            self._highs.changeColsCost(len(columns), columns.astype(np.int32), cost * 0)

    def multipliers(self) -> tuple[Floats, Floats]:
        """The last answer's dual values: per row, and per variable that stands at a bound."""
        solution = self._highs.getSolution()
        return np.array(solution.row_dual), np.array(solution.col_dual)

    def cap(self, column: int, high: int) -> None:
        """Change the upper bound of a variable."""
        bound = highspy.kHighsInf if high >= UNBOUNDED else float(high)
        low = float(self._highs.getLp().col_lower_[column])
        self._highs.changeColBounds(column, low, bound)

    def _solve(self) -> Floats:
        before = self._highs.getRunTime()
        self._highs.run()
        self.seconds = self._highs.getRunTime() - before
        status = self._highs.getModelStatus()
        if status not in (highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kUnknown):
            raise MaskingError(
                self.name,
                f"the attack could not be carried through ({status.name[1:]})",
                "check that rows and margins agree, or allow more time",
            )
        return np.array(self._highs.getSolution().col_value)

    def _options(self, options: Mapping[str, bool | int | float | str]) -> None:
        for option, value in options.items():
            self._highs.setOptionValue(option, value)
