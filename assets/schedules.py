"""When the path runs by itself, and how old what analysts read may become."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from dagster._core.definitions.partitions.partitioned_schedule import (
        UnresolvedPartitionedAssetScheduleDefinition as Unresolved,
    )

MONTH_BEFORE = "month_before"
"""Name of the schedule, as the UI shows it."""

FRESH = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(days=40), fail_window=timedelta(days=75)
)
"""A month and time to deliver it; twice that."""

_DAY, _HOUR = 5, 6


def monthly_schedule(
    whole_path: dg.UnresolvedAssetJobDefinition,
) -> dg.ScheduleDefinition | Unresolved:
    """Take the month before through the path, on the 5th at 06:00 UTC; off until switched on.

    A month of which no file is there fails at its raw asset and changes nothing; it is launched
    again once it is delivered.
    """
    return dg.build_schedule_from_partitioned_job(
        whole_path,
        name=MONTH_BEFORE,
        description="Takes the month before through the path, up to gated candidates.",
        day_of_month=_DAY,
        hour_of_day=_HOUR,
        minute_of_hour=0,
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )


def watched(snapshot: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """The asset, shown in the UI as late when nobody has published it for a while.

    It stops nothing: what is old is still right.
    """
    return snapshot.map_asset_specs(lambda spec: dg.apply_freshness_policy(spec, FRESH))
