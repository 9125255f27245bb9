"""What is in each zone: tables, rows and partitions. Counts only."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from deid_platform.core.errors import DeidError
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.sql import identifier, qualified

_SHOWN = {
    Zone.RAW: ("main", "quarantine"),
    Zone.LIMITED: ("main", "candidate", "reference"),
    Zone.DEIDENTIFIED: ("main", "marts"),
    Zone.RELEASE: ("main",),
}
"""Schemas that hold tables for somebody; staging and book-keeping are left out."""

_PARTITION = "_partition"


@dataclass(frozen=True, kw_only=True)
class TableState:
    """One table: its rows, and how many partitions it holds where it has any."""

    schema: str
    name: str
    rows: int
    partitions: int | None


@dataclass(frozen=True, kw_only=True)
class ZoneState:
    """One zone: its tables, or why they cannot be seen."""

    zone: Zone
    tables: tuple[TableState, ...]
    problem: str | None = None

    @property
    def rows(self) -> int:
        """Rows of the tables in ``main`` and in ``marts``, without quarantine and candidates."""
        return sum(table.rows for table in self.tables if table.schema in ("main", "marts"))

    @property
    def quarantined(self) -> int:
        """Rows in quarantine."""
        return sum(table.rows for table in self.tables if table.schema == "quarantine")


def inventory(deployment: Deployment) -> tuple[ZoneState, ...]:
    """Every zone in order. A zone that is missing or busy is told of, not an error."""
    return tuple(_state(deployment, zone) for zone in Zone)


def _state(deployment: Deployment, zone: Zone) -> ZoneState:
    try:
        with open_zone(deployment, None, reading=[zone]) as con:
            return ZoneState(zone=zone, tables=tuple(_tables(con, zone)))
    except DeidError as error:
        return ZoneState(zone=zone, tables=(), problem=str(error))


def _tables(con: duckdb.DuckDBPyConnection, zone: Zone) -> list[TableState]:
    found = con.execute(
        """
        select tables.schema_name, tables.table_name,
               count(columns.column_name) filter (columns.column_name = ?)
        from duckdb_tables() as tables
        join duckdb_columns() as columns using (table_oid, schema_oid, database_oid)
        where tables.database_name = ? and list_contains(?, tables.schema_name)
        group by all
        order by all
        """,
        [_PARTITION, zone.value, list(_SHOWN[zone])],
    ).fetchall()
    return [
        _counted(con, zone, schema, name, partitioned=bool(marks)) for schema, name, marks in found
    ]


def _counted(
    con: duckdb.DuckDBPyConnection, zone: Zone, schema: str, name: str, *, partitioned: bool
) -> TableState:
    distinct = f"count(distinct {identifier(_PARTITION)})" if partitioned else "null"
    row = con.execute(
        f"select count(*), {distinct} from {qualified(zone.value, schema, name)}"
    ).fetchone()
    rows, partitions = row if row else (0, None)
    return TableState(schema=schema, name=name, rows=int(rows), partitions=partitions)
