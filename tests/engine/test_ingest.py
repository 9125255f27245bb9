"""Deliveries as real systems write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from deid_platform.core.contract import Contract
from deid_platform.core.errors import DeliveryError, ZoneError
from deid_platform.core.zones import Zone
from deid_platform.engine import crosswalk
from deid_platform.engine.database import open_zone
from deid_platform.engine.delivery import available_partitions
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.fingerprint import fingerprint
from deid_platform.engine.ingest import IngestResult, ingest
from deid_platform.engine.raw_tables import prepare_raw
from tests.support.deployments import land, temporary_deployment
from tests.support.tables import HEADER, visits_contract, visits_csv

FILE = "hospital/visits-2024-03"
QUOTED_HEADER = '"' + HEADER.replace(",", '","') + '"'
ROWS = (
    'v1,m1,2024-03-01,34,F,1.5,"said ""ouch"", twice"',
    'v2,m2,2024-03-02,,M,,"two\nlines, one field"',
    "v3,m1,2024-03-31,90,,0,José",
)
TYPED = [
    ("v1", "m1", "2024-03-01", 34, "F", 1.5, 'said "ouch", twice'),
    ("v2", "m2", "2024-03-02", None, "M", None, "two\nlines, one field"),
    ("v3", "m1", "2024-03-31", 90, None, 0.0, "José"),
]


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return temporary_deployment(tmp_path)


def take(
    deployment: Deployment, contract: Contract | None = None, partition: str = "2024-03"
) -> IngestResult:
    with open_zone(deployment, Zone.RAW, files=[deployment.landing]) as con:
        return ingest(con, deployment, contract or visits_contract(), partition)


def ask(deployment: Deployment, query: str) -> list[Any]:
    with open_zone(deployment, None, reading=[Zone.RAW]) as con:
        return con.execute(query).fetchall()


def visits(deployment: Deployment) -> list[Any]:
    columns = HEADER.replace("visit_date", "visit_date::varchar")
    return ask(deployment, f"select {columns} from raw.main.visits order by _partition, _row")


@pytest.mark.parametrize(
    ("content", "source"),
    [
        (visits_csv(*ROWS).encode(), {}),
        (visits_csv(*ROWS).encode("utf-8-sig"), {}),
        (visits_csv(*ROWS, header=QUOTED_HEADER).encode("utf-8-sig"), {}),
        (visits_csv(*ROWS).rstrip("\n").encode(), {}),
        (visits_csv(*ROWS, "", "").encode(), {}),
        (visits_csv("", *ROWS).encode(), {}),
        (visits_csv(*ROWS).encode("latin-1"), {"encoding": "latin-1"}),
        (visits_csv(*ROWS).encode("utf-16"), {"encoding": "utf-16"}),
    ],
    ids=["plain", "mark", "mark and quotes", "no last line end", "blank ends", "blank start",
         "latin-1", "utf-16"],
)  # fmt: skip
def test_csv_is_read_right_however_it_is_encoded(
    deployment: Deployment, content: bytes, source: dict[str, Any]
) -> None:
    land(deployment, f"{FILE}.csv", content)
    result = take(deployment, visits_contract(source=source))
    assert (result.rows_in, result.rows_loaded) == (3, 3)
    assert visits(deployment) == TYPED


def test_csv_with_windows_line_ends_is_read_right(deployment: Deployment) -> None:
    land(deployment, f"{FILE}.csv", visits_csv(*ROWS).replace("\n", "\r\n"))
    take(deployment)
    expected = [(*row[:6], row[6].replace("\n", "\r\n")) for row in TYPED]
    assert visits(deployment) == expected


def test_columns_are_matched_by_name_whatever_their_order(deployment: Deployment) -> None:
    land(
        deployment,
        f"{FILE}.csv",
        visits_csv("well,1.5,F,34,2024-03-01,m1,v1", header=",".join(reversed(HEADER.split(",")))),
    )
    take(deployment)
    assert visits(deployment) == [("v1", "m1", "2024-03-01", 34, "F", 1.5, "well")]


def test_a_quote_within_an_unquoted_field_is_a_character(deployment: Deployment) -> None:
    land(deployment, f"{FILE}.csv", visits_csv('v1,m1,2024-03-01,34,F,1.5,a 5" cut', *ROWS[1:]))
    assert take(deployment).rows_loaded == 3
    assert visits(deployment)[0][-1] == 'a 5" cut'


@pytest.mark.parametrize("ending", ["csv", "parquet", "ndjson"])
def test_the_three_formats_of_one_table_load_alike(deployment: Deployment, ending: str) -> None:
    con = duckdb.connect()
    con.execute(
        "create table given (visit_id text, mrn text, visit_date date, age int, sex text, "
        "charge double, note text)"
    )
    con.executemany("insert into given values (?, ?, ?, ?, ?, ?, ?)", TYPED)
    path = land(deployment, f"{FILE}.{ending}", "")
    con.execute(f"copy given to '{path}' (format {ending.replace('nd', '')})")
    assert take(deployment).rows_loaded == 3
    assert visits(deployment) == TYPED


def test_values_that_mean_the_same_in_their_type_are_taken(deployment: Deployment) -> None:
    land(
        deployment,
        f"{FILE}.csv",
        visits_csv("v1,m1,2024-03-01T00:00:00Z,34.0,F,1e2,", "v2,m1,2024-03-01 00:00:00,+7,F,.5,"),
    )
    take(deployment)
    assert [row[2:6] for row in visits(deployment)] == [
        ("2024-03-01", 34, "F", 100.0),
        ("2024-03-01", 7, "F", 0.5),
    ]


def test_the_same_file_again_changes_nothing(deployment: Deployment) -> None:
    land(deployment, f"{FILE}.csv", visits_csv(*ROWS, "v4,m1"))
    first = take(deployment)
    before = deployment.zone_file(Zone.RAW).read_bytes()
    again = take(deployment)
    assert again.is_unchanged
    assert {**again.metadata(), "is_unchanged": False} == first.metadata()
    assert deployment.zone_file(Zone.RAW).read_bytes() == before


def test_a_changed_file_replaces_its_own_month_and_no_other(deployment: Deployment) -> None:
    land(deployment, "hospital/visits-2024-02.csv", visits_csv("e1,m1,2024-02-01,3,F,1,"))
    take(deployment, partition="2024-02")
    land(deployment, f"{FILE}.csv", visits_csv(*ROWS, "bad"))
    take(deployment)
    land(deployment, f"{FILE}.csv", visits_csv(ROWS[0]))
    result = take(deployment)
    assert not result.is_unchanged
    assert [row[0] for row in visits(deployment)] == ["e1", "v1"]
    assert ask(deployment, "from raw.quarantine.visits") == []
    assert ask(
        deployment,
        "select _partition, rows_in, rows_loaded, rows_quarantined "
        "from raw.ingest.deliveries order by all",
    ) == [("2024-02", 1, 1, 0), ("2024-03", 1, 1, 0)]


def test_a_changed_contract_reads_the_same_file_again(deployment: Deployment) -> None:
    land(deployment, f"{FILE}.csv", visits_csv(*ROWS))
    take(deployment)
    sex = {**visits_contract().columns["sex"].canonical(), "values": ["F"]}
    result = take(deployment, visits_contract(version=2, columns={"sex": sex}))
    assert result.quarantined_by_reason == {"values:sex": 1}


def test_a_failure_late_in_the_transaction_leaves_the_last_good_state(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(deployment, f"{FILE}.csv", visits_csv(*ROWS))
    take(deployment)
    land(deployment, f"{FILE}.csv", visits_csv("v9,m9,2024-03-09,9,F,9,new"))

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(crosswalk, "extend", fail)
        with pytest.raises(KeyboardInterrupt):
            take(deployment)
    assert visits(deployment) == TYPED
    assert take(deployment).rows_loaded == 1


def test_people_of_a_delivery_enter_the_crosswalk_with_it(deployment: Deployment) -> None:
    land(deployment, f"{FILE}.csv", visits_csv(*ROWS))
    take(deployment)
    people = "select source_value from raw.crosswalk.hospital__person order by all"
    assert ask(deployment, people) == [("m1",), ("m2",)]


def test_a_column_that_may_be_absent_is_null_and_is_reported(deployment: Deployment) -> None:
    charge = {**visits_contract().columns["charge"].canonical(), "optional": True}
    contract = visits_contract(columns={"charge": charge})
    land(
        deployment,
        f"{FILE}.csv",
        visits_csv("v1,m1,2024-03-01,1,F,x", header=HEADER.replace(",charge", "")),
    )
    assert take(deployment, contract).absent_columns == ("charge",)
    assert visits(deployment) == [("v1", "m1", "2024-03-01", 1, "F", None, "x")]


def test_a_system_that_delivers_nothing_gives_an_empty_table_and_a_note(
    deployment: Deployment,
) -> None:
    contract = visits_contract(source={"required": False})
    result = take(deployment, contract)
    assert (result.rows_in, result.rows_loaded) == (0, 0)
    assert "delivers nothing" in result.note
    assert visits(deployment) == []
    land(deployment, "hospital/other.csv", "a\n1\n")
    with pytest.raises(DeliveryError, match="no file of that name"):
        take(deployment, contract)


def test_a_table_that_may_be_empty_is_taken_empty(deployment: Deployment) -> None:
    land(deployment, f"{FILE}.csv", HEADER + "\n")
    assert take(deployment, visits_contract(source={"allow_empty": True})).rows_in == 0


def test_partitions_are_read_off_the_file_names(deployment: Deployment) -> None:
    for name in ("visits-2024-03.csv", "visits-2023-12.parquet", "visits-2024-13.csv", "x.csv"):
        land(deployment, f"hospital/{name}", "x")
    assert available_partitions(deployment, visits_contract()) == ["2023-12", "2024-03"]


def test_rows_around_refused_records_keep_their_place_in_the_file(deployment: Deployment) -> None:
    land(
        deployment,
        f"{FILE}.csv",
        visits_csv("bad", "bad", ROWS[0], "", ROWS[1], "bad", "", "bad", ROWS[2], "bad"),
    )
    take(deployment)
    places = ask(deployment, "select _row, visit_id from raw.main.visits order by _row")
    assert places == [(3, "v1"), (4, "v2"), (7, "v3")]
    refused = ask(deployment, "select _row, record from raw.quarantine.visits order by _row")
    assert refused == [(place, "bad") for place in (1, 2, 5, 6, 8)]


def test_a_contract_that_gains_loses_and_widens_columns_changes_the_table(
    deployment: Deployment,
) -> None:
    land(deployment, f"{FILE}.csv", visits_csv(*ROWS))
    take(deployment)
    column = visits_contract().columns
    changed = visits_contract(
        columns={
            "charge": None,
            "age": {**column["age"].canonical(), "type": "bigint"},
            "ward": column["note"].canonical(),
        }
    )
    with open_zone(deployment, Zone.RAW) as con:
        prepare_raw(con, [changed])
        types = {
            name: type_ for name, type_, *_ in con.execute("describe raw.main.visits").fetchall()
        }
    assert types["age"] == "BIGINT"
    assert types["ward"] == "VARCHAR"
    assert "charge" not in types


def test_a_type_that_stored_values_do_not_fit_is_refused_without_quoting_one(
    deployment: Deployment,
) -> None:
    land(deployment, f"{FILE}.csv", visits_csv(*ROWS))
    take(deployment)
    column = visits_contract().columns["note"].canonical()
    changed = visits_contract(columns={"note": {**column, "type": "integer", "class": "sensitive"}})
    with open_zone(deployment, Zone.RAW) as con:
        before = fingerprint(con, "raw.main.visits")
        with pytest.raises(ZoneError, match="stored values do not fit") as caught:
            prepare_raw(con, [changed])
        assert "ouch" not in str(caught.value)
        assert fingerprint(con, "raw.main.visits") == before


def test_every_quarantined_row_adds_up_with_the_loaded_ones_at_scale(
    deployment: Deployment,
) -> None:
    con = duckdb.connect()
    path = land(deployment, f"{FILE}.csv", "")
    con.execute(
        f"""
        copy (
            select 'v' || (i - (i % 1000 = 0)::int) as visit_id, 'm' || i % 5000 as mrn,
                date '2024-03-01' + (i % 32)::int as visit_date, i % 130 as age,
                ['F', 'M', 'X'][i % 3 + 1] as sex, i / 7 as charge,
                case i % 5 when 0 then 'line' || chr(10) || '"quoted", ' else 'plain' end as note
            from range(300000) as r(i)
        ) to '{path}' (header)
        """
    )
    result = take(deployment)
    assert result.rows_in == 300_000
    assert result.rows_loaded + sum(result.quarantined_by_reason.values()) == 300_000
    expected = "range:age", "partition:visit_date", "values:sex", "conflicting_key:visit_id"
    assert set(expected) <= set(result.quarantined_by_reason)
    places = ask(
        deployment,
        "select count(*), count(distinct _row), max(_row) from "
        "(select _row from raw.main.visits union all select _row from raw.quarantine.visits)",
    )
    assert places == [(300_000, 300_000, 300_000)]


def test_an_empty_ndjson_file_is_an_empty_table_where_the_contract_allows_one(
    deployment: Deployment,
) -> None:
    land(deployment, f"{FILE}.ndjson", "")
    with pytest.raises(DeliveryError, match="0 bytes"):
        take(deployment)
    assert take(deployment, visits_contract(source={"allow_empty": True})).rows_in == 0


def test_a_path_that_duckdb_would_read_as_a_pattern_is_refused(tmp_path: Path) -> None:
    deployment = temporary_deployment(tmp_path / "home[1]")
    land(deployment, f"{FILE}.csv", visits_csv(*ROWS))
    with pytest.raises(DeliveryError, match="reads as a pattern"):
        take(deployment)
