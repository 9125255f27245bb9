"""`deid request`: ask for the release of a candidate, and see what became of it."""

from __future__ import annotations

import os
import pwd
import secrets
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from deid_platform.cli import AsJson, console, print_json
from deid_platform.engine.deployment import Deployment
from deid_platform.governance import decisions
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.requests import Actor, Request, request_of, requests, waiting

RequestId = Annotated[str, typer.Argument(help="Id of the request.")]
As = Annotated[
    str, typer.Option("--as", help="Who you are, as person:NAME. Asserted and recorded.")
]


class _NewByDefault(TyperGroup):
    """`deid request PUBLICATION ...` is `deid request new PUBLICATION ...`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["new", *args]
        return super().parse_args(ctx, args)


def register(app: typer.Typer) -> None:
    """Add `deid request`."""
    group = typer.Typer(
        cls=_NewByDefault,
        no_args_is_help=True,
        help="Ask for the release of a candidate. `deid request PUBLICATION` is short for `new`.",
    )
    group.command("new")(new)
    group.command("list")(list_requests)
    group.command("show")(show)
    group.command("withdraw")(withdraw)
    app.add_typer(group, name="request")


def actor(name: str) -> Actor:
    """Who a person says they are, with the operating-system account that says so."""
    try:
        account = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        account = f"uid {os.getuid()}"
    return Actor.of(name, account)


def new(
    publication: Annotated[str, typer.Argument(help="Name of the publication.")],
    purpose: Annotated[str, typer.Option(help="What the table is for, in one line.")],
    as_person: As,
    as_json: AsJson = False,
) -> None:
    """Ask that the candidate of a publication be released as the pipeline built it last.

    Example: `deid request ed_visits_by_county_year --purpose "Yearly table" --as ana.ruiz`
    """
    asked = decisions.submit(
        Ledger.open(Deployment.from_environment().ledger_url),
        request=f"req-{secrets.token_hex(5)}",
        publication=publication,
        purpose=purpose,
        actor=actor(as_person),
    )
    if as_json:
        print_json(as_document(asked))
        return
    console.print(f"{asked.id}: {publication} waits for an approval by a data steward")
    console.print(f"next: deid approve {asked.id} --role data_steward --as ANOTHER_PERSON")


def list_requests(
    publication: Annotated[str | None, typer.Option(help="Of this publication only.")] = None,
    as_json: AsJson = False,
) -> None:
    """List release requests and what each waits for.

    Example: `deid request list --publication ed_visits_by_county_year`
    """
    ledger = Ledger.open(Deployment.from_environment().ledger_url)
    found = requests(ledger, publication)
    todo = {one.request: one for one in waiting(ledger)}
    if as_json:
        print_json([as_document(one) for one in found.values()])
        return
    for one in found.values():
        step = todo.get(one.id)
        since = one.history[-1].at[:16]
        line = f"{one.id}  {one.state.value}  {one.publication}  {one.requester}  {since}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
        if step is not None:
            console.print(f"    waits for a {step.role.value}: {step.what}", highlight=False)


def show(
    request: RequestId,
    as_json: AsJson = False,
) -> None:
    """Show one request: what it is bound to and everything that happened to it.

    Example: `deid request show req-0123456789 --json`
    """
    one = request_of(Ledger.open(Deployment.from_environment().ledger_url), request)
    if as_json:
        print_json(as_document(one))
        return
    console.print(f"{one.id}: {one.publication}, {one.state.value}", highlight=False)
    console.print(f"purpose: {one.purpose}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"content: {one.binding.fingerprint}", highlight=False, soft_wrap=True)
    console.print(f"policy: {one.binding.policy_digest}", highlight=False, soft_wrap=True)
    for entry in one.history:
        who = entry.payload.get("by", "")
        console.print(f"  {entry.at}  {entry.kind}  {who}", highlight=False, soft_wrap=True)


def withdraw(
    request: RequestId,
    reason: Annotated[str, typer.Option(help="Why, in one line.")],
    as_person: As,
    as_json: AsJson = False,
) -> None:
    """Take your own request back.

    Example: `deid request withdraw req-0123456789 --reason "A month is missing" --as ana.ruiz`
    """
    ledger = Ledger.open(Deployment.from_environment().ledger_url)
    report(
        decisions.withdraw(ledger, request=request, reason=reason, actor=actor(as_person)), as_json
    )


def report(request: Request, as_json: bool) -> None:
    """Print where a request stands after an action."""
    if as_json:
        print_json(as_document(request))
        return
    console.print(f"{request.id}: {request.publication} is {request.state.value}", highlight=False)


def as_document(request: Request) -> dict[str, Any]:
    """A request for ``--json``."""
    return {
        "request": request.id,
        "publication": request.publication,
        "state": request.state.value,
        "purpose": request.purpose,
        "requester": str(request.requester),
        "submitted_at": request.submitted_at,
        "fingerprint": request.binding.fingerprint,
        "publication_digest": request.binding.publication_digest,
        "policy_digest": request.binding.policy_digest,
        "score_sheet_digest": request.binding.score_sheet_digest,
        "approvals": [
            {"by": str(one.by), "role": one.role.value, "at": one.at} for one in request.approvals
        ],
        "release": request.released.release if request.released else None,
        "history": [
            {"sequence": one.sequence, "at": one.at, "kind": one.kind, "by": one.payload.get("by")}
            for one in request.history
        ],
    }
