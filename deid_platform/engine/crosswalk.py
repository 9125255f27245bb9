"""Surrogate keys: minted at random, kept in the raw zone, never exported.

One table per system and domain, so that a person has the same key in every table and partition of
a zone. The LIMITED and DEIDENTIFIED keys of one value are drawn independently: the two zones
cannot be joined. Source: 45 CFR 164.514(c).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid_platform.core.contract import Contract
from deid_platform.core.errors import ZoneError
from deid_platform.core.zones import Zone
from deid_platform.engine.catalog import row_count
from deid_platform.engine.sql import identifier, qualified

KEY_COLUMNS: dict[Zone, str] = {
    Zone.LIMITED: "limited_key",
    Zone.DEIDENTIFIED: "deidentified_key",
}
"""The crosswalk column that holds the keys of a zone."""

SCHEMA = "crosswalk"
_POSITIVE = np.int64(2**63 - 1)
_DRAWS = 8
_NEW_KEYS, _NEW_VALUES = "new_surrogate_keys", "new_surrogate_values"

Keys = npt.NDArray[np.int64]


def ensure_crosswalks(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Create the crosswalk tables of a contract where they do not exist."""
    con.execute(f"create schema if not exists {identifier(Zone.RAW)}.{identifier(SCHEMA)}")
    for domain in sorted(set(contract.surrogates.values())):
        con.execute(
            f"create table if not exists {_table(contract, domain)} (source_value varchar "
            "primary key, limited_key bigint not null, deidentified_key bigint not null)"
        )


def extend(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    partition: str,
    *,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> dict[str, int]:
    """Mint keys for the values of a raw partition that have none; part of the caller's transaction.

    Existing keys never change. Returns the number of keys minted per domain.

    Raises:
        ZoneError: no unused keys could be drawn, which means the random source is broken.
    """
    ensure_crosswalks(con, contract)
    minted: dict[str, int] = {}
    source = qualified(Zone.RAW, "main", contract.name)
    for domain in sorted(set(contract.surrogates.values())):
        crosswalk = _table(contract, domain)
        columns = [name for name, of in contract.surrogates.items() if of == domain]
        values = " union ".join(
            f"select distinct cast({identifier(column)} as varchar) as source_value from {source} "
            f"where _partition = ? and {identifier(column)} is not null"
            for column in columns
        )
        con.execute(
            f"create or replace temp table {_NEW_VALUES} as "
            f"select row_number() over () as position, source_value from ({values}) as delivered "
            f"anti join {crosswalk} as known using (source_value)",
            [partition] * len(columns),
        )
        minted[domain] = _mint(con, crosswalk, random_bytes)
        con.execute(f"drop table temp.main.{_NEW_VALUES}")
    return minted


def _mint(
    con: duckdb.DuckDBPyConnection, crosswalk: str, random_bytes: Callable[[int], bytes]
) -> int:
    """Give every new value its keys; how many there were."""
    count = row_count(con, f"temp.main.{_NEW_VALUES}")
    if not count:
        return 0
    keys = {
        column: _unused_keys(con, crosswalk, column, count, random_bytes)
        for column in KEY_COLUMNS.values()
    }
    positions = np.arange(1, count + 1, dtype=np.int64)
    con.register(_NEW_KEYS, pa.table({"position": positions, **keys}))
    try:
        con.execute(
            f"insert into {crosswalk} select source_value, limited_key, deidentified_key "
            f"from temp.main.{_NEW_VALUES} join {_NEW_KEYS} using (position)"
        )
    finally:
        con.unregister(_NEW_KEYS)
    return count


def _unused_keys(
    con: duckdb.DuckDBPyConnection,
    crosswalk: str,
    column: str,
    count: int,
    random_bytes: Callable[[int], bytes],
) -> Keys:
    """``count`` distinct keys, none of them in use; in practice the first draw serves."""
    keys: Keys = np.empty(0, dtype=np.int64)
    for _ in range(_DRAWS):
        missing = count - len(keys)
        drawn = np.frombuffer(random_bytes(8 * missing), dtype=np.int64) & _POSITIVE
        keys = _without_repeats(np.concatenate([keys, drawn]))
        keys = keys[~np.isin(keys, _in_use(con, crosswalk, column, keys))]
        if len(keys) == count:
            return keys
    raise ZoneError(
        "crosswalk",
        "the random source keeps repeating itself",
        "nothing was minted; check the operating system's random number generator",
    )


def _without_repeats(keys: Keys) -> Keys:
    """Each key once, in the order drawn: sorted keys would follow the order of their values."""
    _, first = np.unique(keys, return_index=True)
    return keys[np.sort(first)]


def _in_use(con: duckdb.DuckDBPyConnection, crosswalk: str, column: str, keys: Keys) -> Keys:
    con.register(_NEW_KEYS, pa.table({"drawn": keys}))
    try:
        found = con.execute(
            f"select {column} as drawn from {crosswalk} semi join {_NEW_KEYS} on {column} = drawn"
        ).fetchnumpy()
    finally:
        con.unregister(_NEW_KEYS)
    return np.asarray(found["drawn"], dtype=np.int64)


def _table(contract: Contract, domain: str) -> str:
    return qualified(Zone.RAW, SCHEMA, contract.crosswalk(domain))
