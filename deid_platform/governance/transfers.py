"""Where releases were sent: what the ledger knows of each transfer, and what is still owed.

`publish.send` carries a release and records it through this module; `confirm_destruction` records
the receiver's proof that its copy is gone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any

from deid_platform.core.errors import AuthorisationError
from deid_platform.core.workflow import Action, State
from deid_platform.governance.chain import Records
from deid_platform.governance.destinations import Destination
from deid_platform.governance.events import ActionRefused, Event
from deid_platform.governance.facts import digest_of
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.requests import Actor, Request, request_of, requests
from deid_platform.governance.transfer_events import (
    DestructionConfirmed,
    TransferCompleted,
    TransferFailed,
    TransferStarted,
)

KINDS: tuple[type[Event], ...] = (
    TransferStarted,
    TransferCompleted,
    TransferFailed,
    DestructionConfirmed,
)
OVERDUE = 21
"""Exit code of a list that names a copy which should be destroyed by now."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST = 300
_ACTION = "transfer"


class Standing(StrEnum):
    """Where a transfer stands."""

    STARTED = "started"
    FAILED = "failed"
    COMPLETED = "completed"
    DESTROYED = "destroyed"


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """One release at one destination, as its events leave it."""

    id: str
    request: str
    release: str
    publication: str
    destination: str
    recipient: str
    standing: Standing
    starts: tuple[TransferStarted, ...]
    completed: TransferCompleted | None = None
    destroyed: DestructionConfirmed | None = None
    at: str = ""

    @property
    def started(self) -> TransferStarted:
        """How it was begun last."""
        return self.starts[-1]

    @property
    def digests(self) -> frozenset[str]:
        """What has been on its way: encrypted anew, an archive has another digest."""
        return frozenset(one.digest for one in self.starts)

    @property
    def retention_until(self) -> date | None:
        """The last day on which the receiver may hold it."""
        last = self.started.retention_until
        return date.fromisoformat(last) if last else None


@dataclass(frozen=True, kw_only=True)
class Owed:
    """A copy that must be destroyed, and why."""

    transfer: Transfer
    why: str


def transfer_id(release: str, destination: Destination) -> str:
    """The transfer of a release to a destination: the same as long as both are."""
    return "xfer-" + digest_of([release, destination.name, destination.digest])[:16]


def transfers(records: Records, publication: str | None = None) -> dict[str, Transfer]:
    """Every transfer, by id, in order of its beginning."""
    found: dict[str, Transfer] = {}
    for entry in records.entries(kinds=KINDS, subject=publication):
        event: Any = entry.event
        before = found.get(event.transfer)
        found[event.transfer] = replace(_after(before, event), at=entry.at)
    return found


def transfer_of(records: Records, transfer: str) -> Transfer:
    """One transfer.

    Raises:
        AuthorisationError: there is none of that id.
    """
    known = transfers(records).get(transfer)
    if known is None:
        raise AuthorisationError(
            transfer, "there is no such transfer", "list them with `deid transfer list`"
        )
    return known


def owed(records: Records, today: date) -> tuple[Owed, ...]:
    """Copies whose time is over, or whose release was recalled or expired, and no proof is in."""
    states = {one.id: one.state for one in requests(records).values()}
    found = []
    for one in transfers(records).values():
        if one.standing is Standing.DESTROYED:
            continue
        last, state = one.retention_until, states.get(one.request)
        if state in (State.RECALLED, State.EXPIRED):
            found.append(Owed(transfer=one, why=f"the release is {state.value}"))
        elif last is not None and last < today:
            found.append(Owed(transfer=one, why=f"it could be kept until {last.isoformat()}"))
    return tuple(found)


def check_sendable(
    records: Records, request: str, destination: Destination, retention_until: date | None
) -> Request:
    """The request, if its release may go to the destination now.

    Raises:
        AuthorisationError: naming everything that stands against it.
    """
    known = request_of(records, request)
    missing = list(destination.refusals)
    kept = destination.kept_at_most_until
    if known.state is not State.RELEASED or known.released is None:
        missing.append(f"only what is released may be sent; the request is {known.state.value}")
    if kept is not None and retention_until is None:
        missing.append("a third party holds data until a day that is agreed (retention_until)")
    if kept is not None and retention_until is not None and retention_until > kept:
        missing.append(f"the contract ends on {kept}, before the copy would be destroyed")
    if missing:
        raise AuthorisationError(
            f"{request} to {destination.name}",
            "; ".join(missing),
            "nothing was sent; see the register and `deid request show`",
        )
    return known


def approval_of(request: Request) -> int:
    """The entry of the ledger that completed the approvals of a release.

    Raises:
        AuthorisationError: there is none.
    """
    approved = [one for one in request.decisions if one.action is Action.APPROVE_RELEASE]
    if approved:
        return approved[-1].sequence
    raise AuthorisationError(request.id, "no approval is on record", "nothing was sent")


