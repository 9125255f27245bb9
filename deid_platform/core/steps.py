"""The gates of a request: which it must pass, who signs each, and what each binds.

A gate stands as long as every fact it was decided on is still what it was. The state of a pending
request is the last gate of which it and all before it stand: a change takes it back by itself.

Source: HICP Practice 7.3, gates 1 to 6; CalHHS Open Data Handbook 1.2, approvals; readings GV-01,
GV-03, GV-07 and GV-09.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from deid_platform.core.register import Method
from deid_platform.core.workflow import Action, Identity, Role, State


class Fact(StrEnum):
    """Something a decision is about; its digest is bound by the decision's signature."""

    FORM = "form"
    RECIPIENTS = "recipients"
    DECLARATION = "declaration"
    POLICY = "policy"
    CODE = "code"
    DATA = "data"
    SCORE_SHEET = "score_sheet"
    CHECKS = "checks"

    @property
    def words(self) -> str:
        """The fact as a sentence names it."""
        return _WORDS[self]


_WORDS = {
    Fact.FORM: "the request form",
    Fact.RECIPIENTS: "the recipients or their destination",
    Fact.DECLARATION: "the publication's declaration",
    Fact.POLICY: "the policy",
    Fact.CODE: "the code",
    Fact.DATA: "the candidate's content",
    Fact.SCORE_SHEET: "the score sheet",
    Fact.CHECKS: "the automated checks' results",
}

Facts = Mapping[Fact, str]


class Step(StrEnum):
    """A gate after intake."""

    REVIEW = "review"
    EXECUTION = "execution"
    VALIDATION = "validation"
    DETERMINATION = "determination"
    LEGAL = "legal"
    APPROVAL = "approval"


@dataclass(frozen=True, kw_only=True)
class StepRule:
    """One gate: the action that passes it, the state it leads to, and the facts it binds."""

    step: Step
    action: Action
    after: State
    binds: frozenset[Fact]


_ASKED = frozenset({Fact.FORM, Fact.RECIPIENTS, Fact.DECLARATION, Fact.POLICY})
_RUN = _ASKED | {Fact.CODE, Fact.DATA, Fact.SCORE_SHEET}
_CHECKED = _RUN | {Fact.CHECKS}

STEPS: tuple[StepRule, ...] = (
    StepRule(
        step=Step.REVIEW,
        action=Action.APPROVE_FOR_EXECUTION,
        after=State.APPROVED_FOR_EXECUTION,
        binds=_ASKED,
    ),
    StepRule(
        step=Step.EXECUTION,
        action=Action.RECORD_EXECUTION,
        after=State.EXECUTED,
        binds=_RUN,
    ),
    StepRule(step=Step.VALIDATION, action=Action.VALIDATE, after=State.VALIDATED, binds=_CHECKED),
    StepRule(
        step=Step.DETERMINATION, action=Action.DETERMINE, after=State.DETERMINED, binds=_CHECKED
    ),
    StepRule(step=Step.LEGAL, action=Action.CLEAR_LEGAL, after=State.LEGAL_CLEARED, binds=_CHECKED),
    StepRule(
        step=Step.APPROVAL,
        action=Action.APPROVE_RELEASE,
        after=State.RELEASE_APPROVED,
        binds=_CHECKED,
    ),
)
"""The gates in order. The facts are those that exist when the gate is passed: review comes before
the run, so that a month's correction reopens all gates but the review."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What of a request decides which gates it must pass."""

    method: Method
    public: bool
    third_party: bool
    free_text: bool
    record_level: bool
    exchange: bool
    open_data_level: int | None
    department_wants_legal: bool = False


@dataclass(frozen=True, kw_only=True)
class Signer:
    """One signature a gate needs: a person in one of these roles, of a side of an exchange."""

    roles: frozenset[Role]
    side: str = ""

    @property
    def words(self) -> str:
        """The signer as a sentence names them."""
        roles = " or ".join(sorted(role.value for role in self.roles))
        return f"{roles} of the {self.side}" if self.side else roles


SIDES = ("provider", "receiver")
"""The two departments of an exchange; each signs."""


def step_of(action: Action) -> StepRule | None:
    """The gate that an action passes, if it is one."""
    return next((rule for rule in STEPS if rule.action is action), None)


def rule_of(step: Step) -> StepRule:
    """What is known of a gate."""
    return next(rule for rule in STEPS if rule.step is step)


def needs_second_person(profile: Profile) -> tuple[str, ...]:
    """Why a person must validate beside the automated checks; empty where nobody need (GV-01)."""
    reasons = {
        "expert determination": profile.method is Method.EXPERT_DETERMINATION,
        "free text": profile.free_text,
        "a third party": profile.third_party,
        "a public release": profile.public,
    }
    return tuple(words for words, holds in reasons.items() if holds)


def needs_legal(profile: Profile) -> tuple[str, ...]:
    """Why legal review is required; empty where it is recorded as not required."""
    reasons = {
        "a third party": profile.third_party,
        "expert determination": profile.method is Method.EXPERT_DETERMINATION,
        "a limited data set goes out under an agreement": (
            profile.method is Method.LIMITED_DATA_SET
        ),
        "the department's rule": profile.department_wants_legal,
    }
    return tuple(words for words, holds in reasons.items() if holds)


def needs_agency(profile: Profile) -> tuple[str, ...]:
    """Why the agency must decide as well (GV-03, GV-09)."""
    reasons = {
        "open data of level 2 (GV-03)": profile.open_data_level == 2,
        "records on a portal (GV-09)": profile.public and profile.record_level,
    }
    return tuple(words for words, holds in reasons.items() if holds)


