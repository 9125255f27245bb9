"""``deid status``: zones, tables, rows, last runs, and what waits for whom."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table

from deid_platform.cli import AsJson, columns_of, console, print_json
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.inventory import ZoneState, inventory


def register(app: typer.Typer) -> None:
    """Add ``status``."""
    app.command("status")(status)


def status(
    as_json: AsJson = False,
    show_tables: Annotated[
        bool, typer.Option("--tables/--no-tables", help="List every table.")
    ] = True,
) -> None:
    """Show what is in each zone, the last runs, and what waits for whom.

    Counts only; no value of any table is shown. Example: `deid status --no-tables`
    """
    deployment = Deployment.from_environment()
    deployment.check_initialised()
    zones = inventory(deployment)
    runs = last_runs(deployment)
    waits = _waiting(deployment)
    if as_json:
        print_json(
            {
                "home": str(deployment.home),
                "zones": [{**asdict(zone), "rows": zone.rows} for zone in zones],
                "runs": runs,
                "waiting": waits,
            }
        )
        return
    console.print(zones_table(zones, every_table=show_tables))
    console.print(_table("Last runs", ("job", "status", "partitions", "started", "run"), runs))
    console.print(
        _table("Waiting", ("request", "publication", "role", "what", "since"), waits)
        if waits
        else "Nothing waits for anybody."
    )


def zones_table(zones: tuple[ZoneState, ...], *, every_table: bool) -> Table:
    """Rows and partitions by zone, and by table where asked."""
    table = columns_of("zone", "table", "rows", "partitions", title="Zones")
    for zone in zones:
        count = len(zone.tables)
        summary = zone.problem or f"{count} table{'' if count == 1 else 's'}"
        table.add_row(zone.zone.value, summary, f"{zone.rows:,}", "", style="bold")
        for one in zone.tables if every_table else ():
            if one.rows or one.schema != "quarantine":
                name = one.name if one.schema == "main" else f"{one.schema}.{one.name}"
                table.add_row("", name, f"{one.rows:,}", str(one.partitions or ""))
    return table


def last_runs(deployment: Deployment, limit: int = 5) -> list[dict[str, Any]]:
    """The latest runs of the deployment's instance, newest first; none before the first run."""
    from assets.instance import recent_runs

    return recent_runs(deployment, limit)


def _waiting(deployment: Deployment) -> list[dict[str, Any]]:
    from deid_platform.governance.ledger import Ledger
    from deid_platform.governance.waiting import waiting

    if deployment.ledger_url.startswith("sqlite") and not (deployment.home / "ledger.db").exists():
        return []
    found = waiting(Ledger.open(deployment.ledger_url))
    return [{**asdict(one), "role": " or ".join(one.roles)} for one in found]


def _table(title: str, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> Table:
    table = columns_of(*columns, title=title)
    for row in rows:
        table.add_row(*(str(row[column]) for column in columns))
    return table
