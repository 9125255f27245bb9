"""`deid exchange`: a disputed exchange between two departments."""

from __future__ import annotations

from typing import Annotated

import typer

from deid_platform.cli import AsJson
from deid_platform.cli.request import As, Key, Reason, RequestId, actor, report, take
from deid_platform.core.workflow import Action, Role


def register(app: typer.Typer) -> None:
    """Add `deid exchange`."""
    group = typer.Typer(
        no_args_is_help=True, help="Dispute, mediate and decide an exchange between departments."
    )
    group.command("dispute")(dispute)
    group.command("mediate")(mediate)
    group.command("decide")(decide)
    app.add_typer(group, name="exchange")


def dispute(
    request: RequestId, reason: Reason, as_person: As, key: Key = None, as_json: AsJson = False
) -> None:
    """Dispute a proposal, as the data coordinator of the department that would provide the data.

    Example: `deid exchange dispute req-0123456789 --reason "Not the purpose" --as lena.voss`
    """
    who = actor(as_person, key)
    report(take(request, Action.DISPUTE, Role.DATA_COORDINATOR, who, reason=reason), as_json)


def mediate(
    request: RequestId,
    reason: Reason,
    as_person: As,
    role: Annotated[Role, typer.Option(help="governance_liaison or risk_subcommittee.")],
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Record a part of the mediation: the liaison logs the dispute, the subcommittee recommends.

    Example: `deid exchange mediate req-0123456789 --role risk_subcommittee
    --reason "Aggregate by region" --as rita.sol`
    """
    report(take(request, Action.MEDIATE, role, actor(as_person, key), reason=reason), as_json)


def decide(
    request: RequestId,
    reason: Reason,
    as_person: As,
    grant: Annotated[bool, typer.Option("--for/--against", help="For or against the exchange.")],
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Decide a mediated dispute, as the Undersecretary. Decided for, it cannot be refused.

    Example: `deid exchange decide req-0123456789 --for --reason "Within the purpose" --as uma.li`
    """
    action = Action.DECIDE_FOR if grant else Action.DECIDE_AGAINST
    who = actor(as_person, key)
    report(take(request, action, Role.UNDERSECRETARY, who, reason=reason), as_json)
