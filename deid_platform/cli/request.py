"""`deid request`: ask for the release of a candidate, and see what became of it."""

from __future__ import annotations

import os
import pwd
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from typer.core import TyperGroup

from deid_platform.cli import AsJson, console, print_json
from deid_platform.core.errors import DeclarationError
from deid_platform.core.workflow import Action, Identity, Role
from deid_platform.engine.declarations import read_yaml
from deid_platform.engine.deployment import Deployment
from deid_platform.governance import decisions
from deid_platform.governance.form_draft import draft_form
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.register import register_in_force
from deid_platform.governance.requests import Actor, Request, request_of, requests
from deid_platform.governance.signing import sign
from deid_platform.governance.waiting import waiting

RequestId = Annotated[str, typer.Argument(help="Id of the request.")]
As = Annotated[str, typer.Option("--as", help="Your name in the register.")]
Key = Annotated[
    Path | None,
    typer.Option(
        help="Your SSH key, or its .pub if an agent or a security key has it. Default: "
        "DEID_SIGNING_KEY, a key file or a folder with a file of your name."
    ),
]
From = Annotated[Path | None, typer.Option("--from", help="YAML file with what the step asks for.")]
Reason = Annotated[str, typer.Option(help="Why, in one line.")]


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
    group.command("draft")(draft)
    group.command("new")(new)
    group.command("resubmit")(resubmit)
    group.command("list")(list_requests)
    group.command("show")(show)
    group.command("withdraw")(withdraw)
    app.add_typer(group, name="request")


def actor(name: str, key: Path | None = None) -> Actor:
    """Who a person says they are, the account that says so, and the key that proves it."""
    try:
        account = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        account = f"uid {os.getuid()}"
    file = key_file(name, key)
    return Actor.of(name, account, (lambda payload: sign(payload, file)) if file else None)


def key_file(name: str, key: Path | None) -> Path | None:
    """The key a person signs with: as told, or by ``DEID_SIGNING_KEY``, a file or a folder."""
    told = os.environ.get("DEID_SIGNING_KEY", "")
    if key is None and told:
        key = Path(told)
    if key is None:
        return None
    key = key.expanduser()
    return key / Identity.parse(name).name if key.is_dir() else key


def take(
    request: str,
    action: Action,
    role: Role,
    who: Actor,
    *,
    reason: str = "",
    conditions: list[str] | None = None,
    content: Mapping[str, Any] | None = None,
) -> Request:
    """Take one step of a request on this deployment's ledger."""
    return decisions.act(
        Ledger.open(Deployment.from_environment().ledger_url),
        who,
        decisions.Command(
            action=action,
            request=request,
            role=role,
            reason=reason,
            conditions=tuple(conditions or ()),
            content=dict(content or {}),
        ),
    )


def read_content(file: Path | None) -> dict[str, Any]:
    """What a YAML file says, with dates as text; nothing without a file.

    Raises:
        DeclarationError: it is no mapping.
    """
    if file is None:
        return {}
    content = _plain(read_yaml(file))
    if not isinstance(content, dict):
        raise DeclarationError(file.name, "not a mapping of fields", "write `field: value` lines")
    return content


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return " ".join(value.split())
    return value.isoformat() if hasattr(value, "isoformat") else value


def asks() -> bool:
    """Whether there is somebody at a terminal to ask."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def draft(
    publication: Annotated[str, typer.Argument(help="Name of the publication.")],
    as_json: AsJson = False,
) -> None:
    """Print a request form for a table, as far as register and ledger know it, to be completed.

    Example: `deid request draft ed_visits_by_county_year > request.yaml`
    """
    ledger = Ledger.open(Deployment.from_environment().ledger_url)
    found = draft_form(ledger, register_in_force(ledger), publication, ledger.now())
    if as_json:
        print_json(found)
        return
    sys.stdout.write(yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=96))


def new(
    publication: Annotated[str, typer.Argument(help="Name of the publication.")],
    as_person: As,
    form_file: From = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Ask that the candidate of a publication be released, by a complete request form.

    Without --from, on a terminal, it asks for each field. Every problem of the form is named at
    once, with its rule (docs/reference/intake.md).

    Example: `deid request new ed_visits_by_county_year --from request.yaml --as ana.ruiz`
    """
    ledger = Ledger.open(Deployment.from_environment().ledger_url)
    form = _form(ledger, publication, form_file)
    if form.setdefault("dataset", publication) != publication:
        raise DeclarationError("request form", "it is for another dataset", "correct `dataset`")
    asked = decisions.submit(
        ledger, request=f"req-{secrets.token_hex(5)}", form=form, actor=actor(as_person, key)
    )
    report(asked, as_json)


