"""`deid audit third-party`: what a recipient got, and under which contract."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from deid_platform.cli import AsJson, console, print_json
from deid_platform.cli.audit import FINDING
from deid_platform.core.register import Term
from deid_platform.engine.deployment import Deployment
from deid_platform.governance.events import RequestReleased
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.register import register_in_force
from deid_platform.governance.transfer_events import (
    DestructionConfirmed,
    TransferCompleted,
    TransferStarted,
)


def register(group: typer.Typer) -> None:
    """Add ``third-party``."""
    group.command("third-party")(third_party)


def third_party(
    recipient: Annotated[str, typer.Argument(help="Name in the inventory of third parties.")],
    release: Annotated[str | None, typer.Argument(help="One release only.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a recipient's contract, and for each transfer its release, digests and approval.

    The exit code is 25 if a transfer has no recorded release, its bytes did not arrive as they
    left, or was to a place that is not the recipient's.

    Example: `deid audit third-party bay_university`
    """
    ledger = Ledger.open(Deployment.from_environment().ledger_url)
    found = register_in_force(ledger)
    party = found.third_party(recipient)
    obstacles = party.obstacles(datetime.now(UTC))
    places = [name for name, one in found.destinations.items() if one.third_party == recipient]
    transfers = [one for one in _transfers(ledger, places) if release in (None, one["release"])]
    unproved = [one for one in transfers if one["unproved"]]
    if as_json:
        print_json(
            {
                "third_party": recipient,
                "register": found.digest,
                "inventory": party.model_dump(mode="json"),
                "obstacles_now": obstacles,
                "destinations": places,
                "transfers": transfers,
            }
        )
    else:
        contract = party.contract
        console.print(f"{party.title}: {party.inventory_id}, manager {party.manager}")
        console.print(
            f"contract {contract.reference}, {contract.effective} to {contract.expires}",
            highlight=False,
        )
        for term in Term:
            agreed = party.terms.get(term)
            told = f"clause {agreed.clause}" if agreed and agreed.agreed else "NOT AGREED"
            console.print(f"    {term.value}: {told}", highlight=False, soft_wrap=True)
        for one in obstacles:
            console.print(f"nothing may be sent now: {one}", style="red", soft_wrap=True)
        console.print(f"destinations: {', '.join(places) or 'none'}", highlight=False)
        for row in transfers:
            console.print(
                f"{row['transfer']}: release {row['release']} of {row['publication']}, "
                f"{row['bytes']} bytes, sha256 {row['digest']}, approved in ledger entry "
                f"{row['approval']}",
                highlight=False,
                soft_wrap=True,
            )
            for why in row["unproved"]:
                console.print(f"    not proved: {why}", style="red", soft_wrap=True)
        console.print(f"{len(transfers)} transfers, {len(unproved)} not proved", highlight=False)
    if unproved:
        raise typer.Exit(FINDING)


def _transfers(ledger: Ledger, places: list[str]) -> list[dict[str, Any]]:
    """Every transfer to the places, with the release it carried and what became of it."""
    released = {
        entry.payload["release"]: entry for entry in ledger.entries(kinds=[RequestReleased])
    }
    ended = {
        entry.payload["transfer"]: entry for entry in ledger.entries(kinds=[TransferCompleted])
    }
    destroyed = {
        entry.payload["transfer"]: entry for entry in ledger.entries(kinds=[DestructionConfirmed])
    }
    rows = []
    for entry in ledger.entries(kinds=[TransferStarted]):
        told = entry.payload
        if told["destination"] not in places:
            continue
        release, end = released.get(told["release"]), ended.get(told["transfer"])
        unproved = []
        if release is None:
            unproved.append("the ledger knows no such release")
        elif release.sequence > entry.sequence:
            unproved.append("it left before it was released")
        if end is None:
            unproved.append("it did not arrive, or nobody verified that it did")
        elif end.payload["receiver_digest"] != told["digest"]:
            unproved.append("other bytes arrived than were sent")
        gone = destroyed.get(told["transfer"])
        rows.append(
            {
                "transfer": told["transfer"],
                "entry": entry.sequence,
                "at": entry.at,
                "release": told["release"],
                "publication": told["publication"],
                "destination": told["destination"],
                "recipient": told["recipient"],
                "channel": told["channel"],
                "bytes": told["bytes"],
                "digest": told["digest"],
                "approval": told["approval"],
                "released_in": release.sequence if release else None,
                "arrived_in": end.sequence if end else None,
                "destroyed_in": gone.sequence if gone else None,
                "unproved": unproved,
            }
        )
    return rows
