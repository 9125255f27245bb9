"""What a shown rate, percentage or mean says of the counts behind it.

A statistic is shown rounded, so that it bounds its numerator over its denominator from both
sides. Where one of the two is public, that bounds the other; where both are hidden, the two are
tied together by a pair of inequalities.

Source: DDG 2.0, 7.3 (rounded rates and percentages; statistic leak) and A-23.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deid_platform.core.masking.linear import Rows
from deid_platform.core.masking.model import UNBOUNDED, Floats, Ints

PEOPLE = ""
"""Stands for the count of people where a figure's name could stand."""
_NEAR = 1e-9

Intervals = dict[str, tuple[Ints, Ints]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Ratio:
    """Hidden numerators over hidden denominators, each between two bounds.

    ``numerator`` and ``denominator`` are figures, or `PEOPLE`; ``of`` and ``over`` are the cells
    in which they stand.
    """

    numerator: str
    denominator: str
    of: Ints
    over: Ints
    low: Floats
    high: Floats

    @property
    def pairs(self) -> Ints:
        """The two cells of each ratio, as rows."""
        return np.stack([self.of, self.over], axis=1)


def pairs_of(ratios: Sequence[Ratio]) -> Ints:
    """The cells that some ratio ties together, as rows of two."""
    none = np.zeros((0, 2), dtype=np.int64)
    return np.concatenate([none, *(ratio.pairs for ratio in ratios)])


def between(low: Floats, high: Floats) -> tuple[Ints, Ints]:
    """The whole numbers, 0 or more, between two bounds; an infinite one bounds nothing."""
    scale = np.where(np.isfinite(high), np.maximum(1.0, np.abs(high)), 1.0)
    least = np.ceil(np.maximum(low, 0) - _NEAR * np.maximum(1.0, np.abs(low)))
    most = np.floor(np.where(np.isfinite(high), high, UNBOUNDED) + _NEAR * scale)
    return least.astype(np.int64), np.minimum(most, UNBOUNDED).astype(np.int64)


def tighten(ratios: Sequence[Ratio], intervals: Mapping[str, tuple[Ints, Ints]]) -> None:
    """Narrow the intervals of both ends of each ratio, in place."""
    for ratio in ratios:
        low, high = intervals[ratio.numerator]
        under_low, under_high = intervals[ratio.denominator]
        unbounded = under_high[ratio.over] >= UNBOUNDED
        most = np.where(unbounded, np.inf, ratio.high * under_high[ratio.over])
        fewest, greatest = between(ratio.low * under_low[ratio.over].astype(float), most)
        np.maximum.at(low, ratio.of, fewest)
        np.minimum.at(high, ratio.of, greatest)
        with np.errstate(divide="ignore", invalid="ignore"):
            least = np.where(ratio.high > 0, low[ratio.of] / ratio.high, 0.0)
            bounded = (ratio.low > 0) & (high[ratio.of] < UNBOUNDED)
            most = np.where(bounded, high[ratio.of] / ratio.low, np.inf)
        fewest, greatest = between(least, most)
        np.maximum.at(under_low, ratio.over, fewest)
        np.minimum.at(under_high, ratio.over, greatest)


def ratio_rows(ratios: Sequence[Ratio], columns: Mapping[str, Ints]) -> Rows:
    """``low * over <= of <= high * over`` for every ratio, over the variables of a program.

    ``columns`` give the variable of each cell, per figure, -1 where it has none here.
    """
    parts = [
        Rows(
            starts=np.zeros(1, dtype=np.int64),
            columns=np.zeros(0, dtype=np.int64),
            values=np.zeros(0),
            lower=np.zeros(0),
            upper=np.zeros(0),
        )
    ]
    for ratio in ratios:
        of, over = columns[ratio.numerator][ratio.of], columns[ratio.denominator][ratio.over]
        here = (of >= 0) & (over >= 0) & (of != over)
        for bound, floor in ((ratio.low, True), (ratio.high, False)):
            count = int(here.sum())
            parts.append(
                Rows(
                    starts=np.arange(0, 2 * count + 1, 2),
                    columns=np.stack([of[here], over[here]], axis=1).ravel(),
                    values=np.stack([np.ones(count), -bound[here]], axis=1).ravel(),
                    lower=np.full(count, 0.0 if floor else -np.inf),
                    upper=np.full(count, np.inf if floor else 0.0),
                )
            )
    return Rows.joined(parts)
