"""The cursor that dbt is given never lets a cell value into an error."""

from __future__ import annotations

import traceback

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid_platform.core.errors import ZoneError
from deid_platform.engine.dbt_plugin import ValueFreeCursor, value_free

CANARY = "Zebulon-Canary-553-21-8891"

FAILURES = {
    "a conversion": "select cast(name as integer) from people",
    "a date": "select strptime(name, '%Y-%m-%d') from people",
    "a duplicate key": "insert into keyed select name from people",
    "a check": "insert into checked select name from people",
    "an error function": "select error(name) from people",
    "a struct": "select cast(name as struct(a integer)) from people",
    "an enumeration": "select cast(name as enum('a')) from people",
    "a regular expression": "select regexp_matches('a', '[' || name) from people",
}


@pytest.fixture
def cursor():
    con = duckdb.connect()
    con.execute("create table people (name varchar)")
    con.execute("insert into people values (?)", [CANARY])
    con.execute("create table keyed (name varchar primary key)")
    con.execute("insert into keyed values (?)", [CANARY])
    con.execute("create table checked (name varchar check (length(name) < 3))")
    return ValueFreeCursor(con)


@pytest.mark.parametrize("statement", FAILURES.values(), ids=FAILURES.keys())
def test_no_failing_statement_quotes_the_cell_it_failed_on(cursor, statement):
    with pytest.raises(ZoneError) as caught:
        cursor.execute(statement).fetchall()
    told = "".join(traceback.format_exception(caught.value))
    assert CANARY not in told
    assert "refused the statement" in told


def test_a_failure_in_a_fetch_is_as_silent_as_one_in_the_statement(cursor):
    class Late:
        def execute(self, sql, bindings=None):
            return None

        def fetchall(self):
            raise duckdb.ConversionException(f"Could not convert string '{CANARY}' to INT32")

    late = ValueFreeCursor(Late())
    late.execute("select 1")
    with pytest.raises(ZoneError) as caught:
        late.fetchall()
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_a_missing_relation_is_named_and_says_so_in_the_words_dbt_looks_for(cursor):
    with pytest.raises(ZoneError, match=r"does not exist: nowhere"):
        cursor.execute("select 1 from nowhere")


def test_a_missing_column_is_named_with_its_line(cursor):
    with pytest.raises(ZoneError, match=r"line 2\): nmae"):
        cursor.execute('select 1,\n "nmae"\nfrom people')


def test_a_good_statement_gives_its_rows(cursor):
    assert cursor.execute("select ? + 1", [1]).fetchall() == [(2,)]


@given(st.text(alphabet=st.characters(categories=("Lu", "Nd")), min_size=4, max_size=30))
def test_a_word_that_is_not_in_the_statement_is_never_repeated(value):
    for kind in (duckdb.BinderException, duckdb.ConversionException, RuntimeError):
        error = value_free(kind(f'Column "{value}" name {value} LINE 1: x'), "select a from b")
        assert value not in str(error).replace("LINE", "").replace("line 1", "")
