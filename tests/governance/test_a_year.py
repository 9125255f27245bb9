"""A whole year of a department, from intake to the auditor, every signature real.

Each story is acted by the people it takes, through the same steps as the commands, on one ledger;
the next goes on where the last one ended, so the stories are one test.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deid_platform.cli import build_app
from deid_platform.core.determination import DeterminationError
from deid_platform.core.errors import AuthorisationError, EvidenceError
from deid_platform.core.intake import FormError
from deid_platform.core.workflow import Action, Role, State
from deid_platform.governance import automation
from deid_platform.governance.answers.coverage import coverage
from deid_platform.governance.authority import valid_until
from deid_platform.governance.destinations import destination_for
from deid_platform.governance.destruction import confirm_destruction
from deid_platform.governance.events import ActionRefused
from deid_platform.governance.packet.verify import verify_packet
from deid_platform.governance.register import register_in_force
from deid_platform.governance.requests import Request, request_of, requests
from deid_platform.governance.sending import send
from deid_platform.governance.transfers import Transfer, owed
from tests.support.evidence import VISITS, build, with_more
from tests.support.governance import form
from tests.support.people import (
    DEPUTY,
    DIRECTOR,
    ENGINEER,
    EXPERT,
    LEGAL,
    PIPELINE,
    REQUESTER,
    REVIEWER,
    actor,
)
from tests.support.releases import count
from tests.support.year import (
    ANALYSTS,
    BOTH,
    COORDINATOR,
    DISPUTED,
    EXCHANGE,
    FORMS,
    LIAISON,
    PRIVACY,
    PUBLIC,
    STUDY,
    SUBCOMMITTEE,
    THEIR_COORDINATOR,
    THEIR_DEPUTY,
    UNDERSECRETARY,
    Year,
    a_year,
    by_expert,
    by_safe_harbor,
    carry_out,
    determination,
    review,
)

CORRECTED = with_more(VISITS, 2024, "Napa", (978, 884))
REFRESHED = with_more(VISITS, 2024, "Yolo", (1_812, 1_584))


def test_a_year_from_intake_to_the_auditor(tmp_path: Path, ledger_url: str) -> None:
    year = a_year(tmp_path, ledger_url)
    analysts = internal_analytics_by_safe_harbor(year)
    wrong = a_public_release(year)
    study, copy = an_extract_for_research(year)
    evaluation = a_disputed_exchange(year)
    corrected = a_recall_and_its_correction(year, wrong)
    refreshed = an_expired_determination(year, study, copy)
    the_auditor(
        year,
        standing={
            analysts: ANALYSTS,
            corrected: PUBLIC,
            evaluation: EXCHANGE,
            refreshed: STUDY,
        },
        ended={wrong: State.RECALLED, study: State.EXPIRED},
    )


def internal_analytics_by_safe_harbor(year: Year) -> str:
    """A privacy review, automated checks, a signed statement of actual knowledge, the steward."""
    year.on(1, 13)
    world = year.worlds[ANALYSTS]
    with pytest.raises(FormError, match="MD-02 method: sub_state_geography"):
        year.ask(ANALYSTS, data_elements=FORMS[STUDY]["data_elements"])
    asked = year.ask(ANALYSTS)
    review(world, asked, PRIVACY)
    approved = by_safe_harbor(world, asked)
    assert approved.state is State.RELEASE_APPROVED
    assert approved.determination is not None
    assert approved.determination.content["legal_review"] == "not required"
    return released(year, ANALYSTS, asked)


def a_public_release(year: Year) -> str:
    """The score sheet, a second person, and the handbook's chain in its order."""
    year.on(2, 3)
    world = year.worlds[PUBLIC]
    asked = year.ask(PUBLIC)
    world.review(asked)
    carry_out(world, asked)
    with pytest.raises(AuthorisationError, match="a person validates beside the checks"):
        world.act(asked, Action.VALIDATE, PIPELINE, Role.VALIDATOR)
    world.validate(asked)
    world.determine(asked)
    with pytest.raises(AuthorisationError, match="a data_steward decides first"):
        world.act(asked, Action.APPROVE_RELEASE, DEPUTY, Role.DEPUTY_DIRECTOR)
    world.approve(asked)
    with pytest.raises(AuthorisationError, match="SIG-16 of another department"):
        world.act(asked, Action.APPROVE_RELEASE, THEIR_DEPUTY, Role.DEPUTY_DIRECTOR)
    world.approve(asked, actor(DEPUTY), Role.DEPUTY_DIRECTOR)
    approved = world.approve(asked, actor(DIRECTOR), Role.DIRECTOR)
    assert approved.state is State.RELEASE_APPROVED
    return released(year, PUBLIC, asked)


