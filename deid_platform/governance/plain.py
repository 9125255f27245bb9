"""The values that an event may hold, and their one text."""

from __future__ import annotations

import json
import math
from typing import TypeAlias

from deid_platform.core.errors import LedgerError

Plain: TypeAlias = "str | int | float | bool | list[Plain] | dict[str, Plain] | None"
"""What an event's payload may be made of."""

_LONGEST_TEXT = 1_000


def canonical_json(value: Plain) -> str:
    """The one text of a value: sorted keys, no spaces, ASCII."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def check_plain(value: object, where: str = "event") -> Plain:
    """Pass JSON's own types through and refuse all else.

    Exact types only: a DataFrame, a row, a numpy scalar or an enum is a caller's mistake, and
    bytes or a date may be a cell.

    Raises:
        LedgerError: a value of another type, a non-finite number, a long or unprintable text.
    """
    if value is None or type(value) in (bool, int):
        return value  # type: ignore[return-value]
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is str and len(value) <= _LONGEST_TEXT and (value.isprintable() or not value):
        return value
    if type(value) in (list, tuple):
        return [check_plain(item, where) for item in value]  # type: ignore[attr-defined]
    if type(value) is dict:
        return {
            _key(key, where): check_plain(item, f"{where}.{key}") for key, item in value.items()
        }
    raise LedgerError(
        where,
        f"a value of type {type(value).__name__} that the ledger does not hold",
        "record names, counts and digests: printable text under 1,000 characters, finite "
        "numbers, and lists and objects of those",
    )


def _key(key: object, where: str) -> str:
    if type(key) is not str or not key.isprintable() or len(key) > _LONGEST_TEXT:
        raise LedgerError(where, "an object key that is not a name", "key it by a name")
    return key
