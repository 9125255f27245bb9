"""The tables of the raw zone: one per contract, its quarantine, and the record of deliveries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from deid_platform.core.contract import Contract
from deid_platform.core.errors import ZoneError
from deid_platform.engine.crosswalk import ensure_crosswalks
from deid_platform.engine.sql import identifier, qualified

RAW = "raw"
DELIVERIES = qualified(RAW, "ingest", "deliveries")

_DELIVERIES_COLUMNS = """
    table_name varchar not null,
    _partition varchar not null,
    file varchar not null,
    sha256 varchar not null,
    contract_digest varchar not null,
    reference_digest varchar not null,
    rows_in bigint not null,
    rows_loaded bigint not null,
    rows_quarantined bigint not null,
    quarantined_by_reason varchar not null,
    absent_columns varchar not null
"""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What raw.ingest.deliveries says of one table and partition.

    ``reference_digest`` covers the deliveries of the tables this one refers to: whether a row is
    an orphan depends on them.
    """

    file: str
    sha256: str
    contract_digest: str
    reference_digest: str
    rows_in: int
    rows_loaded: int
    rows_quarantined: int
    quarantined_by_reason: Mapping[str, int]
    absent_columns: tuple[str, ...]


def table(contract: Contract) -> str:
    """The raw table of a contract, quoted."""
    return qualified(RAW, "main", contract.name)


def quarantine(contract: Contract) -> str:
    """The quarantine table of a contract, quoted."""
    return qualified(RAW, "quarantine", contract.name)


def prepare_raw(con: duckdb.DuckDBPyConnection, contracts: Sequence[Contract]) -> None:
    """Create the raw tables and crosswalks of ``contracts`` where they do not exist, empty.

    A table made for an earlier version of its contract gains the new columns, as nulls, loses
    those no longer declared, and has its types changed.

    Raises:
        ZoneError: values already stored do not fit a changed type.
    """
    for schema in ("ingest", "quarantine"):
        con.execute(f"create schema if not exists {RAW}.{schema}")
    con.execute(f"create table if not exists {DELIVERIES} ({_DELIVERIES_COLUMNS})")
    for contract in contracts:
        columns = [f"{identifier(name)} {c.type.sql}" for name, c in contract.columns.items()]
        columns += ["_partition varchar not null", "_row bigint not null"]
        con.execute(f"create table if not exists {table(contract)} ({', '.join(columns)})")
        con.execute(
            f"create table if not exists {quarantine(contract)} (_partition varchar not null, "
            "_row bigint not null, reason varchar not null, record varchar)"
        )
        _follow_contract(con, contract)
        ensure_crosswalks(con, contract)


def recorded(con: duckdb.DuckDBPyConnection, contract: Contract, partition: str) -> Recorded | None:
    """The delivery that a partition holds, if it holds one."""
    row = con.execute(
        "select file, sha256, contract_digest, reference_digest, rows_in, rows_loaded, "
        f"rows_quarantined, quarantined_by_reason, absent_columns from {DELIVERIES} "
        "where table_name = ? and _partition = ?",
        [contract.name, partition],
    ).fetchone()
    if row is None:
        return None
    return Recorded(
        file=row[0],
        sha256=row[1],
        contract_digest=row[2],
        reference_digest=row[3],
        rows_in=row[4],
        rows_loaded=row[5],
        rows_quarantined=row[6],
        quarantined_by_reason=json.loads(row[7]),
        absent_columns=tuple(json.loads(row[8])),
    )


def record(
    con: duckdb.DuckDBPyConnection, contract: Contract, partition: str, delivery: Recorded
) -> None:
    """Replace what is recorded of a partition; part of the caller's transaction."""
    con.execute(
        f"delete from {DELIVERIES} where table_name = ? and _partition = ?",
        [contract.name, partition],
    )
    con.execute(
        f"insert into {DELIVERIES} values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            contract.name,
            partition,
            delivery.file,
            delivery.sha256,
            delivery.contract_digest,
            delivery.reference_digest,
            delivery.rows_in,
            delivery.rows_loaded,
            delivery.rows_quarantined,
            json.dumps(delivery.quarantined_by_reason, sort_keys=True),
            json.dumps(delivery.absent_columns),
        ],
    )


def _follow_contract(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    name = table(contract)
    found = dict(
        con.execute(
            "select column_name, data_type from duckdb_columns() "
            "where database_name = ? and schema_name = 'main' and table_name = ?",
            [RAW, contract.name],
        ).fetchall()
    )
    declared = {column: c.type.sql for column, c in contract.columns.items()}
    for column in found.keys() - declared.keys() - {"_partition", "_row"}:
        con.execute(f"alter table {name} drop column {identifier(column)}")
    for column, type_ in declared.items():
        if column not in found:
            con.execute(f"alter table {name} add column {identifier(column)} {type_}")
        elif found[column].lower().replace(",", ", ") != type_:
            try:
                con.execute(f"alter table {name} alter {identifier(column)} type {type_}")
            except duckdb.ConversionException:
                raise ZoneError(
                    f"{contract.name}: {column}",
                    f"stored values do not fit the type {type_} of the changed contract",
                    "keep the type, or purge the partitions that hold them first",
                ) from None
