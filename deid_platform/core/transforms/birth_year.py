"""Reduce a date of birth to its year, capped so that it reveals no age over 89."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from deid_platform.core.errors import DeclarationError
from deid_platform.core.transforms.base import transform
from deid_platform.core.transforms.date_to_year import DateToYear


@transform("birth_year")
@dataclass(frozen=True, kw_only=True)
class BirthYear(DateToYear):
    """The year of birth; years up to ``reference_year - 90`` become that one, "or earlier".

    ``reference_year`` is the latest event year the reader can hold against it. Judged on years
    alone, because the reader sees years alone: somebody 89 who turns 90 in that year is capped.

    Source: 45 CFR 164.514(b)(2)(i)(C), date elements (including year) indicative of such age.
    """

    def apply(self, value: date | int | str | None) -> int | None:
        """The year, or the earliest shown.

        Raises:
            DeclarationError: no year of reference is bound.
        """
        self._check_bound()
        return super().apply(value)

    def expr(self, column: Any) -> Any:
        """The same in the engine.

        Raises:
            DeclarationError: no year of reference is bound.
        """
        self._check_bound()
        return super().expr(column)

    def _check_bound(self) -> None:
        if self.earliest is None:
            raise DeclarationError(
                "birth_year",
                "there is no event year to judge ages against",
                "load the system's tables that hold event dates first",
            )
