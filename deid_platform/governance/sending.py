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
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

from deid_platform.core.errors import AuthorisationError, TransferError, ZoneError
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
from deid_platform.governance.signatures import Decision
from deid_platform.governance.transfer_decisions import (
    check_unchanged,
    send_decision,
    signature_of,
)
from deid_platform.governance.transfer_events import TransferFailed, TransferStarted
from deid_platform.governance.transfers import (
    Transfer,
    completed,
    refused,
    started,
    transfer_id,
    transfer_of,
    transfers,
)


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
        at = ledger.now().isoformat(timespec="seconds")
        decision = send_decision(ledger, request, destination, retention_until, actor, at)
        transfer = transfer_id(known.release_id, destination)
        with _alone(deployment, transfer) as work:
            return _send(
                deployment, ledger, known, destination, retention_until, actor, decision, work
            )
    except AuthorisationError as error:
        refused(ledger, error, publication=known.publication, request=request, actor=actor)
        raise


def _send(
    deployment: Deployment,
    ledger: Ledger,
    request: Request,
    destination: Destination,
    retention_until: date | None,
    actor: Actor,
    decision: Decision,
    work: Path,
) -> Transfer:
    transfer = transfer_id(request.release_id, destination)
    before = transfers(ledger, request.publication).get(transfer)
    if before is not None and before.completed is not None:
        return before
    signature = signature_of(actor, decision)
    sent = before.digests if before is not None else frozenset()
    parcels = _parcels(deployment, request, destination, work, sent)
    begun = started(
        request,
        destination,
        files=[one.file.stat().st_size for one in parcels],
        digest=parcels[-1].sha256,
        retention_until=retention_until,
        actor=actor,
        decision=decision,
        signature=signature,
    )

    def begin(records: Records) -> list[Event]:
        now = send_decision(records, request.id, destination, retention_until, actor, decision.at)
        check_unchanged(ledger, records, decision, now, signature)
        last = transfers(records, request.publication).get(transfer)
        return [] if last is not None and _same(last.started, begun) else [begun]

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
    deployment: Deployment,
    request: Request,
    destination: Destination,
    work: Path,
    sent: Collection[str],
) -> list[Parcel]:
    """What is to be carried, the file that completes it last.

    A copy of our own is checked and carried: the outbox has other readers, and a file of it could
    be exchanged after the look. An archive is taken up again only if the ledger knows its digest.
    """
    released = request.released
    source = deployment.outbox / request.publication / request.release_id
    folder = work / "bundle" / request.release_id
    digest = released.manifest_digest if released else ""
    checked_files(source, digest)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        shutil.copytree(source, folder)
    except OSError:
        raise ZoneError(
            str(folder), "the bundle cannot be copied there", "check its owner, mode and free space"
        ) from None
    files = checked_files(folder, digest)
    prefix = f"{request.publication}/{request.release_id}"
    if destination.keys:
        archive = work / f"{request.release_id}{SUFFIX}"
        if not archive.is_file() or file_digest(archive) not in sent:
            archive.unlink(missing_ok=True)
            pack(folder, archive, destination.keys, f"destination {destination.name}")
        files, prefix = (archive,), request.publication
    return [
        Parcel(file=file, name=f"{prefix}/{file.name}", sha256=file_digest(file)) for file in files
    ]


def _same(before: TransferStarted, begun: TransferStarted) -> bool:
    """Whether a transfer goes on as it was begun, by who began it: the first signature stands."""
    return replace(begun, signed=before.signed, signature=before.signature) == before


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
