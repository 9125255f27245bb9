"""The mistakes that the system must make impossible: each tried in earnest, refused by its rule.

Source: HICP Practice 7.3 (governance specification, sections 3, 4 and 10).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from deid_platform.core.errors import AuthorisationError, DeidError, EvidenceError
from deid_platform.core.intake import FormError
from deid_platform.core.steps import Step
from deid_platform.core.workflow import (
    TRANSITIONS,
    Action,
    Identity,
    Role,
    State,
    excluded_by,
    transition,
)
from deid_platform.governance import decisions
from deid_platform.governance import publish as publish_module
from deid_platform.governance.decisions import Command
from deid_platform.governance.events import CandidateBuilt
from deid_platform.governance.requests import Actor, request_of
from tests.support.governance import ANA, NAME, ROWS, World, form
from tests.support.governance import world as new_world
from tests.support.people import (
    ENGINEER,
    PIPELINE,
    REVIEWER,
    STEWARD,
    VALIDATOR,
    actor,
    people,
    put_people_in_force,
)
from tests.support.releases import nothing_is_out

CHANGED = (*ROWS[:-1], ("Alpine", 2024, 26, 20, 1200, 0))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A request whose release is approved; nothing a test does here may be recorded on it."""
    made = new_world(tmp_path_factory.mktemp("mistakes"))
    made.approved()
    return made


class TestSection10:
    def test_a_table_made_by_hand(self, world):
        """Manual de-identification: only what the pipeline recorded can be requested."""
        world.write(ROWS)
        with pytest.raises(FormError):
            world.submit()
        world.build()
        world.write(CHANGED)
        with pytest.raises(AuthorisationError, match="not the one the pipeline recorded last"):
            world.submit()

    def test_a_method_left_open(self, world):
        """No decision rule: the method is mandatory, and checked by the rule."""
        world.build()
        with pytest.raises(FormError, match="MD-01 method: it is missing"):
            world.submit(method=None)
        with pytest.raises(FormError, match="MD-03"):
            world.submit(method="safe_harbor")

    def test_free_text_without_the_expert_path(self, world):
        """Unstructured data ignored."""
        world.build()
        with pytest.raises(FormError, match="MD-06"):
            world.submit(free_text_included=True)

    def test_a_recipient_who_is_to_deidentify(self, world):
        """Third party de-identifies."""
        world.build()
        with pytest.raises(FormError, match="IN-12"):
            world.submit(recipient_deidentifies=True)
        elements = [{**one, "kind": "direct_identifier"} for one in form()["data_elements"]]
        with pytest.raises(FormError, match="IN-12"):
            world.submit(data_elements=elements)

    def test_a_release_without_its_evidence(self, world, monkeypatch):
        """No evidence retained: the packet is part of the release."""

        def none(*_args, **_named):
            raise EvidenceError("packet", "cannot be written", "make room")

        approved = world.approved()
        monkeypatch.setattr(publish_module, "write_packet", none)
        with pytest.raises(EvidenceError):
            world.publish(approved.id)
        assert nothing_is_out(world)

    def test_an_aggregate_of_another_making(self, world):
        """Analysts aggregate raw PHI: a candidate that names no code is not executed."""
        world.build()
        asked = world.up_to(world.submit().id, State.APPROVED_FOR_EXECUTION)
        (built,) = [one.event for one in world.ledger.entries(kinds=[CandidateBuilt])]
        world.ledger.append(CandidateBuilt(**{**built.payload(), "code_version": None}))
        with pytest.raises(AuthorisationError, match="does not say which code built it"):
            world.execute(asked.id)

    def test_a_third_party_without_a_contract(self, world):
        """ "De-identified" dataset without contract."""
        world.build()
        with pytest.raises(FormError, match="IN-07"):
            world.submit(recipients=[{"name": "A company", "kind": "third_party"}])

    def test_an_expert_for_everything(self, world):
        world.build()
        plain = [{**one, "kind": "measure"} for one in form()["data_elements"]]
        with pytest.raises(FormError, match="MD-03"):
            world.submit(method="expert_determination", record_level=True, data_elements=plain)

    def test_a_change_after_approval(self, world):
        approved = world.approved()
        world.build(CHANGED)
        with pytest.raises(AuthorisationError, match="content changed after execution"):
            world.publish(approved.id)
        assert nothing_is_out(world)

    def test_one_person_who_does_and_checks(self, world):
        world.build()
        asked = world.submit()
        with pytest.raises(AuthorisationError, match="separation of duties"):
            world.act(asked.id, Action.START_REVIEW, ANA, Role.PRIVACY_REVIEWER)

    def test_a_policy_that_nobody_approved(self, world):
        """Gate 3: unapproved policy."""
        world.build()
        (built,) = [one.event for one in world.ledger.entries(kinds=[CandidateBuilt])]
        world.ledger.append(CandidateBuilt(**{**built.payload(), "policy_digest": "f" * 64}))
        asked = world.up_to(world.submit().id, State.APPROVED_FOR_EXECUTION)
        with pytest.raises(AuthorisationError, match="not one of the method standard in force"):
            world.execute(asked.id)

    def test_a_person_without_training(self, world):
        """Section 7: missing training blocks."""
        world.build()
        asked = world.submit()

        def untrained(content):
            content["people"][REVIEWER]["trainings"] = []

        put_people_in_force(world.ledger, untrained, (NAME,))
        with pytest.raises(AuthorisationError, match="SIG-11"):
            world.act(asked.id, Action.START_REVIEW, REVIEWER, Role.PRIVACY_REVIEWER)

    def test_a_key_that_is_revoked_takes_its_decisions_away(self, world):
        approved = world.approved()

        def revoked(content):
            (key,) = content["people"][STEWARD]["keys"]
            key["revoked_at"] = "2024-01-02T00:00:00Z"

        put_people_in_force(world.ledger, revoked, (NAME,))
        with pytest.raises(AuthorisationError, match="SIG-08"):
            world.publish(approved.id)
        assert nothing_is_out(world)

    def test_recipients_that_change_after_approval(self, world):
        approved = world.approved()

        def moved(content):
            content["destinations"]["open_data"]["location"] = "Somewhere else"

        put_people_in_force(world.ledger, moved, (NAME,))
        now = request_of(world.ledger, approved.id)
        assert now.state is State.IN_REVIEW
        assert set(now.reopened) >= {Step.REVIEW, Step.EXECUTION, Step.APPROVAL}
        with pytest.raises(AuthorisationError, match="recipients or their destination changed"):
            world.publish(approved.id)


