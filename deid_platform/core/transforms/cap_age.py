"""Cap ages at 90 and over."""

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


@transform("cap_age")
@dataclass(frozen=True, kw_only=True)
class CapAge(ColumnTransform):
    """Ages in whole years above ``oldest`` become ``oldest + 1``, read as "and over".

    Null stays null. ``event`` names the date column the age is counted to, where its year is shown
    too: age and year together give a year of birth, which a later year of the same person turns
    into an age over 89. So whoever would be over ``oldest`` in the data's latest year is in the
    same category, which then reads "and over, by the latest year of the data".

    Source: 45 CFR 164.514(b)(2)(i)(C), ages over 89 and date elements indicative of such age.
    """

    options: ClassVar[frozenset[str]] = frozenset({"oldest", "event"})
    accepts: ClassVar[frozenset[ColumnType]] = frozenset({ColumnType.INTEGER, ColumnType.BIGINT})
    satisfies: ClassVar[frozenset[IdentifierClass]] = frozenset({IdentifierClass.DATES})

    oldest: int = 89
    event: str | None = None
    reference_year: int | None = None

    @property
    def companions(self) -> tuple[str, ...]:
        """The event's date, where the contract names it."""
        return () if self.event is None else (self.event,)

    def bound(self, rules: Rules) -> Self:
        """With the lower of the two oldest ages, and the data's latest year."""
        return dataclasses.replace(
            self,
            oldest=min(self.oldest, rules.oldest_age),
            reference_year=rules.reference_year,
        )

    @property
    def latest_birth(self) -> int:
        """The latest year of birth that reveals an age over ``oldest`` in the data's latest year.

        Raises:
            DeclarationError: no year of reference is bound.
        """
        if self.reference_year is None:
            raise DeclarationError(
                "cap_age",
                "there is no event year to judge ages against",
                "load the system's tables that hold event dates first",
            )
        return self.reference_year - self.oldest - 1

    def apply(self, value: int | None, event: date | int | str | None = None) -> int | None:
        """The age, or the cap."""
        if value is None or value > self.oldest:
            return None if value is None else self.oldest + 1
        year = None if self.event is None else DateToYear().apply(event)
        is_over = year is not None and year - value <= self.latest_birth
        return self.oldest + 1 if is_over else value

    def expr(self, column: Any, event: Any = None) -> Any:
        """Not ``least``: engines differ on what it makes of a null."""
        over = ibis.literal(self.oldest + 1).cast(column.type())
        branches = [(column > self.oldest, over)]
        if event is not None:
            branches.append((year_of(event) - column <= self.latest_birth, over))
        return ibis.cases(*branches, else_=column)

    def over(self, table: Any, column: str) -> Any:
        """On the age and, where it is named, the event's date."""
        return self.expr(table[column], None if self.event is None else table[self.event])
