"""The latest year a reader can hold against a year of birth."""

from __future__ import annotations

import duckdb
import pytest

from deid_platform.engine.reference_year import reference_year
from tests.support.contracts import visits_contract

PERIOD = {
    "type": "varchar",
    "class": "quasi_identifier",
    "identifier": "dates",
    "transform": "date_to_year",
}
CONTRACT = visits_contract(covered=PERIOD)


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("attach ':memory:' as raw")
    con.execute("create table raw.main.visits (visit_date date, covered varchar)")
    return con


def test_it_is_the_latest_of_all_dates_shown(con) -> None:
    con.execute("insert into raw.main.visits values ('2020-05-05', '2023'), ('2022-01-01', null)")
    assert reference_year(con, [CONTRACT]) == 2023


def test_a_date_that_stands_for_no_end_does_not_count(con) -> None:
    con.execute(
        "insert into raw.main.visits values ('9999-12-31', '9999-12-31'), ('2021-01-01', 'x')"
    )
    assert reference_year(con, [CONTRACT]) == 2021


def test_without_dates_there_is_none(con) -> None:
    assert reference_year(con, [CONTRACT]) is None
    assert reference_year(con, []) is None


def test_a_table_not_yet_ingested_does_not_count(con) -> None:
    con.execute("drop table raw.main.visits")
    assert reference_year(con, [CONTRACT]) is None
