"""What the ledger records of releases on their way: sent, arrived, failed, destroyed."""

from __future__ import annotations

from dataclasses import dataclass

from deid_platform.governance.events import Event
from deid_platform.governance.signatures import Signed


@dataclass(frozen=True, kw_only=True)
class TransferStarted(Signed, Event, kind="transfer.started", subject="publication"):
    """These bytes of a release are about to leave for one destination of the register.

    Recorded before the first byte goes, so that nothing is on its way that the ledger does not
    know, and signed by the person who sends it. ``digest`` is of the archive, or of the manifest,
    which lists every other file; ``approval`` is the entry of the ledger that approved the release.
    """

    transfer: str
    request: str
    release: str
    publication: str
    destination: str
    recipient: str
    channel: str
    location: str
    packing: str
    keys: tuple[str, ...]
    files: int
    bytes: int
    digest: str
    approval: int
    retention_until: str | None
    role: str
    by: str
    os_user: str


@dataclass(frozen=True, kw_only=True)
class TransferCompleted(Event, kind="transfer.completed", subject="publication"):
    """Every byte is at the destination: what it holds was read back and has these digests.

    ``encryption`` says how the bytes were protected: ``age`` in the archive, and ``ssh``, ``tls``
    or ``none`` on the way.
    """

    transfer: str
    request: str
    release: str
    publication: str
    destination: str
    recipient: str
    channel: str
    encryption: str
    files: int
    bytes: int
    digest: str
    receiver_digest: str
    approval: int
    retention_until: str | None
    by: str
    os_user: str


@dataclass(frozen=True, kw_only=True)
class TransferFailed(Event, kind="transfer.failed", subject="publication"):
    """A transfer stopped on its way; sent again, it goes on where it stopped."""

    transfer: str
    request: str
    publication: str
    destination: str
    reason: str
    by: str
    os_user: str


@dataclass(frozen=True, kw_only=True)
class DestructionConfirmed(Signed, Event, kind="transfer.destroyed", subject="publication"):
    """The recipient has shown that its copy is destroyed: who saw the proof signs that.

    ``proof`` is the digest of the recipient's certificate.
    """

    transfer: str
    request: str
    publication: str
    destination: str
    method: str
    proof: str
    role: str
    by: str
    os_user: str
