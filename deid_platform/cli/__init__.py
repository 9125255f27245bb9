"""The ``deid`` command: one module per noun, found by scanning this folder.

A module offers ``register(app)``, which adds its commands. Commands parse, call one function of a
lower layer and print; every command takes ``--json``.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import pkgutil
import sys
import traceback
import unicodedata
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from deid_platform.core.errors import DeidError

# What is printed may hold text of other people's making, a cell or a file name: it is never markup.
_PIPED_WIDTH = 240
"""Columns of output that no terminal bounds: lines there are for programs and files."""


class _PlainConsole(Console):
    """Shows control characters as text: what is printed must not command the terminal."""

    def print(self, *objects: Any, **how: Any) -> None:
        """Print, with the control characters of texts made visible."""
        super().print(*(visible(one) if isinstance(one, str) else one for one in objects), **how)


def visible(text: str) -> str:
    """A text whose control and direction characters are written as escapes; lines stay."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one in "\n\t" or unicodedata.category(one)[0] == "Z"
        else one.encode("unicode_escape").decode("ascii")
        for one in text
    )  # fmt: skip


console = _PlainConsole(
    stderr=False,
    markup=False,
    emoji=False,
    width=None if sys.stdout.isatty() else _PIPED_WIDTH,
)
progress_console = _PlainConsole(stderr=True, markup=False, emoji=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
"""The option of every command that a program may read."""


def build_app() -> typer.Typer:
    """The application with every command of this folder."""
    app = typer.Typer(
        name="deid",
        help="De-identify, mask, prove, approve and publish health data.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        importlib.import_module(f"{__name__}.{module}").register(app)
    return app


def _tell_version(wanted: bool) -> None:
    from importlib.metadata import version

    if wanted:
        sys.stdout.write(f"deid {version('deid-platform')}\n")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_tell_version, help="Print the version and stop."
        ),
    ] = False,
) -> None:
    """De-identify, mask, prove, approve and publish health data."""


@contextlib.contextmanager
def stages() -> Iterator[Callable[[str], None]]:
    """A function that is told of each stage of a command: a spinner with the time, or lines."""
    if not progress_console.is_terminal:
        yield lambda stage: progress_console.print(stage, highlight=False, soft_wrap=True)
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=progress_console, transient=True) as progress:
        task = progress.add_task("starting")
        yield lambda stage: progress.update(task, description=stage)


def columns_of(*headings: str, title: str | None = None) -> Table:
    """A table to print, in which no name is cut: what does not fit goes on in the next line."""
    table = Table(title=title)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def print_json(value: Any) -> None:
    """Print one JSON document, and nothing else, on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, sort_keys=True, default=str) + "\n")


def main() -> None:
    """Run ``deid``; an error of ours ends it with its own exit code and one line.

    Of an error that nobody foresaw only the place is told: its text, and the text of its causes,
    may quote cells.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files need not be text
    try:
        build_app()()
    except DeidError as error:
        _print_error(type(error).__name__, str(error))
        sys.exit(error.exit_code)
    except Exception as error:
        _print_error(type(error).__name__, f"{_place(error)}: an error of the program; report it")
        sys.exit(1)


def _print_error(kind: str, text: str) -> None:
    progress_console.print("error", style="red", end=" ")
    progress_console.print(f"{kind}: {text}", highlight=False, soft_wrap=True)


def _place(error: Exception) -> str:
    """The innermost line of ours that the error passed through, without its text."""
    ours = [
        f"{frame.f_code.co_name} in {module}, line {line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if (module := str(frame.f_globals.get("__name__"))).startswith(("deid_platform", "assets"))
    ]
    return ours[-1] if ours else "outside the platform"
