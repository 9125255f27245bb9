"""Random histories against a model written the other way round: from the rule, not the events."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from deid_platform.core.errors import AuthorisationError, DeidError
from deid_platform.core.workflow import Action, Role
from deid_platform.governance import decisions
from deid_platform.governance.authority import authorise
from deid_platform.governance.decisions import Command
from deid_platform.governance.events import CandidateBuilt, GateEvaluated, RequestReleased
from deid_platform.governance.facts import candidate_asset, candidate_gates
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.requests import request_of
from deid_platform.governance.step_checks import QUESTIONS
from tests.support.governance import NAME, form, the_policy
from tests.support.people import (
    DEPUTY,
    DIRECTOR,
    EXPERT,
    PIPELINE,
    REQUESTER,
    REVIEWER,
    STEWARD,
    VALIDATOR,
    actor,
    appoint,
)

CONTENTS = ["sha256:one", "sha256:two"]
COLUMNS = ("county", "visit_year", "visit_count", "person_count", "population_count")
GATES = candidate_gates()
STEPS = (
    (Action.START_REVIEW, REVIEWER, Role.PRIVACY_REVIEWER, {}),
    (
        Action.APPROVE_FOR_EXECUTION,
        REVIEWER,
        Role.PRIVACY_REVIEWER,
        {"answers": dict.fromkeys(QUESTIONS, True)},
    ),
    (Action.RECORD_EXECUTION, None, Role.DATA_ENGINEER, {}),
    (Action.VALIDATE, VALIDATOR, Role.VALIDATOR, {"verdict": "passed", "findings": "Looked at it"}),
    (Action.DETERMINE, EXPERT, Role.EXPERT, {"explanation": "Small cells are hidden"}),
    (Action.APPROVE_RELEASE, STEWARD, Role.DATA_STEWARD, {}),
    (Action.APPROVE_RELEASE, DEPUTY, Role.DEPUTY_DIRECTOR, {}),
    (Action.APPROVE_RELEASE, DIRECTOR, Role.DIRECTOR, {}),
)
"""The whole path of a public table. Those up to the second do not bind its content."""
contents = st.sampled_from(CONTENTS)


@dataclass
class Asked:
    reviewed: int = 0
    passed: dict[int, set[str]] = field(default_factory=dict)
    ended: bool = False

    def next_step(self, content: str, fit: bool) -> int:
        """The first step that does not stand for a content."""
        if self.reviewed < 2:
            return self.reviewed
        step = 2
        while step < len(STEPS) and content in self.passed.get(step, set()):
            if step > 2 and not fit:
                break
            step += 1
        return step


class Histories(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.ledger = Ledger.open(f"sqlite:///{Path(self.folder.name) / 'ledger.db'}")
        appoint(self.ledger, (NAME,))
        self.built = ""
        self.failing: dict[str, set[str]] = {}
        self.asked: dict[str, Asked] = {}

    def teardown(self) -> None:
        self.folder.cleanup()

    def act(self, name: str, step: int) -> None:
        action, person, role, content = STEPS[step]
        who = actor(person) if person else PIPELINE
        decisions.act(
            self.ledger, who, Command(action=action, request=name, role=role, content=content)
        )

    @property
    def fit(self) -> bool:
        return self.failing.get(self.built) == set()

    @rule(content=contents)
    def build(self, content):
        self.ledger.append(
            CandidateBuilt(
                publication=NAME,
                fingerprint=content,
                publication_digest="d",
                policy_digest=the_policy().digest,
                rows=1,
                score_sheet_digest="s",
                columns=COLUMNS,
                code_version="sha256:code",
            )
        )
        self.built = content

    @rule(content=contents, failing=st.sets(st.sampled_from(GATES), max_size=1))
    def evaluate(self, content, failing):
        self.ledger.append_all(
            GateEvaluated(
                table=candidate_asset(NAME),
                gate=gate,
                fingerprint=content,
                passed=gate not in failing,
                rule="a rule",
                policy_digest=the_policy().digest,
            )
            for gate in GATES
        )
        self.failing[content] = failing

    @precondition(lambda self: self.built and all(one.ended for one in self.asked.values()))
    @rule()
    def submit(self):
        name = f"req-{len(self.asked) + 1:03}"
        decisions.submit(self.ledger, request=name, form=form(), actor=actor(REQUESTER))
        self.asked[name] = Asked()

    @precondition(lambda self: self.asked)
    @rule(ahead=st.integers(0, len(STEPS) - 1))
    def go_on(self, ahead):
        name, one = list(self.asked.items())[-1]
        due = one.next_step(self.built, self.fit)
        step = due if ahead > 2 and due < len(STEPS) else ahead
        allowed = not one.ended and step == due and (step < 3 or self.fit)
        if not allowed:
            with pytest.raises(DeidError):
                self.act(name, step)
            return
        self.act(name, step)
        if step < 2:
            one.reviewed = step + 1
        else:
            one.passed.setdefault(step, set()).add(self.built)

    @precondition(lambda self: self.asked)
    @rule(ends=st.booleans())
    def withdraw(self, ends):
        name, one = list(self.asked.items())[-1]
        command = Command(
            action=Action.WITHDRAW, request=name, role=Role.REQUESTER, reason="changed"
        )
        if one.ended:
            with pytest.raises(AuthorisationError):
                decisions.act(self.ledger, actor(REQUESTER), command)
        elif ends:
            decisions.act(self.ledger, actor(REQUESTER), command)
            one.ended = True

    @invariant()
    def the_ledger_authorises_exactly_what_the_rule_allows(self):
        for content in CONTENTS:
            model = (
                content == self.built
                and self.fit
                and any(
                    not one.ended and one.next_step(content, self.fit) == len(STEPS)
                    for one in self.asked.values()
                )
            )
            try:
                found = authorise(self.ledger, NAME, content, GATES, at=self.ledger.now())
            except AuthorisationError:
                assert not model
            else:
                assert model
                people = {one.by for one in found.request.decisions if one.by.is_person}
                assert len(people) == 7

    @invariant()
    def the_chain_holds_and_nothing_is_released(self):
        self.ledger.verify()
        assert not list(self.ledger.entries(kinds=[RequestReleased]))
        for name in self.asked:
            assert request_of(self.ledger, name).released is None


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
