"""Reduce a date to its year."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

import ibis

from deid_platform.core.attributes import IdentifierClass
from deid_platform.core.transforms.base import ColumnTransform, ColumnType, transform

_FIRST, _LAST = 1800, 2200
_ISO = r"^(18|19|20|21)[0-9]{2}(-[0-9]{2}-[0-9]{2}([T ][0-9:.Z+-]*)?)?$"


@transform("date_to_year")
@dataclass(frozen=True, kw_only=True)
class DateToYear(ColumnTransform):
    """The calendar year of a date or timestamp; of text, that of an ISO date or a bare year.

    A whole number is taken as a year already; one that is no plausible year (an epoch, or
    20240317) becomes null, as does text of any other form. Not for a date of birth: see
    `birth_year`. Source: 45 CFR 164.514(b)(2)(i)(C).
    """

    accepts: ClassVar[frozenset[ColumnType]] = frozenset(
        {
            ColumnType.DATE,
            ColumnType.TIMESTAMP,
            ColumnType.INTEGER,
            ColumnType.BIGINT,
            ColumnType.VARCHAR,
        }
    )
    satisfies: ClassVar[frozenset[IdentifierClass]] = frozenset({IdentifierClass.DATES})

    def output_type(self, source: ColumnType) -> ColumnType:  # noqa: ARG002
        """A whole number."""
        return ColumnType.INTEGER

    def apply(self, value: date | int | str | None) -> int | None:
        """The year."""
        if isinstance(value, str):
            return int(value[:4]) if re.fullmatch(_ISO.strip("^$"), value) else None
        if isinstance(value, int):
            return value if _FIRST <= value <= _LAST else None
        return None if value is None else value.year

    def expr(self, column: Any) -> Any:
        """The year."""
        return year_of(column)


def year_of(column: Any) -> Any:
    """Year of a date column, or the plausible year that text or a whole number holds, as int32."""
    if column.type().is_string():
        iso = ibis.cases((column.re_search(_ISO), column), else_=ibis.null("string"))
        return iso.substr(0, 4).cast("int32")
    if column.type().is_integer():
        plausible = (column >= _FIRST) & (column <= _LAST)
        return ibis.cases((plausible, column), else_=ibis.null(column.type())).cast("int32")
    return column.year().cast("int32")
