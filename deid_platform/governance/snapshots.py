"""Snapshots for readers, each recorded in the ledger."""

from __future__ import annotations

from deid_platform.core.zones import Zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.snapshots import Snapshot, publish_snapshot
from deid_platform.governance.events import SnapshotPublished
from deid_platform.governance.ledger import Ledger

RELEASE_SNAPSHOT = "release"
"""What readers know the copy of the release zone by."""


def publish_and_record(
    deployment: Deployment, ledger: Ledger, zone: Zone, *, schema: str, name: str
) -> Snapshot:
    """Publish an immutable copy of a schema of a zone, and say so in the ledger.

    Raises:
        ZoneError: see `engine.snapshots.publish_snapshot`; the last snapshot stays.
        LedgerError: the ledger cannot be written.
    """
    published = publish_snapshot(deployment, zone, schema=schema, name=name)
    ledger.append(
        SnapshotPublished(
            zone=zone.value, snapshot=name, digest=published.sha256, tables=len(published.tables)
        )
    )
    return published
