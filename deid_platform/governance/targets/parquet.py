"""A folder for analysts' tools: data as Parquet, and the documents beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deid_platform.engine.sql import identifier, literal
from deid_platform.governance.targets.base import Release, target
from deid_platform.governance.targets.documents import (
    check_headers,
    check_numbers,
    write_documents,
)

if TYPE_CHECKING:
    import duckdb


@target("parquet")
def write(con: duckdb.DuckDBPyConnection, table: str, release: Release, folder: Path) -> None:
    """Parquet with its data dictionary, a note on suppression, and the same metadata as CSV.

    A withheld value is null. Types are kept, so that no reader has to guess them.

    Raises:
        GateError: a column name or a number that a portal would misread.
    """
    check_headers(release)
    check_numbers(con, table, release)
    columns = ", ".join(identifier(field.name) for field in release.fields)
    order = ", ".join(
        f"{identifier(column)} asc nulls last" for column in release.publication.dimension_columns
    )
    data = folder / f"{release.stem}.parquet"
    con.execute(
        f"copy (select {columns} from {table} order by {order}) to {literal(str(data))} "
        "(format parquet, compression zstd)"
    )
    write_documents(release, data, kind="Parquet", media_type="application/vnd.apache.parquet")
