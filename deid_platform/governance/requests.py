"""Release requests: what their events add up to, which gates stand, and what waits for whom.

A gate stands while every fact it was decided on is what it was (`core.steps`). So a request's
state is not stored: a change of data, code, policy or recipients takes it back by itself.
`decisions` adds events; `authority` asks, at each release, whether everything still holds,
signatures included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from deid_platform.core.errors import AuthorisationError
from deid_platform.core.intake import Form, form_from
from deid_platform.core.register import Register
from deid_platform.core.steps import (
    STEPS,
    Fact,
    Facts,
    Profile,
    Signer,
    Step,
    changed,
    required_steps,
    state_of,
    step_of,
    unmatched,
)
from deid_platform.core.workflow import Action, Identity, Role, State, check_state
from deid_platform.governance.chain import Entry, Records
from deid_platform.governance.events import (
    RequestReleased,
    RequestSubmitted,
    RequestSuperseded,
)
from deid_platform.governance.facts import Binding, digest_of, facts_now, latest_candidate
from deid_platform.governance.register import current_or_none
from deid_platform.governance.request_events import (
    REQUEST_KINDS,
    UNSIGNED,
    DecisionRecorded,
    StepRecorded,
)

Sign: TypeAlias = Callable[[bytes], str]
"""Signs bytes in the namespace of decisions, giving the armored signature."""


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who acts, the operating-system account that ran the command, and the way they sign."""

    identity: Identity
    os_user: str
    sign: Sign | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, name: str, os_user: str, sign: Sign | None = None) -> Actor:
        """Read a name.

        Raises:
            AuthorisationError: the name is not one.
        """
        return cls(identity=Identity.parse(name), os_user=os_user, sign=sign)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One step of a request as the ledger holds it: signed by a person, or by the pipeline."""

    action: Action
    by: Identity
    role: Role
    at: str
    sequence: int
    hash: str
    event: DecisionRecorded | StepRecorded

    @classmethod
    def of(cls, entry: Entry, event: DecisionRecorded | StepRecorded) -> Decision:
        """The step that an entry records."""
        return cls(
            action=Action(event.action),
            by=Identity.parse(event.by),
            role=Role(event.role),
            at=entry.at,
            sequence=entry.sequence,
            hash=entry.hash,
            event=event,
        )

    @property
    def bound(self) -> Facts:
        """The facts as they were, by name."""
        if isinstance(self.event, StepRecorded):
            told: Mapping[str, str] = self.event.fingerprints
        else:
            told = self.event.decided.fingerprints
        return {fact: told[fact.value] for fact in Fact if fact.value in told}

    @property
    def content(self) -> Mapping[str, Any]:
        """What the step itself carries."""
        return self.event.content

    @property
    def side(self) -> str:
        """Of which department of an exchange it was taken."""
        return str(self.content.get("side", ""))

    @property
    def reason(self) -> str:
        """Why, where the step takes a reason."""
        if isinstance(self.event, StepRecorded):
            return self.event.reason
        return self.event.decided.reason or ""

    @property
    def conditions(self) -> tuple[str, ...]:
        """Conditions that the person attached."""
        return () if isinstance(self.event, StepRecorded) else self.event.decided.conditions


@dataclass(frozen=True, kw_only=True)
class Request:
    """A release request as its events leave it, under the facts as they are now."""

    id: str
    publication: str
    form: Form | None
    requester: Identity
    submitted_at: str
    state: State
    facts: Facts = field(default_factory=dict)
    profile: Profile | None = None
    decisions: tuple[Decision, ...] = ()
    standing: Mapping[Step, tuple[Decision, ...]] = field(default_factory=dict)
    reopened: Mapping[Step, tuple[Fact, ...]] = field(default_factory=dict)
    is_mandated: bool = False
    released: RequestReleased | None = None
    history: tuple[Entry, ...] = ()

    @property
    def purpose(self) -> str:
        """What the data are for, in the requester's words."""
        if self.form is not None:
            return self.form.description
        return str(self.history[0].payload.get("purpose", ""))

    @property
    def held(self) -> tuple[tuple[Identity, Role], ...]:
        """Who has acted on the request, in which role."""
        return tuple(dict.fromkeys((one.by, one.role) for one in self.decisions)) or (
            (self.requester, Role.REQUESTER),
        )

    @property
    def approvals(self) -> tuple[Decision, ...]:
        """The release approvals that stand."""
        return self.standing.get(Step.APPROVAL, ())

    @property
    def fingerprint(self) -> str:
        """The content that was executed, or is there to be."""
        executed = self.standing.get(Step.EXECUTION, ())
        facts = executed[-1].bound if executed else self.facts
        return facts.get(Fact.DATA, "")

    @property
    def release_id(self) -> str:
        """The release this request leads to: the same for the same request and content."""
        content = self.released.fingerprint if self.released else self.fingerprint
        return "rel-" + digest_of([self.id, content])[:16]

    @property
    def determination(self) -> Decision | None:
        """The determination that stands, if one does."""
        found = self.standing.get(Step.DETERMINATION, ())
        return found[-1] if found else None

    def outstanding(self, step: Step) -> tuple[Signer, ...]:
        """Whose decisions a gate still takes, in order."""
        if self.profile is None:
            return ()
        return unmatched(self.profile, step, self.standing.get(step, ()))

    @property
    def next_step(self) -> Step | None:
        """The first required gate that does not stand; none when the release itself is next."""
        if self.profile is None:
            return None
        return next((step for step in required_steps(self.profile) if self.outstanding(step)), None)