def resubmit(
    request: RequestId,
    as_person: As,
    form_file: From = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Submit your request again with another form; every gate is passed anew.

    Example: `deid request resubmit req-0123456789 --from request.yaml --as ana.ruiz`
    """
    ledger = Ledger.open(Deployment.from_environment().ledger_url)
    before = request_of(ledger, request)
    form = _form(ledger, before.publication, form_file)
    who = actor(as_person, key)
    report(take(request, Action.RESUBMIT, Role.REQUESTER, who, content={"form": form}), as_json)


def _form(ledger: Ledger, publication: str, file: Path | None) -> dict[str, Any]:
    if file is not None:
        return read_content(file)
    if not asks():
        raise DeclarationError(
            "request form",
            "there is none, and nobody at a terminal to ask",
            f"complete `deid request draft {publication}` and give it with --from",
        )
    form = draft_form(ledger, register_in_force(ledger), publication, ledger.now())
    for name in ("unit", "description", "period", "population", "method_justification", "disposal"):
        if form.get(name) == "":
            form[name] = typer.prompt(name.replace("_", " "))
    for element in form["data_elements"]:
        element["justification"] = typer.prompt(f"why {element['name']} ({element['kind']})")
    for name, value in form.get("open_data", {}).items():
        form["open_data"][name] = typer.confirm(f"{name.replace('_', ' ')}?", default=value)
    return form


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
        console.print(line, highlight=False, soft_wrap=True)
        if step is not None:
            roles = " or ".join(step.roles)
            console.print(f"    waits for {roles}: {step.what}", highlight=False, soft_wrap=True)


def show(
    request: RequestId,
    as_json: AsJson = False,
) -> None:
    """Show one request: its form, which gates stand, and everything that happened to it.

    Example: `deid request show req-0123456789 --json`
    """
    one = request_of(Ledger.open(Deployment.from_environment().ledger_url), request)
    if as_json:
        print_json(as_document(one))
        return
    told = [
        f"{one.id}: {one.publication}, {one.state.value}",
        f"purpose: {one.purpose}",
        *(f"{fact.value}: {digest}" for fact, digest in one.facts.items()),
    ]
    for step, held in one.standing.items():
        people = ", ".join(f"{item.by} as {item.role.value}" for item in held)
        told.append(f"stands: {step.value}, by {people}")
    for step, facts in one.reopened.items():
        told.append(f"open again: {step.value}, for {', '.join(fact.words for fact in facts)}")
    for entry in one.history:
        what = entry.payload.get("action", entry.kind)
        told.append(f"  {entry.at}  {what}  {entry.payload.get('by', '')}")
    for line in told:
        console.print(line, highlight=False, soft_wrap=True)


def withdraw(
    request: RequestId,
    reason: Reason,
    as_person: As,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Take your own request back.

    Example: `deid request withdraw req-0123456789 --reason "A month is missing" --as ana.ruiz`
    """
    who = actor(as_person, key)
    report(take(request, Action.WITHDRAW, Role.REQUESTER, who, reason=reason), as_json)


def report(request: Request, as_json: bool) -> None:
    """Print where a request stands after a step, and what comes next."""
    if as_json:
        print_json(as_document(request))
        return
    console.print(f"{request.id}: {request.publication} is {request.state.value}", highlight=False)
    ledger = Ledger.open(Deployment.from_environment().ledger_url)
    for item in waiting(ledger):
        if item.request == request.id:
            roles = " or ".join(item.roles)
            console.print(f"next: {roles}: {item.what}", highlight=False, soft_wrap=True)


def as_document(request: Request) -> dict[str, Any]:
    """A request for ``--json``."""
    return {
        "request": request.id,
        "publication": request.publication,
        "state": request.state.value,
        "purpose": request.purpose,
        "requester": str(request.requester),
        "submitted_at": request.submitted_at,
        "form": request.form.document() if request.form else None,
        "facts": {fact.value: digest for fact, digest in request.facts.items()},
        "gates": {
            step.value: [{"by": str(one.by), "role": one.role.value, "at": one.at} for one in held]
            for step, held in request.standing.items()
        },
        "reopened": {
            step.value: [fact.value for fact in facts] for step, facts in request.reopened.items()
        },
        "release": request.released.release if request.released else None,
        "history": [
            {
                "sequence": one.sequence,
                "at": one.at,
                "kind": one.kind,
                "action": one.payload.get("action"),
                "by": one.payload.get("by"),
            }
            for one in request.history
        ],
    }
