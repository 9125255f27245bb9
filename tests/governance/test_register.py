from __future__ import annotations

import pytest

from deid_platform.core.errors import AuthorisationError, DeclarationError
from deid_platform.core.workflow import Role
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.register import apply, apply_decision, plan, register_in_force
from tests.support.register import Office, now, office, put_in_force


@pytest.fixture(scope="session")
def here(tmp_path_factory) -> Office:
    return office(tmp_path_factory.mktemp("office"))


def test_without_a_register_nobody_may_decide(ledger_url):
    with pytest.raises(AuthorisationError, match="no register is in force"):
        register_in_force(Ledger.open(ledger_url))


def test_an_applied_register_is_in_force_until_the_next(ledger_url, here):
    ledger = Ledger.open(ledger_url)
    put_in_force(ledger, here)
    assert register_in_force(ledger).digest == here.register.digest

    def promote(content):
        content["people"]["ana.ruiz"]["unit"] = "Statistics"

    changed = here.changed(promote)
    (change,) = plan(here.register, changed)
    assert (change.sign, change.entry) == ("~", "people.ana.ruiz")
    put_in_force(ledger, here, changed)
    assert register_in_force(ledger).person("ANA.Ruiz@health.example").unit == "Statistics"
    assert ledger.verify() == ledger.head()


def test_who_holds_no_such_role_applies_no_register(ledger_url, here):
    ledger = Ledger.open(ledger_url)
    with pytest.raises(AuthorisationError, match="may not apply"):
        put_in_force(ledger, here, by="ben.cho", role=Role.DATA_STEWARD)
    with pytest.raises(AuthorisationError, match="does not hold the role"):
        put_in_force(ledger, here, by="ben.cho", role=Role.DIRECTOR)
    assert ledger.head().sequence == 0


def test_a_coordinator_of_another_department_applies_no_register(ledger_url, here):
    ledger = Ledger.open(ledger_url)
    with pytest.raises(AuthorisationError, match="SIG-16 of another department"):
        put_in_force(ledger, here, by="sam.price")
    assert ledger.head().sequence == 0


def test_a_register_without_a_coordinator_of_its_own_is_its_last(ledger_url, here):
    def leave(content):
        for name in ("lena.voss", "nora.quinn"):
            content["people"][name]["department"] = "Another department"

    with pytest.raises(DeclarationError, match="nobody could apply the next register"):
        put_in_force(Ledger.open(ledger_url), here, here.changed(leave))


def test_an_alias_is_the_same_person_in_every_look_up(here):
    for spelling in ("ana.ruiz", "person:Ana.Ruiz", "ana.ruiz@health.example"):
        assert str(here.register.identity(spelling)) == "person:ana.ruiz"
        assert here.register.roles(spelling, now()) == {Role.REQUESTER}
        assert here.register.trained(spelling, Role.REQUESTER, now())


def test_who_applies_a_register_gives_themselves_no_role(ledger_url, here):
    def promote(content):
        roles = content["people"]["lena.voss"]["roles"]
        roles.append({**roles[0], "role": "data_steward", "certified_by": "nora.quinn"})

    ledger = Ledger.open(ledger_url)
    put_in_force(ledger, here)
    promoted = here.changed(promote)
    with pytest.raises(AuthorisationError, match="grants data_steward to person"):
        put_in_force(ledger, here, promoted)
    put_in_force(ledger, here, promoted, by="nora.quinn", role=Role.DIRECTOR)
    assert Role.DATA_STEWARD in register_in_force(ledger).roles("lena.voss", now())


def test_nobody_lengthens_a_role_of_their_own(ledger_url, here):
    def lengthen(content):
        content["people"]["lena.voss"]["roles"][0]["until"] = "2099-12-31"

    ledger = Ledger.open(ledger_url)
    put_in_force(ledger, here)
    with pytest.raises(AuthorisationError, match="grants data_coordinator to person"):
        put_in_force(ledger, here, here.changed(lengthen))


def test_a_signature_on_a_register_counts_once_though_the_old_one_comes_back(ledger_url, here):
    def move(content):
        content["people"]["ana.ruiz"]["unit"] = "Statistics"

    ledger = Ledger.open(ledger_url)
    put_in_force(ledger, here)
    changed = here.changed(move)
    decision = apply_decision(
        ledger, changed, person="lena.voss", role=Role.DATA_COORDINATOR, at=now()
    )
    signature = here.sign(decision)
    again = {"decision": decision, "signature": signature, "os_user": "x", "clock": now}
    apply(ledger, changed, **again)
    put_in_force(ledger, here)
    with pytest.raises(AuthorisationError, match="not this change"):
        apply(ledger, changed, **again)
    assert register_in_force(ledger).digest == here.register.digest
