"""`deid audit`: what an auditor asks, one command per question, found by scanning this folder.

A module offers ``register(group)``, which adds its commands. Each prints a complete answer with
references to its evidence, reads only, and ends with an exit code other than 0 if it cannot answer.
"""

from __future__ import annotations

import importlib
import pkgutil

import typer

FINDING = 25
"""Exit code of a question that is answered, and whose answer is that something is wrong."""


def register(app: typer.Typer) -> None:
    """Add ``deid audit`` with every command of this folder."""
    group = typer.Typer(
        no_args_is_help=True, help="Answer an auditor's questions from the ledger; read only."
    )
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        importlib.import_module(f"{__name__}.{module}").register(group)
    app.add_typer(group, name="audit")