def an_extract_for_research(year: Year) -> tuple[str, Transfer]:
    """The committee's approval, the contract's terms, an expert, legal, an encrypted delivery."""
    year.on(3, 10)
    world = year.worlds[STUDY]
    with pytest.raises(FormError, match="IN-09"):
        year.ask(STUDY, research=None)
    with pytest.raises(FormError, match="IN-07"):
        year.ask(STUDY, third_party=None)
    asked = year.ask(STUDY)
    partly = review(world, asked, PRIVACY)
    assert partly.state is State.IN_REVIEW, "a third party takes a security reviewer too"
    review(world, asked, BOTH[1], started=True)
    carry_out(world, asked)
    world.validate(asked)
    incomplete = determination("2025-09-30") | {"prt_approval": ""}
    with pytest.raises(DeterminationError, match="5 the approval of the expert"):
        world.act(asked, Action.DETERMINE, EXPERT, Role.EXPERT, **incomplete)
    world.act(asked, Action.DETERMINE, EXPERT, Role.EXPERT, **determination("2025-09-30"))
    with pytest.raises(AuthorisationError, match="approve_release needs one that is legal_cleared"):
        world.approve(asked)
    world.act(asked, Action.CLEAR_LEGAL, LEGAL, Role.LEGAL, basis="DUA-2024-031, clause 2.1")
    approved = world.approve(asked)
    assert valid_until(approved) == "2025-09-30"
    return released(year, STUDY, asked), delivered(year, asked)


def a_disputed_exchange(year: Year) -> str:
    """The provider disputes, the agency mediates, the Undersecretary decides, both sides sign."""
    year.on(4, 7)
    world = year.worlds[EXCHANGE]
    asked = year.ask(EXCHANGE)
    disputed = {"by": COORDINATOR, "role": Role.DATA_COORDINATOR, "reason": "Regions would do"}
    with pytest.raises(AuthorisationError, match="also needs known_risks, legal_authority"):
        world.act(asked, Action.DISPUTE, **disputed)
    year.on(4, 14)
    complete = {**FORMS[EXCHANGE], "dataset": EXCHANGE}
    complete["exchange"] = {**FORMS[EXCHANGE]["exchange"], **DISPUTED}
    world.act(asked, Action.RESUBMIT, REQUESTER, Role.REQUESTER, form=form(**complete))
    with pytest.raises(AuthorisationError, match="coordinator disputes"):
        world.act(asked, Action.DISPUTE, **{**disputed, "by": THEIR_COORDINATOR})
    world.act(asked, Action.DISPUTE, **disputed)
    with pytest.raises(AuthorisationError, match="start_review needs one that is submitted"):
        world.act(asked, Action.START_REVIEW, REVIEWER, Role.PRIVACY_REVIEWER)

    year.on(5, 5)
    decided = {"by": UNDERSECRETARY, "role": Role.UNDERSECRETARY, "reason": "Counties are needed"}
    world.act(asked, Action.MEDIATE, LIAISON, Role.GOVERNANCE_LIAISON, reason="Logged, both heard")
    with pytest.raises(AuthorisationError, match="risk_subcommittee has not recorded its part"):
        world.act(asked, Action.DECIDE_FOR, **decided)
    world.act(asked, Action.MEDIATE, SUBCOMMITTEE, Role.RISK_SUBCOMMITTEE, reason="In favour")
    assert world.act(asked, Action.DECIDE_FOR, **decided).is_mandated
    with pytest.raises(AuthorisationError, match="cannot be refused any more"):
        world.act(asked, Action.REJECT, REVIEWER, Role.PRIVACY_REVIEWER, reason="No")

    year.on(5, 12)
    ours = ((COORDINATOR, Role.DATA_COORDINATOR), (DEPUTY, Role.DEPUTY_DIRECTOR))
    theirs = ((THEIR_COORDINATOR, Role.DATA_COORDINATOR), (THEIR_DEPUTY, Role.DEPUTY_DIRECTOR))
    halfway = review(world, asked, *BOTH, *ours, started=True)
    assert halfway.state is State.IN_REVIEW, "the receiver's side has not signed"
    signed = review(world, asked, *theirs, started=True)
    assert signed.state is State.APPROVED_FOR_EXECUTION
    by_expert(world, asked, "2026-05-31")
    return released(year, EXCHANGE, asked)


def a_recall_and_its_correction(year: Year, wrong: str) -> str:
    """What is recalled shows until it is gone, and a corrected table takes its place."""
    year.on(6, 16)
    world = year.worlds[PUBLIC]
    asked = released_by(year, wrong)
    with pytest.raises(AuthorisationError, match="may not recall"):
        world.act(asked.id, Action.RECALL, PIPELINE, Role.DATA_ENGINEER, reason="wrong")
    world.recall(asked.id, "A hospital reported twice")
    with pytest.raises(AuthorisationError, match="is recalled"):
        world.publish(asked.id, PIPELINE)
    with pytest.raises(EvidenceError, match="is recalled, and its files are still here"):
        coverage(world.deployment, world.ledger).check("coverage")
    year.withdraw_files(wrong)

    year.on(6, 23)
    build(world, CORRECTED)
    again = year.ask(PUBLIC)
    world.review(again)
    carry_out(world, again)
    world.validate(again)
    world.determine(again)
    world.approve_by_all(again)
    corrected = released(year, PUBLIC, again)
    assert corrected != wrong
    return corrected


