"""Which gates a request passes, who signs, and what a change reopens: every case, exhaustively."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid_platform.core.register import Method
from deid_platform.core.steps import (
    STEPS,
    Fact,
    Profile,
    Step,
    changed,
    needs_agency,
    needs_legal,
    needs_second_person,
    required_steps,
    rule_of,
    signers,
    state_of,
    unmatched,
)
from deid_platform.core.workflow import Identity, Role, State

FLAGS = ("public", "third_party", "free_text", "record_level", "exchange")
PROFILES = [
    Profile(method=method, open_data_level=level, **dict(zip(FLAGS, flags, strict=True)))
    for method in Method
    for level in (None, 1, 2)
    for flags in itertools.product([False, True], repeat=len(FLAGS))
]
profiles = st.sampled_from(PROFILES)


@dataclass(frozen=True)
class Signed:
    by: Identity
    role: Role
    side: str = ""


def all_signed(profile: Profile, step: Step) -> list[Signed]:
    return [
        Signed(by=Identity(kind="person", name=f"p{number}"), role=min(one.roles), side=one.side)
        for number, one in enumerate(signers(profile, step))
    ]


@given(profiles)
def test_who_must_act_is_what_the_readings_say(profile):
    approvers = {role for one in signers(profile, Step.APPROVAL) for role in one.roles}
    assert Role.DATA_STEWARD in approvers
    assert (Role.DIRECTOR in approvers) == (Role.DEPUTY_DIRECTOR in approvers) == profile.public
    agency = profile.open_data_level == 2 or (profile.public and profile.record_level)
    assert (Role.AGENCY in approvers) == agency == bool(needs_agency(profile))
    expert = profile.method is Method.EXPERT_DETERMINATION
    assert bool(needs_second_person(profile)) == (
        expert or profile.free_text or profile.third_party or profile.public
    )
    legal = expert or profile.third_party or profile.method is Method.LIMITED_DATA_SET
    assert (Step.LEGAL in required_steps(profile)) == legal == bool(needs_legal(profile))
    assert [step for step in Step if step is not Step.LEGAL] == [
        step for step in required_steps(profile) if step is not Step.LEGAL
    ]


@given(profiles, st.sampled_from(Step))
def test_a_gate_is_passed_by_all_its_signers_and_by_no_fewer(profile, step):
    signed = all_signed(profile, step)
    assert unmatched(profile, step, signed) == ()
    for missing in range(len(signed)):
        assert len(unmatched(profile, step, signed[:missing] + signed[missing + 1 :])) == 1


@given(profiles, st.sampled_from(Step))
def test_one_person_is_one_signer_of_a_gate(profile, step):
    one = Identity(kind="person", name="one")
    signed = [Signed(by=one, role=item.role, side=item.side) for item in all_signed(profile, step)]
    assert len(unmatched(profile, step, signed)) == len(signed) - 1


def test_the_pipeline_validates_only_where_nobody_need():
    robot = [Signed(by=Identity(kind="service", name="pipeline"), role=Role.VALIDATOR)]
    for profile in PROFILES:
        left = unmatched(profile, Step.VALIDATION, robot)
        assert bool(left) == bool(needs_second_person(profile))


@given(profiles, st.sets(st.sampled_from(Step)), st.booleans())
def test_no_state_lies_beyond_a_gate_that_does_not_stand(profile, standing, started):
    required = required_steps(profile)
    state = state_of(standing, required, review_started=started)
    after = [rule.after for rule in STEPS]
    reached = after.index(state) + 1 if state in after else 0
    assert all(rule.step in standing or rule.step not in required for rule in STEPS[:reached])
    if reached < len(STEPS):
        assert STEPS[reached].step in required
        assert STEPS[reached].step not in standing
    if not reached:
        assert state is (State.IN_REVIEW if started else State.SUBMITTED)


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("fact", Fact)
def test_a_changed_fact_reopens_exactly_the_gates_that_bind_it(step, fact):
    bound = dict.fromkeys(Fact, "before")
    assert changed(bound, bound, step) == ()
    found = changed(bound, {**bound, fact: "after"}, step)
    assert found == ((fact,) if fact in rule_of(step).binds else ())


@pytest.mark.parametrize("step", Step)
def test_a_fact_that_was_never_bound_is_a_changed_one(step):
    now = dict.fromkeys(Fact, "")
    assert set(changed({}, now, step)) == rule_of(step).binds


def test_data_code_policy_and_recipients_are_bound_by_every_gate_from_the_run_on():
    for step in Step:
        binds = rule_of(step).binds
        assert {Fact.POLICY, Fact.RECIPIENTS, Fact.FORM, Fact.DECLARATION} <= binds
        if step is not Step.REVIEW:
            assert {Fact.DATA, Fact.CODE, Fact.SCORE_SHEET} <= binds
        assert (Fact.CHECKS in binds) == (step not in (Step.REVIEW, Step.EXECUTION))
