"""Synthea exports of several versions reach both zones whole, and without identifiers."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from deid_platform.core.contract import Contract
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.declarations import load_contracts, load_safe_harbor
from deid_platform.engine.deidentify import deidentify, promote
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.ingest import ingest
from tests.support.deployments import land, temporary_deployment

CHECKOUT = Path(__file__).resolve().parents[2]
SAMPLE = CHECKOUT.parent / "shared" / "data" / "synthea"
FIRST = ("patients", "organizations", "providers", "payers", "encounters", "claims")


def system(deployment: Deployment) -> list[Contract]:
    """The Synthea contracts, those that others refer to first."""
    contracts = [c for c in load_contracts(deployment).values() if c.system == "synthea"]
    names = [f"synthea_{name}" for name in FIRST]
    return sorted(contracts, key=lambda c: names.index(c.name) if c.name in names else len(names))


def through(deployment: Deployment) -> None:
    """Ingest and de-identify every Synthea table that was delivered."""
    contracts, policy = system(deployment), load_safe_harbor(deployment)
    with open_zone(deployment, Zone.RAW, files=[deployment.landing]) as con:
        for contract in contracts:
            result = ingest(con, deployment, contract, "all")
            assert not result.rows_quarantined, contract.name
    for zone in (Zone.LIMITED, Zone.DEIDENTIFIED):
        with open_zone(deployment, zone, reading=[Zone.RAW]) as con:
            for contract in contracts:
                deidentify(con, contract, zone, ["all"], policy, system=contracts)
                promote(con, contract, zone)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    if not SAMPLE.is_dir():
        pytest.skip("the Synthea sample is not beside the checkout")
    deployment = temporary_deployment(tmp_path_factory.mktemp("synthea"), CHECKOUT)
    shutil.copytree(SAMPLE, deployment.landing / "synthea")
    through(deployment)
    return deployment


def tables(
    con: duckdb.DuckDBPyConnection, zone: Zone
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each table of a zone with its columns and their types."""
    names = con.execute(
        "select table_name from duckdb_tables() where database_name = ? and schema_name = 'main'",
        [zone.value],
    ).fetchall()
    for (name,) in names:
        described = con.execute(f"describe {zone.value}.main.{name}").fetchall()
        yield name, [column[0] for column in described], [column[1] for column in described]


@pytest.mark.parametrize("zone", [Zone.LIMITED, Zone.DEIDENTIFIED])
def test_every_row_of_the_sample_arrives(sample: Deployment, zone: Zone) -> None:
    with open_zone(sample, None, reading=[zone]) as con:
        for contract in system(sample):
            file = SAMPLE / f"{contract.name.removeprefix('synthea_')}.csv"
            with file.open(newline="") as lines:
                rows = sum(1 for _ in csv.reader(lines)) - 1
            found = con.execute(f"select count(*) from {zone.value}.main.{contract.name}")
            assert found.fetchone() == (rows,), contract.name


def test_no_identifier_of_the_sample_is_a_value_outside_raw(sample: Deployment) -> None:
    identifying = {
        "patients": [
            *("Id", "SSN", "DRIVERS", "PASSPORT", "FIRST", "LAST", "MAIDEN", "ADDRESS"),
            *("CITY", "BIRTHPLACE", "BIRTHDATE", "LAT", "LON"),
        ],
        "encounters": ["Id"],
        "payer_transitions": ["MEMBERID", "OWNERNAME"],
        "devices": ["UDI"],
        "providers": ["Id", "NAME", "ADDRESS"],
    }
    secrets: set[str] = set()
    for table, columns in identifying.items():
        with (SAMPLE / f"{table}.csv").open(newline="") as lines:
            for row in csv.DictReader(lines):
                secrets |= {row[column] for column in columns if row[column]}
    assert len(secrets) > 800
    for zone in (Zone.LIMITED, Zone.DEIDENTIFIED):
        with open_zone(sample, None, reading=[zone]) as con:
            for name, columns, _ in tables(con, zone):
                for column in columns:
                    values = con.execute(
                        f'select distinct "{column}"::varchar from {zone.value}.main.{name}'
                    ).fetchall()
                    assert not secrets & {value for (value,) in values}, f"{name}.{column}"


def test_deidentified_tables_hold_no_date_and_no_year_that_tells_an_age(sample: Deployment) -> None:
    with open_zone(sample, None, reading=[Zone.DEIDENTIFIED]) as con:
        for name, columns, types in tables(con, Zone.DEIDENTIFIED):
            assert not [kind for kind in types if kind.startswith(("DATE", "TIME"))], name
            for column in columns:
                if column.endswith("_year"):
                    row = con.execute(f"select min({column}) from deidentified.main.{name}")
                    earliest = (row.fetchone() or (None,))[0]
                    assert earliest is None or earliest >= 2025 - 90, f"{name}.{column}"


