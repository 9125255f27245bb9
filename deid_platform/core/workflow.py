"""Release-request states, transitions, roles and separation of duties, as data.

Nothing here reads or writes: `governance.requests` folds ledger events through `moved` and asks
`check_role` and `check_separation` before it adds one.

Source: HICP Practice 7.3, gates and roles (governance specification, sections 3 and 4).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from deid_platform.core.errors import AuthorisationError


class State(StrEnum):
    """Where a release request stands."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    IN_REVIEW = "in_review"
    APPROVED_FOR_EXECUTION = "approved_for_execution"
    EXECUTED = "executed"
    VALIDATED = "validated"
    DETERMINED = "determined"
    LEGAL_CLEARED = "legal_cleared"
    RELEASE_APPROVED = "release_approved"
    RELEASED = "released"
    EXPIRED = "expired"
    RECALLED = "recalled"
    SUPERSEDED = "superseded"
    RETURNED = "returned"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    ON_HOLD = "on_hold"


class Role(StrEnum):
    """In which capacity a person acts on one request."""

    REQUESTER = "requester"
    PRIVACY_REVIEWER = "privacy_reviewer"
    SECURITY_REVIEWER = "security_reviewer"
    DATA_ENGINEER = "data_engineer"
    VALIDATOR = "validator"
    EXPERT = "expert"
    SUPERVISOR_EXPERT = "supervisor_expert"
    LEGAL = "legal"
    DATA_STEWARD = "data_steward"
    SYSTEM_OWNER = "system_owner"
    DATA_COORDINATOR = "data_coordinator"
    DEPUTY_DIRECTOR = "deputy_director"
    DIRECTOR = "director"
    THIRD_PARTY_MANAGER = "third_party_manager"
    AUDITOR = "auditor"


class Action(StrEnum):
    """What is done to a request."""

    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    RELEASE = "release"
    RECALL = "recall"
    SUPERSEDE = "supersede"


@dataclass(frozen=True, kw_only=True)
class Transition:
    """An action, who may do it, and where it leads."""

    action: Action
    sources: frozenset[State]
    target: State
    roles: frozenset[Role]


_PENDING = frozenset({State.SUBMITTED, State.RELEASE_APPROVED})

TRANSITIONS: tuple[Transition, ...] = (
    Transition(
        action=Action.SUBMIT,
        sources=frozenset({State.DRAFT}),
        target=State.SUBMITTED,
        roles=frozenset({Role.REQUESTER}),
    ),
    Transition(
        action=Action.APPROVE,
        sources=frozenset({State.SUBMITTED}),
        target=State.RELEASE_APPROVED,
        roles=frozenset({Role.DATA_STEWARD}),
    ),
    Transition(
        action=Action.REJECT,
        sources=_PENDING,
        target=State.REJECTED,
        roles=frozenset({Role.DATA_STEWARD}),
    ),
    Transition(
        action=Action.WITHDRAW,
        sources=_PENDING,
        target=State.WITHDRAWN,
        roles=frozenset({Role.REQUESTER}),
    ),
    Transition(
        action=Action.RELEASE,
        sources=frozenset({State.RELEASE_APPROVED}),
        target=State.RELEASED,
        roles=frozenset({Role.DATA_ENGINEER}),
    ),
    Transition(
        action=Action.RECALL,
        sources=frozenset({State.RELEASED}),
        target=State.RECALLED,
        roles=frozenset({Role.DATA_STEWARD}),
    ),
    Transition(
        action=Action.SUPERSEDE,
        sources=frozenset({State.RELEASED}),
        target=State.SUPERSEDED,
        roles=frozenset({Role.DATA_ENGINEER}),
    ),
)
"""Every way a request moves. An action needs one role in its `roles`; an approval that needs
several people completes only when each role of `APPROVERS` has decided."""

APPROVERS: tuple[Role, ...] = (Role.DATA_STEWARD,)
"""Who must approve before a release, in order (GV-07: the steward approves any release)."""

