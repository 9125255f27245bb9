"""Months come and are corrected one at a time; the same input gives the same tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from deid_platform.core.zones import Zone
from tests.support.path import MONTHS, VISITS, Demonstrated, Finished, Site, records, rewrite

MONTH = "2023-11"
ASSETS = ("raw/ed_visits", "limited/ed_visits", "deidentified/ed_visits")


def of_month(site: Site, month: str) -> str:
    return site.fingerprint_where(Zone.LIMITED, "ed_visits", f"_partition = '{month}'")


def of_year(site: Site, year: int) -> str:
    return site.fingerprint_where(Zone.DEIDENTIFIED, "ed_visits", f"visit_year = {year}")


@pytest.fixture(scope="module")
def corrected(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One month delivered again without its last 50 visits, and taken alone."""
    site = finished.site.copy(tmp_path_factory.mktemp("corrected"))
    rewrite(site.delivery(MONTH), records(site.delivery(MONTH))[:-50])
    outcome = site.run(assets=ASSETS, months=(MONTH, MONTH))
    assert outcome.succeeded, outcome.errors
    return site


def test_a_corrected_month_replaces_its_rows(corrected: Site) -> None:
    for zone in (Zone.RAW, Zone.LIMITED, Zone.DEIDENTIFIED):
        assert corrected.rows(zone)["ed_visits"] == VISITS - 50


def test_a_corrected_month_leaves_other_months_and_years_as_they_were(
    corrected: Site, finished: Finished
) -> None:
    for month in MONTHS:
        same = of_month(corrected, month) == of_month(finished.site, month)
        assert same == (month != MONTH)
    assert of_year(corrected, 2024) == of_year(finished.site, 2024)
    assert of_year(corrected, 2023) != of_year(finished.site, 2023)


def test_taking_the_month_back_restores_every_table(
    corrected: Site, finished: Finished, tmp_path: Path
) -> None:
    site = corrected.copy(tmp_path)
    site.delivery(MONTH).write_bytes(finished.site.delivery(MONTH).read_bytes())
    assert site.run(assets=ASSETS, months=(MONTH, MONTH)).succeeded
    assert [of_month(site, m) for m in MONTHS] == [of_month(finished.site, m) for m in MONTHS]
    assert of_year(site, 2023) == of_year(finished.site, 2023)


def test_a_month_taken_again_unchanged_changes_nothing(copied: Site, finished: Finished) -> None:
    outcome = copied.run(assets=ASSETS, months=(MONTH, MONTH))
    assert outcome.succeeded
    before = finished.site.fingerprints(Zone.LIMITED)["ed_visits"]
    assert copied.fingerprints(Zone.LIMITED)["ed_visits"] == before
    before = finished.site.fingerprints(Zone.DEIDENTIFIED)["ed_visits"]
    assert copied.fingerprints(Zone.DEIDENTIFIED)["ed_visits"] == before


def test_a_month_that_was_not_delivered_fails_and_changes_nothing(
    copied: Site, finished: Finished
) -> None:
    outcome = copied.run(assets=ASSETS, months=("2024-04", "2024-04"))
    assert not outcome.succeeded
    assert "DeliveryError" in outcome.errors["raw__ed_visits"]
    before = finished.site.fingerprints(Zone.LIMITED)["ed_visits"]
    assert copied.fingerprints(Zone.LIMITED)["ed_visits"] == before


def test_the_whole_path_run_twice_gives_the_same_tables(
    demonstrated: Demonstrated, finished: Finished
) -> None:
    for zone, schema in (
        (Zone.LIMITED, "main"),
        (Zone.LIMITED, "candidate"),
        (Zone.DEIDENTIFIED, "main"),
        (Zone.DEIDENTIFIED, "marts"),
    ):
        before = finished.site.fingerprints(zone, schema)
        assert before
        assert demonstrated.site.fingerprints(zone, schema) == before
