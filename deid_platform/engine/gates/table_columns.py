"""The columns a table really has, as DuckDB knows them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from deid_platform.core.errors import GateError
from deid_platform.engine.catalog import table_exists
from deid_platform.engine.gates.subjects import Subject, TableName
from deid_platform.engine.sql import identifier

if TYPE_CHECKING:
    import duckdb

_INTEGERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"}
    | {"UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
)

_OTHER_NUMBERS = frozenset({"FLOAT", "DOUBLE", "BOOLEAN"})


def column_types(con: duckdb.DuckDBPyConnection, table: TableName) -> dict[str, str]:
    """Columns in order with their DuckDB types.

    Raises:
        GateError: there is no such table, so nothing could be checked.
    """
    rows = con.execute(
        """
        select column_name, data_type from duckdb_columns()
        where database_name = ? and schema_name = ? and table_name = ?
        order by column_index
        """,
        [table.catalog, table.schema, table.name],
    ).fetchall()
    if not rows:
        raise GateError(
            f"{table.catalog}.{table.schema}.{table.name}",
            "there is no such table to check",
            "materialise it first, and attach its zone",
        )
    return {str(name): str(kind) for name, kind in rows}


def exists(con: duckdb.DuckDBPyConnection, table: TableName) -> bool:
    """Whether the table, or a view of that name, is there."""
    return table_exists(con, table.catalog, table.schema, table.name)


def declared_labels(con: duckdb.DuckDBPyConnection, subject: Subject, column: str) -> list[str]:
    """Values that declarations and reference data put into a column, in lower case.

    They are exempt where a value is compared or scanned, and only in that column: there, a county
    named Orange tells nothing of a person of that name.
    """
    labels = {label.lower() for label in subject.vocabulary.get(column, frozenset())}
    if column in subject.labelled:
        for table in subject.reference:
            if exists(con, table):
                labels |= _texts(con, table)
    return sorted(labels)


def _texts(con: duckdb.DuckDBPyConnection, table: TableName) -> set[str]:
    columns = [name for name, kind in column_types(con, table).items() if kind == "VARCHAR"]
    return {
        str(text)
        for column in map(identifier, columns)
        for (text,) in con.execute(
            f"select distinct lower({column}) from {table.sql} where {column} is not null"
        ).fetchall()
    }


def text_columns(types: Mapping[str, str]) -> tuple[str, ...]:
    """Columns that can carry text, once cast: all but numbers and booleans.

    Dates, lists and structures are read as text too, so that none goes unseen.
    """
    return tuple(name for name, kind in types.items() if not _is_number(kind))


def integer_columns(types: Mapping[str, str]) -> tuple[str, ...]:
    """Columns that hold whole numbers."""
    return tuple(name for name, kind in types.items() if kind in _INTEGERS)


def _is_number(kind: str) -> bool:
    return (
        kind in _INTEGERS | _OTHER_NUMBERS or re.fullmatch(r"DECIMAL\(\d+,\d+\)", kind) is not None
    )
