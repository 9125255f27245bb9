"""Keep the numbers of a text column and nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

import ibis

from deid_platform.core.transforms.base import ColumnTransform, ColumnType, transform

_NUMBER = r"^[+-]?[0-9]{1,6}(\.[0-9]{1,20})?$"


@transform("numeric_only")
@dataclass(frozen=True, kw_only=True)
class NumericOnly(ColumnTransform):
    """Text that is a plain number of at most six whole digits, as a number; else null.

    Seven digits and more could be a telephone number, a social security number, a record number
    or a date written without separators.
    """

    accepts: ClassVar[frozenset[ColumnType]] = frozenset({ColumnType.VARCHAR})

    def output_type(self, source: ColumnType) -> ColumnType:  # noqa: ARG002
        """A floating-point number."""
        return ColumnType.DOUBLE

    def apply(self, value: str | None) -> float | None:
        """The number, or null."""
        if value is None or not re.fullmatch(_NUMBER.strip("^$"), value):
            return None
        return float(value)

    def expr(self, column: Any) -> Any:
        """The number, or null; what does not look like one is never cast."""
        number = ibis.cases((column.re_search(_NUMBER), column), else_=ibis.null("string"))
        return number.cast("float64")
