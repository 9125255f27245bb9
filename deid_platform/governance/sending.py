"""Carries releases to destinations of the register: the only caller of a channel.

What leaves here has left already: the bundle that `governance.publish` put into the outbox under
the ledger's authority, checked to the byte. A destination with keys gets it as one encrypted
archive. The archive is kept until it has arrived, so that a transfer that was interrupted goes on
with the same bytes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from deid_platform.core.errors import AuthorisationError, TransferError
from deid_platform.core.workflow import Action, Role, check_role, check_separation
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.durable_files import make_private
from deid_platform.governance.archive import SUFFIX, pack
from deid_platform.governance.bundle import checked_files, file_digest
from deid_platform.governance.chain import Records
from deid_platform.governance.channels import Parcel, Place, carry
from deid_platform.governance.destinations import Destination
from deid_platform.governance.events import Event
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.requests import Actor, Request, request_of
from deid_platform.governance.transfer_events import TransferFailed, TransferStarted
from deid_platform.governance.transfers import (
    Transfer,
    check_sendable,
    completed,
    refused,
    started,
    transfer_id,
    transfer_of,
    transfers,
)

_SENDER = Role.DATA_ENGINEER


def send(
    deployment: Deployment,
    ledger: Ledger,
    *,
    request: str,
    destination: Destination,
    actor: Actor,
    retention_until: date | None = None,
) -> Transfer:
    """Carry a release to a destination, and record what was read back from there.

    Safe to repeat: what has arrived with its digest stays, and no second version is sent.

    Args:
        retention_until: the last day on which the receiver may hold it.

    Raises:
        AuthorisationError: the release, the destination or the sender does not allow it; the
            refusal is recorded.
        ZoneError: the outbox does not hold what was released.
        TransferError: the destination cannot be reached, refuses or holds something else.
    """
    ledger.verify()
    known = request_of(ledger, request)
    try:
        check_sendable(ledger, request, destination, retention_until)
        check_role(request, Action.RELEASE, actor.identity, _SENDER)
        check_separation(request, actor.identity, _SENDER, known.held)
    except AuthorisationError as error:
        refused(ledger, error, publication=known.publication, request=request, actor=actor)
        raise
    transfer = transfer_id(known.release_id, destination)
    with _alone(deployment, transfer) as work:
        return _send(deployment, ledger, known, destination, retention_until, actor, work)


def _send(
    deployment: Deployment,
    ledger: Ledger,
    request: Request,
    destination: Destination,
    retention_until: date | None,
    actor: Actor,
    work: Path,
) -> Transfer:
    transfer = transfer_id(request.release_id, destination)
    before = transfers(ledger, request.publication).get(transfer)
    if before is not None and before.completed is not None:
        return before
    parcels = _parcels(deployment, request, destination, work)
    begun = started(
        request,
        destination,
        files=[one.file.stat().st_size for one in parcels],
        digest=parcels[-1].sha256,
        retention_until=retention_until,
        actor=actor,
    )

    def begin(records: Records) -> list[Event]:
        check_sendable(records, request.id, destination, retention_until)
        last = transfers(records, request.publication).get(transfer)
        return [] if last is not None and last.started == begun else [begun]

    ledger.decide(begin)
    known = transfer_of(ledger, transfer).digests
    place = Place(
        name=destination.name,
        channel=destination.channel,
        settings=destination.settings,
        parameters=destination.parameters,
        environment=deployment.environment,
    )
    try:
        receipt = carry(place, parcels, known)
    except TransferError as error:
        ledger.append(_failed(begun, error))
        raise

    def finish(records: Records) -> list[Event]:
        last = transfers(records, request.publication)[transfer]
        if last.completed is not None:
            return []
        return [completed(last, receiver_digest=receipt.digest, way=receipt.encryption)]

    ledger.decide(finish)
    shutil.rmtree(work, ignore_errors=True)
    return transfer_of(ledger, transfer)


def _parcels(
    deployment: Deployment, request: Request, destination: Destination, work: Path
) -> list[Parcel]:
    """What is to be carried, the file that completes it last."""
    released = request.released
    folder = deployment.outbox / request.publication / request.release_id
    files = checked_files(folder, released.manifest_digest if released else "")
    prefix = f"{request.publication}/{request.release_id}"
    if destination.keys:
        archive = work / f"{request.release_id}{SUFFIX}"
        if not archive.exists():
            pack(folder, archive, destination.keys, f"destination {destination.name}")
        files, prefix = (archive,), request.publication
    return [
        Parcel(file=file, name=f"{prefix}/{file.name}", sha256=file_digest(file)) for file in files
    ]


def _failed(begun: TransferStarted, error: TransferError) -> TransferFailed:
    return TransferFailed(
        transfer=begun.transfer,
        request=begun.request,
        publication=begun.publication,
        destination=begun.destination,
        reason=error.what,
        by=begun.by,
        os_user=begun.os_user,
    )


@contextlib.contextmanager
def _alone(deployment: Deployment, transfer: str) -> Iterator[Path]:
    """The private folder of one transfer, held by one process of this machine."""
    folder = deployment.scratch / "sending"
    make_private(folder)
    lock = os.open(folder / f"{transfer}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TransferError(
                transfer, "it is being sent by another process", "wait for that one to end"
            ) from None
        make_private(folder / transfer)
        yield folder / transfer
    finally:
        os.close(lock)
