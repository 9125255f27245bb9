"""The scheduled scans: green on what the path makes, red on what somebody left."""

from __future__ import annotations

import json
import shutil

from assets.scans import CHECK, NIGHTLY
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.scan_events import ScanCompleted
from tests.support.path import Site


def outcome(site: Site) -> dict[str, bool]:
    done = site.run("scans")
    assert done.succeeded
    return {check.asset: check.passed for check in done.checks if check.check == CHECK}


def last_scan(site: Site, area: str) -> dict:
    ledger = Ledger.open(site.deployment.ledger_url)
    return list(ledger.entries(kinds=[ScanCompleted], subject=area))[-1].payload


def test_nothing_that_the_path_made_raises_an_alarm_and_a_leak_does(copied: Site) -> None:
    found = outcome(copied)
    assert set(found) == {
        f"scans/{area}"
        for area in ("outbox", "snapshots", "sending", "extracts", "deidentified", "release")
    }
    assert all(found.values()), {area: last_scan(copied, area[6:]) for area in found}
    assert last_scan(copied, "snapshots")["looked_into"] > 0
    assert last_scan(copied, "deidentified")["forms"] > 0

    with open_zone(copied.deployment, None, reading=[Zone.RAW]) as con:
        (name,) = con.execute(
            "select patient_name from raw.main.ed_visits where patient_name like '% %' limit 1"
        ).fetchone()
    leak = copied.deployment.outbox / "notes" / f"{name}.txt"
    leak.parent.mkdir(parents=True)
    leak.write_text(f"{name} called about the table.\n")
    found = outcome(copied)
    assert [area for area, passed in found.items() if not passed] == ["scans/outbox"]
    event = last_scan(copied, "outbox")
    assert (event["alarms"], event["findings"]) == (1, {"source name": 1})
    assert name not in json.dumps(event)

    result = copied.deid("scan", str(leak.parent), "--json")
    assert result.exit_code == 22
    assert json.loads(result.stdout)["counts"] == {"source name": 1}
    shutil.rmtree(leak.parent)
    assert all(outcome(copied).values())


def test_the_schedule_runs_every_night_as_soon_as_a_daemon_does(copied: Site) -> None:
    import dagster as dg

    from assets.location import build_definitions

    with copied.environment():
        schedule = build_definitions(copied.deployment).resolve_schedule_def(NIGHTLY)
    assert schedule.cron_schedule == "0 2 * * *"
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
