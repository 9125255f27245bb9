"""The ``deid`` command: one module per noun, found by scanning this folder.

A module offers ``register(app)``, which adds its commands. Commands parse, call one function of a
lower layer and print; every command takes ``--json``.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from typing import Any

import typer
from rich.console import Console

from deid_platform.core.errors import DeidError

console = Console(stderr=False)
progress_console = Console(stderr=True)


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
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        importlib.import_module(f"{__name__}.{module}").register(app)
    return app


def print_json(value: Any) -> None:
    """Print one JSON document, and nothing else, on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, sort_keys=True, default=str) + "\n")


def main() -> None:
    """Run ``deid``; an error of ours ends it with its own exit code and one line."""
    try:
        build_app()()
    except DeidError as error:
        progress_console.print(f"[red]error[/red] {type(error).__name__}: ", end="")
        progress_console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
