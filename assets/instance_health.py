"""Examines Dagster's instance for `deid doctor`: settings, lost runs, places held in pools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from assets import keys
from assets.instance import end_lost_runs, lost_runs
from deid_platform.core.zones import Zone
from deid_platform.engine.declarations import read_yaml
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.doctor import Finding, failure, guarded, note, ok, warning

_AREA = "dagster"
_REQUIRED = (
    (("telemetry", "enabled"), False, "usage statistics would leave this machine"),
    (("concurrency", "pools", "default_limit"), 1, "two writers would meet in one zone"),
    (("concurrency", "pools", "granularity"), "op", "a run would hold zones it does not write"),
)
_FREEING = ("run_monitoring", "free_slots_after_run_end_seconds")


def examine_instance(deployment: Deployment) -> Iterator[Finding]:
    """What is to be said of a deployment's DAGSTER_HOME."""
    yield from guarded(_AREA, _examined(deployment))


def free_lost_places(deployment: Deployment) -> int:
    """End runs whose process is gone, free the places that ended runs hold; how many those are."""
    if not (deployment.dagster_home / "dagster.yaml").exists():
        return 0
    with dg.DagsterInstance.from_config(str(deployment.dagster_home)) as instance:
        ended = end_lost_runs(instance)
        held = _held_by_none(instance)
        for run in held:
            instance.event_log_storage.free_concurrency_slots_for_run(run)
        return len(ended) + len(held)


def _examined(deployment: Deployment) -> Iterator[Finding]:
    file = deployment.dagster_home / "dagster.yaml"
    if not file.exists():
        yield note(_AREA, "DAGSTER_HOME has no dagster.yaml yet", "the first run makes it")
        return
    settings = read_yaml(file)
    is_well = True
    for path, wanted, because in _REQUIRED:
        if (found := _at(settings, path)) != wanted or type(found) is not type(wanted):
            is_well = False
            yield failure(
                _AREA,
                f"{'.'.join(path)} is not {wanted}: {because}",
                f"set it in {file}, as assets/dagster.yaml has it",
            )
    if not _at(settings, ("run_monitoring", "enabled")) or not _at(settings, _FREEING):
        yield warning(
            _AREA,
            "run monitoring does not free the places of killed runs",
            f"set {'.'.join(_FREEING)} in {file}, as assets/dagster.yaml has it",
        )
    with dg.DagsterInstance.from_config(str(deployment.dagster_home)) as instance:
        for finding in _runs(instance):
            is_well = False
            yield finding
    if is_well:
        yield ok(_AREA, "one writer for each zone, no telemetry, no run is lost")


def _runs(instance: dg.DagsterInstance) -> Iterator[Finding]:
    repair = "run `deid doctor --fix`; the next `deid run` does the same"
    for run in lost_runs(instance):
        yield failure(
            _AREA, f"the process of run {run.run_id} is gone, and it is not ended", repair
        )
    for run_id in _held_by_none(instance):
        yield failure(_AREA, f"run {run_id} has ended and still holds a pool", repair)
    limits = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
    pools = {of(zone) for zone in Zone for of in (keys.pool, keys.staging_pool)}
    for pool in sorted(name for name, limit in limits.items() if name in pools and limit != 1):
        yield failure(
            _AREA,
            f"the pool {pool} lets in {limits[pool]} writers",
            f"`dagster instance concurrency set {pool} 1`",
        )


def _held_by_none(instance: dg.DagsterInstance) -> list[str]:
    """Runs that have ended, or are unknown, and hold places in pools."""
    storage = instance.event_log_storage
    claimed = {
        slot.run_id
        for pool in storage.get_concurrency_keys()
        for slot in storage.get_concurrency_info(pool).claimed_slots
    }
    if not claimed:  # Dagster takes no empty list for a filter
        return []
    known = {run.run_id: run for run in instance.get_runs(dg.RunsFilter(run_ids=list(claimed)))}
    return sorted(one for one in claimed if one not in known or known[one].is_finished)


def _at(settings: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        settings = settings.get(name) if isinstance(settings, Mapping) else None
    return settings
