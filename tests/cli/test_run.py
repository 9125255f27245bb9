"""``deid run`` as people type it."""

from __future__ import annotations

import json
from pathlib import Path

from deid_platform.core.errors import DeliveryError, ToolError
from deid_platform.core.zones import Zone
from tests.support.path import MONTHS, Finished, Site, new_site

MONTH = ("--from", "2024-03", "--to", "2024-03")


def test_a_run_tells_in_json_of_steps_checks_and_partitions(finished: Finished) -> None:
    (outcome,) = finished.outcomes
    assert outcome["job"] == "whole_path"
    assert outcome["partitions"] == [MONTHS[0], MONTHS[-1]]
    assert outcome["steps"]["raw__ed_visits"] == "done"
    assert len(outcome["checks"]) > 250


def test_a_job_over_one_month_ends_with_one_line(copied: Site) -> None:
    done = copied.deid("run", "--job", "raw_zone", *MONTH)
    assert done.exit_code == 0
    assert done.stdout.replace("\n", " ").startswith("raw_zone 2024-03: succeeded")


def test_a_failed_run_says_which_step_and_why_and_exits_with_an_error(copied: Site) -> None:
    copied.delivery("2024-03").write_text("a,b\n1,2\n", "utf-8")
    done = copied.deid("run", "--job", "raw_zone", *MONTH)
    assert done.exit_code == DeliveryError.exit_code
    told = " ".join(done.stdout.split())
    assert "failed: raw__ed_visits:" in told
    assert "it has no header" in told
    assert "FAILED" in told
    answer = copied.deid("run", "--job", "raw_zone", *MONTH, "--json")
    assert answer.exit_code == DeliveryError.exit_code
    (outcome,) = json.loads(answer.stdout)
    assert not outcome["succeeded"]


def test_a_job_that_does_not_exist_is_named(copied: Site) -> None:
    error = copied.deid("run", "--job", "everything").exception
    assert isinstance(error, ToolError)
    assert "whole_path" in str(error)


def test_months_that_were_not_delivered_are_told(copied: Site) -> None:
    error = copied.deid("run", "--from", "2031-01").exception
    assert isinstance(error, DeliveryError)
    assert "no month is delivered" in str(error)


def test_an_empty_landing_folder_is_told(tmp_path: Path) -> None:
    site = new_site(tmp_path)
    error = site.deid("run").exception
    assert isinstance(error, DeliveryError)
    assert "deid synth" in str(error)


def test_marts_are_queried_after_a_run(finished: Finished) -> None:
    answer = finished.site.asked("query", "marts", "select count(*) as n from ed_people")
    assert answer["rows"] == [{"n": finished.site.rows(Zone.DEIDENTIFIED, "marts")["ed_people"]}]
