"""What changes from one register to another, entry by entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class RegisterChange:
    """One entry that is added (``+``), changed (``~``) or removed (``-``).

    ``fields`` says of a changed entry which of its values differ: path, before, after.
    """

    sign: str
    entry: str
    fields: tuple[tuple[str, Any, Any], ...] = ()


def register_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[RegisterChange, ...]:
    """The changes between the contents of two registers, in the order of the new one."""
    return tuple(_changes(old, new))


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[RegisterChange]:
    for section in dict.fromkeys((*new, *old)):
        before, after = old.get(section, {}), new.get(section, {})
        if section == "agency":
            before, after = ({"": one} if one else {} for one in (before, after))
        for name in dict.fromkeys((*after, *before)):
            entry = f"{section}.{name}".rstrip(".")
            if name not in before:
                yield RegisterChange(sign="+", entry=entry)
            elif name not in after:
                yield RegisterChange(sign="-", entry=entry)
            elif before[name] != after[name]:
                fields = tuple(_fields("", before[name], after[name]))
                yield RegisterChange(sign="~", entry=entry, fields=fields)


def _fields(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*old, *new)):
            step = f"{path}.{key}" if path else str(key)
            yield from _fields(step, old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list):
        for number in range(max(len(old), len(new))):
            before = old[number] if number < len(old) else None
            after = new[number] if number < len(new) else None
            yield from _fields(f"{path}[{number}]", before, after)
    else:
        yield path, old, new
