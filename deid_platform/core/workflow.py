"""Release-request states, transitions, roles and separation of duties, as data.

Nothing here reads or writes: `governance.requests` folds ledger events through this table, and
`governance.decisions` asks `check_state`, `check_role` and `check_separation` before it adds one.
Which gates one request must pass, and what each binds, is in `core.steps`.

Source: HICP Practice 7.3, gates and roles; CalHHS Business Use Case Proposal process (2018),
dispute path; CalHHS Open Data Handbook 1.2, approvals.
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
    DISPUTED = "disputed"


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
    AGENCY = "agency"
    GOVERNANCE_LIAISON = "governance_liaison"
    RISK_SUBCOMMITTEE = "risk_subcommittee"
    UNDERSECRETARY = "undersecretary"
    THIRD_PARTY_MANAGER = "third_party_manager"
    AUDITOR = "auditor"


class Action(StrEnum):
    """What is done to a request."""

    SUBMIT = "submit"
    START_REVIEW = "start_review"
    APPROVE_FOR_EXECUTION = "approve_for_execution"
    RECORD_EXECUTION = "record_execution"
    VALIDATE = "validate"
    DETERMINE = "determine"
    CLEAR_LEGAL = "clear_legal"
    APPROVE_RELEASE = "approve_release"
    RELEASE = "release"
    EXPIRE = "expire"
    RECALL = "recall"
    SUPERSEDE = "supersede"
    RETURN = "return"
    RESUBMIT = "resubmit"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    HOLD = "hold"
    RESUME = "resume"
    DISPUTE = "dispute"
    MEDIATE = "mediate"
    DECIDE_FOR = "decide_for"
    DECIDE_AGAINST = "decide_against"


@dataclass(frozen=True, kw_only=True)
class Transition:
    """An action, who may do it, and where it leads.

    A ``target`` of None leads to wherever the gates that still stand put the request.
    """

    action: Action
    sources: frozenset[State]
    target: State | None
    roles: frozenset[Role]


_REVIEWERS = frozenset({Role.PRIVACY_REVIEWER, Role.SECURITY_REVIEWER})
_EXPERTS = frozenset({Role.EXPERT, Role.SUPERVISOR_EXPERT})
APPROVERS: tuple[Role, ...] = (
    Role.DATA_STEWARD,
    Role.DEPUTY_DIRECTOR,
    Role.DIRECTOR,
    Role.AGENCY,
)
"""Who approves releases, in order: the steward any, the others as `core.steps` asks (GV-07)."""

_IN_PROGRESS = frozenset(
    {
        State.IN_REVIEW,
        State.APPROVED_FOR_EXECUTION,
        State.EXECUTED,
        State.VALIDATED,
        State.DETERMINED,
        State.LEGAL_CLEARED,
        State.RELEASE_APPROVED,
    }
)
PENDING = _IN_PROGRESS | {State.SUBMITTED}
"""A request that waits for its next gate or for its release."""
_DECIDERS = _REVIEWERS | _EXPERTS | {Role.VALIDATOR, Role.LEGAL, *APPROVERS}


def _transition(
    action: Action, sources: Iterable[State], target: State | None, roles: Iterable[Role]
) -> Transition:
    return Transition(
        action=action, sources=frozenset(sources), target=target, roles=frozenset(roles)
    )


TRANSITIONS: tuple[Transition, ...] = (
    _transition(Action.SUBMIT, [State.DRAFT], State.SUBMITTED, [Role.REQUESTER]),
    _transition(Action.START_REVIEW, [State.SUBMITTED], State.IN_REVIEW, _REVIEWERS),
    _transition(
        Action.APPROVE_FOR_EXECUTION,
        [State.IN_REVIEW],
        State.APPROVED_FOR_EXECUTION,
        _REVIEWERS | {Role.DATA_COORDINATOR, Role.DEPUTY_DIRECTOR},
    ),
    _transition(
        Action.RECORD_EXECUTION,
        [State.APPROVED_FOR_EXECUTION],
        State.EXECUTED,
        [Role.DATA_ENGINEER],
    ),
    _transition(Action.VALIDATE, [State.EXECUTED], State.VALIDATED, [Role.VALIDATOR]),
    _transition(
        Action.DETERMINE,
        [State.VALIDATED],
        State.DETERMINED,
        _EXPERTS | {Role.DATA_STEWARD, Role.PRIVACY_REVIEWER},
    ),
    _transition(Action.CLEAR_LEGAL, [State.DETERMINED], State.LEGAL_CLEARED, [Role.LEGAL]),
    _transition(Action.APPROVE_RELEASE, [State.LEGAL_CLEARED], State.RELEASE_APPROVED, APPROVERS),
    _transition(Action.RELEASE, [State.RELEASE_APPROVED], State.RELEASED, [Role.DATA_ENGINEER]),
    _transition(
        Action.EXPIRE, [State.RELEASED], State.EXPIRED, [Role.DATA_ENGINEER, Role.DATA_STEWARD]
    ),
    _transition(Action.RECALL, [State.RELEASED], State.RECALLED, [Role.DATA_STEWARD]),
    _transition(Action.SUPERSEDE, [State.RELEASED], State.SUPERSEDED, [Role.DATA_ENGINEER]),
    _transition(Action.RETURN, PENDING, State.RETURNED, _DECIDERS),
    _transition(Action.RESUBMIT, PENDING | {State.RETURNED}, State.SUBMITTED, [Role.REQUESTER]),
    _transition(Action.REJECT, PENDING, State.REJECTED, _DECIDERS),
    _transition(
        Action.WITHDRAW,
        PENDING | {State.RETURNED, State.ON_HOLD, State.DISPUTED},
        State.WITHDRAWN,
        [Role.REQUESTER],
    ),
    _transition(Action.HOLD, PENDING, State.ON_HOLD, _DECIDERS),
    _transition(Action.RESUME, [State.ON_HOLD], None, _DECIDERS),
    _transition(
        Action.DISPUTE,
        [State.SUBMITTED, State.IN_REVIEW],
        State.DISPUTED,
        [Role.DATA_COORDINATOR],
    ),
    _transition(
        Action.MEDIATE,
        [State.DISPUTED],
        State.DISPUTED,
        [Role.GOVERNANCE_LIAISON, Role.RISK_SUBCOMMITTEE],
    ),
    _transition(Action.DECIDE_FOR, [State.DISPUTED], None, [Role.UNDERSECRETARY]),
    _transition(Action.DECIDE_AGAINST, [State.DISPUTED], State.REJECTED, [Role.UNDERSECRETARY]),
)
"""Every way a request moves. An action needs one role in its `roles`; a gate that needs several
people is passed only when each signer of `core.steps.signers` has decided. A change of data, code,
policy or recipients takes a pending request back to the first gate that no longer stands."""

AUTOMATIC: frozenset[Action] = frozenset(
    {Action.RECORD_EXECUTION, Action.VALIDATE, Action.RELEASE, Action.EXPIRE, Action.SUPERSEDE}
)
"""What the pipeline may do by itself: it carries out and measures. All else is decided by people;
validation too, where a request takes a second person (GV-01)."""

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
            *APPROVERS,
        }
    ),
    Role.PRIVACY_REVIEWER: frozenset({Role.DATA_ENGINEER}),
    Role.SECURITY_REVIEWER: frozenset({Role.DATA_ENGINEER}),
    Role.DATA_ENGINEER: frozenset({Role.VALIDATOR, Role.EXPERT, *APPROVERS}),
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


def check_state(where: str, state: State, action: Action) -> State | None:
    """The state the action leads to from ``state``; None where the gates that stand say which.

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
    if not actor.is_person and action not in AUTOMATIC:
        raise AuthorisationError(
            where, f"a service may not {action.value}", "decisions are made by people, by name"
        )


