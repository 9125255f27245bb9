"""`deid legal` and `deid approve`: the last decisions before a release."""

from __future__ import annotations

from typing import Annotated

import typer

from deid_platform.cli import AsJson
from deid_platform.cli.request import As, Key, RequestId, actor, report, take
from deid_platform.cli.review import Conditions
from deid_platform.core.workflow import Action, Role


def register(app: typer.Typer) -> None:
    """Add `deid legal` and `deid approve`."""
    app.command("legal")(legal)
    app.command("approve")(approve)


def legal(
    request: RequestId,
    basis: Annotated[str, typer.Option(help="The legal basis, in one line.")],
    as_person: As,
    condition: Conditions = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Clear a request legally, where a rule asks for it; else it is recorded as not required.

    Example: `deid legal req-0123456789 --basis "Civil Code 1798.24(t)" --as joy.adams`
    """
    who = actor(as_person, key)
    done = take(
        request,
        Action.CLEAR_LEGAL,
        Role.LEGAL,
        who,
        conditions=condition,
        content={"basis": basis},
    )
    report(done, as_json)


def approve(
    request: RequestId,
    as_person: As,
    role: Annotated[Role, typer.Option("--role", help="In which role you decide.")] = (
        Role.DATA_STEWARD
    ),
    condition: Conditions = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Approve a release: bound to content, policy, code, checks and recipients, and signed.

    A public release takes the steward, the deputy director and the director, in this order. If
    anything that was bound changes afterwards, the approval no longer stands.

    Example: `deid approve req-0123456789 --role data_steward --as ben.cho`
    """
    who = actor(as_person, key)
    report(take(request, Action.APPROVE_RELEASE, role, who, conditions=condition), as_json)
