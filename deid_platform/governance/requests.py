"""Release requests: what their events add up to, and what waits for whom.

A request binds one content of one candidate: its fingerprint and the digests of its declaration,
policy and score sheet. `decisions` adds the events; `authority` asks whether all still holds.

In this version an identity is asserted (``--as``) and recorded with the operating-system account
that ran the command; it is not proved. Signatures with people's own keys come with the full
workflow. Until then, who may run `deid approve` is for the host's accounts to restrict.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from deid_platform.core.errors import AuthorisationError
from deid_platform.core.workflow import APPROVERS, Action, Identity, Role, State, check_state
from deid_platform.governance.chain import Entry, Records
from deid_platform.governance.events import (
    CandidateBuilt,
    Event,
    RequestApproved,
    RequestRecalled,
    RequestRejected,
    RequestReleased,
    RequestSubmitted,
    RequestSuperseded,
    RequestWithdrawn,
)
from deid_platform.governance.plain import canonical_json

_ACTIONS: dict[type[Event], Action] = {
    RequestSubmitted: Action.SUBMIT,
    RequestApproved: Action.APPROVE,
    RequestRejected: Action.REJECT,
    RequestWithdrawn: Action.WITHDRAW,
    RequestReleased: Action.RELEASE,
    RequestRecalled: Action.RECALL,
    RequestSuperseded: Action.SUPERSEDE,
}


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who asserts to act, and the operating-system account that ran the command."""

    identity: Identity
    os_user: str

    @classmethod
    def of(cls, name: str, os_user: str) -> Actor:
        """Read an asserted name.

        Raises:
            AuthorisationError: the name is not one.
        """
        return cls(identity=Identity.parse(name), os_user=os_user)


@dataclass(frozen=True, kw_only=True)
class Binding:
    """What a decision is about: if any part changes, the decision no longer holds."""

    publication: str
    fingerprint: str
    publication_digest: str
    policy_digest: str
    score_sheet_digest: str | None

    @classmethod
    def of(cls, event: CandidateBuilt | RequestSubmitted | RequestApproved) -> Binding:
        """The binding that an event carries."""
        return cls(
            publication=event.publication,
            fingerprint=event.fingerprint,
            publication_digest=event.publication_digest,
            policy_digest=event.policy_digest,
            score_sheet_digest=event.score_sheet_digest,
        )

    def differences(self, other: Binding) -> tuple[str, ...]:
        """Which parts differ, in words."""
        parts = {
            "fingerprint": "the candidate's content",
            "publication_digest": "the publication's declaration",
            "policy_digest": "the policy",
            "score_sheet_digest": "the score sheet",
        }
        return tuple(
            words for name, words in parts.items() if getattr(self, name) != getattr(other, name)
        )


@dataclass(frozen=True, kw_only=True)
class Approval:
    """One approver's decision, and what it is bound to."""

    by: Identity
    role: Role
    at: str
    binding: Binding
    gates_digest: str


@dataclass(frozen=True, kw_only=True)
class Request:
    """A release request as its events leave it."""

    id: str
    publication: str
    binding: Binding
    purpose: str
    requester: Identity
    submitted_at: str
    state: State
    approvals: tuple[Approval, ...] = ()
    released: RequestReleased | None = None
    history: tuple[Entry, ...] = ()

    @property
    def held(self) -> tuple[tuple[Identity, Role], ...]:
        """Who has acted on the request, in which role."""
        return (
            (self.requester, Role.REQUESTER),
            *((approval.by, approval.role) for approval in self.approvals),
        )

    @property
    def release_id(self) -> str:
        """The release this request leads to: the same for the same request and content."""
        return "rel-" + digest_of([self.id, self.binding.fingerprint])[:16]


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """One thing that waits for somebody."""

    request: str
    publication: str
    state: State
    role: Role
    since: str
    what: str


def requests(records: Records, publication: str | None = None) -> dict[str, Request]:
    """Every request, by id, in order of submission.

    Raises:
        AuthorisationError: the ledger tells of a step that the workflow does not have.
    """
    found: dict[str, Request] = {}
    for entry in records.entries(kinds=tuple(_ACTIONS), subject=publication):
        event: Any = entry.event
        before = found.get(event.request)
        found[event.request] = _after(before, event, entry)
    return found


def request_of(records: Records, request: str) -> Request:
    """One request.

    Raises:
        AuthorisationError: there is none of that id.
    """
    known = requests(records).get(request)
    if known is None:
        raise AuthorisationError(
            request, "there is no such request", "list them with `deid request list`"
        )
    return known


def latest_candidate(records: Records, publication: str) -> CandidateBuilt | None:
    """The candidate that the pipeline recorded last."""
    last: CandidateBuilt | None = None
    for entry in records.entries(kinds=[CandidateBuilt], subject=publication):
        event = entry.event
        if isinstance(event, CandidateBuilt):
            last = event
    return last


def waiting(records: Records) -> list[Waiting]:
    """What waits for which role, oldest first.

    Raises:
        AuthorisationError: see `requests`.
    """
    found = []
    for one in requests(records).values():
        if one.state not in (State.SUBMITTED, State.RELEASE_APPROVED):
            continue
        candidate = latest_candidate(records, one.publication)
        if candidate is None or one.binding.differences(Binding.of(candidate)):
            role, what = Role.REQUESTER, "the candidate changed: withdraw it and request anew"
        elif one.state is State.SUBMITTED:
            role, what = next_approver(one), "approve or reject it"
        else:
            role, what = Role.DATA_ENGINEER, "release it"
        found.append(
            Waiting(
                request=one.id,
                publication=one.publication,
                state=one.state,
                role=role,
                since=one.history[-1].at,
                what=what,
            )
        )
    return found


def next_approver(request: Request) -> Role:
    """The role whose approval is needed next."""
    decided = {one.role for one in request.approvals}
    return next((role for role in APPROVERS if role not in decided), APPROVERS[-1])


def digest_of(value: Any) -> str:
    """SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()


def _after(before: Request | None, event: Any, entry: Entry) -> Request:
    if isinstance(event, RequestSubmitted):
        return Request(
            id=event.request,
            publication=event.publication,
            binding=Binding.of(event),
            purpose=event.purpose,
            requester=Identity.parse(event.by),
            submitted_at=entry.at,
            state=State.SUBMITTED,
            history=(entry,),
        )
    if before is None:
        raise AuthorisationError(
            event.request, "its events begin without a request", "verify the ledger"
        )
    action = _ACTIONS[type(event)]
    state = check_state(f"ledger entry {entry.sequence}", before.state, action)
    approvals = before.approvals
    if isinstance(event, RequestApproved):
        approval = Approval(
            by=Identity.parse(event.by),
            role=Role(event.role),
            at=entry.at,
            binding=Binding.of(event),
            gates_digest=event.gates_digest,
        )
        approvals = (*approvals, approval)
        if not {one.role for one in approvals} >= set(APPROVERS):
            state = before.state
    return replace(
        before,
        state=state,
        approvals=approvals,
        released=event if isinstance(event, RequestReleased) else before.released,
        history=(*before.history, entry),
    )
