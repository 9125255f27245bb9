"""Asset keys, groups, pools, owners and tags: the one place that names things in Dagster."""

from __future__ import annotations

from typing import Any

import dagster as dg

from deid_platform.core.contract import Contract
from deid_platform.core.zones import Zone

FIRST_MONTH = "2015-01"
"""The oldest month a partitioned source may deliver."""

monthly = dg.MonthlyPartitionsDefinition(start_date=FIRST_MONTH, fmt="%Y-%m")
"""Partitions of every partitioned source; a key is ``YYYY-MM``."""

whole_range = dg.BackfillPolicy.single_run()
"""One policy on every partitioned asset: mixed ones split a backfill into separate runs."""


def raw(name: str) -> dg.AssetKey:
    """The raw table of a contract."""
    return dg.AssetKey(["raw", name])


def limited(name: str) -> dg.AssetKey:
    """A limited-data-set table, or an aggregate promoted beside them."""
    return dg.AssetKey(["limited", name])


def record_table(zone: Zone, name: str) -> dg.AssetKey:
    """The record-level table of a contract in the limited or the de-identified zone."""
    return dg.AssetKey([zone.value, name])


def reference(name: str) -> dg.AssetKey:
    """Reference data loaded from a dbt seed."""
    return dg.AssetKey(["reference", name])


def staging(name: str) -> dg.AssetKey:
    """A dbt model in its staging file, not yet promoted."""
    return dg.AssetKey(["staging", name])


def mart(name: str) -> dg.AssetKey:
    """An analysts' mart."""
    return dg.AssetKey(["marts", name])


def assessment(name: str) -> dg.AssetKey:
    """The score sheet of a publication."""
    return dg.AssetKey(["assessment", name])


def candidate(name: str) -> dg.AssetKey:
    """A masked table that awaits a decision."""
    return dg.AssetKey(["candidate", name])


def release(name: str) -> dg.AssetKey:
    """A released table."""
    return dg.AssetKey(["release", name])


def snapshot(name: str) -> dg.AssetKey:
    """An immutable file for readers."""
    return dg.AssetKey(["snapshots", name])


def pool(zone: Zone) -> str:
    """The concurrency pool of a zone file, which takes one writer at a time."""
    return f"zone_{zone.value}"


def staging_pool(zone: Zone) -> str:
    """The concurrency pool of a staging file."""
    return f"staging_{zone.value}"


def op_name(key: dg.AssetKey) -> str:
    """A name for the operation that writes one asset."""
    return "__".join(key.path)


def partitioning(contract: Contract) -> dict[str, Any]:
    """Partition arguments of a contract's assets."""
    if contract.partition is None:
        return {}
    return {"partitions_def": monthly, "backfill_policy": whole_range}


def placement(zone: Zone, contract: Contract) -> dict[str, Any]:
    """Group, owners and tags of a contract's asset in one zone."""
    return {
        "group_name": zone.value,
        "owners": [contract.owner],
        "tags": {
            "deid/zone": zone.value,
            "deid/policy": contract.policy,
            "deid/system": contract.system,
        },
    }
