"""What waits for whom, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deid_platform.core.steps import Step, rule_of
from deid_platform.core.workflow import PENDING, Role, State
from deid_platform.governance.chain import Records
from deid_platform.governance.requests import Request, requests


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """One thing that waits for somebody: any person in one of the roles."""

    request: str
    publication: str
    state: State
    roles: tuple[str, ...]
    since: str
    what: str
    why: str


def waiting(records: Records) -> list[Waiting]:
    """What waits for which role, oldest first.

    Raises:
        AuthorisationError: see `requests`.
    """
    return [item for one in requests(records).values() for item in _waits(one)]


def _waits(one: Request) -> Iterator[Waiting]:
    def item(roles: tuple[str, ...], what: str, why: str = "") -> Waiting:
        return Waiting(
            request=one.id,
            publication=one.publication,
            state=one.state,
            roles=roles,
            since=one.history[-1].at,
            what=what,
            why=why,
        )

    requester = (Role.REQUESTER.value,)
    why = "; ".join(
        f"{step.value} reopened: {', '.join(fact.words for fact in facts)} changed"
        for step, facts in one.reopened.items()
    )
    if one.state is State.RETURNED:
        yield item(requester, "correct it and resubmit", one.decisions[-1].reason)
    elif one.state is State.ON_HOLD:
        yield item((one.decisions[-1].role.value,), "resume it", one.decisions[-1].reason)
    elif one.state is State.DISPUTED:
        mediated = one.decisions[-1].role is Role.RISK_SUBCOMMITTEE
        role = Role.UNDERSECRETARY if mediated else Role.RISK_SUBCOMMITTEE
        yield item((role.value,), "decide the dispute" if mediated else "mediate the dispute")
    elif one.form is None and one.state is State.SUBMITTED:
        yield item(requester, "withdraw it and request anew: decisions are signed now")
    elif one.state in PENDING:
        step = one.next_step
        if step is None:
            yield item((Role.DATA_ENGINEER.value,), "release it", why)
        elif step is Step.EXECUTION:
            yield item((Role.DATA_ENGINEER.value,), "execute it", why)
        else:
            signer = one.outstanding(step)[0]
            roles = tuple(sorted(role.value for role in signer.roles))
            side = f" for the {signer.side}" if signer.side else ""
            yield item(roles, rule_of(step).action.value + side, why)
