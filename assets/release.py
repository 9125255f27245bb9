"""Releases and the snapshots that readers open."""

import getpass
from collections.abc import Sequence

import dagster as dg

from assets import keys
from assets.reporting import markdown_table
from assets.resources import LedgerResource, ZonesResource
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Publication
from deid_platform.core.zones import Zone
from deid_platform.governance.publish import publish
from deid_platform.governance.requests import Actor
from deid_platform.governance.snapshots import publish_and_record

PIPELINE = "service:pipeline"
"""Who carries out a release that people have approved."""


def release_asset(publication: Publication, policy: DdgPolicy) -> dg.AssetsDefinition:
    """Build the asset that releases a candidate, if the ledger authorises it.

    It asks the ledger itself, whatever ran before it: materialised alone, without a request and
    an approval for exactly this content, it is refused.
    """

    @dg.asset(
        key=keys.release(publication.name),
        deps=[keys.candidate(publication.name)],
        pool=keys.pool(Zone.RELEASE),
        group_name="release",
        kinds={"duckdb", "csv"},
        description=f"{publication.description} Public.",
        tags={"deid/zone": Zone.RELEASE.value, "deid/policy": publication.policy},
    )
    def asset(zones: ZonesResource, ledger: LedgerResource) -> dg.MaterializeResult[None]:
        published = publish(
            zones.deployment,
            ledger.open(),
            publication,
            policy,
            actor=Actor.of(PIPELINE, getpass.getuser()),
        )
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": dg.MetadataValue.int(published.rows),
                "release": dg.MetadataValue.text(published.release),
                "request": dg.MetadataValue.text(published.request),
                "fingerprint": dg.MetadataValue.text(published.fingerprint),
                "folder": dg.MetadataValue.path(str(published.folder)),
                "manifest digest": dg.MetadataValue.text(published.manifest_digest),
            }
        )

    return asset


def snapshot_asset(
    zone: Zone, schema: str, name: str, upstream: Sequence[dg.AssetKey]
) -> dg.AssetsDefinition:
    """Build the asset that publishes an immutable copy of promoted tables for readers."""

    @dg.asset(
        key=keys.snapshot(name),
        deps=list(upstream),
        pool=keys.pool(zone),
        group_name="snapshots",
        kinds={"duckdb"},
        description=f"Read-only copy of {zone.value}.{schema}, replaced whole.",
        tags={"deid/zone": zone.value},
    )
    def asset(zones: ZonesResource, ledger: LedgerResource) -> dg.MaterializeResult[None]:
        published = publish_and_record(
            zones.deployment, ledger.open(), zone, schema=schema, name=name
        )
        return dg.MaterializeResult(
            metadata={
                "file": dg.MetadataValue.path(str(published.file)),
                "sha256": dg.MetadataValue.text(published.sha256),
                "tables": markdown_table(
                    ("table", "rows"),
                    [(table, f"{one.rows:,}") for table, one in published.tables.items()],
                ),
            }
        )

    return asset
