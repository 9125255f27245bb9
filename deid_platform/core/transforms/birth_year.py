"""Reduce a date of birth to its year, capped so that it reveals no age over 89."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Self

import ibis

from deid_platform.core.attributes import IdentifierClass
from deid_platform.core.errors import DeclarationError
from deid_platform.core.transforms.base import ColumnTransform, ColumnType, Rules, transform
from deid_platform.core.transforms.date_to_year import DateToYear, year_of


@transform("birth_year")
@dataclass(frozen=True, kw_only=True)
class BirthYear(ColumnTransform):
    """The year of birth; years up to ``reference_year - 90`` become that one, "or earlier".

    ``reference_year`` is the latest event year the reader can hold against it. Judged on years
    alone, because the reader sees years alone: somebody 89 who turns 90 in that year is capped.

    Source: 45 CFR 164.514(b)(2)(i)(C), date elements (including year) indicative of such age.
    """

    accepts: ClassVar[frozenset[ColumnType]] = DateToYear.accepts
    satisfies: ClassVar[frozenset[IdentifierClass]] = frozenset({IdentifierClass.DATES})

    reference_year: int | None = None
    oldest: int = 89

    def bound(self, rules: Rules) -> Self:
        """With the year of reference of the data and the policy's oldest age."""
        return dataclasses.replace(
            self, reference_year=rules.reference_year, oldest=rules.oldest_age
        )

    def output_type(self, source: ColumnType) -> ColumnType:  # noqa: ARG002
        """A whole number."""
        return ColumnType.INTEGER

    @property
    def earliest(self) -> int:
        """The earliest year shown, read as "that year or earlier".

        Raises:
            DeclarationError: no year of reference is bound.
        """
        if self.reference_year is None:
            raise DeclarationError(
                "birth_year",
                "there is no event year to judge ages against",
                "load the system's tables that hold event dates first",
            )
        return self.reference_year - self.oldest - 1

    def apply(self, value: date | int | str | None) -> int | None:
        """The year, or the earliest shown."""
        year = DateToYear().apply(value)
        return None if year is None else max(year, self.earliest)

    def expr(self, column: Any) -> Any:
        """The same in the engine; not ``greatest``, on which engines differ for nulls."""
        year = year_of(column)
        return ibis.cases((year < self.earliest, self.earliest), else_=year).cast("int32")
