"""Scheduled scans of what has left the zones that hold PHI, recorded in the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from deid_platform.core.contract import Contract
from deid_platform.core.zones import Zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.scanning import Reading, Scan, Vocabulary, scan_paths
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.scan_events import ScanCompleted

_MOST_FILES = 20


def areas(deployment: Deployment) -> dict[str, Path]:
    """What is scanned on schedule: where the department or the public reads, and what leaves."""
    return {
        "outbox": deployment.outbox,
        "snapshots": deployment.snapshots,
        "sending": deployment.scratch / "sending",
        "extracts": deployment.home / "extracts",
        "deidentified": deployment.zone_file(Zone.DEIDENTIFIED),
        "release": deployment.zone_file(Zone.RELEASE),
    }


def scan_area(
    deployment: Deployment,
    ledger: Ledger,
    area: str,
    contracts: Mapping[str, Contract],
    vocabulary: Vocabulary,
) -> Scan:
    """Scan one area, and record what was found there, or that nothing was.

    Raises:
        ZoneError: the raw zone is being written, or cannot be opened; nothing was recorded.
    """
    place = areas(deployment)[area]
    scan = scan_paths(deployment, [place] if place.exists() else [], contracts, vocabulary)
    ledger.append(_event(deployment, area, scan))
    return scan


def _event(deployment: Deployment, area: str, scan: Scan) -> ScanCompleted:
    def those(reading: Reading) -> int:
        return sum(one.reading is reading for one in scan.files)

    return ScanCompleted(
        area=area,
        looked_into=those(Reading.READ),
        sealed=those(Reading.SEALED),
        unreadable=those(Reading.UNREADABLE),
        alarms=len(scan.alarms),
        findings=scan.counts,
        files=_digests(deployment, (one.path for one in scan.alarms[:_MOST_FILES])),
        source_columns=scan.source_columns,
        forms=scan.forms,
    )


def _digests(deployment: Deployment, paths: Iterable[Path]) -> tuple[str, ...]:
    return tuple(path_digest(deployment, path) for path in paths)


def path_digest(deployment: Deployment, path: Path) -> str:
    """How an alert names a file: the digest of its path below the deployment's home."""
    name = path.relative_to(deployment.home).as_posix()
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]
