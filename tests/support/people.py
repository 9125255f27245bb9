"""People of the example register who act on requests, each with a real key of their own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from deid_platform.core.register import Register
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.policy_digests import policy_digests
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.requests import Actor
from deid_platform.governance.signing import sign
from tests.support.register import Office, office, opened_office, put_in_force

REQUESTER, REVIEWER, SECURITY = "ana.ruiz", "eli.park", "fay.moore"
VALIDATOR, EXPERT, LEGAL = "gus.ortiz", "hana.kim", "joy.adams"
STEWARD, DEPUTY, DIRECTOR, ENGINEER = "ben.cho", "max.hale", "nora.quinn", "dana.lee"
CHECKOUT = Path(__file__).parents[2]
_MADE = "DEID_TEST_PEOPLE"
PIPELINE = Actor.of("service:pipeline", "tester")


@cache
def people() -> Office:
    """The example agency; its keys are made once in a run of the tests and its child processes."""
    made = os.environ.get(_MADE)
    if made is not None:
        return opened_office(Path(made))
    folder = Path(tempfile.mkdtemp(prefix="deid-people-"))
    here = office(folder)
    os.environ[_MADE] = str(folder)
    return here


def actor(name: str, key: str | None = None) -> Actor:
    """A person who signs with their own key, or with somebody else's."""
    file = people().key(key or name)
    return Actor.of(name, "tester", lambda payload: sign(payload, file))


def unsigned(name: str) -> Actor:
    """A person without a key."""
    return Actor.of(name, "tester")


def appoint(ledger: Ledger, datasets: tuple[str, ...] = ()) -> Register:
    """Put the example register in force, with a flow that covers the datasets of a test."""
    return put_people_in_force(ledger, lambda _: None, datasets)


def put_people_in_force(
    ledger: Ledger, change: Callable[[dict[str, Any]], None], datasets: tuple[str, ...] = ()
) -> Register:
    """The same, with something changed in it."""

    def changed(content: dict[str, Any]) -> None:
        flow = content["data_flows"]["ed_open_data"]
        flow["datasets"] = [*flow["datasets"], *datasets]
        content["method_standards"]["2026-1"]["policies"] = _policies()
        change(content)

    register = people().changed(changed)
    put_in_force(ledger, people(), register, clock=ledger.now)
    return register


@cache
def _policies() -> dict[str, str]:
    """Policies as they are; that the shipped standard lists them has a test of its own."""
    return policy_digests(Deployment(project=CHECKOUT, home=CHECKOUT, environment={}))
