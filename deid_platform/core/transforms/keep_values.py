"""Keep a declared list of values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import ibis

from deid_platform.core.transforms.base import ColumnTransform, ColumnType, transform


@transform("keep_values")
@dataclass(frozen=True, kw_only=True)
class KeepValues(ColumnTransform):
    """Values on the list stay; any other becomes ``other``. Null stays null."""

    options: ClassVar[frozenset[str]] = frozenset({"values", "other"})
    accepts: ClassVar[frozenset[ColumnType]] = frozenset({ColumnType.VARCHAR})

    values: tuple[str, ...]
    other: str = "other"

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("values lists at least one value")

    def apply(self, value: str | None) -> str | None:
        """The value, or ``other``."""
        return value if value is None or value in self.values else self.other

    def expr(self, column: Any) -> Any:
        """The same in the engine."""
        kept = column.isnull() | column.isin(self.values)
        return ibis.ifelse(kept, column, self.other)
