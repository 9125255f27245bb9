"""`deid audit verify`: recompute the ledger's chain and verify every signature."""

from __future__ import annotations

from typing import Annotated

import typer

from deid_platform.cli import AsJson, console, print_json, progress_console
from deid_platform.engine.deployment import Deployment
from deid_platform.governance.chain import Head
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.recorded import verify_ledger


def register(group: typer.Typer) -> None:
    """Add ``verify``."""
    group.command("verify")(verify)


def verify(
    pinned: Annotated[
        str | None, typer.Option("--head", help="A head noted earlier, as SEQUENCE:HASH.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute the whole chain and verify every signature in it.

    The first bad link, or the first decision whose signature does not count, is named, and the
    exit code is 16. Decisions in doubt, because their key was revoked later as of an earlier time,
    are listed; nothing may rest on them.

    Example: `deid audit verify --head 42:9f2c...`
    """
    ledger = Ledger.open(Deployment.from_environment().ledger_url)
    with progress_console.status("Verifying"):
        found = verify_ledger(ledger, Head.parse(pinned) if pinned else None)
    if as_json:
        print_json(
            {
                "ok": True,
                "entries": found.head.sequence,
                "head": str(found.head),
                "registers": found.registers,
                "decisions": found.decisions,
                "doubtful": [
                    {"entry": one.entry.sequence, "why": one.doubt} for one in found.doubtful
                ],
            }
        )
        return
    console.print(
        f"the chain holds: {found.head.sequence:,} entries, {found.decisions:,} signed decisions, "
        f"{found.registers:,} registers",
        highlight=False,
        soft_wrap=True,
    )
    for one in found.doubtful:
        console.print(f"in doubt: ledger entry {one.entry.sequence}: {one.doubt}", highlight=False)
