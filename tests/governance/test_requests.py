from __future__ import annotations

from pathlib import Path

import pytest

from deid_platform.core.errors import AuthorisationError, LedgerError
from deid_platform.core.workflow import Role, State
from deid_platform.governance import decisions
from deid_platform.governance.authority import authorise, candidate_asset, candidate_gates
from deid_platform.governance.events import (
    ActionRefused,
    CandidateBuilt,
    GateEvaluated,
    RequestApproved,
    RequestWithdrawn,
)
from deid_platform.governance.publish import current_fingerprint
from deid_platform.governance.requests import Actor, request_of, requests, waiting
from tests.support.governance import ANA, BEN, DANA, NAME, ROWS, World
from tests.support.governance import world as new_world

CHANGED = (*ROWS[:-1], ("Alpine", 2024, 26, 20, 1200, 0))


@pytest.fixture
def world(tmp_path: Path, ledger_url: str) -> World:
    return new_world(tmp_path, ledger_url)


def authorised(world: World, **more: str):
    content = current_fingerprint(world.deployment, NAME)
    return authorise(world.ledger, NAME, content, candidate_gates(), **more)


def refusals(world: World) -> list[ActionRefused]:
    return [entry.event for entry in world.ledger.entries(kinds=[ActionRefused])]


def test_a_request_goes_from_submitted_to_approved_and_keeps_its_history(world):
    content = world.build()
    asked = world.submit()
    assert (asked.state, asked.binding.fingerprint) == (State.SUBMITTED, content)
    approved = world.approve(asked.id)
    assert approved.state is State.RELEASE_APPROVED
    assert [entry.kind for entry in approved.history] == ["request.submitted", "request.approved"]
    assert authorised(world).request == approved


def test_the_requester_cannot_approve_and_the_attempt_is_recorded(world):
    world.build()
    asked = world.submit()
    with pytest.raises(AuthorisationError, match=r"separation of duties: the requester"):
        world.approve(asked.id, ANA)
    assert request_of(world.ledger, asked.id).state is State.SUBMITTED
    (refused,) = refusals(world)
    assert (refused.action, refused.by) == ("approve", "person:ana.ruiz")


def test_another_spelling_of_the_requester_is_still_the_requester(world):
    world.build()
    asked = world.submit()
    with pytest.raises(AuthorisationError, match="separation of duties"):
        world.approve(asked.id, Actor.of(" Person:ANA.Ruiz ", "other-account"))


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.DATA_STEWARD])
def test_only_a_data_steward_approves(world, role):
    world.build()
    with pytest.raises(AuthorisationError, match=role.value):
        world.approve(world.submit().id, BEN, role)


def test_a_service_neither_requests_nor_approves(world):
    world.build()
    robot = Actor.of("service:dagster", "deid")
    with pytest.raises(AuthorisationError, match="a service may not submit"):
        world.submit(robot)
    asked = world.submit()
    with pytest.raises(AuthorisationError, match="a service may not approve"):
        world.approve(asked.id, robot)


def test_a_table_the_pipeline_did_not_record_cannot_be_requested(world):
    world.write(ROWS)
    with pytest.raises(AuthorisationError, match="recorded no candidate"):
        world.submit()
    world.build()
    world.write(CHANGED)
    with pytest.raises(AuthorisationError, match="not the one the pipeline recorded last"):
        world.submit()


@pytest.mark.parametrize("purpose", ["", "short", "x" * 501, "two\nlines of purpose"])
def test_a_request_needs_a_purpose(world, purpose):
    content = world.build()
    with pytest.raises(AuthorisationError, match="purpose"):
        decisions.submit(
            world.ledger,
            request="req-1",
            publication=NAME,
            fingerprint=content,
            purpose=purpose,
            actor=ANA,
        )


def test_the_same_content_is_not_requested_twice_but_again_after_a_withdrawal(world):
    world.build()
    first = world.submit()
    with pytest.raises(AuthorisationError, match=f"{first.id} already asks"):
        world.submit()
    decisions.withdraw(world.ledger, request=first.id, reason="wrong purpose", actor=ANA)
    assert world.submit().state is State.SUBMITTED


def test_only_the_requester_withdraws(world):
    world.build()
    asked = world.submit()
    with pytest.raises(AuthorisationError, match="only its requester"):
        decisions.withdraw(world.ledger, request=asked.id, reason="no", actor=BEN)


def test_an_approval_of_a_changed_candidate_is_refused(world):
    world.build()
    asked = world.submit()
    world.build(CHANGED)
    with pytest.raises(AuthorisationError, match="the candidate's content changed"):
        world.approve(asked.id)


def test_an_approval_without_passed_gates_is_refused_naming_each_gate(world):
    first = candidate_gates()[0]
    content = world.build(failing=[first])
    asked = world.submit()
    with pytest.raises(AuthorisationError, match=f"gate {first} did not pass"):
        world.approve(asked.id)
    world.evaluate(content, gates=[first])
    assert world.approve(asked.id).state is State.RELEASE_APPROVED


def test_a_candidate_that_changes_after_approval_is_not_authorised(world):
    world.approved()
    world.build(CHANGED)
    with pytest.raises(AuthorisationError, match="no request is for this content"):
        authorised(world)
    with pytest.raises(AuthorisationError, match="content differs from what request req-0001"):
        authorised(world, request="req-0001")