def test_tables_join_within_a_zone_and_not_across(sample: Deployment) -> None:
    orphans = (
        "select count(*) from {zone}.main.synthea_encounters as e "
        "anti join {other}.main.synthea_patients as p using (person_key)"
    )
    with open_zone(sample, None, reading=[Zone.LIMITED, Zone.DEIDENTIFIED]) as con:
        for zone in ("limited", "deidentified"):
            assert con.execute(orphans.format(zone=zone, other=zone)).fetchone() == (0,)
        across = orphans.format(zone="limited", other="deidentified")
        assert con.execute(across).fetchone() == (604,)


def test_an_export_of_a_later_version_passes(tmp_path: Path) -> None:
    deployment = temporary_deployment(tmp_path, CHECKOUT)
    delivered = {
        "patients": "Id,BIRTHDATE,DEATHDATE,SSN,DRIVERS,PASSPORT,PREFIX,FIRST,MIDDLE,LAST,SUFFIX,"
        "MAIDEN,MARITAL,RACE,ETHNICITY,GENDER,BIRTHPLACE,ADDRESS,CITY,STATE,COUNTY,FIPS,ZIP,LAT,"
        "LON,HEALTHCARE_EXPENSES,HEALTHCARE_COVERAGE,INCOME\n"
        "p1,1920-02-03,,999-00-0001,,,,Ann,B,Cee,,,M,white,nonhispanic,F,Boston,1 Elm,Boston,"
        "Massachusetts,Suffolk County,25025,2139,42.1,-71.1,10.5,2.5,54321\n",
        "payers": "Id,NAME,OWNERSHIP,ADDRESS,CITY,STATE_HEADQUARTERED,ZIP,PHONE\n"
        "y1,Payer,GOVERNMENT,,,,,\n",
        "payer_transitions": "PATIENT,MEMBERID,START_DATE,END_DATE,PAYER,SECONDARY_PAYER,"
        "PLAN_OWNERSHIP,OWNER_NAME\n"
        "p1,m1,1925-02-03T01:00:00Z,2024-02-03T01:00:00Z,y1,,Self,Ann Cee\n",
        "encounters": "Id,START,STOP,PATIENT,ORGANIZATION,PROVIDER,PAYER,ENCOUNTERCLASS,CODE,"
        "DESCRIPTION,BASE_ENCOUNTER_COST,TOTAL_CLAIM_COST,PAYER_COVERAGE,REASONCODE,"
        "REASONDESCRIPTION\n"
        "e1,1926-01-01T00:00:00Z,1926-01-01T01:00:00Z,p1,o1,d1,y1,wellness,1,Check,1.0,2.0,0,,\n",
        "organizations": "Id,NAME,ADDRESS,CITY,STATE,ZIP,LAT,LON,PHONE,REVENUE,UTILIZATION\n"
        "o1,Clinic,1 Elm,Boston,MA,02139,42.1,-71.1,,0,1\n",
        "providers": "Id,ORGANIZATION,NAME,GENDER,SPECIALITY,ADDRESS,CITY,STATE,ZIP,LAT,LON,"
        "ENCOUNTERS,PROCEDURES\nd1,o1,Doc,F,GENERAL,1 Elm,Boston,MA,02139,42.1,-71.1,5,2\n",
        "conditions": "START,STOP,PATIENT,ENCOUNTER,SYSTEM,CODE,DESCRIPTION\n"
        "2020-01-01,,p1,e1,http://snomed.info/sct,1,Condition\n",
    }
    for name, content in delivered.items():
        land(deployment, f"synthea/{name}.csv", content)
    for contract in system(deployment):
        name = contract.name.removeprefix("synthea_")
        if name not in delivered:
            header = ",".join(
                c for c, declared in contract.columns.items() if not declared.optional
            )
            land(deployment, f"synthea/{name}.csv", header + "\n")
    through(deployment)
    with open_zone(deployment, None, reading=[Zone.DEIDENTIFIED]) as con:
        person = con.execute(
            "select birth_year, state, zip3, income from deidentified.main.synthea_patients"
        ).fetchall()
        assert person == [(1934, "Massachusetts", "021", 50_000.0)]
        years = (
            "select start_date_year, end_date_year from deidentified.main.synthea_payer_transitions"
        )
        assert con.execute(years).fetchall() == [(1934, 2024)]
        started = "select start_year from deidentified.main.synthea_encounters"
        assert con.execute(started).fetchall() == [(1934,)]
        system_name = "select code_system from deidentified.main.synthea_conditions"
        assert con.execute(system_name).fetchall() == [("Other",)]


def test_without_a_delivery_every_table_is_there_and_empty(tmp_path: Path) -> None:
    deployment = temporary_deployment(tmp_path, CHECKOUT)
    through(deployment)
    with open_zone(deployment, None, reading=[Zone.LIMITED, Zone.DEIDENTIFIED]) as con:
        for zone in (Zone.LIMITED, Zone.DEIDENTIFIED):
            found = {name for name, _, _ in tables(con, zone)}
            assert found == {contract.name for contract in system(deployment)}