def required_steps(profile: Profile) -> tuple[Step, ...]:
    """The gates a request must pass, in order: all, but legal review only where a rule asks."""
    return tuple(rule.step for rule in STEPS if rule.step is not Step.LEGAL or needs_legal(profile))


def signers(profile: Profile, step: Step) -> tuple[Signer, ...]:
    """Whose decisions a gate takes, in order; for validation none where checks suffice."""
    match step:
        case Step.REVIEW:
            found = [Signer(roles=frozenset({Role.PRIVACY_REVIEWER}))]
            if profile.third_party or profile.free_text:
                found.append(Signer(roles=frozenset({Role.SECURITY_REVIEWER})))
            if profile.exchange:
                found += [
                    Signer(roles=frozenset({role}), side=side)
                    for side in SIDES
                    for role in (Role.DATA_COORDINATOR, Role.DEPUTY_DIRECTOR)
                ]
            return tuple(found)
        case Step.EXECUTION:
            return (Signer(roles=frozenset({Role.DATA_ENGINEER})),)
        case Step.VALIDATION:
            return (Signer(roles=frozenset({Role.VALIDATOR})),)
        case Step.DETERMINATION:
            expert = frozenset({Role.EXPERT, Role.SUPERVISOR_EXPERT})
            steward = frozenset({Role.DATA_STEWARD, Role.PRIVACY_REVIEWER})
            by_expert = profile.method in (Method.EXPERT_DETERMINATION, Method.DDG_AGGREGATE)
            return (Signer(roles=expert if by_expert else steward),)
        case Step.LEGAL:
            return (Signer(roles=frozenset({Role.LEGAL})),)
        case Step.APPROVAL:
            chain = [Role.DATA_STEWARD]
            if profile.public:
                chain += [Role.DEPUTY_DIRECTOR, Role.DIRECTOR]
            if needs_agency(profile):
                chain.append(Role.AGENCY)
            return tuple(Signer(roles=frozenset({role})) for role in chain)


class Signature(Protocol):
    """A decision as a gate counts it."""

    @property
    def by(self) -> Identity:
        """Who decided."""
        ...

    @property
    def role(self) -> Role:
        """In which role."""
        ...

    @property
    def side(self) -> str:
        """For which department of an exchange."""
        ...


def unmatched(profile: Profile, step: Step, decisions: Sequence[Signature]) -> tuple[Signer, ...]:
    """Signers of a gate who have not decided. One person is one signer of a gate."""
    left = list(decisions)
    if step is Step.VALIDATION and needs_second_person(profile):
        left = [one for one in left if one.by.is_person]
    missing = []
    for signer in signers(profile, step):
        match = next(
            (one for one in left if one.role in signer.roles and one.side == signer.side), None
        )
        if match is None:
            missing.append(signer)
        else:
            left = [one for one in left if one.by != match.by]
    return tuple(missing)


def state_of(
    standing: Collection[Step], required: Collection[Step], *, review_started: bool
) -> State:
    """The state of a pending request, by the gates that stand."""
    state = State.IN_REVIEW if review_started else State.SUBMITTED
    for rule in STEPS:
        if rule.step in required and rule.step not in standing:
            break
        state = rule.after
    return state


def changed(bound: Facts, now: Facts, step: Step) -> tuple[Fact, ...]:
    """The facts that a gate binds and that are no longer what was decided on."""
    binds = rule_of(step).binds
    return tuple(
        fact
        for fact in Fact
        if fact in binds and (fact not in bound or bound[fact] != now.get(fact))
    )


def steps_table() -> str:
    """The gates as a Markdown table, for the documentation."""
    rows = ["| gate | passed by | leads to | required | what it binds |", "|---|---|---|---|---|"]
    for rule in STEPS:
        when = "third party, expert determination, limited data set, department's rule"
        needed = when if rule.step is Step.LEGAL else "always"
        binds = ", ".join(fact.words for fact in Fact if fact in rule.binds)
        rows.append(
            f"| {rule.step.value} | {rule.action.value} | {rule.after.value} | {needed} | {binds} |"
        )
    return "\n".join(rows)


def signers_table() -> str:
    """Who signs which gate, by kind of request, as a Markdown table."""
    cases = {
        "internal, Safe Harbor": Profile(
            method=Method.SAFE_HARBOR,
            public=False,
            third_party=False,
            free_text=False,
            record_level=True,
            exchange=False,
            open_data_level=None,
        ),
        "public table (DDG), level 1": Profile(
            method=Method.DDG_AGGREGATE,
            public=True,
            third_party=False,
            free_text=False,
            record_level=False,
            exchange=False,
            open_data_level=1,
        ),
        "third party, Expert Determination": Profile(
            method=Method.EXPERT_DETERMINATION,
            public=False,
            third_party=True,
            free_text=False,
            record_level=True,
            exchange=False,
            open_data_level=None,
        ),
        "another department (BUCP)": Profile(
            method=Method.DDG_AGGREGATE,
            public=False,
            third_party=False,
            free_text=False,
            record_level=False,
            exchange=True,
            open_data_level=None,
        ),
    }
    rows = ["| request | " + " | ".join(step.value for step in Step) + " |", "|---" * 7 + "|"]
    for name, profile in cases.items():
        cells = [_signed(profile, step) for step in Step]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _signed(profile: Profile, step: Step) -> str:
    if step not in required_steps(profile):
        return "not required, which is recorded"
    if step is Step.EXECUTION:
        return "the pipeline"
    if step is Step.VALIDATION and not needs_second_person(profile):
        return "the automated checks"
    return "; ".join(signer.words for signer in signers(profile, step))
