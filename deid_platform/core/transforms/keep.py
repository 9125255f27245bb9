"""Keep a column as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deid_platform.core.transforms.base import ColumnTransform, transform


@transform("keep")
@dataclass(frozen=True, kw_only=True)
class Keep(ColumnTransform):
    """The value unchanged. Satisfies no identifier class."""

    def apply(self, value: Any) -> Any:
        """The value."""
        return value

    def expr(self, column: Any) -> Any:
        """The column."""
        return column
