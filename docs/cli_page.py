"""`reference/cli.md`: every command, from the application itself."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from deid_platform.cli import build_app
from docs.generate import prose, table

_INTRODUCTION = """\
# Commands

Every command has `--help`; those that print something have `--json`, which prints one JSON document
on standard output and nothing else. Progress and errors go to standard error. What a failure's exit
code means is in [exit-codes.md](exit-codes.md)."""


def pages() -> dict[str, str]:
    """The page of the command line."""
    root: Any = typer.main.get_command(build_app())
    sections = [_section(path, command) for path, command in _leaves(root, "deid")]
    return {"cli.md": "\n\n".join([_INTRODUCTION, *sections])}


def _leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    subcommands = getattr(command, "commands", None)
    if subcommands is None:
        yield path, command
        return
    for name in sorted(subcommands):
        yield from _leaves(subcommands[name], f"{path} {name}")


def _section(path: str, command: Any) -> str:
    parameters = [p for p in command.params if not getattr(p, "hidden", False)]
    arguments = [p for p in parameters if p.param_type_name == "argument"]
    options = [p for p in parameters if p.param_type_name == "option" and p.name != "help"]
    usage = " ".join([path, *(_placeholder(p) for p in arguments), "[OPTIONS]" * bool(options)])
    parts = [f"## `{path}`", f"    {usage}", prose(command.help)]
    rows = [
        (_names(p), _help(p), "required" if p.required else _default(p))
        for p in (*arguments, *options)
    ]
    if rows:
        parts.append(table(("argument or option", "meaning", "default"), rows))
    return "\n\n".join(parts)


def _placeholder(argument: Any) -> str:
    name = argument.name.upper()
    return name if argument.required else f"[{name}]"


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.name.upper()}`"
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    if parameter.is_flag:
        return names
    return f"{names} {_kind(parameter)}"


def _kind(parameter: Any) -> str:
    kind: type = parameter.type_descriptor.annotation
    if issubclass(kind, Enum):
        return ", ".join(f"`{member.value}`" for member in kind)
    return {str: "TEXT", int: "NUMBER", Path: "PATH"}.get(kind, kind.__name__.upper())


def _help(parameter: Any) -> str:
    # Help that names a computed default says so in Typer's own form.
    return prose(parameter.help).partition(" [default: ")[0]


def _default(parameter: Any) -> str:
    told = prose(parameter.help).partition(" [default: ")[2]
    if told:
        return told.removesuffix("]")
    default = getattr(parameter.default, "value", parameter.default)
    if default is None or default is False:
        return ""
    return f"`{default}`" if default is not True else f"`{parameter.opts[0]}`"
