"""Examines the register in force for `deid doctor`: signatures, what has run out, which ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from deid_platform.core.errors import AuthorisationError, ZoneError
from deid_platform.core.register import Register
from deid_platform.core.register.checks import register_problems
from deid_platform.engine.database import open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.doctor import Finding, failure, note, ok, warning
from deid_platform.engine.policy_digests import policy_digests
from deid_platform.governance.anchor import ANCHORED, check_anchors
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.recorded import recorded_decisions
from deid_platform.governance.register import current_or_none

_AREA = "register"
_SOON = timedelta(days=30)


def examine_register(ledger: Ledger, deployment: Deployment, now: datetime) -> Iterator[Finding]:
    """What is to be said of the register and of the signatures in the ledger at a time."""
    yield from _anchors(ledger, deployment)
    register = current_or_none(ledger)
    if register is None:
        yield note(
            _AREA, "none is in force, so nobody may decide", "apply one: deid register apply"
        )
        return
    decisions = list(recorded_decisions(ledger))
    doubtful = sum(one.doubt is not None for one in decisions)
    if doubtful:
        yield warning(
            "signatures",
            f"{doubtful} of {len(decisions)} decisions are in doubt: their key was revoked",
            "see them with `deid audit verify`, and have them taken again",
        )
    else:
        yield ok("signatures", f"{len(decisions)} signed decisions, each verified")
    problems = register_problems(register, now)
    for problem in problems:
        yield warning(_AREA, f"{problem.where}: {problem.what}", problem.do)
    if not problems:
        yield ok(_AREA, f"{len(register.people)} people; its entries fit together")
    yield from _ending(register, now)
    yield from _policies(register, deployment, now)


def _anchors(ledger: Ledger, deployment: Deployment) -> Iterator[Finding]:
    there = [zone for zone in ANCHORED if deployment.zone_file(zone).exists()]
    if not there:
        return
    try:
        with open_zone(deployment, None, reading=there) as con:
            anchored = check_anchors(con, there, ledger)
    except ZoneError:
        # A zone that is busy or cannot be opened is told of where zones are examined.
        return
    if anchored:
        yield ok("ledger", f"it is the one that {len(anchored)} zones were written under")


def _ending(register: Register, now: datetime) -> Iterator[Finding]:
    """Keys and roles that end within a month, so that nobody is surprised."""
    soon = now + _SOON
    for name, person in register.people.items():
        held = [grant for grant in person.roles if grant.holds(now)]
        ending = [grant.role.value for grant in held if not grant.holds(soon)]
        valid = [key for key in person.keys if key.is_valid(now)]
        if ending:
            yield warning(
                _AREA,
                f"{name}: {', '.join(ending)} ends within 30 days",
                "certify it or let it end",
            )
        if held and valid and not any(key.is_valid(soon) for key in valid):
            yield warning(_AREA, f"{name}: no key is valid in 30 days", "register a new key")


def _policies(register: Register, deployment: Deployment, now: datetime) -> Iterator[Finding]:
    try:
        standard = register.standard_in_force(now)
    except AuthorisationError as error:
        yield failure(_AREA, error.what, error.do)
        return
    known = policy_digests(deployment)
    changed = sorted(
        name for name, digest in standard.policies.items() if known.get(name) != digest
    )
    if changed:
        yield warning(
            _AREA,
            f"the standard {standard.version} has another {', '.join(changed)} than the project",
            "put the new digest into a new version of the standard: deid register policies",
        )
