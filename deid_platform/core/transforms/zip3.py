"""Reduce a ZIP code to its first three digits where enough people live there."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import ibis

from deid_platform.core.attributes import IdentifierClass
from deid_platform.core.transforms.base import ColumnTransform, ColumnType, Rules, transform

_ZIP = r"^[0-9]{3,5}([ -]*[0-9]{4})?$"
WITHHELD = "000"


@transform("zip3")
@dataclass(frozen=True, kw_only=True)
class Zip3(ColumnTransform):
    """The three-digit ZIP area, or ``000`` where 20,000 people or fewer live in it.

    Takes ZIP and ZIP+4, with or without hyphen, and restores leading zeros a spreadsheet lost
    (``2155`` is ``02155``). What is not a ZIP code becomes null. Which areas are withheld comes
    from the policy; without one, all are.

    Source: 45 CFR 164.514(b)(2)(i)(B).
    """

    accepts: ClassVar[frozenset[ColumnType]] = frozenset(
        {ColumnType.VARCHAR, ColumnType.INTEGER, ColumnType.BIGINT}
    )
    satisfies: ClassVar[frozenset[IdentifierClass]] = frozenset({IdentifierClass.GEOGRAPHY})

    restricted: frozenset[str] = frozenset()
    allowed: frozenset[str] | None = frozenset()

    def output_type(self, source: ColumnType) -> ColumnType:  # noqa: ARG002
        """Text, so that leading zeros stay."""
        return ColumnType.VARCHAR

    def bound(self, rules: Rules) -> Self:
        """With the policy's list: either areas withheld, or the only areas allowed."""
        return dataclasses.replace(
            self, restricted=rules.zip3_restricted, allowed=rules.zip3_allowed
        )

    def apply(self, value: str | int | None) -> str | None:
        """The area of one ZIP code."""
        if value is None:
            return None
        text = re.sub(r"\.0$", "", str(value).strip(" "))
        if not re.fullmatch(_ZIP.strip("^$"), text):
            return None
        digits = re.sub(r"[ -]", "", text)
        area = digits.zfill(5 if len(digits) <= 5 else 9)[:3]
        if area in self.restricted or (self.allowed is not None and area not in self.allowed):
            return WITHHELD
        return area

    def expr(self, column: Any) -> Any:
        """The same in the engine."""
        text = column.cast("string").re_replace(r"^ +", "").re_replace(r" +$", "")
        text = text.re_replace(r"\.0$", "")
        digits = text.re_replace(r"[ -]", "")
        padded = ibis.ifelse(digits.length() <= 5, digits.lpad(5, "0"), digits.lpad(9, "0"))
        area = padded.substr(0, 3)
        withheld = area.isin(sorted(self.restricted)) if self.restricted else ibis.literal(False)
        if self.allowed is not None:
            outside = area.notin(sorted(self.allowed)) if self.allowed else ibis.literal(True)
            withheld = withheld | outside
        return ibis.cases(
            (column.isnull(), ibis.null("string")),
            (~text.re_search(_ZIP), ibis.null("string")),
            (withheld, WITHHELD),
            else_=area,
        )
