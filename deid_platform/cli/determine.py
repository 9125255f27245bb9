"""`deid determine`: what an expert, a steward or a privacy reviewer determines, and signs."""

from __future__ import annotations

from typing import Annotated

import typer

from deid_platform.cli import AsJson, console, print_json
from deid_platform.cli.request import (
    As,
    From,
    Key,
    RequestId,
    actor,
    read_content,
    report,
    take,
)
from deid_platform.cli.review import Conditions
from deid_platform.core.workflow import Action, Role
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
    group = typer.Typer(no_args_is_help=True, help="Determinations: of a request, of a table.")
    group.command("request")(request)
    group.command("show")(show)
    group.command("state")(state)
    app.add_typer(group, name="determine")


def request(
    request: RequestId,
    as_person: As,
    role: Annotated[Role, typer.Option(help="expert, or for Safe Harbor data_steward.")] = (
        Role.EXPERT
    ),
    explanation: Annotated[
        str, typer.Option(help="DDG: why score sheet and masking suffice, in one line.")
    ] = "",
    answer: Annotated[
        Knowledge | None,
        typer.Option("--actual-knowledge", help="Safe Harbor: could it identify somebody?"),
    ] = None,
    scenarios: Annotated[str, typer.Option(help="Safe Harbor: what you considered.")] = "",
    determination: From = None,
    condition: Conditions = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Determine a validated request by the method it names.

    A DDG table takes an expert's word on its score sheet, Safe Harbor a statement of actual
    knowledge, an Expert Determination a file with its six mandatory contents and an expiry.

    Example: `deid determine request req-0123456789 --explanation "Small cells are hidden"
    --as hana.kim`
    """
    content = read_content(determination)
    if explanation:
        content["explanation"] = explanation
    if answer is not None:
        content |= {"actual_knowledge": answer.value, "scenarios": scenarios}
    who = actor(as_person, key)
    done = take(request, Action.DETERMINE, role, who, conditions=condition, content=content)
    report(done, as_json)


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
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """State what you know of the table as it is now, 45 CFR 164.514(b)(2)(ii).

    Example: `deid determine state ed_visits --actual-knowledge none --role privacy_reviewer
    --scenarios "occupations, publicised events, relations, prior releases" --as eli.park`
    """
    deployment = Deployment.from_environment()
    stated = state_actual_knowledge(
        Ledger.open(deployment.ledger_url),
        table=_name(table),
        fingerprint=_content(deployment, table),
        answer=answer,
        scenarios=scenarios,
        role=role,
        actor=actor(as_person, key),
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
