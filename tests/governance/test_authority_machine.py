"""Random histories against a model written the other way round: from the rule, not the events."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from deid_platform.core.errors import AuthorisationError
from deid_platform.core.workflow import Role
from deid_platform.governance import decisions
from deid_platform.governance.authority import authorise, candidate_asset, candidate_gates
from deid_platform.governance.events import CandidateBuilt, GateEvaluated, RequestReleased
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.requests import Actor

PEOPLE = [Actor.of(name, "tester") for name in ("ana", "ben", "cho")]
CONTENTS = ["sha256:one", "sha256:two"]
people, contents = st.sampled_from(PEOPLE), st.sampled_from(CONTENTS)


@dataclass
class Asked:
    content: str
    by: Actor
    approved_by: Actor | None = None
    ended: bool = False


@dataclass
class Model:
    built: str | None = None
    failing: dict[str, set[str]] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)

    def authorises(self, content: str) -> bool:
        return (
            self.built == content
            and self.failing.get(content) == set()
            and any(
                one.content == content and one.approved_by is not None and not one.ended
                for one in self.asked.values()
            )
        )


class Histories(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.ledger = Ledger.open(f"sqlite:///{Path(self.folder.name) / 'ledger.db'}")
        self.model = Model()

    def teardown(self) -> None:
        self.folder.cleanup()

    def attempt(self, allowed: bool, action) -> bool:
        if allowed:
            action()
            return True
        with pytest.raises(AuthorisationError):
            action()
        return False

    @rule(content=contents)
    def build(self, content):
        self.ledger.append(
            CandidateBuilt(
                publication="p",
                fingerprint=content,
                publication_digest="d",
                policy_digest="y",
                rows=1,
            )
        )
        self.model.built = content

    @rule(content=contents, failing=st.sets(st.sampled_from(candidate_gates()), max_size=1))
    def evaluate(self, content, failing):
        self.ledger.append_all(
            GateEvaluated(
                table=candidate_asset("p"),
                gate=gate,
                fingerprint=content,
                passed=gate not in failing,
                rule="r",
                policy_digest="y",
            )
            for gate in candidate_gates()
        )
        self.model.failing[content] = failing

    @rule(by=people)
    def submit(self, by):
        name = f"req-{len(self.model.asked) + 1:03}"
        taken = any(
            one.content == self.model.built and not one.ended for one in self.model.asked.values()
        )
        if self.attempt(
            self.model.built is not None and not taken,
            lambda: decisions.submit(
                self.ledger, request=name, publication="p", purpose="A purpose.", actor=by
            ),
        ):
            self.model.asked[name] = Asked(content=self.model.built or "", by=by)

    @precondition(lambda self: self.model.asked)
    @rule(data=st.data(), by=people)
    def approve(self, data, by):
        name = data.draw(st.sampled_from(sorted(self.model.asked)))
        one = self.model.asked[name]
        allowed = (
            not one.ended
            and one.approved_by is None
            and by != one.by
            and self.model.built == one.content
            and self.model.failing.get(one.content) == set()
        )
        if self.attempt(
            allowed,
            lambda: decisions.approve(self.ledger, request=name, role=Role.DATA_STEWARD, actor=by),
        ):
            one.approved_by = by

    @precondition(lambda self: self.model.asked)
    @rule(data=st.data(), by=people)
    def withdraw(self, data, by):
        name = data.draw(st.sampled_from(sorted(self.model.asked)))
        one = self.model.asked[name]
        if self.attempt(
            not one.ended and by == one.by,
            lambda: decisions.withdraw(self.ledger, request=name, reason="changed", actor=by),
        ):
            one.ended = True

    @precondition(lambda self: self.model.asked)
    @rule(data=st.data(), by=people)
    def reject(self, data, by):
        name = data.draw(st.sampled_from(sorted(self.model.asked)))
        one = self.model.asked[name]
        if self.attempt(
            not one.ended and by != one.by,
            lambda: decisions.reject(
                self.ledger, request=name, reason="no", role=Role.DATA_STEWARD, actor=by
            ),
        ):
            one.ended = True

    @invariant()
    def the_ledger_authorises_exactly_what_the_rule_allows(self):
        for content in CONTENTS:
            try:
                authority = authorise(self.ledger, "p", content, candidate_gates())
            except AuthorisationError:
                assert not self.model.authorises(content)
            else:
                assert self.model.authorises(content)
                request = authority.request
                assert all(one.by != request.requester for one in request.approvals)

    @invariant()
    def the_chain_holds_and_nothing_is_released(self):
        self.ledger.verify()
        assert not list(self.ledger.entries(kinds=[RequestReleased]))


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
