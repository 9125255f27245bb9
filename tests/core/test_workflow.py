from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid_platform.core.errors import AuthorisationError
from deid_platform.core.workflow import (
    AUTOMATIC,
    TRANSITIONS,
    Action,
    Identity,
    Role,
    State,
    check_role,
    check_separation,
    check_state,
    excluded_by,
    transition,
)

_FORWARD = {
    *(Action.SUBMIT, Action.START_REVIEW, Action.APPROVE_FOR_EXECUTION, Action.RECORD_EXECUTION),
    *(Action.VALIDATE, Action.DETERMINE, Action.CLEAR_LEGAL, Action.APPROVE_RELEASE),
    Action.RELEASE,
}
ANA, BEN = Identity.parse("ana"), Identity.parse("ben")
ROBOT = Identity.parse("service:dagster")


def test_each_action_has_exactly_one_transition():
    assert [one.action for one in TRANSITIONS] == list(Action)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("state", State)
def test_only_the_transitions_of_the_table_are_possible(action, state):
    if state in transition(action).sources:
        assert check_state("r", state, action) is transition(action).target
    else:
        with pytest.raises(AuthorisationError, match=state.value):
            check_state("r", state, action)


def test_nothing_leaves_an_ended_request():
    ended = {State.REJECTED, State.WITHDRAWN, State.RECALLED, State.SUPERSEDED, State.EXPIRED}
    assert not any(one.sources & ended for one in TRANSITIONS)


def test_a_release_comes_only_after_every_gate():
    order = [
        *(State.DRAFT, State.SUBMITTED, State.IN_REVIEW, State.APPROVED_FOR_EXECUTION),
        *(State.EXECUTED, State.VALIDATED, State.DETERMINED, State.LEGAL_CLEARED),
        *(State.RELEASE_APPROVED, State.RELEASED),
    ]
    for before, after in itertools.pairwise(order):
        forward = {
            one.action
            for one in TRANSITIONS
            if one.target is after and one.sources <= set(order) and one.action in _FORWARD
        }
        assert [one for one in forward if before in transition(one).sources] == list(forward)
        assert len(forward) == 1


def test_every_state_but_the_last_ones_can_be_left_and_every_one_reached():
    reached = {one.target for one in TRANSITIONS} - {None}
    assert reached == set(State) - {State.DRAFT}


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("role", Role)
def test_only_the_roles_of_the_table_may_act(action, role):
    if role in transition(action).roles:
        check_role("r", action, ANA, role)
    else:
        with pytest.raises(AuthorisationError, match=role.value):
            check_role("r", action, ANA, role)


@pytest.mark.parametrize("action", Action)
def test_a_service_decides_nothing(action):
    role = min(transition(action).roles)
    if action in AUTOMATIC:
        check_role("r", action, ROBOT, role)
    else:
        with pytest.raises(AuthorisationError, match="a service may not"):
            check_role("r", action, ROBOT, role)


@pytest.mark.parametrize("first", Role)
@pytest.mark.parametrize("second", Role)
def test_separation_of_duties_is_symmetric_and_enforced(first, second):
    barred = second in excluded_by(first)
    assert barred == (first in excluded_by(second))
    if barred:
        with pytest.raises(AuthorisationError, match="separation of duties") as raised:
            check_separation("r", ANA, second, [(ANA, first)])
        assert first.value in str(raised.value)
        assert second.value in str(raised.value)
    else:
        check_separation("r", ANA, second, [(ANA, first)])
    check_separation("r", ANA, second, [(BEN, first)])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Role.REQUESTER, Role.PRIVACY_REVIEWER),
        (Role.REQUESTER, Role.DATA_ENGINEER),
        (Role.REQUESTER, Role.VALIDATOR),
        (Role.REQUESTER, Role.DATA_STEWARD),
        (Role.REQUESTER, Role.EXPERT),
        (Role.REQUESTER, Role.LEGAL),
        (Role.PRIVACY_REVIEWER, Role.DATA_ENGINEER),
        (Role.SECURITY_REVIEWER, Role.DATA_ENGINEER),
        (Role.DATA_ENGINEER, Role.VALIDATOR),
        (Role.DATA_ENGINEER, Role.DATA_STEWARD),
        (Role.REQUESTER, Role.DEPUTY_DIRECTOR),
        (Role.REQUESTER, Role.DIRECTOR),
        (Role.AUDITOR, Role.SYSTEM_OWNER),
    ],
)
def test_the_pairs_of_hicp_practice_7_3_exclude_each_other(one, other):
    assert other in excluded_by(one)


@pytest.mark.parametrize(
    "text", ["ana.ruiz", "person:ana.ruiz", " Ana.Ruiz ", "PERSON:ANA.RUIZ", "person:Ana.ruiz"]
)
def test_spellings_of_one_name_are_one_person(text):
    assert Identity.parse(text) == Identity.parse("person:ana.ruiz")


def test_an_address_and_a_service_are_names():
    assert str(Identity.parse("ana@dept.ca.gov")) == "person:ana@dept.ca.gov"
    assert not Identity.parse("service:dagster").is_person


@pytest.mark.parametrize(
    "text", ["", "person:", "ana ruiz", "a\nb", "a;b", "robot:x", "-ana", "ana-", "анна", "x" * 99]
)
def test_what_is_no_name_is_refused(text):
    with pytest.raises(AuthorisationError):
        Identity.parse(text)


@given(st.text(max_size=20))
def test_a_name_is_read_back_from_how_it_is_written(text):
    try:
        identity = Identity.parse(text)
    except AuthorisationError:
        return
    assert Identity.parse(str(identity)) == identity
