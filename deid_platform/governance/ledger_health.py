"""Examines the ledger for `deid doctor`: it opens, its chain holds, clock and outbox agree."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deid_platform.engine.deployment import Deployment
from deid_platform.engine.doctor import Finding, failure, guarded, note, ok, warning
from deid_platform.governance.bundle import MANIFEST
from deid_platform.governance.chain import Head
from deid_platform.governance.events import RequestReleased
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.register_health import examine_register

_AREA = "ledger"
_TOLERATED = timedelta(minutes=2)


def examine_ledger(deployment: Deployment, now: datetime) -> Iterator[Finding]:
    """What is to be said of a deployment's ledger at a time."""
    yield from guarded(_AREA, _examined(deployment, now))


def _examined(deployment: Deployment, now: datetime) -> Iterator[Finding]:
    is_file = deployment.ledger_url.startswith("sqlite")
    yield from _signing()
    if is_file and not (deployment.home / "ledger.db").exists() and _is_default(deployment):
        yield note(_AREA, "no ledger yet", "the first run makes it")
        return
    ledger = Ledger.open(deployment.ledger_url)
    try:
        head = ledger.verify()
        kept = "a file" if is_file else "a server"
        yield ok(_AREA, f"in {kept}; its chain of {head.sequence:,} entries holds")
        yield from _clock(ledger, head, now)
        yield from guarded("register", examine_register(ledger, deployment, now))
        yield from _bundles(deployment, ledger)
    finally:
        ledger.close()


def _signing() -> Iterator[Finding]:
    if shutil.which("ssh-keygen") is None:
        yield warning(
            "signing",
            "ssh-keygen is not installed: nobody can sign a decision here",
            "install OpenSSH's client (openssh-client)",
        )
        return
    yield ok("signing", "ssh-keygen is installed")


def _is_default(deployment: Deployment) -> bool:
    return deployment.ledger_url == f"sqlite:///{deployment.home / 'ledger.db'}"


def _clock(ledger: Ledger, head: Head, now: datetime) -> Iterator[Finding]:
    last = next(ledger.entries(after=head.sequence - 1), None) if head.sequence else None
    if last is None:
        return
    at = datetime.fromisoformat(last.at).astimezone(UTC)
    if at > now.astimezone(UTC) + _TOLERATED:
        yield failure(
            "clock",
            f"it is {now:%Y-%m-%d %H:%M}, and the ledger's last entry is of {at:%Y-%m-%d %H:%M}",
            "set the clock of this machine, or of the one that wrote the entry, by a time server",
        )
        return
    yield ok("clock", "not behind the ledger's last entry")


def _bundles(deployment: Deployment, ledger: Ledger) -> Iterator[Finding]:
    """Whether the outbox holds only what this ledger recorded, byte for byte by the manifests.

    A release under another ledger (``DEID_LEDGER_URL``) leaves no trace in this one.
    """
    recorded = {
        entry.payload["release"]: entry.payload["manifest_digest"]
        for entry in ledger.entries(kinds=[RequestReleased])
    }
    folders = sorted(path for path in deployment.outbox.glob("*/*") if path.is_dir())
    strange = [one for one in folders if _manifest_digest(one) != recorded.get(one.name, "")]
    if strange:
        yield failure(
            "outbox",
            f"{len(strange)} bundles are no releases that this ledger recorded, the first: "
            f"{strange[0].relative_to(deployment.home)}",
            "take them back from their readers and find out who released them",
        )
    elif folders:
        yield ok("outbox", f"{len(folders)} bundles, each as the ledger recorded it")


def _manifest_digest(bundle: Path) -> str | None:
    try:
        return hashlib.sha256((bundle / MANIFEST).read_bytes()).hexdigest()
    except OSError:
        return None
