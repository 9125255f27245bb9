"""Requests on both databases: what stands, what reopens, what waits, who is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from deid_platform.core.errors import AuthorisationError, LedgerError
from deid_platform.core.intake import FormError
from deid_platform.core.steps import Fact, Step
from deid_platform.core.workflow import Action, Role, State
from deid_platform.governance.authority import authorise
from deid_platform.governance.events import (
    ActionRefused,
    CandidateBuilt,
    GateEvaluated,
    RequestApproved,
    RequestReleased,
    RequestSubmitted,
    RequestWithdrawn,
)
from deid_platform.governance.facts import candidate_asset, candidate_gates
from deid_platform.governance.publish import current_fingerprint
from deid_platform.governance.request_events import DecisionRecorded, StepRecorded
from deid_platform.governance.requests import Actor, request_of, requests
from deid_platform.governance.waiting import waiting
from tests.support.governance import ANA, DANA, NAME, ROWS, World
from tests.support.governance import world as new_world
from tests.support.people import DEPUTY, DIRECTOR, REQUESTER, REVIEWER, STEWARD, actor

CHANGED = (*ROWS[:-1], ("Alpine", 2024, 26, 20, 1200, 0))


@pytest.fixture
def world(tmp_path: Path, ledger_url: str) -> World:
    return new_world(tmp_path, ledger_url)


def authorised(world: World, gates=None, **more: str):
    content = current_fingerprint(world.deployment, NAME)
    return authorise(
        world.ledger, NAME, content, gates or candidate_gates(), at=world.ledger.now(), **more
    )


def refusals(world: World) -> list[ActionRefused]:
    return [entry.event for entry in world.ledger.entries(kinds=[ActionRefused])]


def test_a_public_table_goes_through_every_gate_and_keeps_its_history(world):
    content = world.build()
    asked = world.submit()
    assert (asked.state, asked.fingerprint) == (State.SUBMITTED, content)
    approved = world.up_to(asked.id, State.RELEASE_APPROVED)
    assert approved.state is State.RELEASE_APPROVED
    assert [entry.payload["action"] for entry in approved.history] == [
        *("submit", "start_review", "approve_for_execution", "record_execution", "validate"),
        *("determine", "approve_release", "approve_release", "approve_release"),
    ]
    assert authorised(world).request == approved
    assert approved.determination.content["legal_review"] == "not required"


def test_the_requester_decides_nothing_and_the_attempt_is_recorded(world):
    world.build()
    asked = world.submit()
    with pytest.raises(AuthorisationError, match=r"separation of duties: the requester"):
        world.act(asked.id, Action.START_REVIEW, ANA, Role.PRIVACY_REVIEWER)
    assert request_of(world.ledger, asked.id).state is State.SUBMITTED
    (refused,) = refusals(world)
    assert (refused.action, refused.by) == ("start_review", "person:ana.ruiz")


def test_another_spelling_of_the_requester_is_still_the_requester(world):
    world.build()
    asked = world.submit()
    other = Actor.of(" Person:ANA.Ruiz@health.example ", "other-account", ANA.sign)
    with pytest.raises(AuthorisationError, match="separation of duties"):
        world.act(asked.id, Action.START_REVIEW, other, Role.PRIVACY_REVIEWER)


def test_an_unsigned_decision_is_refused(world):
    world.build()
    with pytest.raises(AuthorisationError, match="counts only with a signature"):
        world.submit(Actor.of(REQUESTER, "tester"))


def test_a_decision_signed_with_somebody_elses_key_is_refused(world):
    world.build()
    asked = world.submit()
    with pytest.raises(AuthorisationError, match="SIG-05"):
        world.act(asked.id, Action.START_REVIEW, actor(REVIEWER, STEWARD), Role.PRIVACY_REVIEWER)


def test_a_role_that_the_register_does_not_grant_is_refused(world):
    world.build()
    asked = world.submit()
    with pytest.raises(AuthorisationError, match="SIG-10"):
        world.act(asked.id, Action.START_REVIEW, STEWARD, Role.PRIVACY_REVIEWER)


def test_a_service_neither_requests_nor_approves(world):
    world.build()
    robot = Actor.of("service:pipeline", "deid")
    with pytest.raises(AuthorisationError, match="a service may not submit"):
        world.submit(robot)
    asked = world.up_to(world.submit().id, State.LEGAL_CLEARED)
    with pytest.raises(AuthorisationError, match="a service may not approve_release"):
        world.approve(asked.id, robot)


def test_a_table_the_pipeline_did_not_record_cannot_be_requested(world):
    world.write(ROWS)
    with pytest.raises((AuthorisationError, FormError)):
        world.submit()
    world.build()
    world.write(CHANGED)
    with pytest.raises(AuthorisationError, match="not the one the pipeline recorded last"):
        world.submit()


def test_an_incomplete_form_is_refused_naming_every_problem_and_its_rule(world):
    world.build()
    with pytest.raises(FormError) as raised:
        world.submit(description=None, method=None, destination="usb_stick", secondary_use=False)
    for part in ("IN-01 description", "MD-01 method", "IN-05 destination", "IN-02"):
        assert part in str(raised.value)


def test_the_same_table_is_not_requested_twice_but_again_after_a_withdrawal(world):
    world.build()
    first = world.submit()
    with pytest.raises(AuthorisationError, match=f"{first.id} already asks"):
        world.submit()
    world.act(first.id, Action.WITHDRAW, ANA, Role.REQUESTER, reason="wrong purpose")
    assert world.submit().state is State.SUBMITTED


def test_an_execution_without_passed_checks_is_not_validated_naming_each(world):
    first = candidate_gates()[0]
    content = world.build(failing=[first])
    asked = world.up_to(world.submit().id, State.EXECUTED)
    with pytest.raises(AuthorisationError, match=f"gate {first} did not pass"):
        world.validate(asked.id)
    world.evaluate(content, gates=[first])
    assert world.validate(asked.id).state is State.VALIDATED


def test_the_pipeline_alone_does_not_validate_a_public_table(world):
    """GV-01."""
    world.build()
    asked = world.up_to(world.submit().id, State.EXECUTED)
    robot = Actor.of("service:pipeline", "deid")
    with pytest.raises(AuthorisationError, match=r"a public release \(GV-01\)"):
        world.act(asked.id, Action.VALIDATE, robot, Role.VALIDATOR)


def test_approvals_follow_the_order_of_the_handbook(world):
    """GV-07."""
    world.build()
    asked = world.up_to(world.submit().id, State.LEGAL_CLEARED)
    with pytest.raises(AuthorisationError, match="a data_steward decides first"):
        world.approve(asked.id, actor(DIRECTOR), Role.DIRECTOR)
    assert world.approve(asked.id).state is State.LEGAL_CLEARED
    with pytest.raises(AuthorisationError, match="does not wait for a data_steward"):
        world.approve(asked.id)
    world.approve(asked.id, actor(DEPUTY), Role.DEPUTY_DIRECTOR)
    assert world.approve(asked.id, actor(DIRECTOR), Role.DIRECTOR).state is State.RELEASE_APPROVED


def test_a_checklist_with_a_no_approves_nothing(world):
    world.build()
    asked = world.submit()
    world.act(asked.id, Action.START_REVIEW, REVIEWER, Role.PRIVACY_REVIEWER)
    with pytest.raises(AuthorisationError, match="minimum_necessary"):
        world.act(
            asked.id,
            Action.APPROVE_FOR_EXECUTION,
            REVIEWER,
            Role.PRIVACY_REVIEWER,
            answers={"secondary_use": True},
        )


def test_changed_data_reopen_every_gate_after_the_review(world):
    approved = world.approved()
    world.build(CHANGED)
    with pytest.raises(AuthorisationError, match="content changed after execution"):
        authorised(world, request=approved.id)
    now = request_of(world.ledger, approved.id)
    assert now.state is State.APPROVED_FOR_EXECUTION
    assert set(now.reopened) == {
        *(Step.EXECUTION, Step.VALIDATION, Step.DETERMINATION, Step.APPROVAL)
    }
    for state in (State.EXECUTED, State.VALIDATED, State.LEGAL_CLEARED):
        step = {State.EXECUTED: world.execute, State.VALIDATED: world.validate}
        assert step.get(state, world.determine)(approved.id).state is state
    world.approve_by_all(approved.id)
    assert authorised(world).request.id == approved.id


def test_a_candidate_that_changes_back_is_authorised_again(world):
    world.approved()
    world.build(CHANGED)
    world.build()
    assert authorised(world).request.id == "req-0001"


def test_everything_missing_is_named_at_once(world):
    gates = candidate_gates()
    world.build(failing=[gates[0]])
    world.submit()
    with pytest.raises(AuthorisationError) as raised:
        authorised(world, [*gates, "invented"], policy_digest="other")
    for part in (
        f"gate {gates[0]} did not pass",
        "gate invented was not evaluated",
        "the policy changed",
        "approve_for_execution by a privacy_reviewer other than the requester",
        "an approval by a data_steward other than the requester",
    ):
        assert part in str(raised.value)


def test_nothing_is_authorised_when_no_gate_is_required(world):
    content = world.approved().fingerprint
    with pytest.raises(AuthorisationError, match="no gate is required"):
        authorise(world.ledger, NAME, content, [], at=world.ledger.now())


def test_a_check_that_fails_later_takes_the_authority_away(world):
    approved = world.approved()
    first = candidate_gates()[0]
    world.evaluate(approved.fingerprint, gates=[first], failing=[first])
    with pytest.raises(AuthorisationError, match="did not pass"):
        authorised(world)
    assert request_of(world.ledger, approved.id).state is State.EXECUTED


def test_checks_evaluated_again_with_the_same_results_keep_the_approval(world):
    world.evaluate(world.approved().fingerprint)
    assert authorised(world)


def test_a_check_evaluated_under_another_policy_does_not_count(world):
    content = world.approved().fingerprint
    name = candidate_gates()[0]
    world.ledger.append(
        GateEvaluated(
            table=candidate_asset(NAME),
            gate=name,
            fingerprint=content,
            passed=True,
            rule="a rule",
            policy_digest="other",
        )
    )
    with pytest.raises(AuthorisationError, match=f"gate {name} was evaluated under another policy"):
        authorised(world)


@pytest.mark.parametrize(
    ("changed", "fact", "state"),
    [
        ({"policy_digest": "other"}, Fact.POLICY, State.IN_REVIEW),
        ({"publication_digest": "other"}, Fact.DECLARATION, State.IN_REVIEW),
        ({"score_sheet_digest": "other"}, Fact.SCORE_SHEET, State.APPROVED_FOR_EXECUTION),
        ({"code_version": "sha256:other"}, Fact.CODE, State.APPROVED_FOR_EXECUTION),
        ({"fingerprint": "sha256:other"}, Fact.DATA, State.APPROVED_FOR_EXECUTION),
    ],
)
def test_a_candidate_made_otherwise_reopens_the_gates_that_bind_it(world, changed, fact, state):
    approved = world.approved()
    (*_, built) = world.ledger.entries(kinds=[CandidateBuilt])
    world.ledger.append(CandidateBuilt(**{**built.event.payload(), **changed}))
    now = request_of(world.ledger, approved.id)
    assert now.state is state
    assert all(fact in facts for facts in now.reopened.values())
    with pytest.raises(AuthorisationError):
        authorised(world, request="req-0001")


def test_other_recipients_reopen_every_gate(world):
    approved = world.approved()
    asked = world.act(
        approved.id,
        Action.RESUBMIT,
        ANA,
        Role.REQUESTER,
        form={**approved.form.document(), "recipients": [{"name": "All", "kind": "public"}]},
    )
    assert (asked.state, dict(asked.standing)) == (State.SUBMITTED, {})
    with pytest.raises(AuthorisationError, match="approve_for_execution by a privacy_reviewer"):
        authorised(world)


@pytest.mark.parametrize("known", ["publication_digest", "policy_digest", "code_version"])
def test_what_changed_since_the_candidate_was_built_is_refused(world, known):
    world.approved()
    with pytest.raises(AuthorisationError, match="changed after the candidate was built"):
        authorised(world, **{known: "other"})


def test_a_rejected_or_withdrawn_request_authorises_nothing(world):
    world.build()
    asked = world.submit()
    world.act(asked.id, Action.REJECT, STEWARD, Role.DATA_STEWARD, reason="no basis")
    with pytest.raises(AuthorisationError, match="is rejected"):
        authorised(world)
    again = world.up_to(world.submit().id, State.RELEASE_APPROVED)
    world.act(again.id, Action.WITHDRAW, ANA, Role.REQUESTER, reason="second thoughts")
    with pytest.raises(AuthorisationError, match="is withdrawn"):
        authorised(world)
    with pytest.raises(AuthorisationError, match="the request is withdrawn"):
        world.review(again.id)


def test_a_held_request_goes_on_where_its_gates_put_it(world):
    world.build()
    asked = world.up_to(world.submit().id, State.VALIDATED)
    held = world.act(asked.id, Action.HOLD, STEWARD, Role.DATA_STEWARD, reason="counsel")
    assert held.state is State.ON_HOLD
    with pytest.raises(AuthorisationError, match="the request is on_hold"):
        world.determine(asked.id)
    resumed = world.act(asked.id, Action.RESUME, STEWARD, Role.DATA_STEWARD)
    assert resumed.state is State.VALIDATED


def test_a_returned_request_is_reviewed_anew_when_resubmitted(world):
    world.build()
    asked = world.up_to(world.submit().id, State.EXECUTED)
    back = world.act(asked.id, Action.RETURN, REVIEWER, Role.PRIVACY_REVIEWER, reason="Say why")
    assert back.state is State.RETURNED
    again = world.act(asked.id, Action.RESUBMIT, ANA, Role.REQUESTER, form=asked.form.document())
    assert (again.state, dict(again.standing)) == (State.SUBMITTED, {})


def test_a_forged_step_does_not_count(world):
    """Written into the ledger by somebody who can, but not signed by who it names."""
    world.build()
    asked = world.up_to(world.submit().id, State.LEGAL_CLEARED)
    (*_, last) = [one.event for one in asked.decisions if one.by.is_person]
    for role in ("data_steward", "deputy_director", "director"):
        forged = {**last.payload(), "action": "approve_release", "role": role, "content": {}}
        world.ledger.append(DecisionRecorded(**forged))
    assert request_of(world.ledger, asked.id).state is State.LEGAL_CLEARED
    (entry,) = world.ledger.entries(kinds=[StepRecorded])
    unsigned = {**entry.event.payload(), "action": "approve_release", "by": "person:ben.cho"}
    for role in ("data_steward", "deputy_director", "director"):
        bound = {fact.value: value for fact, value in asked.facts.items()}
        world.ledger.append(
            StepRecorded(
                **{**unsigned, "role": role, "by": f"person:{role}", "fingerprints": bound}
            )
        )
    with pytest.raises(AuthorisationError, match="does not count"):
        authorised(world)


def test_a_signature_used_a_second_time_does_not_count(world):
    approved = world.approved()
    (*_, director) = approved.decisions
    world.act(approved.id, Action.RESUBMIT, ANA, Role.REQUESTER, form=approved.form.document())
    world.up_to(approved.id, State.LEGAL_CLEARED)
    world.approve(approved.id)
    world.approve(approved.id, actor(DEPUTY), Role.DEPUTY_DIRECTOR)
    world.ledger.append(director.event)
    assert request_of(world.ledger, approved.id).state is State.RELEASE_APPROVED
    with pytest.raises(AuthorisationError, match="at another point of the history"):
        authorised(world)


def test_an_event_that_the_table_does_not_permit_is_named(world):
    world.approved()
    withdrawn = world.act("req-0001", Action.WITHDRAW, ANA, Role.REQUESTER, reason="no")
    world.ledger.append(withdrawn.decisions[-1].event)
    last = world.ledger.head().sequence
    with pytest.raises(AuthorisationError, match=f"ledger entry {last}: the request is withdrawn"):
        requests(world.ledger)


def test_requests_of_before_signatures_are_read_and_authorise_nothing(world):
    content = world.build()
    old = {
        "request": "req-old",
        "publication": NAME,
        "fingerprint": content,
        "publication_digest": world.publication.digest,
        "policy_digest": world.policy.digest,
        "score_sheet_digest": "5" * 64,
        "by": "person:ana.ruiz",
        "os_user": "t",
    }
    world.ledger.append(RequestSubmitted(**old, purpose="An old purpose"))
    approval = {**old, "by": "person:ben.cho", "gates": (), "gates_digest": "g"}
    world.ledger.append(RequestApproved(**approval, role="data_steward"))
    assert request_of(world.ledger, "req-old").state is State.SUBMITTED
    with pytest.raises(AuthorisationError, match="withdraw it and request anew"):
        authorised(world, request="req-old")
    with pytest.raises(AuthorisationError, match="before decisions were signed"):
        world.review("req-old")
    world.ledger.append(
        RequestReleased(
            request="req-old",
            release="rel-1",
            publication=NAME,
            fingerprint=content,
            target="csv_bundle",
            manifest_digest="m",
            rows=1,
            by="person:dana.lee",
            os_user="t",
        )
    )
    assert request_of(world.ledger, "req-old").state is State.RELEASED


def test_an_unsigned_event_of_a_signed_request_is_named(world):
    world.build()
    world.submit()
    world.ledger.append(
        RequestWithdrawn(request="req-0001", publication=NAME, reason="x", by="ana", os_user="t")
    )
    with pytest.raises(AuthorisationError, match=r"unsigned request\.withdrawn"):
        requests(world.ledger)


def test_what_waits_for_whom_and_why(world):
    world.build()
    asked = world.submit()

    def todo():
        return [(one.roles, one.what) for one in waiting(world.ledger)]

    assert todo() == [(("privacy_reviewer",), "approve_for_execution")]
    world.up_to(asked.id, State.LEGAL_CLEARED)
    assert todo() == [(("data_steward",), "approve_release")]
    world.approve_by_all(asked.id)
    assert todo() == [(("data_engineer",), "release it")]
    world.build(CHANGED)
    assert todo() == [(("data_engineer",), "execute it")]
    assert "execution reopened: the candidate's content" in waiting(world.ledger)[0].why
    world.build()
    world.publish(actor=DANA)
    assert todo() == []


def test_an_unknown_request_is_an_error(world):
    world.build()
    with pytest.raises(AuthorisationError, match="no such request"):
        world.approve("req-9999")
    with pytest.raises(AuthorisationError, match="no such request"):
        authorised(world, request="req-9999")


def test_a_reason_longer_than_the_ledger_holds_is_refused(world):
    world.build()
    asked = world.submit()
    with pytest.raises((AuthorisationError, LedgerError)):
        world.act(asked.id, Action.WITHDRAW, ANA, Role.REQUESTER, reason="x" * 2000)
