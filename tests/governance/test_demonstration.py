"""The demonstration's people act with real keys, and only where no real register is."""

from __future__ import annotations

import stat

import pytest

from deid_platform.core.errors import AuthorisationError
from deid_platform.core.workflow import State
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.initialise import initialise
from deid_platform.engine.running_code import code_version
from deid_platform.governance.demonstration import KEYS, act_out, appoint
from deid_platform.governance.events import CandidateBuilt, GateEvaluated
from deid_platform.governance.facts import candidate_asset, candidate_gates
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.requests import request_of
from tests.support.governance import CHECKOUT, the_policy
from tests.support.people import people, put_people_in_force

PUBLICATION = "ed_visits_by_county_year"


@pytest.fixture
def deployment(tmp_path) -> Deployment:
    made = Deployment(project=CHECKOUT, home=tmp_path / "home", environment={})
    initialise(made)
    return made


def built(deployment: Deployment, ledger: Ledger) -> None:
    ledger.append(
        CandidateBuilt(
            publication=PUBLICATION,
            fingerprint="sha256:0123456789abcdef",
            publication_digest="d",
            policy_digest=the_policy().digest,
            rows=1,
            score_sheet_digest="s",
            columns=("county", "visit_year", "visit_count", "person_count", "population_count"),
            code_version=code_version(deployment),
        )
    )
    ledger.append_all(
        GateEvaluated(
            table=candidate_asset(PUBLICATION),
            gate=gate,
            fingerprint="sha256:0123456789abcdef",
            passed=True,
            rule="a rule",
            policy_digest=the_policy().digest,
        )
        for gate in candidate_gates()
    )


def test_made_up_people_take_a_request_to_its_approval_once(deployment):
    ledger = Ledger.open(deployment.ledger_url)
    roles = appoint(deployment, ledger)
    assert roles["ben.cho"] == "data_steward"
    head = ledger.head()
    assert appoint(deployment, ledger) == roles
    assert ledger.head() == head
    built(deployment, ledger)
    done = act_out(deployment, ledger, PUBLICATION)
    assert done.state is State.RELEASE_APPROVED
    assert act_out(deployment, ledger, PUBLICATION).id == done.id
    assert len(request_of(ledger, done.id).history) == 9


def test_their_keys_are_their_owners_alone_and_marked(deployment):
    appoint(deployment, Ledger.open(deployment.ledger_url))
    folder = deployment.home / KEYS
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(
        stat.S_IMODE(file.stat().st_mode) == 0o600
        for file in folder.iterdir()
        if file.suffix != ".pub"
    )
    assert "people who do not exist" in (folder.parent / "README").read_text("utf-8")


def test_where_a_real_register_is_in_force_there_is_no_demonstration(deployment):
    ledger = Ledger.open(deployment.ledger_url)

    def ours(content):
        content["agency"]["name"] = "A real agency"

    put_people_in_force(ledger, ours)
    assert people().register.agency.name != "A real agency"
    with pytest.raises(AuthorisationError, match="not the example's"):
        appoint(deployment, ledger)
