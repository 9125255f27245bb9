"""Reduce a date to its year."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

import ibis

from deid_platform.core.attributes import IdentifierClass
from deid_platform.core.transforms.base import ColumnTransform, ColumnType, transform

_FIRST, _LAST = 1800, 2200


@transform("date_to_year")
@dataclass(frozen=True, kw_only=True)
class DateToYear(ColumnTransform):
    """The calendar year of a date or timestamp. A whole number is taken as a year already.

    A number that is no plausible year (such as an epoch or 20240317) becomes null. Not for a date
    of birth: see `birth_year`. Source: 45 CFR 164.514(b)(2)(i)(C).
    """

    accepts: ClassVar[frozenset[ColumnType]] = frozenset(
        {ColumnType.DATE, ColumnType.TIMESTAMP, ColumnType.INTEGER, ColumnType.BIGINT}
    )
    satisfies: ClassVar[frozenset[IdentifierClass]] = frozenset({IdentifierClass.DATES})

    def output_type(self, source: ColumnType) -> ColumnType:  # noqa: ARG002
        """A whole number."""
        return ColumnType.INTEGER

    def apply(self, value: date | int | None) -> int | None:
        """The year."""
        if isinstance(value, int):
            return value if _FIRST <= value <= _LAST else None
        return None if value is None else value.year

    def expr(self, column: Any) -> Any:
        """The year."""
        return year_of(column)


def year_of(column: Any) -> Any:
    """Year of a date column, or the plausible years of a whole-number column, as int32."""
    if column.type().is_integer():
        plausible = (column >= _FIRST) & (column <= _LAST)
        return ibis.cases((plausible, column), else_=ibis.null(column.type())).cast("int32")
    return column.year().cast("int32")
