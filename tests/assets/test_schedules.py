"""The monthly schedule and the age of the snapshot, as the code location offers them."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from assets.schedules import FRESH, MONTH_BEFORE
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.initialise import initialise

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    """The code location, without the Synthea tables, which make loading it slow."""
    folder = tmp_path_factory.mktemp("checkout")
    skip = shutil.ignore_patterns("__pycache__", "target", "logs", "synthea_*")
    for name in ("assets", "dbt_project"):
        shutil.copytree(ROOT / name, folder / name, ignore=skip)
    deployment = Deployment(project=folder, home=folder / "home", environment={})
    initialise(deployment)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEID_PROJECT", str(folder))
        patch.setenv("DEID_HOME", str(folder / "home"))
        from deid_platform.engine.dbt_sources import write_sources

        write_sources(deployment)
        from assets.location import build_definitions

        return build_definitions(deployment)


def requests(definitions: dg.Definitions, at: datetime) -> list[dg.RunRequest]:
    schedule = definitions.resolve_schedule_def(MONTH_BEFORE)
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=at,
            repository_def=definitions.get_repository_def(),
        )
        return list(schedule.evaluate_tick(context).run_requests or [])


@pytest.mark.parametrize(
    ("at", "month"),
    [
        (datetime(2024, 4, 5, 6, tzinfo=UTC), "2024-03"),
        (datetime(2024, 1, 5, 6, tzinfo=UTC), "2023-12"),
    ],
)
def test_the_schedule_takes_the_month_before(
    definitions: dg.Definitions, at: datetime, month: str
) -> None:
    assert [request.partition_key for request in requests(definitions, at)] == [month]


def test_the_schedule_runs_the_whole_path_on_the_fifth_once_switched_on(
    definitions: dg.Definitions,
) -> None:
    schedule = definitions.resolve_schedule_def(MONTH_BEFORE)
    assert schedule.cron_schedule == "0 6 5 * *"
    assert schedule.job_name == "whole_path"
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


def test_a_snapshot_that_is_not_published_for_a_month_is_told_as_late(
    definitions: dg.Definitions,
) -> None:
    graph = definitions.resolve_asset_graph()
    policies = {
        key.to_user_string(): graph.get(key).freshness_policy for key in graph.get_all_asset_keys()
    }
    assert {key for key, policy in policies.items() if policy} == {"snapshots/marts"}
    assert policies["snapshots/marts"] == FRESH
    assert FRESH.warn_window.to_timedelta() > timedelta(days=31)


def test_being_late_stops_no_run(definitions: dg.Definitions) -> None:
    operations = {node.name for node in definitions.resolve_job_def("marts").nodes}
    assert "snapshots__marts" in operations
    assert not [name for name in operations if "fresh" in name]
