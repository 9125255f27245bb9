"""Scans for identifiers outside their zone: an asset per area, a check that turns red, a schedule.

A scan quarantines nothing: people decide what an alarm means. It reads the raw zone, so it waits
for whoever writes there.
"""

from collections.abc import Iterator, Mapping

import dagster as dg

from assets import keys
from assets.resources import LedgerResource, ZonesResource
from deid_platform.core.contract import Contract
from deid_platform.core.zones import Zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.scanning import Vocabulary
from deid_platform.governance.scans import areas, scan_area

NIGHTLY = "scan_nightly"
"""Name of the schedule, as the UI shows it."""

CHECK = "holds_no_identifier"


def scan_asset(
    area: str, contracts: Mapping[str, Contract], vocabulary: Vocabulary
) -> dg.AssetsDefinition:
    """Build the asset that scans one area and its check."""

    @dg.asset(
        key=dg.AssetKey(["scans", area]),
        pool=keys.pool(Zone.RAW),
        group_name="scans",
        kinds={"duckdb"},
        description=f"Looks through {area} for identifiers of the raw zone and for patterns.",
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset=dg.AssetKey(["scans", area]),
                description="No file holds an identifier, and each could be looked into.",
            )
        ],
    )
    def asset(zones: ZonesResource, ledger: LedgerResource) -> Iterator[dg.MaterializeResult[None]]:
        scan = scan_area(zones.deployment, ledger.open(), area, contracts, vocabulary)
        counts = {kind: dg.MetadataValue.int(texts) for kind, texts in scan.counts.items()}
        yield dg.MaterializeResult(
            metadata={
                "files": dg.MetadataValue.int(len(scan.files)),
                "identifiers compared": dg.MetadataValue.int(scan.forms),
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name=CHECK,
                    passed=not scan.alarms,
                    severity=dg.AssetCheckSeverity.ERROR,
                    metadata={"alarms": dg.MetadataValue.int(len(scan.alarms)), **counts},
                    description=None
                    if not scan.alarms
                    else f"{len(scan.alarms)} files; `deid scan` on the area names them",
                )
            ],
        )

    return asset


def scan_assets(
    deployment: Deployment, contracts: Mapping[str, Contract], vocabulary: Vocabulary
) -> list[dg.AssetsDefinition]:
    """An asset for each area of a deployment."""
    return [scan_asset(area, contracts, vocabulary) for area in areas(deployment)]


def scan_schedule(job: "dg.UnresolvedAssetJobDefinition") -> dg.ScheduleDefinition:
    """Every night at 02:00 UTC; on as soon as a daemon runs, since it only looks."""
    return dg.ScheduleDefinition(
        name=NIGHTLY,
        job=job,
        cron_schedule="0 2 * * *",
        execution_timezone="UTC",
        description="Scans outbox, snapshots, extracts, and the released and de-identified zones.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
