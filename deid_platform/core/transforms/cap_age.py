"""Cap ages at 90 and over."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import ibis

from deid_platform.core.attributes import IdentifierClass
from deid_platform.core.transforms.base import ColumnTransform, ColumnType, Rules, transform


@transform("cap_age")
@dataclass(frozen=True, kw_only=True)
class CapAge(ColumnTransform):
    """Ages in whole years above ``oldest`` become ``oldest + 1``, read as "and over".

    Null stays null. Source: 45 CFR 164.514(b)(2)(i)(C), ages over 89.
    """

    options: ClassVar[frozenset[str]] = frozenset({"oldest"})
    accepts: ClassVar[frozenset[ColumnType]] = frozenset({ColumnType.INTEGER, ColumnType.BIGINT})
    satisfies: ClassVar[frozenset[IdentifierClass]] = frozenset({IdentifierClass.DATES})

    oldest: int = 89

    def bound(self, rules: Rules) -> Self:
        """The lower of the contract's and the policy's oldest age."""
        return dataclasses.replace(self, oldest=min(self.oldest, rules.oldest_age))

    def apply(self, value: int | None) -> int | None:
        """The age, or the cap."""
        return None if value is None else min(value, self.oldest + 1)

    def expr(self, column: Any) -> Any:
        """Not ``least``: engines differ on what it makes of a null."""
        return ibis.cases((column > self.oldest, self.oldest + 1), else_=column).cast(column.type())
