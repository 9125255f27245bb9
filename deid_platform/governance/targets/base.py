"""What a target is given, and how one is found."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from deid_platform.core.errors import DeclarationError

if TYPE_CHECKING:
    import duckdb

    from deid_platform.core.policy import DdgPolicy
    from deid_platform.core.publication import Publication


@dataclass(frozen=True, kw_only=True)
class Field:
    """One column as the data dictionary tells it; ``database_type`` is DuckDB's."""

    name: str
    type: str
    database_type: str
    description: str
    notes: str

    @property
    def is_text(self) -> bool:
        """Whether cells hold text, which a spreadsheet program may take for a formula."""
        return self.type == "text"


@dataclass(frozen=True, kw_only=True)
class Release:
    """What is released: a declaration, the rules it was made by, and digests.

    ``period`` is what the data cover, such as ``2023_2024``, or None without a time dimension.
    """

    id: str
    request: str
    publication: Publication
    policy: DdgPolicy
    fingerprint: str
    score_sheet_digest: str | None
    fields: tuple[Field, ...]
    rows: int
    period: str | None

    @property
    def stem(self) -> str:
        """How files of the release are named: subject, period, content; no clock (GV-04)."""
        content = self.fingerprint.rpartition(":")[2][:8]
        parts = [self.publication.name, self.period, content]
        return "_".join(part for part in parts if part)

    @property
    def title(self) -> str:
        """The declared title, or one made of the name."""
        return self.publication.title or self.publication.name.replace("_", " ").capitalize()


WriteFunction = Callable[["duckdb.DuckDBPyConnection", str, Release, Path], None]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A named way out. ``write`` takes a session, the quoted table, the release and a folder."""

    name: str
    description: str
    write: WriteFunction


_TARGETS: dict[str, Target] = {}


def target(name: str) -> Callable[[WriteFunction], WriteFunction]:
    """Register a function of this folder; its docstring's first line describes it.

    Raises:
        DeclarationError: two targets of one name.
    """

    def register(write: WriteFunction) -> WriteFunction:
        known = _TARGETS.get(name)
        if known is not None and known.write.__module__ != write.__module__:
            raise DeclarationError(name, "two export targets have this name", "rename one")
        _TARGETS[name] = Target(
            name=name,
            description=(write.__doc__ or name).strip().splitlines()[0],
            write=write,
        )
        return write

    return register


def target_names() -> tuple[str, ...]:
    """Every target, in order of name."""
    _load()
    return tuple(sorted(_TARGETS))


def target_named(name: str) -> Target:
    """The target of that name.

    Raises:
        DeclarationError: there is none.
    """
    if name not in target_names():
        raise DeclarationError(
            "export target", "there is none of that name", "use " + " or ".join(target_names())
        )
    return _TARGETS[name]


@cache
def _load() -> None:
    package = importlib.import_module("deid_platform.governance.targets")
    for module in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"{package.__name__}.{module}")
