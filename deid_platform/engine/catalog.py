"""What an attached file holds, as DuckDB knows it: which tables, and how many rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def table_exists(con: duckdb.DuckDBPyConnection, catalog: str, schema: str, name: str) -> bool:
    """Whether an attached file holds a table, or a view, of that name."""
    found = con.execute(
        "select 1 from duckdb_columns() "
        "where database_name = ? and schema_name = ? and table_name = ? limit 1",
        [catalog, schema, name],
    )
    return found.fetchone() is not None


def tables(con: duckdb.DuckDBPyConnection, catalog: str) -> list[tuple[str, str]]:
    """Schema and name of each table of an attached file, in order."""
    return [
        (str(schema), str(name))
        for schema, name in con.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = ? "
            "order by all",
            [catalog],
        ).fetchall()
    ]


def row_count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    """Rows of a table, given as quoted SQL."""
    row = con.execute(f"select count(*) from {table}").fetchone()
    return int(row[0]) if row else 0
