"""Drop a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from deid_platform.core.attributes import IdentifierClass
from deid_platform.core.transforms.base import Transform, transform


@transform("drop")
@dataclass(frozen=True, kw_only=True)
class Drop(Transform):
    """No output column. Satisfies every identifier class."""

    satisfies: ClassVar[frozenset[IdentifierClass]] = frozenset(IdentifierClass)
    has_output: ClassVar[bool] = False
