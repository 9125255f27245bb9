"""Where releases were sent: what the ledger knows of each transfer, and what is still owed.

`sending.send` carries a release and records it through this module; `destruction` records the
receiver's proof that its copy is gone. Both are signed (`transfer_decisions`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from deid_platform.core.errors import AuthorisationError
from deid_platform.core.workflow import Action, State
from deid_platform.governance.chain import Records
from deid_platform.governance.destinations import Destination, destination_for
from deid_platform.governance.events import ActionRefused, Event
from deid_platform.governance.facts import digest_of
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.register import register_as_of
from deid_platform.governance.requests import Actor, Request, request_of, requests
from deid_platform.governance.signatures import Decision, signature_lines
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
    missing = [*destination.refusals, *_elsewhere(records, known, destination)]
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


def _elsewhere(records: Records, request: Request, destination: Destination) -> list[str]:
    """Why a destination is not the one that was approved; what is public may go to any."""
    form, released = request.form, request.released
    if form is None or released is None:
        return []
    if destination.name != form.destination:
        if form.public:
            return []
        return [f"the release was approved for {form.destination} and is not public"]
    event = next(one for one in reversed(request.history) if one.event == released)
    then = destination_for(
        register_as_of(records, event.sequence),
        form.destination,
        request.publication,
        datetime.fromisoformat(event.at),
    )
    if (then.digest, then.recipient) != (destination.digest, destination.recipient):
        return ["the destination is another place than the one that was approved"]
    return []


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
    decision: Decision,
    signature: str,
) -> TransferStarted:
    """The event of a transfer that is about to begin, and was signed; ``files`` are their sizes."""
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
        role=decision.role,
        by=decision.person,
        os_user=actor.os_user,
        signed=decision.plain(),
        signature=signature_lines(signature),
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
