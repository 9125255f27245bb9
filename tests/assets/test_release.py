"""A release takes a request and another person's approval of exactly this content."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import pytest

from deid_platform.core.errors import AuthorisationError
from deid_platform.core.zones import Zone
from tests.support.path import ANA, DANA, PUBLICATION, Finished, Site, records, rewrite

ASSET = f"release/{PUBLICATION}"
SHARING_CELLS = (
    "ed_visits_by_county_age_sex_year",
    "ed_visits_by_condition_year",
    PUBLICATION,
)
"""The released table, and those that are masked before it because they share its cells."""
CANDIDATE = f"limited.candidate.{PUBLICATION}"


@pytest.fixture(scope="module")
def approved(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, str]:
    """A candidate that was requested and approved, and the request; take copies."""
    site = finished.site.copy(tmp_path_factory.mktemp("approved"))
    request = site.request()
    site.approve(request)
    return site, request


@pytest.fixture(scope="module")
def released(
    approved: tuple[Site, str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Site, Path, str]:
    """The same, released by a third person: the site, the bundle and the request."""
    site = approved[0].copy(tmp_path_factory.mktemp("released"))
    done = site.asked("release", approved[1], "--as", DANA)
    return site, Path(done["folder"]), approved[1]


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def nothing_is_out(site: Site) -> bool:
    file = site.deployment.zone_file(Zone.RELEASE)
    return not list(site.deployment.outbox.rglob("*.csv")) and (
        not file.exists() or site.tables(Zone.RELEASE) == []
    )


def data_file(folder: Path) -> Path:
    (file,) = [f for f in folder.glob("*.csv") if not f.stem.endswith("_dictionary")]
    return file


def test_a_release_is_a_table_and_a_bundle(released: tuple[Site, Path, str]) -> None:
    site, folder, _ = released
    names = {file.name.removeprefix(data_file(folder).stem) for file in folder.iterdir()}
    assert {".csv", "_dictionary.csv", "_suppression.md", "manifest.json"} <= names
    ((table, candidate),) = site.sql(
        Zone.LIMITED, f"select count(*), count(person_count) from {CANDIDATE}"
    )
    rows = site.sql(
        Zone.RELEASE, f"select count(*), count(person_count) from release.main.{PUBLICATION}"
    )
    assert rows == [(table, candidate)]


def test_the_manifest_holds_the_digest_of_each_file(released: tuple[Site, Path, str]) -> None:
    _, folder, _ = released
    listed = {
        one["name"]: one["sha256"]
        for one in json.loads((folder / "manifest.json").read_text("utf-8"))["files"]
    }
    found = {
        name: hashlib.sha256(content).hexdigest()
        for name, content in contents(folder).items()
        if name != "manifest.json"
    }
    assert listed == found


def test_no_shown_count_is_of_one_to_ten_people(released: tuple[Site, Path, str]) -> None:
    with data_file(released[1]).open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    shown = [row for row in rows if row["person_count"]]
    hidden = [row for row in rows if not row["person_count"]]
    assert shown
    assert hidden
    assert [row for row in shown if 1 <= int(row["person_count"]) <= 10] == []
    assert all(row["person_count_annotation"] == "0" for row in shown)
    for row in hidden:
        assert row["visit_count"] == ""
        assert row["person_count_annotation"] in ("1", "2")


def test_no_identifier_is_in_any_file_after_a_release(
    released: tuple[Site, Path, str], finished: Finished
) -> None:
    site = released[0]
    assert site.sightings_outside_raw(finished.canaries) == []
    if finished.identifiers:
        assert site.sightings_outside_raw(finished.identifiers) == []


def test_releasing_again_changes_no_byte(released: tuple[Site, Path, str], tmp_path: Path) -> None:
    site = released[0].copy(tmp_path)
    folder = site.home / released[1].relative_to(released[0].home)
    before = contents(folder)
    again = site.asked("release", released[2], "--as", DANA)
    assert not again["new"]
    assert Path(again["folder"]) == folder
    assert contents(folder) == before


def test_the_pipeline_releases_the_same_bytes_as_a_person(
    approved: tuple[Site, str], released: tuple[Site, Path, str], tmp_path: Path
) -> None:
    site = approved[0].copy(tmp_path)
    outcome = site.run("release", assets=[ASSET, "snapshots/release"])
    assert outcome.succeeded, outcome.errors
    folder = site.home / released[1].relative_to(released[0].home)
    assert contents(folder) == contents(released[1])
    answer = site.asked("query", "release", f"select count(*) as n from {PUBLICATION}")
    assert answer["rows"][0]["n"] > 0


def test_a_release_materialised_alone_without_a_request_is_refused(copied: Site) -> None:
    outcome = copied.run("release", assets=[ASSET])
    assert not outcome.succeeded
    (message,) = outcome.errors.values()
    assert "AuthorisationError" in message
    assert "nobody has requested it" in message
    assert nothing_is_out(copied)


def test_a_release_without_an_approval_is_refused(copied: Site) -> None:
    request = copied.request()
    refused = copied.deid("release", request, "--as", DANA)
    assert isinstance(refused.exception, AuthorisationError)
    assert "an approval by a data_steward" in str(refused.exception)
    outcome = copied.run("release", assets=[ASSET])
    assert not outcome.succeeded
    assert nothing_is_out(copied)


def test_the_requester_cannot_approve(copied: Site) -> None:
    request = copied.request()
    refused = copied.deid("approve", request, "--role", "data_steward", "--as", ANA)
    assert isinstance(refused.exception, AuthorisationError)
    assert copied.asked("request", "show", request)["gates"] == {}


def test_a_tampered_candidate_is_not_released(approved: tuple[Site, str], tmp_path: Path) -> None:
    site = approved[0].copy(tmp_path)
    site.execute(
        Zone.LIMITED,
        f"update {CANDIDATE} set person_count = person_count + 1 where county = 'California' "
        "and visit_year = 2024",
    )
    refused = site.deid("release", approved[1], "--as", DANA)
    assert isinstance(refused.exception, AuthorisationError)
    assert "is not the one the pipeline recorded last" in str(refused.exception)
    outcome = site.run("release", assets=[ASSET])
    assert not outcome.succeeded
    assert nothing_is_out(site)


def test_gates_run_again_do_not_make_a_tampered_candidate_releasable(
    approved: tuple[Site, str], tmp_path: Path
) -> None:
    site = approved[0].copy(tmp_path)
    site.execute(
        Zone.LIMITED,
        f"update {CANDIDATE} as candidate set person_count = source.person_count, "
        "person_count_annotation = 0 "
        f"from limited.main.{PUBLICATION} as source "
        "where candidate.county = source.county and candidate.visit_year = source.visit_year "
        "and candidate.person_count is null and source.person_count > 0",
    )
    results = site.checks_alone(f"candidate/{PUBLICATION}")
    assert not results["small_counts"]
    refused = site.deid("release", approved[1], "--as", DANA)
    assert isinstance(refused.exception, AuthorisationError)
    assert nothing_is_out(site)


def test_a_candidate_built_anew_from_other_data_needs_a_new_approval(
    approved: tuple[Site, str], tmp_path: Path
) -> None:
    site = approved[0].copy(tmp_path)
    rewrite(site.delivery("2024-03"), records(site.delivery("2024-03"))[:-200])
    rebuilt = site.run(
        assets=[
            *("raw/ed_visits", "limited/ed_visits"),
            *(
                f"{folder}/{name}"
                for folder in ("staging", "limited", "assessment", "candidate")
                for name in SHARING_CELLS
            ),
        ],
        months=("2024-03", "2024-03"),
    )
    assert rebuilt.succeeded, rebuilt.errors
    refused = site.deid("release", approved[1], "--as", DANA)
    assert isinstance(refused.exception, AuthorisationError)
    outcome = site.run("release", assets=[ASSET])
    assert not outcome.succeeded
    assert nothing_is_out(site)
    shown = site.asked("request", "show", approved[1])
    assert shown["state"] == "approved_for_execution"
    assert set(shown["reopened"]["approval"]) >= {"data"}
    site.approve(approved[1])
    assert site.asked("release", approved[1], "--as", DANA)["new"]
