"""`deid determine`: the part of a Safe Harbor determination that only a person can give."""

from __future__ import annotations

from typing import Annotated

import typer

from deid_platform.cli import AsJson, console, print_json
from deid_platform.cli.request import As, actor
from deid_platform.core.workflow import Role
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.fingerprint import fingerprint
from deid_platform.engine.sql import qualified
from deid_platform.governance.determinations import (
    Knowledge,
    SafeHarborDetermination,
    safe_harbor,
    state_actual_knowledge,
)
from deid_platform.governance.ledger import Ledger

_Table = Annotated[str, typer.Argument(help="Name of a de-identified table.")]


def register(app: typer.Typer) -> None:
    """Add `deid determine`."""
    group = typer.Typer(no_args_is_help=True, help="Determinations under Safe Harbor.")
    group.command("show")(show)
    group.command("state")(state)
    app.add_typer(group, name="determine")


def show(table: _Table, as_json: AsJson = False) -> None:
    """Show whether the Safe Harbor determination of a table stands for its content now.

    Example: `deid determine show ed_visits`
    """
    deployment = Deployment.from_environment()
    content = _content(deployment, table)
    _print(safe_harbor(Ledger.open(deployment.ledger_url), _name(table), content), as_json)


def state(
    table: _Table,
    answer: Annotated[
        Knowledge,
        typer.Option("--actual-knowledge", help="Do you know how it could identify somebody?"),
    ],
    scenarios: Annotated[str, typer.Option(help="What you considered, in one line.")],
    role: Annotated[Role, typer.Option(help="data_steward or privacy_reviewer.")],
    as_person: As,
    as_json: AsJson = False,
) -> None:
    """State what you know of the table as it is now, 45 CFR 164.514(b)(2)(ii).

    Example: `deid determine state ed_visits --actual-knowledge none --role privacy_reviewer
    --scenarios "occupations, publicised events, relations, prior releases" --as ben.cho`
    """
    deployment = Deployment.from_environment()
    stated = state_actual_knowledge(
        Ledger.open(deployment.ledger_url),
        table=_name(table),
        fingerprint=_content(deployment, table),
        answer=answer,
        scenarios=scenarios,
        role=role,
        actor=actor(as_person),
    )
    _print(stated, as_json)


def _name(table: str) -> str:
    return f"{Zone.DEIDENTIFIED.value}/{table}"


def _content(deployment: Deployment, table: str) -> str:
    with open_zone(deployment, None, reading=[Zone.DEIDENTIFIED]) as con:
        return fingerprint(con, qualified(Zone.DEIDENTIFIED.value, "main", table))


def _print(determination: SafeHarborDetermination, as_json: bool) -> None:
    if as_json:
        stated = determination.statement
        print_json(
            {
                "table": determination.table,
                "stands": not determination.missing,
                "missing": list(determination.missing),
                "attested": determination.attested is not None,
                "actual_knowledge": stated.answer if stated else None,
                "by": stated.by if stated else None,
            }
        )
        return
    if not determination.missing:
        console.print(f"{determination.table}: de-identified by Safe Harbor", highlight=False)
    for line in determination.missing:
        console.print(f"{determination.table}: {line}", highlight=False, soft_wrap=True)
