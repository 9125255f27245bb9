"""Fingerprints: blind to order, and to nothing else."""

from __future__ import annotations

import time
from random import Random

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid_platform.core.errors import ZoneError
from deid_platform.engine.fingerprint import fingerprint

TABLE = '"memory"."main"."t"'
CELL = st.none() | st.text(st.sampled_from("a1:;-"), max_size=3)
ROWS = st.lists(st.tuples(CELL, CELL), max_size=6)


def of(rows: list[tuple[str | None, ...]], columns: str = "a varchar, b varchar") -> str:
    con = duckdb.connect()
    con.execute(f"create table t ({columns})")
    if rows:
        con.executemany(f"insert into t values ({', '.join('?' * len(rows[0]))})", rows)
    return fingerprint(con, TABLE)


@settings(deadline=None, max_examples=60)
@given(ROWS, st.randoms())
def test_the_order_of_rows_says_nothing(rows: list[tuple[str | None, ...]], random: Random) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert of(rows) == of(shuffled)


@settings(deadline=None, max_examples=60)
@given(ROWS, ROWS)
def test_tables_are_alike_only_with_the_same_rows_as_often(
    one: list[tuple[str | None, ...]], other: list[tuple[str | None, ...]]
) -> None:
    alike = sorted(map(repr, one)) == sorted(map(repr, other))
    assert (of(one) == of(other)) == alike


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([(None, "x")], [("", "x")]),
        ([("a", "b")], [("b", "a")]),
        ([("a", "")], [("", "a")]),
        ([("1:a;1:b", "")], [("1:a;", "1:b")]),
        ([("a", "b")] * 2, []),
        ([("a", "b")] * 3, [("a", "b")]),
    ],
)
def test_tables_that_differ_have_different_fingerprints(
    one: list[tuple[str | None, ...]], other: list[tuple[str | None, ...]]
) -> None:
    assert of(one) != of(other)


def test_names_and_types_of_columns_count() -> None:
    prints = {
        of([("1", "2")], columns)
        for columns in (
            "a varchar, b varchar",
            "a varchar, c varchar",
            "b varchar, a varchar",
            "a integer, b varchar",
            "a bigint, b varchar",
        )
    }
    assert len(prints) == 5


def test_the_fingerprint_of_a_known_table_stays_what_it_is() -> None:
    # Approvals name fingerprints: one that changed with a release would orphan them all.
    con = duckdb.connect()
    con.execute(
        "create table t as select * from (values (1, 'F', date '2024-03-01', 1.5::double, true), "
        "(2, null, null, null, false), (3, '', date '1999-12-31', -0.0::double, null)) "
        "as v(a, b, c, d, e)"
    )
    assert fingerprint(con, TABLE) == (
        "sha256:a477881b31b443090644daecadf2efa1d9d66f01e5e68a2f587dc971acb2f852"
    )


def test_a_table_that_does_not_exist_is_told() -> None:
    with pytest.raises(ZoneError, match="no such table"):
        fingerprint(duckdb.connect(), TABLE)


def test_a_million_rows_take_seconds() -> None:
    con = duckdb.connect()
    con.execute(
        "create table t as select i, 'person ' || i as p, i % 90 as age, date '2024-01-01' + "
        "(i % 365)::int as d, i / 3 as x from range(1000000) as r(i)"
    )
    started = time.perf_counter()
    fingerprint(con, TABLE)
    assert time.perf_counter() - started < 20
