"""The project's Python files as syntax trees, each parsed once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Module:
    """One file: its dotted name, its text and its tree."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    def __str__(self) -> str:
        """The dotted name, as test ids and messages show it."""
        return self.name


@cache
def modules(*packages: str) -> tuple[Module, ...]:
    """Every module below these packages, in order of name."""
    return tuple(
        Module(name=dotted(path), path=path, text=text, tree=ast.parse(text))
        for package in packages
        for path in sorted((ROOT / package).rglob("*.py"))
        for text in [path.read_text("utf-8")]
    )


def dotted(path: Path) -> str:
    """The module name of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(module: Module) -> Iterator[tuple[str, ast.AST]]:
    """Every module that is imported, wherever in the file, with its statement."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield "relative." + (node.module or ""), node
            else:
                base = node.module or ""
                yield base, node
                # "from deid_platform import engine" imports deid_platform.engine.
                yield from ((f"{base}.{alias.name}", node) for alias in node.names)


def calls(module: Module) -> Iterator[str]:
    """Dotted names of everything called, as written."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def only_for_types(module: Module) -> set[ast.AST]:
    """Statements that run in a type checker only."""
    return {
        inner
        for node in ast.walk(module.tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