def requests(
    records: Records,
    publication: str | None = None,
    register: Register | None = None,
    *,
    only: str | None = None,
) -> dict[str, Request]:
    """Every request, by id, in order of submission.

    Args:
        register: the one in force; read from the ledger if not given.
        only: the id of the one request to look at; the events of others are not rebuilt.

    Raises:
        AuthorisationError: the ledger tells of a step that the workflow does not have.
    """
    folded: dict[str, _Folding] = {}
    for entry in records.entries(kinds=REQUEST_KINDS, subject=publication):
        if only is not None and entry.payload.get("request") != only:
            continue
        event: Any = entry.event
        if event.request in folded:
            folded[event.request].take(entry, event)
        else:
            folded[event.request] = _Folding.begun(entry, event)
    pending = [one for one in folded.values() if one.needs_facts]
    if pending and register is None:
        register = current_or_none(records)
    bindings = {one.publication: latest_candidate(records, one.publication) for one in pending}
    found = {}
    for name, one in folded.items():
        candidate = bindings.get(one.publication)
        if one.needs_facts and candidate is not None and register is not None and one.form:
            now = facts_now(records, one.form, register, Binding.of(candidate))
            found[name] = one.request(now)
        else:
            found[name] = one.request(one.last_facts)
    return found


def request_of(records: Records, request: str) -> Request:
    """One request.

    Raises:
        AuthorisationError: there is none of that id.
    """
    known = requests(records, only=request).get(request)
    if known is None:
        do = "list them with `deid request list`"
        raise AuthorisationError(request, "there is no such request", do)
    return known


def standing_steps(
    passed: Mapping[Step, list[Decision]], now: Facts
) -> tuple[dict[Step, tuple[Decision, ...]], dict[Step, tuple[Fact, ...]]]:
    """The decisions that count under some facts, and for each reopened gate what changed."""
    standing, reopened = {}, {}
    for rule in STEPS:
        found = passed.get(rule.step, [])
        counted = tuple(one for one in found if not changed(one.bound, now, rule.step))
        if counted:
            standing[rule.step] = counted
        elif found:
            reopened[rule.step] = changed(found[-1].bound, now, rule.step)
    return standing, reopened


