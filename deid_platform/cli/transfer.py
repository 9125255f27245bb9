"""`deid transfer`: where releases went, and what their receivers still owe."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from deid_platform.cli import AsJson, console, print_json, progress_console
from deid_platform.cli.request import As, Key, RequestId, actor
from deid_platform.core.errors import DeclarationError
from deid_platform.core.workflow import Role
from deid_platform.engine.deployment import Deployment
from deid_platform.governance.destinations import destination_for
from deid_platform.governance.destruction import confirm_destruction
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.register import register_in_force
from deid_platform.governance.requests import request_of
from deid_platform.governance.sending import send
from deid_platform.governance.transfers import (
    OVERDUE,
    Transfer,
    owed,
    transfers,
)

TransferId = Annotated[str, typer.Argument(help="Id of the transfer.")]


def register(app: typer.Typer) -> None:
    """Add `deid transfer`."""
    group = typer.Typer(
        no_args_is_help=True, help="Where releases went, and what their receivers still owe."
    )
    group.command("send")(send_release)
    group.command("list")(list_transfers)
    group.command("confirm-destruction")(confirm)
    app.add_typer(group, name="transfer")


def send_release(
    request: RequestId,
    destination: Annotated[str, typer.Argument(help="Name of the destination in the register.")],
    as_person: As,
    keep_until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The last day on which the receiver may hold it."),
    ] = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Send a release to a destination of the register, signed, and read back what arrived.

    Safe to repeat: an interrupted transfer goes on where it stopped, and a finished one is not
    sent again. A destination with recipients' keys gets one encrypted archive.

    Example: `deid transfer send req-0123456789 open_data --as dana.lee`
    """
    deployment = Deployment.from_environment()
    ledger = Ledger.open(deployment.ledger_url)
    dataset = request_of(ledger, request).publication
    with progress_console.status(f"Sending {dataset} to {destination}"):
        done = send(
            deployment,
            ledger,
            request=request,
            destination=destination_for(
                register_in_force(ledger), destination, dataset, datetime.now(UTC)
            ),
            retention_until=keep_until.date() if keep_until else None,
            actor=actor(as_person, key),
        )
    if as_json:
        print_json(as_document(done))
        return
    _print(done, None)


def list_transfers(
    publication: Annotated[str | None, typer.Option(help="Of this publication only.")] = None,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only copies that should be destroyed by now.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List every copy that left: what, where to, its digest, and until when it may be kept.

    Copies that should be destroyed by now, because their time is over or the release was
    recalled, are named with the reason; the exit code is then 21.

    Example: `deid transfer list --overdue`
    """
    ledger = Ledger.open(Deployment.from_environment().ledger_url)
    late = {one.transfer.id: one.why for one in owed(ledger, datetime.now(UTC).date())}
    found = [
        one for one in transfers(ledger, publication).values() if one.id in late or not overdue
    ]
    if as_json:
        print_json([{**as_document(one), "overdue": late.get(one.id)} for one in found])
    else:
        for one in found:
            _print(one, late.get(one.id))
        if not found:
            console.print("No copy is overdue." if overdue else "Nothing was sent.")
    if any(one.id in late for one in found):
        raise typer.Exit(OVERDUE)


def confirm(
    transfer: TransferId,
    method: Annotated[str, typer.Option(help="How the copy was destroyed or returned.")],
    proof: Annotated[Path, typer.Option(help="The receiver's certificate; its digest is kept.")],
    as_person: As,
    role: Annotated[
        Role, typer.Option("--role", help="data_steward or third_party_manager.")
    ] = Role.DATA_STEWARD,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Record, signed, that a receiver has shown that its copy is destroyed or returned.

    Example: `deid transfer confirm-destruction xfer-0123456789abcdef --method "wiped" --proof
    certificate.pdf --as ben.cho`
    """
    try:
        digest = hashlib.sha256(proof.read_bytes()).hexdigest()
    except OSError:
        raise DeclarationError(str(proof), "cannot be read", "name the certificate") from None
    done = confirm_destruction(
        Ledger.open(Deployment.from_environment().ledger_url),
        transfer=transfer,
        method=method,
        proof=digest,
        role=role,
        actor=actor(as_person, key),
    )
    if as_json:
        print_json(as_document(done))
        return
    _print(done, None)


def as_document(transfer: Transfer) -> dict[str, Any]:
    """A transfer for ``--json``."""
    done, gone = transfer.completed, transfer.destroyed
    last: date | None = transfer.retention_until
    return {
        "transfer": transfer.id,
        "request": transfer.request,
        "release": transfer.release,
        "publication": transfer.publication,
        "destination": transfer.destination,
        "recipient": transfer.recipient,
        "channel": transfer.started.channel,
        "standing": transfer.standing.value,
        "at": transfer.at,
        "by": transfer.started.by,
        "approval": transfer.started.approval,
        "bytes": done.bytes if done else None,
        "encryption": done.encryption if done else None,
        "digest": done.digest if done else None,
        "receiver_digest": done.receiver_digest if done else None,
        "retention_until": last.isoformat() if last else None,
        "destroyed": {"method": gone.method, "proof": gone.proof, "by": gone.by} if gone else None,
    }


def _print(transfer: Transfer, late: str | None) -> None:
    console.print(
        f"{transfer.id}  {transfer.standing.value}  {transfer.publication}  "
        f"{transfer.destination}  {transfer.at[:16]}",
        highlight=False,
        soft_wrap=True,
    )
    done = transfer.completed
    if done is not None:
        console.print(
            f"    {done.bytes:,} bytes, {done.encryption}, sha256 {done.receiver_digest}",
            highlight=False,
            soft_wrap=True,
        )
    if late is not None:
        console.print(
            f"    ask {transfer.recipient} for proof of destruction: {late}",
            highlight=False,
            soft_wrap=True,
        )
