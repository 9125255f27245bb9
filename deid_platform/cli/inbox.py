"""`deid inbox`: what waits for a person, and why."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import typer

from deid_platform.cli import AsJson, console, print_json
from deid_platform.cli.request import As
from deid_platform.core.workflow import Identity, Role, excluded_by
from deid_platform.engine.deployment import Deployment
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.register import register_in_force
from deid_platform.governance.requests import Request, requests
from deid_platform.governance.waiting import Waiting, waiting


def register(app: typer.Typer) -> None:
    """Add `deid inbox`."""
    app.command("inbox")(inbox)


def inbox(as_person: As, as_json: AsJson = False) -> None:
    """Show what waits for a person in any of their roles, oldest first, and what hinders them.

    Example: `deid inbox --as ben.cho`
    """
    ledger = Ledger.open(Deployment.from_environment().ledger_url)
    known = register_in_force(ledger)
    person = known.person(as_person)
    at = ledger.now()
    held = known.roles(person.identity, at)
    found = requests(ledger)
    items: list[dict[str, Any]] = []
    for item in waiting(ledger):
        request = found[item.request]
        for role in sorted(held & {Role(name) for name in item.roles}):
            if not _is_for(person.identity, role, request, item):
                continue
            gaps = known.training_gaps(person.identity, role, at)
            items.append({**asdict(item), "as_role": role.value, "hindered_by": list(gaps)})
    if as_json:
        print_json(items)
        return
    if not items:
        console.print("Nothing waits for you.")
    for one in items:
        line = f"{one['request']}  {one['publication']}: {one['what']}, as {one['as_role']}"
        console.print(line, highlight=False, soft_wrap=True)
        for why in (one["why"], *(f"training: {gap}" for gap in one["hindered_by"])):
            if why:
                console.print(f"    {why}", highlight=False, soft_wrap=True)


def _is_for(who: Identity, role: Role, request: Request, item: Waiting) -> bool:
    """Whether separation of duties lets this person do it."""
    if item.roles == (Role.REQUESTER.value,):
        return who == request.requester
    return not any(other == who and taken in excluded_by(role) for other, taken in request.held)
