"""``deid status``: counts, runs and what waits for whom; never a value."""

from __future__ import annotations

from pathlib import Path

from tests.support.path import MONTHS, PUBLICATION, VISITS, Finished, Site, new_site


def test_status_counts_rows_and_partitions_of_each_zone(finished: Finished) -> None:
    told = finished.site.asked("status")
    zones = {zone["zone"]: zone for zone in told["zones"]}
    assert list(zones) == ["raw", "limited", "deidentified", "release"]
    (raw,) = [
        t for t in zones["raw"]["tables"] if (t["schema"], t["name"]) == ("main", "ed_visits")
    ]
    assert (raw["rows"], raw["partitions"]) == (VISITS, len(MONTHS))
    assert zones["deidentified"]["rows"] > VISITS
    assert "does not exist yet" in zones["release"]["problem"]


def test_status_shows_the_last_run_and_its_months(finished: Finished) -> None:
    (run,) = finished.site.asked("status")["runs"]
    assert run["job"] == "whole_path"
    assert run["status"] == "success"
    assert run["partitions"] == f"{MONTHS[0]} to {MONTHS[-1]}"


def test_status_shows_what_waits_for_whom(copied: Site) -> None:
    assert copied.asked("status")["waiting"] == []
    request = copied.request()
    (waits,) = copied.asked("status")["waiting"]
    assert waits["request"] == request
    assert waits["publication"] == PUBLICATION
    assert waits["role"] == "privacy_reviewer"
    copied.approve(request)
    (waits,) = copied.asked("status")["waiting"]
    assert waits["role"] == "data_engineer"


def test_status_for_people_is_a_table_of_counts(finished: Finished) -> None:
    printed = finished.site.deid("status")
    assert printed.exit_code == 0
    assert "ed_visits" in printed.stdout
    assert f"{VISITS:,}" in printed.stdout
    assert "ed_visits" not in finished.site.deid("status", "--no-tables").stdout.split("Last")[0]


def test_status_of_a_new_deployment_says_that_nothing_is_there(tmp_path: Path) -> None:
    told = new_site(tmp_path).asked("status")
    assert [zone["rows"] for zone in told["zones"]] == [0, 0, 0, 0]
    assert told["runs"] == []
    assert told["waiting"] == []
