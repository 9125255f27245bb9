"""A folder that an open data portal takes: data as CSV, and the documents beside them.

Source: CalHHS Open Data Handbook 1.2, formats (GV-04 file names); CalHHS DDG 2.0, section 4.4
(M-22).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deid_platform.core.errors import GateError
from deid_platform.engine.cell_file import FORMULA
from deid_platform.engine.sql import identifier, literal
from deid_platform.governance.targets.base import Field, Release, target
from deid_platform.governance.targets.documents import (
    check_headers,
    check_numbers,
    write_documents,
)

if TYPE_CHECKING:
    import duckdb


@target("csv_bundle")
def write(con: duckdb.DuckDBPyConnection, table: str, release: Release, folder: Path) -> None:
    """CSV with its data dictionary, a note on suppression, and Dublin Core and CKAN metadata.

    Raises:
        GateError: a header, label or number that a spreadsheet program or a portal would misread.
    """
    check_headers(release)
    _check_formulas(con, table, release)
    check_numbers(con, table, release)
    data = folder / f"{release.stem}.csv"
    _write_data(con, table, release, data)
    write_documents(release, data, kind="CSV", media_type="text/csv")


def _check_formulas(con: duckdb.DuckDBPyConnection, table: str, release: Release) -> None:
    """Refuse labels that a spreadsheet program would run; they come from declared dimensions."""
    text = [field for field in release.fields if field.is_text]
    if not text:
        return
    counts = con.execute(
        "select "
        + ", ".join(
            f"count(*) filter (where regexp_matches({identifier(field.name)}, ?))" for field in text
        )
        + f" from {table}",
        [FORMULA] * len(text),
    ).fetchone()
    for field, count in zip(text, counts or (), strict=True):
        if count:
            raise GateError(
                f"release of {release.publication.name}: column {field.name}",
                f"{count} cells begin like a spreadsheet formula (= + - @ or a control character)",
                "give the dimension other labels in its model; nothing was released",
            )


def _write_data(con: duckdb.DuckDBPyConnection, table: str, release: Release, file: Path) -> None:
    columns = ", ".join(_cell(field) for field in release.fields)
    order = ", ".join(
        f"{identifier(column)} asc nulls last" for column in release.publication.dimension_columns
    )
    con.execute(
        f"copy (select {columns} from {table} order by {order}) to {literal(str(file))} "
        "(format csv, header true, delimiter ',', quote '\"', escape '\"', nullstr '')"
    )


def _cell(field: Field) -> str:
    name = identifier(field.name)
    if field.type == "number":
        # DuckDB writes a fractional zero as 0.0; the handbook wants every true zero as 0.
        return f"case when {name} = 0 then '0' else cast({name} as varchar) end as {name}"
    return name
