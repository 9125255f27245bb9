"""Reads the fields of a worked example, each exactly once, and refuses those nobody read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from deid_platform.core.faults import DeclarationFault, Fault
from deid_platform.core.policy import DdgPolicy

Got = dict[str, Any]
Handler = Callable[["Fields", DdgPolicy], Got]


class Fields:
    """The input of one example; ``expected`` names what it asks for."""

    def __init__(self, where: str, given: Any, expected: Any = None) -> None:
        if not isinstance(given, Mapping):
            raise bad(where, "its input is not a mapping")
        self.where = where
        self.expected: Mapping[str, Any] = expected if isinstance(expected, Mapping) else {}
        self._left = dict(given)

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str, default: Any = None) -> Any:
        """The value of a field, which then counts as read."""
        return self._left.pop(name, default)

    def first(self, *names: str, default: Any = None) -> Any:
        """The value of the first of several spellings of a field that is given."""
        for name in names:
            if name in self._left:
                return self._left.pop(name)
        return default

    def need(self, *names: str) -> Any:
        """The value of a field that must be given, in one of its spellings.

        Raises:
            DeclarationFault: it is not.
        """
        for name in names:
            if name in self._left:
                return self._left.pop(name)
        raise bad(self.where, f"its input lacks {names[0]}")

    def note(self, *names: str) -> None:
        """Accept fields that describe the example and decide nothing."""
        for name in names:
            self._left.pop(name, None)

    def inner(self, name: str) -> Fields | None:
        """A field that is itself a mapping."""
        value = self._left.pop(name, None)
        return None if value is None else Fields(f"{self.where}.{name}", value)

    def finish(self) -> None:
        """Refuse what was not read.

        Raises:
            DeclarationFault: a field is left.
        """
        if self._left:
            raise bad(self.where, f"unknown input field {sorted(self._left)[0]}")


def bad(where: str, what: str) -> DeclarationFault:
    """The fault of a malformed example."""
    return DeclarationFault(Fault.BAD_VECTOR, where, what, "see docs/reference/vectors.md")


def whole(where: str, value: Any) -> int:
    """A whole number.

    Raises:
        DeclarationFault: the value is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
        raise bad(where, "a whole number is expected")
    return int(value)


def label(value: Any) -> str:
    """A label as text: YAML reads yes and 2023 as something else."""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return str(value)
