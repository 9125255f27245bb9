"""Moves a checked table that dbt built out of the staging file into its zone."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from deid_platform.core.errors import ZoneError
from deid_platform.engine.catalog import row_count
from deid_platform.engine.fingerprint import fingerprint
from deid_platform.engine.gates.subjects import TableName
from deid_platform.engine.sql import identifier

REFERENCE = "reference"
"""Schema of reference data (dbt seeds), in staging files and in the limited zone."""


def promote_tables(
    con: duckdb.DuckDBPyConnection, moves: Iterable[tuple[TableName, TableName]]
) -> int:
    """Copy tables from staging into a zone in one transaction: all or none, storage order kept.

    Returns:
        The rows of all tables.

    Raises:
        ZoneError: a copy does not hold what its source holds; nothing was moved.
    """
    rows = 0
    con.execute("begin")
    try:
        for source, target in moves:
            schema = f"{identifier(target.catalog)}.{identifier(target.schema)}"
            con.execute(f"create schema if not exists {schema}")
            con.execute(f"create or replace table {target.sql} as from {source.sql}")
            if fingerprint(con, source.sql) != fingerprint(con, target.sql):
                raise ZoneError(
                    f"{target.schema}.{target.name}",
                    "the promoted copy differs from its source",
                    "run it again; the zone keeps its last good table",
                )
            rows += row_count(con, target.sql)
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise
    return rows
