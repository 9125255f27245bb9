from __future__ import annotations

from datetime import timedelta

import pytest

from deid_platform.core.workflow import Role
from deid_platform.governance.chain import GENESIS
from deid_platform.governance.signatures import Decision, Rule, SignatureError, check_signed, verify
from tests.support.register import Office, now, office


@pytest.fixture(scope="session")
def here(tmp_path_factory) -> Office:
    return office(tmp_path_factory.mktemp("office"))


def approval(here: Office, **changes) -> Decision:
    values = {
        "request": "req-1",
        "step": "release_approval",
        "decision": "approve",
        "person": "person:ben.cho",
        "role": Role.DATA_STEWARD.value,
        "at": now().isoformat(),
        "ledger": GENESIS,
        "register_digest": here.register.digest,
        "fingerprints": {"candidate": "a" * 64},
    }
    return Decision(**{**values, **changes})


def test_a_decision_signed_by_its_person_counts(here):
    decision = approval(here)
    key = check_signed(decision, here.sign(decision), here.register, now(), ledger=GENESIS)
    assert str(key.person) == "person:ben.cho"
    assert Decision.of(decision.plain()) == decision


def test_a_decision_changed_after_it_was_signed_does_not_count(here):
    decision = approval(here)
    signature = here.sign(decision)
    with pytest.raises(SignatureError) as raised:
        verify(b"x" + decision.payload(), signature, "ben.cho", here.register, now())
    assert raised.value.rule is Rule.TAMPERED


def test_a_key_of_somebody_else_does_not_count(here):
    decision = approval(here)
    with pytest.raises(SignatureError) as raised:
        verify(decision.payload(), here.sign(decision, "ana.ruiz"), "ben.cho", here.register, now())
    assert raised.value.rule is Rule.OTHER_PERSON


def test_a_signature_of_long_ago_does_not_count(here):
    decision = approval(here, at=(now() - timedelta(days=8)).isoformat())
    with pytest.raises(SignatureError) as raised:
        check_signed(decision, here.sign(decision), here.register, now(), ledger=GENESIS)
    assert raised.value.rule is Rule.OTHER_TIME
