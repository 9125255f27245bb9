from __future__ import annotations

import pytest

from deid_platform.core.attestation import attest
from deid_platform.core.errors import AuthorisationError
from deid_platform.core.workflow import Role
from deid_platform.engine.declarations import load_safe_harbor
from deid_platform.engine.deployment import Deployment
from deid_platform.governance.determinations import (
    Knowledge,
    check_safe_harbor,
    safe_harbor,
    state_actual_knowledge,
)
from deid_platform.governance.events import SafeHarborAttested
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.request_events import KnowledgeStated
from tests.support.governance import CHECKOUT
from tests.support.people import PIPELINE, REVIEWER, STEWARD, actor, appoint, unsigned
from tests.support.tables import visits_contract

TABLE = "deidentified/visits"
SCENARIOS = "occupations, publicised events, relations, prior releases"


@pytest.fixture
def ledger(ledger_url):
    opened = Ledger.open(ledger_url)
    appoint(opened)
    return opened


def attested(fingerprint: str = "sha256:1") -> SafeHarborAttested:
    checkout = Deployment(project=CHECKOUT, home=CHECKOUT, environment={})
    attestation = attest(visits_contract(), load_safe_harbor(checkout), 2026)
    return SafeHarborAttested.of(
        attestation, table=TABLE, fingerprint=fingerprint, by="service:pipeline"
    )


def state(ledger: Ledger, answer: Knowledge = Knowledge.NONE, **changes):
    said = {
        "table": TABLE,
        "fingerprint": "sha256:1",
        "answer": answer,
        "scenarios": SCENARIOS,
        "role": Role.PRIVACY_REVIEWER,
        "actor": actor(REVIEWER),
        **changes,
    }
    return state_actual_knowledge(ledger, **said)


def test_the_attestation_says_what_became_of_each_column_and_under_which_zip_list():
    event = attested()
    assert event.treatments["mrn"] == "surrogate"
    assert event.treatments["note"] == "drop"
    assert event.identifiers["mrn"] == "medical_record_number"
    assert event.zip3_profile
    assert event.zip3_digest


def test_a_determination_needs_the_attestation_and_a_statement(ledger):
    assert len(safe_harbor(ledger, TABLE, "sha256:1").missing) == 2
    ledger.append(attested())
    with pytest.raises(AuthorisationError, match=r"164\.514\(b\)\(2\)\(ii\)"):
        check_safe_harbor(ledger, TABLE, "sha256:1")
    assert not state(ledger).missing
    check_safe_harbor(ledger, TABLE, "sha256:1")


@pytest.mark.parametrize("answer", [Knowledge.YES, Knowledge.UNSURE])
def test_any_other_answer_needs_an_expert_determination(ledger, answer):
    ledger.append(attested())
    state(ledger, answer)
    with pytest.raises(AuthorisationError, match="Expert Determination"):
        check_safe_harbor(ledger, TABLE, "sha256:1")


def test_a_later_answer_takes_the_place_of_an_earlier_one(ledger):
    ledger.append(attested())
    state(ledger)
    assert state(ledger, Knowledge.UNSURE).missing


def test_a_statement_counts_for_the_content_it_was_made_on_only(ledger):
    ledger.append(attested())
    state(ledger)
    with pytest.raises(AuthorisationError, match="nobody has stated"):
        check_safe_harbor(ledger, TABLE, "sha256:2")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"role": Role.DATA_ENGINEER}, "data_engineer"),
        ({"actor": PIPELINE}, "a service in the role"),
        ({"scenarios": "  "}, "scenarios"),
        ({"scenarios": "two\nlines of them"}, "scenarios"),
        ({"table": "deidentified/other"}, "attested nothing"),
        ({"actor": unsigned(REVIEWER)}, "only with a signature"),
        ({"actor": actor(REVIEWER, STEWARD)}, "SIG-05"),
        ({"actor": actor(STEWARD)}, "SIG-10"),
    ],
)
def test_a_statement_by_the_wrong_role_or_about_nothing_is_refused(ledger, changes, words):
    ledger.append(attested())
    with pytest.raises(AuthorisationError, match=words):
        state(ledger, **changes)


def test_a_statement_that_is_not_what_was_signed_does_not_count(ledger):
    ledger.append(attested())
    state(ledger, Knowledge.UNSURE)
    (entry,) = ledger.entries(kinds=[KnowledgeStated])
    ledger.append(KnowledgeStated(**{**entry.event.payload(), "answer": "none"}))
    with pytest.raises(AuthorisationError, match="nobody has stated"):
        check_safe_harbor(ledger, TABLE, "sha256:1")
