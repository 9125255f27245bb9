"""`deid audit head`: the last link of the ledger's chain, to keep elsewhere."""

from __future__ import annotations

import typer

from deid_platform.cli import AsJson, console, print_json
from deid_platform.engine.deployment import Deployment
from deid_platform.governance.ledger import Ledger


def register(group: typer.Typer) -> None:
    """Add ``head``."""
    group.command("head")(head)


def head(as_json: AsJson = False) -> None:
    """Print the last link. Kept elsewhere, it proves later that nothing before it was changed.

    Example: `deid audit head > head.txt`
    """
    found = Ledger.open(Deployment.from_environment().ledger_url).head()
    if as_json:
        print_json({"sequence": found.sequence, "hash": found.hash, "head": str(found)})
        return
    console.print(str(found), highlight=False, soft_wrap=True)
