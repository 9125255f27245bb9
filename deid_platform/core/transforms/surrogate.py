"""Replace an identifier by a random key from the crosswalk."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from deid_platform.core.attributes import IdentifierClass
from deid_platform.core.transforms.base import ColumnType, Transform, transform


@transform("surrogate")
@dataclass(frozen=True, kw_only=True)
class Surrogate(Transform):
    """A random 63-bit key, the same for the same value of the same domain within a zone.

    It is looked up, not computed, so it has no expression of its own: the engine compiles it as a
    join with the crosswalk of ``domain``, which never leaves the raw zone. Null stays null.

    Source: 45 CFR 164.514(c), a code not derived from information about the individual.
    """

    options: ClassVar[frozenset[str]] = frozenset({"domain"})
    accepts: ClassVar[frozenset[ColumnType]] = frozenset(
        {ColumnType.VARCHAR, ColumnType.INTEGER, ColumnType.BIGINT}
    )
    satisfies: ClassVar[frozenset[IdentifierClass]] = frozenset(
        {
            IdentifierClass.MEDICAL_RECORD_NUMBER,
            IdentifierClass.HEALTH_PLAN_NUMBER,
            IdentifierClass.ACCOUNT_NUMBER,
            IdentifierClass.OTHER_UNIQUE,
        }
    )

    domain: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", self.domain) or "__" in self.domain:
            raise ValueError("domain is lower snake case, without two underscores in a row")

    def output_type(self, source: ColumnType) -> ColumnType:  # noqa: ARG002
        """Keys are 63-bit integers whatever the source type."""
        return ColumnType.BIGINT
