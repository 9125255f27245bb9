"""The page on the register: every section, its fields and what each may hold."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Iterator, Mapping
from enum import EnumType
from typing import Annotated, Any

from pydantic.fields import FieldInfo

from deid_platform.core.register import Register
from deid_platform.core.register.vocabulary import Entry
from deid_platform.core.workflow import Role
from docs.generate import prose, table

_KINDS = {
    "Line": "text",
    "PersonName": "a person",
    "Name": "a name",
    "EnvironmentVariable": "name of an environment variable",
    "Digest": "SHA-256",
    "AwareDatetime": "time with its zone",
}


def pages() -> dict[str, str]:
    """The page, by file name."""
    sections = [
        "# Register",
        "The YAML files of `assets/register/`, in which order and layout does not matter: each "
        "holds some of the sections below, and an entry may be spread over files. Entries stand "
        "under their name. Dates are days in UTC, the last one included. "
        "[How to keep it](../how-to/keep-the-register.md).",
    ]
    shown: set[type[Entry]] = set()
    for name, field in Register.model_fields.items():
        model = next(_models(field.annotation))
        sections.append(f"## {name}")
        sections.append(_described(model))
        shown.add(model)
        for inner in _inner(model, shown):
            sections += [f"### {_title(inner)}", _described(inner)]
    return {"register.md": "\n\n".join(sections)}


def _inner(model: type[Entry], shown: set[type[Entry]]) -> Iterator[type[Entry]]:
    for field in model.model_fields.values():
        for inner in _models(field.annotation):
            if inner not in shown:
                shown.add(inner)
                yield inner
                yield from _inner(inner, shown)


def _described(model: type[Entry]) -> str:
    hints = typing.get_type_hints(model, include_extras=True)
    source = inspect.get_annotations(model)
    rows = [
        (f"`{name}`", _kind(source.get(name, ""), hints[name]), _default(field))
        for name, field in model.model_fields.items()
        if not field.exclude
    ]
    return f"{prose(inspect.getdoc(model))}\n\n{table(('field', 'holds', 'default'), rows)}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return "none" if value in (None, (), {}) else f"`{value}`"


def _kind(told: str, annotation: Any) -> str:
    """What a field holds, in words."""
    for name, words in _KINDS.items():
        if told.removesuffix(" | None") == name:
            return words
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _kind("", arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_kind("", one) for one in arguments if one is not type(None))
    if origin is tuple:
        return f"list of: {_kind(_element(told), arguments[0])}"
    if origin is not None and issubclass(origin, Mapping):
        key, value = (_element(told), "") if "[" not in told else _pair(told)
        return f"{_kind(key, arguments[0])} → {_kind(value, arguments[1])}"
    if annotation is Role:
        return "a role"
    if isinstance(annotation, EnumType):
        return ", ".join(f"`{one.value}`" for one in annotation)  # type: ignore[var-annotated]
    if isinstance(annotation, type) and issubclass(annotation, Entry):
        return _title(annotation)
    names = {"str": "text", "int": "whole number", "bool": "true or false"}
    name = getattr(annotation, "__name__", str(annotation))
    return names.get(name, name)


def _element(told: str) -> str:
    return told.removeprefix("tuple[").partition(",")[0].removesuffix("]")


def _pair(told: str) -> tuple[str, str]:
    key, _, value = told.removeprefix("dict[").removesuffix("]").partition(", ")
    return key, value


def _models(annotation: Any) -> Iterator[type[Entry]]:
    if isinstance(annotation, type) and issubclass(annotation, Entry):
        yield annotation
    for one in typing.get_args(annotation):
        yield from _models(one)


def _title(model: type[Entry]) -> str:
    words = "".join(f" {c.lower()}" if c.isupper() else c for c in model.__name__)
    return words.strip()
