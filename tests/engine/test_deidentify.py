"""Raw rows reach LIMITED and DEIDENTIFIED whole, treated, and only by promotion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from deid_platform.core.contract import Contract
from deid_platform.core.errors import DeclarationError, ZoneError
from deid_platform.core.safe_harbor import SafeHarborPolicy
from deid_platform.core.zones import Zone
from deid_platform.engine import crosswalk
from deid_platform.engine.deidentify import DeidentifyResult, deidentify, promote
from deid_platform.engine.treatment import treatment_sql
from tests.support.contracts import OPEN, visits_contract

POLICY = SafeHarborPolicy.model_validate(
    {
        "name": "safe_harbor",
        "version": 1,
        "method": "safe_harbor",
        "zip3_profile": "some",
        "zip3_profiles": {"some": {"vintage": "2020", "basis": "test", "restricted": ["036"]}},
    }
)
AGE = {
    "type": "integer",
    "class": "quasi_identifier",
    "identifier": "dates",
    "limited": "keep",
    "deidentified": {"cap_age": {"event": "visit_date"}},
}
BORN = {
    "type": "date",
    "class": "quasi_identifier",
    "identifier": "dates",
    "limited": "drop",
    "deidentified": {"birth_year": {"rename": "birth_year"}},
}
ZIP = {
    "type": "varchar",
    "class": "quasi_identifier",
    "identifier": "geography",
    "limited": "drop",
    "deidentified": "zip3",
}
CONTRACT = visits_contract(age=AGE, birth_date=BORN, zip=ZIP)
Row = tuple[str, str, str, str | None, str | None, int | None, str | None, str | None]

ROWS: list[Row] = [
    ("V1", "P1", "2023-03-05", "Alpine", "F", 50, "1973-01-01", "94110"),
    ("V2", "P2", "2023-11-30", "Kern", "M", 97, "1926-05-05", "03601"),
    ("V3", "P1", "2024-02-29", "Alpine", "F", 51, "1973-01-01", "94110-0001"),
    ("V4", "P3", "2024-02-01", None, None, None, None, "none"),
]
MONTHS = ["2023-03", "2023-11", "2024-02"]


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    for zone in ("raw", "limited", "deidentified"):
        con.execute(f"attach ':memory:' as {zone}")
    load(con, CONTRACT, ROWS)
    return con


def load(con: duckdb.DuckDBPyConnection, contract: Contract, rows: list[Any]) -> None:
    """Put rows into the raw zone as ingestion does."""
    columns = ", ".join(f'"{name}" {c.type.sql}' for name, c in contract.columns.items())
    table = f"raw.main.{contract.name}"
    con.execute(f"create table if not exists {table} ({columns}, _partition varchar)")
    marks = ", ".join("?" * len(contract.columns))
    for row in rows:
        con.execute(f"insert into {table} values ({marks}, ?)", [*row, row[2][:7]])
    for (month,) in con.execute(f"select distinct _partition from {table}").fetchall():
        crosswalk.extend(con, contract, month)


def build(
    con: duckdb.DuckDBPyConnection,
    zone: Zone,
    months: list[str] = MONTHS,
    contract: Contract = CONTRACT,
) -> DeidentifyResult:
    return deidentify(con, contract, zone, months, POLICY, system=[contract])


def rebuilt(con: duckdb.DuckDBPyConnection, zone: Zone, months: list[str] = MONTHS) -> None:
    build(con, zone, months)
    promote(con, CONTRACT, zone)


def rows_of(con: duckdb.DuckDBPyConnection, zone: str, columns: str) -> list[Any]:
    return con.execute(f"select {columns} from {zone}.main.visits order by all").fetchall()


def test_limited_keeps_county_and_month_and_no_direct_identifier(con) -> None:
    rebuilt(con, Zone.LIMITED)
    assert rows_of(con, "limited", "visit_month::varchar, county, sex, age, _partition") == [
        ("2023-03-01", "Alpine", "F", 50, "2023-03"),
        ("2023-11-01", "Kern", "M", 97, "2023-11"),
        ("2024-02-01", "Alpine", "F", 51, "2024-02"),
        ("2024-02-01", None, None, None, "2024-02"),
    ]


def test_deidentified_keeps_what_safe_harbor_permits(con) -> None:
    rebuilt(con, Zone.DEIDENTIFIED)
    found = rows_of(con, "deidentified", "visit_year, sex, age, birth_year, zip")
    assert found == [
        (2023, "F", 50, 1973, "941"),
        (2023, "M", 90, 1934, "000"),
        (2024, "F", 51, 1973, "941"),
        (2024, None, None, None, None),
    ]
    described = con.execute("describe deidentified.main.visits").fetchall()
    assert [(name, kind) for name, kind, *_ in described] == [
        ("visit_key", "BIGINT"),
        ("person_key", "BIGINT"),
        ("visit_year", "INTEGER"),
        ("sex", "VARCHAR"),
        ("age", "INTEGER"),
        ("birth_year", "INTEGER"),
        ("zip", "VARCHAR"),
    ]


def test_a_person_has_one_key_in_a_zone_and_another_in_the_other(con) -> None:
    rebuilt(con, Zone.LIMITED)
    rebuilt(con, Zone.DEIDENTIFIED)
    limited = {key for (key,) in rows_of(con, "limited", "distinct person_key")}
    deidentified = {key for (key,) in rows_of(con, "deidentified", "distinct person_key")}
    assert len(limited) == len(deidentified) == 3
    assert not limited & deidentified


def test_deidentified_rows_are_stored_in_the_order_of_their_random_keys(con) -> None:
    rebuilt(con, Zone.DEIDENTIFIED)
    stored = [
        key for (key,) in con.execute("select visit_key from deidentified.main.visits").fetchall()
    ]
    assert stored == sorted(stored)


def test_the_result_counts_rows_blanks_and_lineage(con) -> None:
    result = build(con, Zone.DEIDENTIFIED)
    assert (result.rows_read, result.rows_written) == (4, 4)
    assert result.nulled["zip"] == 1
    assert not result.nulled["sex"]
    assert result.lineage["age"] == ("age", "visit_date")
    assert result.lineage["person_key"] == ("mrn",)
    assert result.reference_year == 2024
    attested = result.attestation
    assert attested is not None
    assert attested.zip3_vintage == "2020"
    by_column = {treatment.column: treatment for treatment in attested.treatments}
    assert by_column["county"].action == "drop"
    assert by_column["mrn"].rule == "45 CFR 164.514(b)(2)(i)(H); 45 CFR 164.514(c)"


def test_the_evidence_holds_no_value(con) -> None:
    sql = build(con, Zone.DEIDENTIFIED).sql
    assert not [value for row in ROWS for value in row[:2] if str(value) in sql]
    assert sql == treatment_sql(CONTRACT, Zone.DEIDENTIFIED, POLICY.rules(2024), None)


def test_nothing_changes_before_promotion(con) -> None:
    rebuilt(con, Zone.DEIDENTIFIED)
    before = rows_of(con, "deidentified", "*")
    load(con, CONTRACT, [("V9", "P9", "2024-02-03", None, "F", 30, None, None)])
    build(con, Zone.DEIDENTIFIED, ["2024-02"])
    assert rows_of(con, "deidentified", "*") == before
    assert promote(con, CONTRACT, Zone.DEIDENTIFIED) == 3
    assert len(rows_of(con, "deidentified", "*")) == 5


def test_a_month_rebuilds_its_whole_year_and_no_other(con) -> None:
    rebuilt(con, Zone.DEIDENTIFIED)
    con.execute("update raw.main.visits set sex = 'X'")
    result = build(con, Zone.DEIDENTIFIED, ["2023-03"])
    assert result.partitions == ("2023-03", "2023-11")
    promote(con, CONTRACT, Zone.DEIDENTIFIED)
    assert rows_of(con, "deidentified", "visit_year, sex") == [
        (2023, "X"),
        (2023, "X"),
        (2024, "F"),
        (2024, None),
    ]


def test_a_month_of_limited_is_replaced_alone(con) -> None:
    rebuilt(con, Zone.LIMITED)
    con.execute("delete from raw.main.visits where visit_id = 'V4'")
    con.execute("update raw.main.visits set sex = 'X'")
    rebuilt(con, Zone.LIMITED, ["2024-02"])
    assert rows_of(con, "limited", "_partition, sex") == [
        ("2023-03", "F"),
        ("2023-11", "M"),
        ("2024-02", "X"),
    ]


def test_a_partition_emptied_at_the_source_is_emptied_here(con) -> None:
    rebuilt(con, Zone.DEIDENTIFIED)
    con.execute("delete from raw.main.visits where _partition >= '2024'")
    rebuilt(con, Zone.DEIDENTIFIED, ["2024-02"])
    assert {year for (year,) in rows_of(con, "deidentified", "visit_year")} == {2023}


def test_building_twice_gives_the_same_table(con) -> None:
    rebuilt(con, Zone.DEIDENTIFIED)
    first = con.execute("from deidentified.main.visits").fetchall()
    rebuilt(con, Zone.DEIDENTIFIED)
    assert con.execute("from deidentified.main.visits").fetchall() == first


def test_a_changed_contract_rebuilds_the_whole_table(con) -> None:
    rebuilt(con, Zone.DEIDENTIFIED)
    changed = visits_contract(age=AGE, birth_date=BORN, zip={**ZIP, "deidentified": "drop"})
    result = build(con, Zone.DEIDENTIFIED, ["2024-02"], changed)
    assert result.partitions == ("all",)
    promote(con, changed, Zone.DEIDENTIFIED)
    assert len(rows_of(con, "deidentified", "visit_year")) == 4
    with pytest.raises(duckdb.BinderException):
        rows_of(con, "deidentified", "zip")


def test_a_later_year_raises_the_caps_of_years_already_there(con) -> None:
    load(con, CONTRACT, [("V5", "P5", "2024-05-01", None, "F", 89, "1935-01-01", None)])
    rebuilt(con, Zone.DEIDENTIFIED, [*MONTHS, "2024-05"])
    shown = "visit_year, age, birth_year"
    assert (2024, 89, 1935) in rows_of(con, "deidentified", shown)
    load(con, CONTRACT, [("V6", "P6", "2025-01-01", None, "F", 40, "1984-06-01", None)])
    result = build(con, Zone.DEIDENTIFIED, ["2025-01"])
    assert result.partitions == ("2025-01",)
    promote(con, CONTRACT, Zone.DEIDENTIFIED)
    raised = rows_of(con, "deidentified", shown)
    assert (2024, 90, 1935) in raised
    assert (2023, 90, 1935) in raised
    con.execute("drop table deidentified.main.visits; drop table deidentified.build.promoted")
    rebuilt(con, Zone.DEIDENTIFIED, ["2025-01"])
    assert rows_of(con, "deidentified", shown) == raised


def test_a_later_year_in_one_table_raises_the_caps_of_another(con) -> None:
    people = Contract.parse(
        {
            "name": "people",
            "system": "hospital",
            "version": 1,
            "owner": "team:a",
            "steward": "person:b",
            "description": "People.",
            "policy": "safe_harbor",
            "person": "mrn",
            "source": {"files": "hospital/people.csv"},
            "columns": {
                "mrn": CONTRACT.columns["mrn"].canonical(),
                "birth_date": BORN,
            },
        },
        "people",
    )
    con.execute("create table raw.main.people (mrn varchar, birth_date date, _partition varchar)")
    con.execute("insert into raw.main.people values ('P1', '1930-01-01', 'all')")
    crosswalk.extend(con, people, "all")
    both = [CONTRACT, people]
    deidentify(con, people, Zone.DEIDENTIFIED, ["all"], POLICY, system=both)
    promote(con, people, Zone.DEIDENTIFIED)
    year = "select birth_year from deidentified.main.people"
    assert con.execute(year).fetchall() == [(1934,)]
    load(con, CONTRACT, [("V7", "P7", "2030-01-01", None, "F", 40, None, None)])
    deidentify(con, CONTRACT, Zone.DEIDENTIFIED, ["2030-01"], POLICY, system=both)
    promote(con, CONTRACT, Zone.DEIDENTIFIED)
    assert con.execute(year).fetchall() == [(1940,)]


def test_a_value_without_a_surrogate_stops_the_build_and_says_no_value(con) -> None:
    rebuilt(con, Zone.LIMITED)
    before = rows_of(con, "limited", "*")
    con.execute("delete from raw.crosswalk.hospital__person where source_value = 'P3'")
    with pytest.raises(ZoneError, match="1 values have no surrogate") as stopped:
        build(con, Zone.LIMITED)
    assert "P3" not in str(stopped.value)
    assert rows_of(con, "limited", "*") == before
    with pytest.raises(ZoneError, match="nothing is built"):
        promote(con, CONTRACT, Zone.LIMITED)


def test_a_crosswalk_that_would_multiply_rows_stops_the_build(con) -> None:
    con.execute(
        "create or replace table raw.crosswalk.hospital__person as "
        "from raw.crosswalk.hospital__person union all from raw.crosswalk.hospital__person"
    )
    with pytest.raises(ZoneError, match="4 rows were read and 8 would be written"):
        build(con, Zone.DEIDENTIFIED)


def test_a_row_of_another_year_than_its_partition_stops_the_build(con) -> None:
    rebuilt(con, Zone.DEIDENTIFIED)
    con.execute("update raw.main.visits set visit_date = '2021-01-01' where visit_id = 'V4'")
    with pytest.raises(ZoneError, match="1 rows are not of their partition's year"):
        build(con, Zone.DEIDENTIFIED, ["2024-02"])


def test_an_error_of_the_database_quotes_no_value(con) -> None:
    rebuilt(con, Zone.DEIDENTIFIED)
    con.execute("drop table raw.main.visits")
    con.execute(
        "create table raw.main.visits as select visit_id: 'V1', mrn: 'SECRET', "
        "visit_date: 'not a date', county: '', sex: '', age: 1, birth_date: null::date, "
        "zip: '', _partition: '2024-02'"
    )
    with pytest.raises(ZoneError) as stopped:
        build(con, Zone.DEIDENTIFIED)
    assert "not a date" not in str(stopped.value)
    assert stopped.value.__cause__ is None
    assert len(rows_of(con, "deidentified", "*")) == 4


def test_what_was_built_under_another_contract_is_not_promoted(con) -> None:
    build(con, Zone.DEIDENTIFIED)
    with pytest.raises(ZoneError, match="under this contract"):
        promote(con, visits_contract(age=AGE), Zone.DEIDENTIFIED)


def test_a_promotion_happens_once(con) -> None:
    rebuilt(con, Zone.LIMITED)
    with pytest.raises(ZoneError, match="nothing is built"):
        promote(con, CONTRACT, Zone.LIMITED)


@pytest.mark.parametrize("months", [[], ["all"], ["2024-02", "all"]])
def test_a_partitioned_table_takes_months(con, months: list[str]) -> None:
    with pytest.raises(DeclarationError, match="name months"):
        build(con, Zone.LIMITED, months)


@pytest.mark.parametrize("zone", [Zone.RAW, Zone.RELEASE])
def test_no_contract_feeds_the_other_zones(con, zone: Zone) -> None:
    with pytest.raises(DeclarationError, match="no contract feeds"):
        build(con, zone)


def test_a_table_that_was_never_ingested_says_so(con) -> None:
    con.execute("drop table raw.main.visits")
    with pytest.raises(ZoneError, match="ingest it first"):
        build(con, Zone.LIMITED)


def test_an_empty_source_gives_an_empty_table(con) -> None:
    con.execute("delete from raw.main.visits")
    rebuilt(con, Zone.DEIDENTIFIED)
    assert rows_of(con, "deidentified", "*") == []


def test_birth_years_are_not_judged_without_the_systems_contracts(con) -> None:
    with pytest.raises(DeclarationError, match="its system's contracts"):
        deidentify(con, CONTRACT, Zone.DEIDENTIFIED, MONTHS, POLICY, system=[])


def test_an_encrypted_deployment_runs_the_same(tmp_path: Path) -> None:
    from deid_platform.engine.database import open_zone
    from tests.support.deployments import temporary_deployment

    deployment = temporary_deployment(tmp_path)
    with open_zone(deployment, Zone.RAW) as con:
        load(con, CONTRACT, ROWS)
    for zone in (Zone.LIMITED, Zone.DEIDENTIFIED):
        with open_zone(deployment, zone, reading=[Zone.RAW]) as con:
            build(con, zone)
        with open_zone(deployment, zone, reading=[Zone.RAW]) as con:
            assert promote(con, CONTRACT, zone) == 4


def test_what_waits_in_the_session_is_in_no_plain_file_until_it_is_promoted(tmp_path: Path) -> None:
    from deid_platform.engine.database import open_zone
    from tests.support.deployments import temporary_deployment

    name = "Zqplanted Quixote"
    leaky = visits_contract(
        colour={
            "type": "varchar",
            "class": "sensitive",
            "open_vocabulary": OPEN,
            "transform": "keep",
        }
    )
    deployment = temporary_deployment(tmp_path)
    file = deployment.zone_file(Zone.DEIDENTIFIED)
    with open_zone(deployment, Zone.RAW) as con:
        load(con, leaky, [(*ROWS[0][:5], name)])

    def built(*, promoted: bool) -> bytes:
        with open_zone(deployment, Zone.DEIDENTIFIED, reading=[Zone.RAW]) as con:
            deidentify(
                con, leaky, Zone.DEIDENTIFIED, MONTHS, POLICY, system=[leaky], in_session=True
            )
            if promoted:
                assert promote(con, leaky, Zone.DEIDENTIFIED, in_session=True) == 1
        return file.read_bytes()

    assert name.encode() not in built(promoted=False)
    assert name.encode() in built(promoted=True)