def check_separation(
    where: str, actor: Identity, role: Role, held: Iterable[tuple[Identity, Role]]
) -> None:
    """Refuse a person who already holds a role that excludes the new one on this request.

    People are kept apart, not services: those carry out and measure, and decide nothing.

    Raises:
        AuthorisationError: naming both roles.
    """
    barred = excluded_by(role)
    for person, other in held:
        if actor.is_person and person == actor and other in barred:
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
        if known.sources >= PENDING or known.target is None:
            continue  # from anywhere or to anywhere: in the table, or the picture would be a knot
        lines += [
            f"    {source.value} --> {known.target.value}: {known.action.value}"
            for source in sorted(known.sources)
        ]
    return "\n".join(lines)


def transition_table() -> str:
    """Every transition with who may make it, as a Markdown table."""
    rows = ["| action | from | to | roles |", "|---|---|---|---|"]
    for known in TRANSITIONS:
        sources = set(known.sources)
        words = ["any pending state"] if sources >= PENDING else []
        words += sorted(one.value for one in (sources - PENDING if words else sources))
        target = known.target.value if known.target else "where its standing gates put it"
        roles = ", ".join(sorted(role.value for role in known.roles))
        if known.action in AUTOMATIC:
            roles += "; the pipeline"
        rows.append(f"| {known.action.value} | {', '.join(words)} | {target} | {roles} |")
    return "\n".join(rows)


def separation_table() -> str:
    """Which roles exclude each other on one request, as a Markdown table."""
    rows = ["| role | must not also be |", "|---|---|"]
    for role in Role:
        barred = sorted(other.value for other in excluded_by(role))
        rows.append(f"| {role.value} | {', '.join(barred)} |")
    return "\n".join(rows)
