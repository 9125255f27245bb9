"""Requests drive the pipeline, by real Dagster sensors and runs."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context

from assets.requests import STEPS, request_assets, request_sensors
from assets.resources import LedgerResource, ZonesResource
from deid_platform.core.workflow import State
from deid_platform.governance.events import RequestReleased
from deid_platform.governance.requests import request_of
from deid_platform.governance.run_events import (
    RequestRunFailed,
    RequestRunFinished,
    RequestRunStarted,
)
from tests.support.governance import World, world
from tests.support.releases import count, nothing_is_out


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    one = world(tmp_path)
    monkeypatch.setenv("DEID_HOME", str(one.deployment.home))
    monkeypatch.setenv("DEID_PROJECT", str(one.deployment.project))
    one.build()
    return one


class Scheduler:
    """The sensors and assets of requests on an instance of their own."""

    def __init__(self, site: World) -> None:
        self.instance = dg.DagsterInstance.ephemeral()
        self.assets = request_assets([site.publication], {site.policy.name: site.policy})
        self.sensors = dict(zip(STEPS, request_sensors(self.assets), strict=True))
        self.resources = {"zones": ZonesResource(), "ledger": LedgerResource()}
        self.definitions = dg.Definitions(
            assets=self.assets, sensors=list(self.sensors.values()), resources=self.resources
        )

    def due(self, step: str) -> dict[str, str | None]:
        """What a sensor orders now: partitions with their run keys."""
        context = dg.build_sensor_context(
            instance=self.instance,
            definitions=self.definitions,
            resources={"ledger": LedgerResource()},
        )
        # As the daemon's code server does it.
        with partition_loading_context(dynamic_partitions_store=self.instance):
            result = self.sensors[step].evaluate_tick(context)
        return {one.partition_key: one.run_key for one in result.run_requests or ()}

    def run(self, step: str, request: str) -> bool:
        """Run what a sensor ordered."""
        asset = self.assets[list(STEPS).index(step)]
        return dg.materialize(
            [asset],
            partition_key=request,
            instance=self.instance,
            resources=self.resources,
            raise_on_error=False,
        ).success


def test_a_reviewed_request_is_executed_and_an_approved_one_released(site):
    scheduler, asked = Scheduler(site), site.submit().id
    assert not any(scheduler.due(step) for step in STEPS)
    site.review(asked)
    assert list(scheduler.due("execution")) == [asked]
    assert scheduler.run("execution", asked)
    assert request_of(site.ledger, asked).state is State.EXECUTED
    assert not any(scheduler.due(step) for step in STEPS)
    site.validate(asked)
    site.determine(asked)
    site.approve_by_all(asked)
    assert list(scheduler.due("release")) == [asked]
    assert scheduler.run("release", asked)
    assert request_of(site.ledger, asked).state is State.RELEASED
    assert count(site, RequestReleased) == 1
    assert not any(scheduler.due(step) for step in STEPS)
    assert count(site, RequestRunStarted) == count(site, RequestRunFinished) == 2


def test_a_run_too_early_is_refused_and_the_ledger_tells_of_it(site):
    scheduler, asked = Scheduler(site), site.submit().id
    site.review(asked)
    scheduler.due("execution")
    assert not scheduler.run("release", asked)
    assert nothing_is_out(site)
    (failed,) = [one.payload for one in site.ledger.entries(kinds=[RequestRunFailed])]
    assert (failed["request"], failed["action"]) == (asked, "release")
    assert failed["reason"] == "AuthorisationError"


def test_a_step_taken_twice_is_taken_once(site):
    scheduler, asked = Scheduler(site), site.submit().id
    site.review(asked)
    assert scheduler.due("execution") == scheduler.due("execution")
    assert scheduler.run("execution", asked)
    assert scheduler.run("execution", asked)
    site.validate(asked)
    site.determine(asked)
    site.approve_by_all(asked)
    scheduler.due("release")
    assert scheduler.run("release", asked)
    assert scheduler.run("release", asked)
    assert count(site, RequestReleased) == 1


def test_a_run_that_vanished_is_settled_and_ordered_anew_three_times(site):
    scheduler, asked = Scheduler(site), site.submit().id
    site.review(asked)
    seen = []
    for attempt in range(3):
        (key,) = scheduler.due("execution").values()
        seen.append(key)
        site.ledger.append(
            RequestRunStarted(
                request=asked,
                publication=site.publication.name,
                action="record_execution",
                run=f"00000000-0000-0000-0000-00000000000{attempt}",
            )
        )
    assert len(set(seen)) == 3
    assert scheduler.due("execution") == {}
    assert count(site, RequestRunFailed) == 3


def test_sensors_are_off_until_somebody_switches_them_on(site):
    scheduler = Scheduler(site)
    assert {one.default_status for one in scheduler.sensors.values()} == {
        dg.DefaultSensorStatus.STOPPED
    }