@dataclass(kw_only=True)
class _Folding:
    """A request while its events are read in order."""

    id: str
    publication: str
    requester: Identity
    submitted_at: str
    form: Form | None = None
    ended: State | None = None
    review_started: bool = False
    mandated: bool = False
    passed: dict[Step, list[Decision]] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    released: RequestReleased | None = None
    last_facts: Facts = field(default_factory=dict)
    history: list[Entry] = field(default_factory=list)

    @classmethod
    def begun(cls, entry: Entry, event: Any) -> _Folding:
        submitted = isinstance(event, DecisionRecorded) and event.action == Action.SUBMIT.value
        if not submitted and not isinstance(event, RequestSubmitted):
            raise AuthorisationError(
                event.request, "its events begin without a request", "verify the ledger"
            )
        self = cls(
            id=event.request,
            publication=event.publication,
            requester=Identity.parse(event.by),
            submitted_at=entry.at,
        )
        if isinstance(event, DecisionRecorded):
            self._submit(Decision.of(entry, event))
            self.history.append(entry)
        else:
            self.take(entry, event)
        return self

    @property
    def needs_facts(self) -> bool:
        """Whether the facts as they are now decide on the state."""
        return self.form is not None and self.ended in (None, State.ON_HOLD)

    def take(self, entry: Entry, event: Any) -> None:
        """One more event."""
        where = f"ledger entry {entry.sequence}"
        if isinstance(event, (DecisionRecorded, StepRecorded)):
            self._decided(where, Decision.of(entry, event))
        elif isinstance(event, RequestReleased):
            if self.form is not None:
                check_state(where, self._state(self.last_facts), Action.RELEASE)
                if not self.decisions or self.decisions[-1].action is not Action.RELEASE:
                    raise AuthorisationError(
                        where, "released without an order", "verify the ledger"
                    )
            self.ended, self.released = State.RELEASED, event
        elif isinstance(event, RequestSuperseded):
            check_state(where, self._state(self.last_facts), Action.SUPERSEDE)
            self.ended = State.SUPERSEDED
        elif self.form is not None:
            raise AuthorisationError(
                where, f"an unsigned {entry.kind} of a signed request", "verify the ledger"
            )
        else:
            state = UNSIGNED[type(event)]
            self.ended = None if state is State.SUBMITTED else state
        self.history.append(entry)

    def _decided(self, where: str, decision: Decision) -> None:
        state = self._state(decision.bound)
        target = check_state(where, state, decision.action)
        step = step_of(decision.action)
        match decision.action:
            case Action.RESUBMIT:
                self._submit(decision)
                return
            case Action.START_REVIEW:
                self.review_started = True
            case Action.RELEASE:
                pass  # the order to release; RequestReleased says that it left
            case Action.RESUME | Action.DECIDE_FOR:
                self.ended = None
                if decision.action is Action.DECIDE_FOR:
                    self.mandated = self.review_started = True
            case _ if step is not None:
                self.passed.setdefault(step.step, []).append(decision)
            case _:
                self.ended = target
        self._note(decision)

    def _submit(self, decision: Decision) -> None:
        self.form = form_from(dict(decision.content.get("form", {})))
        self.ended, self.review_started, self.passed = None, self.mandated, {}
        self._note(decision)

    def _note(self, decision: Decision) -> None:
        self.decisions.append(decision)
        self.last_facts = decision.bound

    @property
    def _profile(self) -> Profile | None:
        if self.form is None:
            return None
        reviews = self.passed.get(Step.REVIEW, [])
        wanted = any(one.content.get("legal_required") is True for one in reviews)
        return self.form.profile(department_wants_legal=wanted)

    def _state(self, facts: Facts) -> State:
        profile = self._profile
        if self.ended is not None or profile is None:
            return self.ended or State.SUBMITTED
        standing, _ = standing_steps(self.passed, facts)
        passed = [step for step in standing if not unmatched(profile, step, standing[step])]
        return state_of(passed, required_steps(profile), review_started=self.review_started)

    def request(self, facts: Facts) -> Request:
        """What the events add up to under some facts."""
        profile = self._profile
        standing, reopened = standing_steps(self.passed, facts) if profile else ({}, {})
        return Request(
            id=self.id,
            publication=self.publication,
            form=self.form,
            requester=self.requester,
            submitted_at=self.submitted_at,
            state=self._state(facts),
            facts=facts,
            profile=profile,
            decisions=tuple(self.decisions),
            standing=standing,
            reopened=reopened,
            is_mandated=self.mandated,
            released=self.released,
            history=tuple(self.history),
        )