def test_a_candidate_that_changes_back_is_authorised_again(world):
    world.approved()
    world.build(CHANGED)
    world.build()
    assert authorised(world).request.id == "req-0001"


def test_everything_missing_is_named_at_once(world):
    gates = candidate_gates()
    content = world.build(failing=[gates[0]])
    world.submit()
    with pytest.raises(AuthorisationError) as raised:
        authorise(world.ledger, NAME, content, [*gates, "invented"], policy_digest="other")
    for part in (
        f"gate {gates[0]} did not pass",
        "gate invented was not evaluated",
        "the policy changed",
        "an approval by a data_steward other than the requester",
    ):
        assert part in str(raised.value)


def test_nothing_is_authorised_when_no_gate_is_required(world):
    content = world.approved().binding.fingerprint
    with pytest.raises(AuthorisationError, match="no gate is required"):
        authorise(world.ledger, NAME, content, [])


def test_a_gate_that_fails_later_takes_the_authority_away(world):
    content = world.approved().binding.fingerprint
    world.evaluate(content, gates=[candidate_gates()[0]], failing=[candidate_gates()[0]])
    with pytest.raises(AuthorisationError, match="did not pass"):
        authorised(world)


def test_gates_evaluated_again_with_the_same_results_keep_the_approval(world):
    content = world.approved().binding.fingerprint
    world.evaluate(content)
    assert authorised(world)


def test_a_gate_evaluated_under_another_policy_does_not_count(world):
    content = world.approved().binding.fingerprint
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


def test_a_gate_required_only_since_the_approval_reopens_it(world):
    content = world.approved().binding.fingerprint
    world.evaluate(content, gates=["new_gate"])
    with pytest.raises(AuthorisationError, match="gate results differ from what the data_steward"):
        authorise(world.ledger, NAME, content, [*candidate_gates(), "new_gate"])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"policy_digest": "other"}, "the policy differs"),
        ({"publication_digest": "other"}, "the publication's declaration differs"),
        ({"score_sheet_digest": "other"}, "the score sheet differs"),
    ],
)
def test_another_policy_declaration_or_score_sheet_reopens_everything(world, changed, words):
    content = world.approved().binding.fingerprint
    built = {
        "publication_digest": world.publication.digest,
        "policy_digest": world.policy.digest,
        "score_sheet_digest": "5" * 64,
        **changed,
    }
    world.ledger.append(CandidateBuilt(publication=NAME, fingerprint=content, rows=6, **built))
    with pytest.raises(AuthorisationError, match=words):
        authorised(world, request="req-0001")


def test_a_declaration_that_changed_since_the_candidate_was_built_is_refused(world):
    world.approved()
    with pytest.raises(AuthorisationError, match="the publication's declaration changed after"):
        authorised(world, publication_digest="other")


def test_a_rejected_or_withdrawn_request_authorises_nothing(world):
    world.build()
    asked = world.submit()
    decisions.reject(
        world.ledger, request=asked.id, reason="no basis", role=Role.DATA_STEWARD, actor=BEN
    )
    with pytest.raises(AuthorisationError, match="is rejected"):
        authorised(world)
    again = world.submit()
    world.approve(again.id)
    decisions.withdraw(world.ledger, request=again.id, reason="second thoughts", actor=ANA)
    with pytest.raises(AuthorisationError, match="is withdrawn"):
        authorised(world)
    with pytest.raises(AuthorisationError, match="the request is withdrawn"):
        world.approve(again.id)


def test_a_forged_approval_by_the_requester_does_not_count(world):
    content = world.build()
    asked = world.submit()
    real = world.approve(asked.id).approvals[0]
    forged = new_world(Path(world.deployment.home.parent / "forged"))
    forged.build()
    forged.submit()
    forged.ledger.append(
        RequestApproved(
            request=asked.id,
            publication=NAME,
            fingerprint=content,
            publication_digest=forged.publication.digest,
            policy_digest=forged.policy.digest,
            score_sheet_digest="5" * 64,
            gates=candidate_gates(),
            gates_digest=real.gates_digest,
            role="data_steward",
            by=str(ANA.identity),
            os_user="tester",
        )
    )
    with pytest.raises(AuthorisationError, match="the approver is the requester"):
        authorised(forged)


def test_an_event_that_the_table_does_not_permit_is_named(world):
    world.approved()
    withdrawn = RequestWithdrawn(
        request="req-0001", publication=NAME, reason="x", by="person:ana.ruiz", os_user="t"
    )
    world.ledger.append_all([withdrawn, withdrawn])
    last = world.ledger.head().sequence
    with pytest.raises(AuthorisationError, match=f"ledger entry {last}: the request is withdrawn"):
        requests(world.ledger)


def test_what_waits_for_whom(world):
    world.build()
    asked = world.submit()

    def todo():
        return [(one.request, one.role.value, one.what) for one in waiting(world.ledger)]

    assert todo() == [(asked.id, "data_steward", "approve or reject it")]
    world.approve(asked.id)
    assert todo() == [(asked.id, "data_engineer", "release it")]
    world.build(CHANGED)
    assert todo()[0][1:] == (
        "requester",
        "the candidate changed: withdraw it and request anew",
    )
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
        decisions.withdraw(world.ledger, request=asked.id, reason="x" * 2000, actor=ANA)
