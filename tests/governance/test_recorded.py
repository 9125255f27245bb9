"""Forgeries by somebody who owns the database and can make the chain fit: the signatures tell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deid_platform.core.errors import LedgerError
from deid_platform.core.workflow import Role
from deid_platform.governance.chain import ledger_id
from deid_platform.governance.events import Event
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.recorded import recorded_decisions, verify_ledger
from deid_platform.governance.register import register_in_force
from deid_platform.governance.register_events import RegisterApplied
from deid_platform.governance.signatures import (
    Decision,
    SignatureError,
    Signed,
    signature_lines,
)
from tests.governance.test_ledger import filled, promoted
from tests.support.register import Office, now, office, put_in_force


@dataclass(frozen=True, kw_only=True)
class StatementMade(Signed, Event, kind="test.statement", subject="request"):
    """A signed event of the tests: what a step of a request looks like to the verifier."""

    request: str
    role: str
    by: str


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Office:
    return office(tmp_path_factory.mktemp("office"))


@pytest.fixture
def ledger(tmp_path, here) -> Ledger:
    """Some entries, the register, and one signed statement by Ben."""
    found = filled(f"sqlite:///{tmp_path / 'ledger.db'}", 2)
    put_in_force(found, here)
    found.append(statement(found, here))
    return found


def statement(ledger: Ledger, here: Office, **changes: Any) -> StatementMade:
    decision = Decision(
        **{
            "request": "req-1",
            "step": "release_approval",
            "decision": "approve",
            "person": "person:ben.cho",
            "role": Role.DATA_STEWARD.value,
            "at": now().isoformat(),
            "ledger": ledger_id(ledger),
            "register_digest": register_in_force(ledger).digest,
            **changes,
        }
    )
    return StatementMade(
        request=decision.request,
        role=decision.role,
        by=decision.person,
        signed=decision.plain(),
        signature=signature_lines(here.sign(decision)),
    )


def applied(ledger: Ledger) -> RegisterApplied:
    (entry,) = ledger.entries(kinds=[RegisterApplied])
    assert isinstance(entry.event, RegisterApplied)
    return entry.event


def test_every_signature_of_a_ledger_is_verified(ledger):
    found = verify_ledger(ledger)
    assert (found.registers, found.decisions, found.doubtful) == (1, 2, ())
    assert [one.decision.step for one in recorded_decisions(ledger)][-1] == "release_approval"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"signed": {"decision": "reject"}}, "SIG-09"),
        ({"signed": {"fingerprints": {"candidate": "b" * 64}}}, "SIG-09"),
        ({"signed": {"person": "person:ana.ruiz"}, "by": "person:ana.ruiz"}, "SIG-05"),
        ({"signed": {"role": "legal"}, "role": "legal"}, "SIG-09"),
        ({"request": "req-2"}, "SIG-15"),
        ({"by": "person:ana.ruiz"}, "SIG-15"),
        ({"role": "legal"}, "SIG-15"),
        ({"signature": ()}, "SIG-01"),
        ({"signed": {"unknown": "field"}}, "SIG-01"),
    ],
    ids=str,
)
def test_an_event_that_says_other_than_was_signed_is_named(ledger, here, changes, rule):
    made = statement(ledger, here)
    signed = {**made.signed, **changes.get("signed", {})}
    forged = replace(made, **{**changes, "signed": signed})
    entry = ledger.append(forged)
    assert ledger.verify() == ledger.head()
    with pytest.raises(LedgerError, match=rule) as raised:
        verify_ledger(ledger)
    assert raised.value.where == f"ledger entry {entry.sequence}"


def test_a_decision_of_another_ledger_cannot_be_replayed(ledger, here, tmp_path):
    other = filled(f"sqlite:///{tmp_path / 'other.db'}", 1)
    put_in_force(other, here)
    other.append(next(iter(ledger.entries(kinds=[StatementMade]))).event)
    with pytest.raises(LedgerError, match="SIG-13"):
        verify_ledger(other)


def test_a_decision_made_before_any_register_is_named(here, tmp_path):
    ledger = filled(f"sqlite:///{tmp_path / 'ledger.db'}", 1)
    signed = Decision(
        request="req-1",
        step="legal",
        decision="approve",
        person="person:joy.adams",
        role="legal",
        at=now().isoformat(),
        ledger=ledger_id(ledger),
        register_digest=here.register.digest,
    )
    ledger.append(
        StatementMade(
            request="req-1",
            role="legal",
            by="person:joy.adams",
            signed=signed.plain(),
            signature=signature_lines(here.sign(signed)),
        )
    )
    put_in_force(ledger, here)
    with pytest.raises(LedgerError, match="no register was in force then"):
        verify_ledger(ledger)


FORGED_REGISTERS = {
    "unsigned": {"signature": ()},
    "with another content": {"content": {"agency": "x"}},
    "in place of another": {"previous": "9" * 64},
    "by another person": {"by": "person:nora.quinn"},
    "in another role": {"role": "director"},
    "the same once more": {},
}


@pytest.mark.parametrize("forgery", FORGED_REGISTERS)
def test_a_register_that_was_not_applied_as_signed_puts_nothing_in_force(ledger, forgery):
    entry = ledger.append(replace(applied(ledger), **FORGED_REGISTERS[forgery]))
    assert ledger.verify() == ledger.head()
    for reading in (register_in_force, verify_ledger):
        with pytest.raises(LedgerError) as raised:
            reading(ledger)
        assert raised.value.where == f"ledger entry {entry.sequence}"


def test_a_key_revoked_as_of_earlier_puts_its_decisions_in_doubt(ledger, here):
    def revoke(since: datetime):
        def change(content):
            content["people"]["ben.cho"]["keys"][0]["revoked_at"] = since.isoformat()

        return change

    later = now()
    put_in_force(ledger, here, here.changed(revoke(later)))
    assert verify_ledger(ledger).doubtful == ()
    put_in_force(ledger, here, here.changed(revoke(later - timedelta(days=1))))
    (doubtful,) = verify_ledger(ledger).doubtful
    assert doubtful.decision.person == "person:ben.cho"
    with pytest.raises(SignatureError, match="revoked as of then"):
        doubtful.check_beyond_doubt()


def test_a_decision_is_judged_by_the_register_of_its_time(ledger, here):
    def end(content):
        content["people"]["ben.cho"]["roles"][0]["until"] = "2026-01-01"
        content["data_flows"] = {}
        content["destinations"]["open_data"]["owner"] = "kai.reed"

    put_in_force(ledger, here, here.changed(end))
    assert verify_ledger(ledger).decisions == 3
    ledger.append(statement(ledger, here))
    with pytest.raises(LedgerError, match="SIG-10"):
        verify_ledger(ledger)


def test_entries_without_signatures_are_no_matter_of_this(ledger):
    ledger.append(promoted(7))
    assert verify_ledger(ledger).decisions == 2


def test_thousands_of_decisions_are_verified_in_seconds(here, tmp_path):
    ledger = filled(f"sqlite:///{tmp_path / 'ledger.db'}", 1)
    put_in_force(ledger, here)
    one = statement(ledger, here)
    ledger.append_all([one] * 2_000)
    began = datetime.now(UTC)
    assert verify_ledger(ledger).decisions == 2_001
    assert datetime.now(UTC) - began < timedelta(seconds=30)
