"""Who has a request released, and to where: recorded before anything is prepared."""

from __future__ import annotations

from deid_platform.core.errors import AuthorisationError
from deid_platform.core.workflow import Action, Role, State
from deid_platform.governance.decisions import Command, act
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.register import register_in_force
from deid_platform.governance.requests import Actor, Request

RELEASER = Role.DATA_ENGINEER
"""In which role a release is carried out."""


def target_of(ledger: Ledger, request: Request, wanted: str | None) -> str:
    """The name of the export target of the destination that the request names.

    Raises:
        AuthorisationError: the register does not list the destination, or another target is asked.
    """
    destination = request.form.destination if request.form else ""
    target = register_in_force(ledger).destination(destination).target
    if wanted is not None and wanted != target:
        raise AuthorisationError(
            request.id,
            f"its destination {destination} takes the target {target}",
            "release it to the destination that was approved",
        )
    return target


def order(ledger: Ledger, request: Request, actor: Actor, content: str) -> None:
    """Record who has it released, signed where it is a person, unless that was done already."""
    last = request.decisions[-1]
    if request.state is State.RELEASED or (
        last.action is Action.RELEASE and last.by == actor.identity
    ):
        return
    act(
        ledger,
        actor,
        Command(action=Action.RELEASE, request=request.id, role=RELEASER, fingerprint=content),
    )
