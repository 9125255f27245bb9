"""Surrogate keys are random, stable, and of no use across zones."""

from __future__ import annotations

import secrets
from itertools import pairwise

import duckdb
import pytest

from deid_platform.core.errors import ZoneError
from deid_platform.engine import crosswalk
from tests.support.contracts import visits_contract

CONTRACT = visits_contract()


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("attach ':memory:' as raw")
    con.execute(
        "create table raw.main.visits as select 'V' || i as visit_id, 'P' || i % 50 as mrn, "
        "'2024-0' || (1 + i % 2) as _partition from range(200) as r(i)"
    )
    return con


def keys(con: duckdb.DuckDBPyConnection, domain: str = "person") -> dict[str, tuple[int, int]]:
    rows = con.execute(f"from raw.crosswalk.hospital__{domain}").fetchall()
    return {value: (limited, deidentified) for value, limited, deidentified in rows}


def test_every_value_of_a_partition_gets_a_key_in_each_zone(con) -> None:
    assert crosswalk.extend(con, CONTRACT, "2024-01") == {"person": 25, "visit": 100}
    found = keys(con)
    assert len(found) == 25
    assert len({key for pair in found.values() for key in pair}) == 50
    assert all(0 <= key < 2**63 for pair in found.values() for key in pair)


def test_keys_never_change_and_only_new_values_get_one(con) -> None:
    crosswalk.extend(con, CONTRACT, "2024-01")
    before = keys(con)
    assert crosswalk.extend(con, CONTRACT, "2024-01") == {"person": 0, "visit": 0}
    assert crosswalk.extend(con, CONTRACT, "2024-02") == {"person": 25, "visit": 100}
    assert before.items() <= keys(con).items()


def test_the_order_of_keys_says_nothing_of_the_order_of_rows(con) -> None:
    con.execute("update raw.main.visits set _partition = '2024-01'")
    crosswalk.extend(con, CONTRACT, "2024-01")
    for position in (0, 1):
        ordered = sorted(keys(con, "visit").items(), key=lambda item: item[1][position])
        numbers = [int(value.removeprefix("V")) for value, _ in ordered]
        rising = sum(a < b for a, b in pairwise(numbers))
        assert 60 < rising < 140


def test_a_key_already_in_use_is_drawn_again(con) -> None:
    crosswalk.extend(con, CONTRACT, "2024-01")
    used = next(iter(keys(con).values()))[0]
    calls = []

    def repeating(size: int) -> bytes:
        calls.append(size)
        drawn = secrets.token_bytes(size)
        return drawn if len(calls) > 1 else used.to_bytes(8, "little") * 2 + drawn[16:]

    crosswalk.extend(con, CONTRACT, "2024-02", random_bytes=repeating)
    all_limited = [pair[0] for pair in keys(con).values()]
    assert len(all_limited) == len(set(all_limited)) == 50


def test_a_broken_random_source_stops_the_run(con) -> None:
    with pytest.raises(ZoneError, match="random"):
        crosswalk.extend(con, CONTRACT, "2024-01", random_bytes=bytes)


def test_nothing_is_minted_when_the_callers_transaction_fails(con) -> None:
    crosswalk.extend(con, CONTRACT, "2024-01")
    con.execute("begin")
    crosswalk.extend(con, CONTRACT, "2024-02")
    con.execute("rollback")
    assert len(keys(con)) == 25


def test_a_value_of_two_columns_of_one_domain_gets_one_key() -> None:
    contract = visits_contract(
        relative_mrn={
            "type": "varchar",
            "class": "direct_identifier",
            "identifier": "medical_record_number",
            "transform": {"surrogate": {"domain": "person", "rename": "relative_key"}},
        }
    )
    con = duckdb.connect()
    con.execute("attach ':memory:' as raw")
    con.execute(
        "create table raw.main.visits as from (values ('V1', 'P1', 'P2', '2024-01'), "
        "('V2', 'P2', null, '2024-01')) as v(visit_id, mrn, relative_mrn, _partition)"
    )
    assert crosswalk.extend(con, contract, "2024-01") == {"person": 2, "visit": 2}