def refused(
    ledger: Ledger, error: AuthorisationError, *, publication: str, request: str, actor: Actor
) -> None:
    """Note that somebody tried to send what may not be sent."""
    ledger.append(
        ActionRefused(
            publication=publication,
            action=_ACTION,
            reasons=tuple(error.what.split("; ")),
            by=str(actor.identity),
            os_user=actor.os_user,
            request=request,
        )
    )


def confirm_destruction(
    ledger: Ledger, *, transfer: str, method: str, proof: str, actor: Actor
) -> Transfer:
    """Record the receiver's proof that its copy is destroyed or returned.

    Args:
        method: how, in one line.
        proof: SHA-256 of the receiver's certificate, which is kept with the contract.

    Raises:
        AuthorisationError: there is no such copy, it is destroyed already, the proof is no digest,
            a service confirms, or the sender confirms what they sent.
    """
    method = method.strip()
    known = transfer_of(ledger, transfer)

    def command(records: Records) -> list[Event]:
        now = transfer_of(records, transfer)
        wrong = []
        if now.standing is Standing.DESTROYED:
            wrong.append("its destruction is confirmed already")
        if not actor.identity.is_person:
            wrong.append("a service may not confirm: a person has seen the proof")
        if str(actor.identity) == now.started.by:
            wrong.append("separation of duties: who sent a copy may not confirm its destruction")
        if not method or len(method) > _LONGEST or not method.isprintable():
            wrong.append("the method is not one printable line")
        if not _SHA256.fullmatch(proof):
            wrong.append("the proof is not a SHA-256 digest")
        if wrong:
            raise AuthorisationError(transfer, "; ".join(wrong), "nothing was recorded")
        return [
            DestructionConfirmed(
                transfer=transfer,
                request=now.request,
                publication=now.publication,
                destination=now.destination,
                method=method,
                proof=proof,
                by=str(actor.identity),
                os_user=actor.os_user,
            )
        ]

    try:
        ledger.decide(command)
    except AuthorisationError as error:
        refused(ledger, error, publication=known.publication, request=known.request, actor=actor)
        raise
    return transfer_of(ledger, transfer)


def _after(before: Transfer | None, event: Any) -> Transfer:
    if isinstance(event, TransferStarted):
        return Transfer(
            id=event.transfer,
            request=event.request,
            release=event.release,
            publication=event.publication,
            destination=event.destination,
            recipient=event.recipient,
            standing=Standing.STARTED,
            starts=(*(before.starts if before else ()), event),
        )
    if before is None:
        raise AuthorisationError(
            event.transfer, "its events begin without a start", "verify the ledger"
        )
    if isinstance(event, TransferCompleted):
        return replace(before, standing=Standing.COMPLETED, completed=event)
    if isinstance(event, DestructionConfirmed):
        return replace(before, standing=Standing.DESTROYED, destroyed=event)
    if before.standing is Standing.STARTED:
        return replace(before, standing=Standing.FAILED)
    return before


def started(
    request: Request,
    destination: Destination,
    *,
    files: Sequence[int],
    digest: str,
    retention_until: date | None,
    actor: Actor,
) -> TransferStarted:
    """The event of a transfer that is about to begin; ``files`` are their sizes."""
    release = request.released.release if request.released else ""
    return TransferStarted(
        transfer=transfer_id(release, destination),
        request=request.id,
        release=release,
        publication=request.publication,
        destination=destination.name,
        recipient=destination.recipient,
        channel=destination.channel,
        location=destination.location,
        packing="age" if destination.keys else "bundle",
        keys=tuple(digest_of(key)[:16] for key in destination.keys),
        files=len(files),
        bytes=sum(files),
        digest=digest,
        approval=approval_of(request),
        retention_until=retention_until.isoformat() if retention_until else None,
        by=str(actor.identity),
        os_user=actor.os_user,
    )


def completed(transfer: Transfer, *, receiver_digest: str, way: str) -> TransferCompleted:
    """The event of a transfer that was read back whole; ``way`` is how the channel protects."""
    begun = next(one for one in reversed(transfer.starts) if one.digest == receiver_digest)
    parts = ["age", way] if begun.packing == "age" else [way]
    return TransferCompleted(
        transfer=begun.transfer,
        request=begun.request,
        release=begun.release,
        publication=begun.publication,
        destination=begun.destination,
        recipient=begun.recipient,
        channel=begun.channel,
        encryption="+".join(parts),
        files=begun.files,
        bytes=begun.bytes,
        digest=begun.digest,
        receiver_digest=receiver_digest,
        approval=begun.approval,
        retention_until=begun.retention_until,
        by=begun.by,
        os_user=begun.os_user,
    )
