"""Band an amount."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import ibis

from deid_platform.core.transforms.base import NUMERIC, ColumnTransform, ColumnType, transform

_LARGEST = 1e15


@transform("band_number")
@dataclass(frozen=True, kw_only=True)
class BandNumber(ColumnTransform):
    """The lower end of the value's band of ``width``; ``top`` stands for itself and above.

    An exact amount can be as good as a name to somebody who knows the bill. What is no number
    of at most 15 digits becomes null.
    """

    options: ClassVar[frozenset[str]] = frozenset({"width", "top"})
    accepts: ClassVar[frozenset[ColumnType]] = NUMERIC

    width: int
    top: int | None = None

    def __post_init__(self) -> None:
        if self.width < 1 or (self.top is not None and self.top % self.width):
            raise ValueError("width is at least 1, and top a multiple of it")

    def output_type(self, source: ColumnType) -> ColumnType:  # noqa: ARG002
        """A floating-point number, as sums of many bands may be large."""
        return ColumnType.DOUBLE

    def apply(self, value: float | None) -> float | None:
        """The lower end of the band."""
        if value is None or not -_LARGEST <= value <= _LARGEST:
            return None
        band = float(math.floor(float(value) / self.width)) * self.width
        return band if self.top is None else min(band, float(self.top))

    def expr(self, column: Any) -> Any:
        """The same in the engine; not-a-number compares as larger than any number."""
        number = column.cast("float64")
        usable = (number >= -_LARGEST) & (number <= _LARGEST)
        number = ibis.cases((usable, number), else_=ibis.null("float64"))
        band = (number / float(self.width)).floor().cast("float64") * float(self.width)
        if self.top is not None:
            band = ibis.cases((band > self.top, float(self.top)), else_=band)
        return band
