"""A draft as the YAML file a person completes, each proposal with its reason."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import yaml

from deid_platform.core.attributes import AttributeClass, IdentifierClass
from deid_platform.engine.drafting import Draft, DraftColumn

_KEYS = frozenset(
    {
        IdentifierClass.MEDICAL_RECORD_NUMBER,
        IdentifierClass.HEALTH_PLAN_NUMBER,
        IdentifierClass.ACCOUNT_NUMBER,
        IdentifierClass.OTHER_UNIQUE,
    }
)


def draft_yaml(draft: Draft) -> str:
    """The draft's text. It is refused until nothing in it says ``needs_review``."""
    return "\n".join([*_head(draft), "columns:", *_columns(draft)]) + "\n"


def _head(draft: Draft) -> Iterator[str]:
    review = AttributeClass.NEEDS_REVIEW.value
    keys = [c.name for c in draft.columns if c.identifier in _KEYS]
    dates = [c.name for c in draft.columns if c.identifier is IdentifierClass.DATES]
    yield f"# Draft, from {draft.rows} rows. Nothing is kept: every column is dropped until you say"
    yield "# otherwise. Replace each needs_review; `deid contract check` says what is missing."
    yield f"name: {draft.name}"
    yield f"system: {review}  # the source system: crosswalk namespace and landing folder"
    yield "version: 1"
    yield f"owner: {review}  # team:<name>"
    yield f"steward: {review}  # person:<name>"
    yield f"description: {review}  # one sentence, then the grain: one row per ..."
    yield "policy: safe_harbor"
    yield f"person: {review}  # whose privacy each row concerns; candidates: {_listed(keys)}"
    yield f"key: []  # what makes a row unique; candidates: {_listed(keys)}"
    if draft.partitioned:
        yield f"partition: {review}  # the date that decides a row's month: {_listed(dates)}"
    yield "source:"
    place = f"{draft.name}-{{partition}}.*" if draft.partitioned else f"{draft.name}.*"
    yield f"  files: {review}/{place}"
    yield f"  formats: [{draft.format}]"
    if draft.delimiter not in (None, ","):
        yield f"  delimiter: {_scalar(str(draft.delimiter))}"


def _columns(draft: Draft) -> Iterator[str]:
    for column in draft.columns:
        yield f"  {_scalar(column.name)}:"
        yield from (f"    # {reason}" for reason in column.reasons)
        yield f"    type: {column.type.value}"
        yield f"    class: {column.attribute_class.value}"
        if column.identifier is not None:
            yield f"    identifier: {column.identifier.value}"
        yield f"    transform: drop{_hint(column)}"


def _hint(column: DraftColumn) -> str:
    if column.identifier in _KEYS:
        return "  # or surrogate"
    if column.identifier is IdentifierClass.DATES:
        return "  # limited: may keep it; deidentified: date_to_year, birth_year, cap_age or drop"
    if column.identifier is IdentifierClass.GEOGRAPHY:
        return "  # limited: may keep it unless it is a street; deidentified: zip3 or drop"
    return ""


def _listed(names: list[str]) -> str:
    return ", ".join(map(_scalar, names)) if names else "none found"


def _scalar(text: str) -> str:
    """One YAML scalar on one line, quoted where YAML would read something else."""
    plain = re.fullmatch("[A-Za-z][A-Za-z0-9_]*", text) and yaml.safe_load(text) == text
    return text if plain else json.dumps(text)
