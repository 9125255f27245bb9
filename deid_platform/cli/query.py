"""``deid query``: read-only SQL over a published snapshot."""

from __future__ import annotations

import csv
import sys
from typing import Annotated, Any

import typer
from rich.table import Table

from deid_platform.cli import AsJson, columns_of, console, print_json, progress_console
from deid_platform.engine.deployment import Deployment


def register(app: typer.Typer) -> None:
    """Add ``query``."""
    app.command("query")(query)


def query(
    snapshot: Annotated[str, typer.Argument(help="`marts` or `release`.")],
    sql: Annotated[str, typer.Argument(help="One select statement.")],
    limit: Annotated[int, typer.Option("--limit", min=1, help="Print at most so many rows.")] = 100,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Ask a published snapshot, read-only; no run is disturbed, and none disturbs it.

    Example: `deid query marts "select count(*) from ed_people"`
    """
    from deid_platform.engine.analyst_query import ask

    answer = ask(Deployment.from_environment(), snapshot, sql, limit)
    if as_json:
        rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
        print_json({"columns": answer.columns, "rows": rows, "is_cut": answer.is_cut})
        return
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.columns)
        writer.writerows(answer.rows)
    else:
        console.print(answer_table(answer.columns, answer.rows))
    if answer.is_cut:
        progress_console.print(f"Only the first {limit} rows are shown; see --limit.")


def answer_table(columns: list[str], rows: list[tuple[Any, ...]]) -> Table:
    """Rows as they are printed; null is an empty cell."""
    table = columns_of(*columns)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    return table
