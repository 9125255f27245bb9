"""The scheduled scans: green where nothing is, red on what somebody left."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pytest

from assets.resources import LedgerResource, ZonesResource
from assets.scans import CHECK, NIGHTLY, scan_asset, scan_schedule
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.governance.scan_events import ScanCompleted
from tests.engine.test_scanning import NAMED, PEOPLE, VOCABULARY
from tests.support.governance import World, world


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    one = world(tmp_path)
    monkeypatch.setenv("DEID_HOME", str(one.deployment.home))
    monkeypatch.setenv("DEID_PROJECT", str(one.deployment.project))
    with open_zone(one.deployment, Zone.RAW) as con:
        con.execute(
            "create table visits (visit_id varchar, mrn varchar, patient_first varchar, "
            "patient_last varchar, ssn varchar, phone varchar, street_address varchar)"
        )
        con.executemany("insert into visits values (?, ?, ?, ?, ?, ?, ?)", PEOPLE)
    approved = one.approved()
    one.publish(approved.id)
    return one


def passed(area: str) -> bool:
    done = dg.materialize(
        [scan_asset(area, {"visits": NAMED}, VOCABULARY)],
        resources={"zones": ZonesResource(), "ledger": LedgerResource()},
    )
    (check,) = done.get_asset_check_evaluations()
    assert check.check_name == CHECK
    return check.passed


def last(site: World) -> dict:
    return list(site.ledger.entries(kinds=[ScanCompleted]))[-1].payload


@pytest.mark.parametrize("area", ["outbox", "release", "extracts"])
def test_what_a_release_leaves_raises_no_alarm(site, area):
    assert passed(area)
    event = last(site)
    assert (event["area"], event["alarms"], event["findings"]) == (area, 0, {})
    assert event["forms"] > 0


def test_a_leak_turns_the_check_red_and_is_recorded_without_a_value_or_a_name(site):
    _, _, first, surname, *_ = PEOPLE[0]
    leak = site.deployment.outbox / f"{first} {surname}.txt"
    leak.write_text(f"{first} {surname} called about the table.\n")
    assert not passed("outbox")
    event = last(site)
    assert (event["alarms"], event["findings"]) == (1, {"source name": 1})
    assert surname not in json.dumps(event)
    leak.unlink()
    assert passed("outbox")


def test_the_schedule_runs_every_night_as_soon_as_a_daemon_does():
    asset = scan_asset("outbox", {"visits": NAMED}, VOCABULARY)
    job = dg.define_asset_job("scans", dg.AssetSelection.assets(asset))
    schedule = scan_schedule(job)
    assert (schedule.name, schedule.cron_schedule) == (NIGHTLY, "0 2 * * *")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
