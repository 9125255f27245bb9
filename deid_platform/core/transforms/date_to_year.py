"""Reduce a date to its year."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Self

import ibis

from deid_platform.core.attributes import IdentifierClass
from deid_platform.core.transforms.base import ColumnTransform, ColumnType, Rules, transform

LATEST_YEAR = 2200
"""No event is later; 9999-12-31 and the like stand for "open"."""

_EARLIEST_YEAR = 1800
_ISO = r"^(18|19|20|21)[0-9]{2}(-[0-9]{2}-[0-9]{2}([T ][0-9:.Z+-]*)?)?$"


@transform("date_to_year")
@dataclass(frozen=True, kw_only=True)
class DateToYear(ColumnTransform):
    """The calendar year of a date or timestamp; of text, that of an ISO date or a bare year.

    A whole number is taken as a year already; one that is no plausible year (an epoch, or
    20240317) becomes null, as does text of any other form.

    Somebody with an event 90 years before the data's latest year is over 89. So once the policy is
    bound, years up to ``reference_year - 90`` become that one, "or earlier". For a date of birth
    use `birth_year`, which refuses to work without that bound.

    Source: 45 CFR 164.514(b)(2)(i)(C), date elements (including year) indicative of such age.
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

    reference_year: int | None = None
    oldest: int = 89

    def output_type(self, source: ColumnType) -> ColumnType:  # noqa: ARG002
        """A whole number."""
        return ColumnType.INTEGER

    def bound(self, rules: Rules) -> Self:
        """With the data's latest year and the policy's oldest age."""
        return dataclasses.replace(
            self, reference_year=rules.reference_year, oldest=rules.oldest_age
        )

    @property
    def earliest(self) -> int | None:
        """The earliest year shown, read as "that year or earlier"; None before binding."""
        return None if self.reference_year is None else self.reference_year - self.oldest - 1

    def apply(self, value: date | int | str | None) -> int | None:
        """The year, or the earliest shown."""
        year = _year(value)
        return year if year is None or self.earliest is None else max(year, self.earliest)

    def expr(self, column: Any) -> Any:
        """The same in the engine; not ``greatest``, on which engines differ for nulls."""
        year = year_of(column)
        if self.earliest is None:
            return year
        return ibis.cases((year < self.earliest, self.earliest), else_=year).cast("int32")


def year_of(column: Any) -> Any:
    """Year of a date column, or the plausible year that text or a whole number holds, as int32."""
    if column.type().is_string():
        iso = ibis.cases((column.re_search(_ISO), column), else_=ibis.null("string"))
        return iso.substr(0, 4).cast("int32")
    if column.type().is_integer():
        plausible = (column >= _EARLIEST_YEAR) & (column <= LATEST_YEAR)
        return ibis.cases((plausible, column), else_=ibis.null(column.type())).cast("int32")
    return column.year().cast("int32")


def _year(value: date | int | str | None) -> int | None:
    if isinstance(value, str):
        return int(value[:4]) if re.fullmatch(_ISO.strip("^$"), value) else None
    if isinstance(value, int):
        return value if _EARLIEST_YEAR <= value <= LATEST_YEAR else None
    return None if value is None else value.year
