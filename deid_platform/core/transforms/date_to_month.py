"""Reduce a date to the first day of its month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

import ibis

from deid_platform.core.transforms.base import TEMPORAL, ColumnTransform, ColumnType, transform


@transform("date_to_month")
@dataclass(frozen=True, kw_only=True)
class DateToMonth(ColumnTransform):
    """The first day of the month. For the LIMITED zone only: a month is finer than a year."""

    accepts: ClassVar[frozenset[ColumnType]] = TEMPORAL

    def output_type(self, source: ColumnType) -> ColumnType:  # noqa: ARG002
        """A date."""
        return ColumnType.DATE

    def apply(self, value: date | None) -> date | None:
        """The first of the month."""
        return None if value is None else date(value.year, value.month, 1)

    def expr(self, column: Any) -> Any:
        """Not ``truncate``: DuckDB gives a timestamp for it."""
        return ibis.date(column.year(), column.month(), 1)