ROLES = [role for role in Role if any(role in one.roles for one in TRANSITIONS)]
PAIRS = [(held, new) for held in ROLES for new in ROLES if new in excluded_by(held)]


@pytest.fixture(scope="module")
def jack(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A deployment with one submitted request, on which somebody acts twice."""
    made = new_world(tmp_path_factory.mktemp("jack"))
    made.build()
    made.submit()
    return made


@pytest.mark.parametrize(("held", "new"), PAIRS, ids=lambda role: role.value)
def test_whoever_held_one_role_is_refused_in_one_that_excludes_it(jack, held, new, monkeypatch):
    """Before anything else is asked: every forbidden pair, on a real request."""
    who = Identity.parse(VALIDATOR)
    original = decisions.request_of

    def acted_before(records, name):
        found = original(records, name)
        return type(found)(
            **{
                **{one: getattr(found, one) for one in found.__dataclass_fields__},
                "decisions": (*found.decisions, _decision(found, who, held)),
            }
        )

    monkeypatch.setattr(decisions, "request_of", acted_before)
    action = next(
        one.action for one in TRANSITIONS if new in one.roles and one.action is not Action.SUBMIT
    )
    command = Command(action=action, request="req-0001", role=new, reason="because")
    with pytest.raises(AuthorisationError, match="separation of duties"):
        decisions.act(jack.ledger, actor(VALIDATOR), command)


def _decision(request, who, role):
    first = request.decisions[0]
    return type(first)(
        **{
            **{one: getattr(first, one) for one in first.__dataclass_fields__},
            "by": who,
            "role": role,
        }
    )


@pytest.mark.parametrize("action", [one for one in Action if one is not Action.SUBMIT])
def test_an_action_that_is_not_in_the_table_is_refused_on_an_approved_request(shared, action):
    known = transition(action)
    if State.RELEASE_APPROVED in known.sources:
        return
    before = request_of(shared.ledger, "req-0001")
    for role in sorted(known.roles):
        with pytest.raises(DeidError):
            shared.act("req-0001", action, _anybody(role), role, reason="because")
    assert request_of(shared.ledger, "req-0001").state is before.state


@pytest.mark.parametrize("action", [one for one in Action if one is not Action.SUBMIT])
def test_nothing_is_done_unsigned_or_in_a_role_the_table_does_not_give(shared, action):
    for role in Role:
        if role not in transition(action).roles:
            with pytest.raises(AuthorisationError):
                shared.act("req-0001", action, _anybody(role), role, reason="because")
    role = min(transition(action).roles)
    unsigned = Actor.of(_anybody(role).identity.name, "tester")
    with pytest.raises(DeidError):
        shared.act("req-0001", action, unsigned, role, reason="because")


def _anybody(role: Role) -> Actor:
    """Somebody who holds a role by the register, else the engineer."""
    holders = people().register.people_in(role, _now())
    return actor(holders[0].name if holders else ENGINEER)


def _now():
    from tests.support.register import now

    return now()


def test_the_pipeline_signs_nothing_for_a_person(shared):
    robot = Actor(identity=PIPELINE.identity, os_user="t", sign=actor(STEWARD).sign)
    with pytest.raises(AuthorisationError, match="a service may not"):
        shared.act("req-0001", Action.RECALL, robot, Role.DATA_STEWARD, reason="because")


def test_no_environment_variable_or_file_skips_a_gate(world, monkeypatch, tmp_path: Path):
    world.build()
    asked = world.submit()
    for name in ("DEID_SKIP_GATES", "DEID_FORCE", "DEID_NO_SIGNATURES"):
        monkeypatch.setenv(name, "1")
    with pytest.raises(AuthorisationError, match="an approval by a data_steward"):
        world.publish(asked.id)
    assert nothing_is_out(world)
