"""`deid ledger`: read the entries. What holds of them is for `deid audit` to say."""

from __future__ import annotations

from collections import deque
from typing import Annotated, Any

import typer

from deid_platform.cli import AsJson, console, print_json
from deid_platform.engine.deployment import Deployment
from deid_platform.governance.chain import Entry
from deid_platform.governance.ledger import Ledger


def register(app: typer.Typer) -> None:
    """Add `deid ledger`."""
    group = typer.Typer(no_args_is_help=True, help="The append-only record of what was done.")
    group.command("show")(show)
    app.add_typer(group, name="ledger")


def show(
    subject: Annotated[
        str | None, typer.Option(help="Of this table or publication only, by its recorded name.")
    ] = None,
    last: Annotated[int, typer.Option(min=1, help="How many of the newest entries.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show the newest entries, oldest first.

    Example: `deid ledger show --subject candidate/ed_visits_by_county_year --last 5 --json`
    """
    entries = deque(_ledger().entries(subject=subject), maxlen=last)
    if as_json:
        print_json([_document(entry) for entry in entries])
        return
    for entry in entries:
        console.print(
            f"{entry.sequence:>6}  {entry.at[:19]}  {entry.kind:<24}  {entry.subject}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def _ledger() -> Ledger:
    return Ledger.open(Deployment.from_environment().ledger_url)


def _document(entry: Entry) -> dict[str, Any]:
    return {
        "sequence": entry.sequence,
        "at": entry.at,
        "kind": entry.kind,
        "subject": entry.subject,
        "payload": entry.payload,
        "previous": entry.previous,
        "hash": entry.hash,
    }
