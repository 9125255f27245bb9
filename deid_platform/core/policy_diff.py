"""What changes between two policies, rule by rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deid_platform.core.policy import DdgPolicy

_COMPARED = (
    "settings",
    "score_tables",
    "references",
    "high_risk",
    "surveys",
    "special_codes",
    "unscored_labels",
    "readings",
    "rules",
)
_KEYED = {"rows": "id", "special_codes": "code"}
_WORDING = frozenset({"source", "title", "label"})
"""What only says where a rule is written or how it is named."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference: where in the policy, the rule it belongs to, and both values."""

    where: str
    rule: str
    before: Any
    after: Any


def policy_diff(before: DdgPolicy, after: DdgPolicy) -> list[Change]:
    """Every rule that changes, in the order of the policy's sections."""
    first, second = before.model_dump(mode="json"), after.model_dump(mode="json")
    changes: list[Change] = []
    for section in _COMPARED:
        changes += _changes(section, "", first[section], second[section], section)
    return changes


def _changes(where: str, rule: str, before: Any, after: Any, key: str) -> Iterator[Change]:
    if _substance(before) == _substance(after):
        return
    one, other = _as_mapping(before, key), _as_mapping(after, key)
    whole_entry = (one is None) != (other is None) or _is_row(one) or _is_row(other)
    if one is None or other is None or whole_entry:
        yield Change(where=where, rule=rule, before=before, after=after)
        return
    for name in dict.fromkeys((*one, *other)):
        if name not in _WORDING:
            old, new = one.get(name), other.get(name)
            yield from _changes(f"{where}.{name}", _rule(name, old, new) or rule, old, new, name)


def _substance(value: Any) -> Any:
    """A value without its wording."""
    if isinstance(value, Mapping):
        return {key: _substance(inner) for key, inner in value.items() if key not in _WORDING}
    if isinstance(value, list):
        return [_substance(inner) for inner in value]
    return value


def _is_row(value: Mapping[str, Any] | None) -> bool:
    """A row of a score table, or a reading, changes as a whole."""
    return value is not None and ("points" in value or "chosen" in value)


def _as_mapping(value: Any, key: str) -> Mapping[str, Any] | None:
    if isinstance(value, Mapping):
        return value
    if isinstance(value, list) and key in _KEYED:
        return {str(item[_KEYED[key]]): item for item in value}
    return None


def _rule(name: str, *values: Any) -> str:
    """The rule id that an entry carries, or that is its own name."""
    for value in values:
        if isinstance(value, Mapping) and ("rule" in value or "id" in value):
            return str(value.get("rule") or value["id"])
    prefix, _, number = name.partition("-")
    return name if prefix.isupper() and number.isdigit() else ""
