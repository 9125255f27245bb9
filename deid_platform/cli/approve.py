"""`deid approve` and `deid reject`: another person decides on a request."""

from __future__ import annotations

from typing import Annotated

import typer

from deid_platform.cli import AsJson
from deid_platform.cli.request import As, RequestId, actor, report
from deid_platform.core.workflow import Role
from deid_platform.engine.deployment import Deployment
from deid_platform.governance import decisions
from deid_platform.governance.ledger import Ledger

_InRole = Annotated[Role, typer.Option("--role", help="In which role you decide.")]


def register(app: typer.Typer) -> None:
    """Add `deid approve` and `deid reject`."""
    app.command("approve")(approve)
    app.command("reject")(reject)


def approve(request: RequestId, role: _InRole, as_person: As, as_json: AsJson = False) -> None:
    """Approve a request: bound to the candidate's content, its policy and its gate results.

    The requester cannot. If any of these changes afterwards, the approval no longer holds.

    Example: `deid approve req-0123456789 --role data_steward --as ben.cho`
    """
    ledger = Ledger.open(Deployment.from_environment().ledger_url)
    approved = decisions.approve(ledger, request=request, role=role, actor=actor(as_person))
    report(approved, as_json)


def reject(
    request: RequestId,
    role: _InRole,
    reason: Annotated[str, typer.Option(help="Why, in one line.")],
    as_person: As,
    as_json: AsJson = False,
) -> None:
    """Refuse a request for good.

    Example: `deid reject req-0123456789 --role data_steward --reason "No purpose" --as ben.cho`
    """
    ledger = Ledger.open(Deployment.from_environment().ledger_url)
    report(
        decisions.reject(ledger, request=request, reason=reason, role=role, actor=actor(as_person)),
        as_json,
    )
