"""`deid audit verify`: recompute the ledger's chain."""

from __future__ import annotations

from typing import Annotated

import typer

from deid_platform.cli import AsJson, console, print_json
from deid_platform.engine.deployment import Deployment
from deid_platform.governance.chain import Head
from deid_platform.governance.ledger import Ledger


def register(group: typer.Typer) -> None:
    """Add ``verify``."""
    group.command("verify")(verify)


def verify(
    pinned: Annotated[
        str | None, typer.Option("--head", help="A head noted earlier, as SEQUENCE:HASH.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute the whole chain; the first bad link is named, and the exit code is 16.

    Example: `deid audit verify --head 42:9f2c...`
    """
    ledger = Ledger.open(Deployment.from_environment().ledger_url)
    found = ledger.verify(Head.parse(pinned) if pinned else None)
    if as_json:
        print_json({"ok": True, "entries": found.sequence, "head": str(found)})
        return
    console.print(f"the chain holds: {found.sequence:,} entries", highlight=False)