_WRITES = frozenset(Role) - {Role.AUDITOR}
_NOT_ALSO: dict[Role, frozenset[Role]] = {
    Role.REQUESTER: frozenset(
        {
            Role.PRIVACY_REVIEWER,
            Role.SECURITY_REVIEWER,
            Role.DATA_ENGINEER,
            Role.VALIDATOR,
            Role.EXPERT,
            Role.SUPERVISOR_EXPERT,
            Role.LEGAL,
            Role.DATA_STEWARD,
        }
    ),
    Role.PRIVACY_REVIEWER: frozenset({Role.DATA_ENGINEER}),
    Role.SECURITY_REVIEWER: frozenset({Role.DATA_ENGINEER}),
    Role.DATA_ENGINEER: frozenset({Role.VALIDATOR, Role.DATA_STEWARD, Role.EXPERT}),
    Role.AUDITOR: _WRITES,
}


def excluded_by(role: Role) -> frozenset[Role]:
    """Roles that the holder of ``role`` must not also hold on the same request."""
    return _NOT_ALSO.get(role, frozenset()) | {
        other for other, barred in _NOT_ALSO.items() if role in barred
    }


_IDENTITY = re.compile(
    r"(?:(?P<kind>person|service):)?(?P<name>[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?"
    r"(?:@[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)?)"
)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who acts: a person or a service of the platform. Two spellings of one name are equal."""

    kind: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Identity:
        """Read ``person:NAME``, ``service:NAME`` or ``NAME``, which is a person.

        Letters are compared in lower case, so that one person cannot act twice as two.

        Raises:
            AuthorisationError: the text is not a name of that form.
        """
        match = _IDENTITY.fullmatch(text.strip().lower())
        if match is None:
            raise AuthorisationError(
                "identity",
                "not a name of the form person:NAME or service:NAME",
                "use letters, digits, dots, dashes or an e-mail address",
            )
        return cls(kind=match["kind"] or "person", name=match["name"])

    @property
    def is_person(self) -> bool:
        """Whether this is a person: only people request and decide."""
        return self.kind == "person"

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


def transition(action: Action) -> Transition:
    """The one transition of an action."""
    return next(known for known in TRANSITIONS if known.action is action)


def check_state(where: str, state: State, action: Action) -> State:
    """The state the action leads to from ``state``.

    Raises:
        AuthorisationError: the table has no such transition.
    """
    known = transition(action)
    if state not in known.sources:
        needed = " or ".join(sorted(source.value for source in known.sources))
        raise AuthorisationError(
            where,
            f"the request is {state.value}; {action.value} needs one that is {needed}",
            "see its history with `deid request show`",
        )
    return known.target


def check_role(where: str, action: Action, actor: Identity, role: Role) -> None:
    """Let only the roles of the transition act, and let only people decide.

    Raises:
        AuthorisationError: the role may not do this, or a service tries to decide.
    """
    allowed = transition(action).roles
    if role not in allowed:
        names = ", ".join(sorted(one.value for one in allowed))
        raise AuthorisationError(
            where, f"the role {role.value} may not {action.value}", f"this takes the role {names}"
        )
    if not actor.is_person and action is not Action.RELEASE and action is not Action.SUPERSEDE:
        raise AuthorisationError(
            where, f"a service may not {action.value}", "decisions are made by people, by name"
        )


def check_separation(
    where: str, actor: Identity, role: Role, held: Iterable[tuple[Identity, Role]]
) -> None:
    """Refuse a person who already holds a role that excludes the new one on this request.

    Raises:
        AuthorisationError: naming both roles.
    """
    barred = excluded_by(role)
    for person, other in held:
        if person == actor and other in barred:
            raise AuthorisationError(
                where,
                f"separation of duties: the {other.value} of a request may not also be its "
                f"{role.value}",
                "another person must do this",
            )


def diagram() -> str:
    """The transitions as a Mermaid state diagram, for the documentation."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.DRAFT.value}"]
    for known in TRANSITIONS:
        roles = ", ".join(sorted(role.value for role in known.roles))
        lines += [
            f"    {source.value} --> {known.target.value}: {known.action.value} ({roles})"
            for source in sorted(known.sources)
        ]
    return "\n".join(lines)


def separation_table() -> str:
    """Which roles exclude each other on one request, as a Markdown table."""
    rows = ["| role | must not also be |", "|---|---|"]
    for role in Role:
        barred = sorted(other.value for other in excluded_by(role))
        rows.append(f"| {role.value} | {', '.join(barred)} |")
    return "\n".join(rows)