def an_expired_determination(year: Year, study: str, copy: Transfer) -> str:
    """A refresh approved in time leaves too late; the release it would refresh expires with it."""
    year.on(9, 22)
    world = year.worlds[STUDY]
    first = released_by(year, study)
    build(world, REFRESHED)
    asked = year.ask(STUDY)
    review(world, asked, *BOTH)
    assert by_expert(world, asked, "2025-09-30").state is State.RELEASE_APPROVED
    assert not due(year, Action.EXPIRE)

    year.on(10, 1)
    with pytest.raises(AuthorisationError, match="its determination expired on 2025-09-30"):
        world.publish(asked, PIPELINE)
    (expiring,) = due(year, Action.EXPIRE)
    assert expiring.request == first.id
    with automation.recorded_run(world.ledger, expiring, "run-expire"):
        expired = automation.take(world.ledger, PIPELINE, first.id, Action.EXPIRE)
    assert expired.state is State.EXPIRED
    with pytest.raises(AuthorisationError):
        delivered(year, first.id)
    (owing,) = owed(world.ledger, year.today.date())
    assert (owing.transfer.id, owing.why) == (copy.id, "the release is expired")
    confirmed(year, copy)
    assert owed(world.ledger, year.today.date()) == ()
    year.withdraw_files(study)

    year.on(10, 13)
    world.act(asked, Action.RETURN, EXPERT, Role.EXPERT, reason="The determination has expired")
    renewed = form(dataset=STUDY, **FORMS[STUDY])
    world.act(asked, Action.RESUBMIT, REQUESTER, Role.REQUESTER, form=renewed)
    review(world, asked, *BOTH)
    by_expert(world, asked, "2026-09-30")
    refreshed = released(year, STUDY, asked)
    delivered(year, asked)
    return refreshed


def the_auditor(year: Year, standing: dict[str, str], ended: dict[str, State]) -> None:
    """In December, by the auditor's commands, from the ledger and the packets alone."""
    year.on(12, 15)
    ledger = year.ledger
    known = requests(ledger)
    assert [request_of(ledger, name) for name in known] == list(known.values())
    states = {one.release_id: one.state for one in known.values()}
    assert states == dict.fromkeys(standing, State.RELEASED) | ended
    assert count(year.worlds[PUBLIC], ActionRefused) == 13
    head = ledger.head()

    verified = audit(year, "verify")
    assert str(head.sequence) in verified
    assert "person:nora.quinn, director" in audit(year, "approvals")
    assert "ORPHAN" not in audit(year, "coverage")
    assert "DUA-2024-031" in audit(year, "third-party", "bay_university")
    for release in standing:
        assert release in audit(year, "approvals", release)
        assert release in audit(year, "packet", release)
        assert release in audit(year, "rebuild", release)
    assert ledger.head() == head, "an auditor only reads"


def audit(year: Year, *words: str) -> str:
    """What `deid audit` prints; it exits with 0 only where the answer is complete."""
    deployment = year.worlds[PUBLIC].deployment
    environment = {
        "DEID_PROJECT": str(deployment.project),
        "DEID_HOME": str(deployment.home),
        "DEID_LEDGER_URL": deployment.ledger_url,
    }
    result = CliRunner(env=environment).invoke(build_app(), ["audit", *words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def released(year: Year, name: str, request: str) -> str:
    """What the sensor does with a request that everybody has approved; the release's id."""
    world = year.worlds[name]
    (ready,) = due(year, Action.RELEASE)
    assert ready.request == request
    with automation.recorded_run(world.ledger, ready, f"run-release-{request}"):
        done = world.publish(request, PIPELINE)
    assert done.new
    assert request_of(world.ledger, request).state is State.RELEASED
    assert not world.publish(request, PIPELINE).new
    assert verify_packet(world.deployment, world.ledger, done.release).problems == ()
    return done.release


def due(year: Year, action: Action) -> tuple[automation.Due, ...]:
    return automation.due(year.ledger, action, year.today.date())


def released_by(year: Year, release: str) -> Request:
    """The request that led to a release."""
    (found,) = [one for one in requests(year.ledger).values() if one.release_id == release]
    return found


def delivered(year: Year, request: str) -> Transfer:
    """Send a release to the study, encrypted for it."""
    world = year.worlds[STUDY]
    register = register_in_force(world.ledger)
    place = destination_for(register, "bay_university_sftp", STUDY, year.now())
    done = send(
        world.deployment,
        world.ledger,
        request=request,
        destination=place,
        actor=actor(ENGINEER),
        retention_until=date(2026, 12, 31),
    )
    assert done.completed is not None
    return done


def confirmed(year: Year, copy: Transfer) -> None:
    """The receiver's certificate of destruction is in."""
    confirm_destruction(
        year.ledger,
        transfer=copy.id,
        method="Overwritten, with a certificate of the study's data manager",
        proof="d" * 64,
        actor=actor("omar.diaz"),
        role=Role.THIRD_PARTY_MANAGER,
    )
