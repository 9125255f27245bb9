"""Landing files to gated candidates: the sample as it is, and generated visits, in one run."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from deid_platform.core.zones import Zone
from deid_platform.engine.declarations import load_contracts
from deid_platform.engine.gates import Stage, gates_for
from tests.support.path import CHECKOUT, MONTHS, SAMPLE, VISITS, Finished, Site

CONTRACTS = load_contracts(Site(home=CHECKOUT / "var").deployment)
SYNTHEA = sorted(name for name, one in CONTRACTS.items() if one.system == "synthea")
STAGES = {Zone.LIMITED: Stage.LIMITED, Zone.DEIDENTIFIED: Stage.DEIDENTIFIED}


def file_of(table: str) -> Path:
    return SAMPLE / f"{table.removeprefix('synthea_')}.csv"


def records_in(file: Path) -> tuple[list[str], int]:
    """Header and number of records, counted by another reader than the platform's."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines)
        return next(reader), sum(1 for record in reader if record)


def test_every_step_succeeds_and_no_gate_is_against_it(finished: Finished) -> None:
    for outcome in finished.outcomes:
        assert outcome["errors"] == {}
        assert [c["description"] for c in outcome["checks"] if not c["passed"]] == []
        assert set(outcome["steps"].values()) == {"done"}
        assert outcome["succeeded"]


def test_the_months_delivered_are_one_run(finished: Finished) -> None:
    assert [outcome["partitions"] for outcome in finished.outcomes] == [[MONTHS[0], MONTHS[-1]]]


@pytest.mark.parametrize("zone", [Zone.LIMITED, Zone.DEIDENTIFIED])
def test_every_gate_stands_before_every_record_table(finished: Finished, zone: Zone) -> None:
    for table in CONTRACTS:
        for gate in gates_for(STAGES[zone]):
            assert finished.check(gate.name, f"{zone.value}/{table}")["passed"]


def test_every_gate_stands_before_every_mart_and_candidate(finished: Finished) -> None:
    site = finished.site
    marts, candidates = (
        site.tables(Zone.DEIDENTIFIED, "marts"),
        site.tables(Zone.LIMITED, "candidate"),
    )
    assert len(marts) >= 7
    assert len(candidates) >= 5
    for folder, stage, tables in (
        ("marts", Stage.MART, marts),
        ("candidate", Stage.CANDIDATE, candidates),
    ):
        for table in tables:
            for gate in gates_for(stage):
                assert finished.check(gate.name, f"{folder}/{table}")["passed"]


def test_the_shipped_contracts_declare_every_file_and_column_of_the_sample(
    with_sample: Finished,
) -> None:
    assert {file_of(table).name for table in SYNTHEA} == {f.name for f in SAMPLE.glob("*.csv")}
    for table in SYNTHEA:
        header, _ = records_in(file_of(table))
        assert set(header) - set(CONTRACTS[table].columns) == set()


@pytest.mark.parametrize("table", SYNTHEA)
def test_every_record_of_the_sample_is_accounted_for_in_every_zone(
    with_sample: Finished, table: str
) -> None:
    site = with_sample.site
    _, records = records_in(file_of(table))
    ((rows_in, loaded, quarantined),) = site.sql(
        Zone.RAW,
        "select rows_in, rows_loaded, rows_quarantined from raw.ingest.deliveries "
        "where table_name = ?",
        [table],
    )
    assert rows_in == records == loaded + quarantined
    assert quarantined == site.rows(Zone.RAW, "quarantine").get(table, 0)
    for zone in (Zone.RAW, Zone.LIMITED, Zone.DEIDENTIFIED):
        assert site.rows(zone)[table] == loaded


def test_of_the_sample_only_what_breaks_a_declared_rule_is_quarantined(
    with_sample: Finished,
) -> None:
    site = with_sample.site
    held = {t: n for t, n in site.rows(Zone.RAW, "quarantine").items() if n and t in SYNTHEA}
    assert held == {}


def test_every_visit_is_in_each_zone_and_month(finished: Finished) -> None:
    site = finished.site
    for zone in (Zone.RAW, Zone.LIMITED):
        months = site.sql(
            zone,
            f"select _partition, count(*) from {zone.value}.main.ed_visits group by 1 order by 1",
        )
        assert tuple(month for month, _ in months) == MONTHS
        assert sum(count for _, count in months) == VISITS
    years = dict(
        site.sql(
            Zone.DEIDENTIFIED,
            "select visit_year, count(*) from deidentified.main.ed_visits group by 1",
        )
    )
    assert set(years) == {2023, 2024}
    assert sum(years.values()) == VISITS


def test_the_marts_stand_for_every_person_and_visit(finished: Finished) -> None:
    people = finished.site.sql(
        Zone.DEIDENTIFIED, "select count(distinct person_key) from deidentified.main.ed_visits"
    )[0][0]
    rows = finished.site.rows(Zone.DEIDENTIFIED, "marts")
    assert rows["ed_people"] == people
    assert rows["ed_visits"] == VISITS


def test_the_people_of_the_sample_reach_the_marts(with_sample: Finished) -> None:
    _, people = records_in(SAMPLE / "patients.csv")
    _, encounters = records_in(SAMPLE / "encounters.csv")
    rows = with_sample.site.rows(Zone.DEIDENTIFIED, "marts")
    assert rows["synthea_people"] == people
    assert rows["synthea_encounters"] == encounters


def test_candidates_have_the_cells_of_their_aggregates_some_of_them_hidden(
    finished: Finished,
) -> None:
    site = finished.site
    aggregates = site.rows(Zone.LIMITED)
    for table, rows in site.rows(Zone.LIMITED, "candidate").items():
        assert rows == aggregates[table] > 0
        ((small, hidden),) = site.sql(
            Zone.LIMITED,
            f"select (select count(*) from {table} where person_count between 1 and 10), "
            f"(select count(*) from limited.candidate.{table} where person_count is null)".replace(
                f"from {table}", f"from limited.main.{table}"
            ),
        )
        assert hidden >= small > 0


def test_keys_of_the_two_zones_cannot_be_joined(finished: Finished) -> None:
    keys = {
        zone: {
            key for (key,) in finished.site.sql(zone, f"select distinct person_key from {table}")
        }
        for zone, table in (
            (Zone.LIMITED, "limited.main.ed_visits"),
            (Zone.DEIDENTIFIED, "deidentified.main.ed_visits"),
        )
    }
    assert len(keys[Zone.LIMITED]) == len(keys[Zone.DEIDENTIFIED]) > 0
    assert keys[Zone.LIMITED].isdisjoint(keys[Zone.DEIDENTIFIED])


def test_the_ledger_has_the_attestation_of_every_record_table(finished: Finished) -> None:
    entries = finished.site.asked("ledger", "show", "--last", "10000")
    attested = {e["payload"]["table"] for e in entries if e["kind"] == "determination.safe_harbor"}
    assert attested == {f"deidentified/{table}" for table in CONTRACTS}
    assert finished.site.asked("audit", "verify")["ok"]
