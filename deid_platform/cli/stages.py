"""Tells, on standard error, what a command that takes its time is doing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from deid_platform.cli import progress_console


def register(_: typer.Typer) -> None:
    """Add no command."""


@contextmanager
def stages() -> Iterator[Callable[[str], None]]:
    """A function that is told of each stage: a spinner with the time, or a line per stage."""
    if not progress_console.is_terminal:
        yield lambda stage: progress_console.print(stage, highlight=False, soft_wrap=True)
        return
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=progress_console, transient=True) as progress:
        task = progress.add_task("starting")
        yield lambda stage: progress.update(task, description=stage)
