"""`deid review`, `return`, `reject`, `hold`, `resume`: what a reviewer does to a request."""

from __future__ import annotations

from typing import Annotated

import typer

from deid_platform.cli import AsJson
from deid_platform.cli.request import (
    As,
    From,
    Key,
    Reason,
    RequestId,
    actor,
    asks,
    read_content,
    report,
    take,
)
from deid_platform.core.workflow import Action, Role, State
from deid_platform.engine.deployment import Deployment
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.requests import request_of
from deid_platform.governance.step_checks import QUESTIONS

_InRole = Annotated[Role, typer.Option("--role", help="In which role you decide.")]
Conditions = Annotated[list[str] | None, typer.Option("--condition", help="A condition; repeat.")]


def register(app: typer.Typer) -> None:
    """Add `deid review`, `deid return`, `deid reject`, `deid hold` and `deid resume`."""
    app.command("review")(review)
    app.command("return")(return_request)
    app.command("reject")(reject)
    app.command("hold")(hold)
    app.command("resume")(resume)


def review(
    request: RequestId,
    as_person: As,
    role: _InRole = Role.PRIVACY_REVIEWER,
    yes: Annotated[bool, typer.Option("--yes", help="Every answer of the checklist is yes.")] = (
        False
    ),
    answers: From = None,
    legal_required: Annotated[
        bool, typer.Option("--legal-required", help="A rule of the department wants legal review.")
    ] = False,
    condition: Conditions = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Review a request and approve it for execution: purpose, minimum, method, destination.

    The checklist is asked on a terminal, or answered by --yes or a file. Any "no" is a reason to
    return or reject. Coordinators and deputy directors of an exchange sign with it too.

    Example: `deid review req-0123456789 --yes --as eli.park`
    """
    who = actor(as_person, key)
    one = request_of(Ledger.open(Deployment.from_environment().ledger_url), request)
    content = read_content(answers)
    if yes:
        content["answers"] = dict.fromkeys(QUESTIONS, True)
    elif "answers" not in content and asks():
        content["answers"] = {
            name: typer.confirm(question, default=False) for name, question in QUESTIONS.items()
        }
    content["legal_required"] = legal_required or content.get("legal_required") is True
    if one.state is State.SUBMITTED and role in (Role.PRIVACY_REVIEWER, Role.SECURITY_REVIEWER):
        take(request, Action.START_REVIEW, role, who)
    done = take(
        request, Action.APPROVE_FOR_EXECUTION, role, who, conditions=condition, content=content
    )
    report(done, as_json)


def return_request(
    request: RequestId,
    reason: Reason,
    as_person: As,
    role: _InRole = Role.PRIVACY_REVIEWER,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Give a request back to its requester, who may correct and resubmit it.

    Example: `deid return req-0123456789 --reason "Say why county" --as eli.park`
    """
    report(take(request, Action.RETURN, role, actor(as_person, key), reason=reason), as_json)


def reject(
    request: RequestId,
    reason: Reason,
    as_person: As,
    role: _InRole = Role.DATA_STEWARD,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Refuse a request for good.

    Example: `deid reject req-0123456789 --reason "No legal basis" --as ben.cho`
    """
    report(take(request, Action.REJECT, role, actor(as_person, key), reason=reason), as_json)


def hold(
    request: RequestId,
    reason: Reason,
    as_person: As,
    role: _InRole = Role.DATA_STEWARD,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Stop a request for now; its gates keep standing as long as nothing changes.

    Example: `deid hold req-0123456789 --reason "Waits for counsel" --as ben.cho`
    """
    report(take(request, Action.HOLD, role, actor(as_person, key), reason=reason), as_json)


def resume(
    request: RequestId,
    as_person: As,
    role: _InRole = Role.DATA_STEWARD,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Let a request on hold go on where its standing gates put it.

    Example: `deid resume req-0123456789 --as ben.cho`
    """
    report(take(request, Action.RESUME, role, actor(as_person, key)), as_json)
