"""Which destinations of the register may be sent to, and why others may not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from deid_platform.core.errors import AuthorisationError, DeclarationError
from deid_platform.core.register import Register
from deid_platform.core.zones import Zone
from deid_platform.engine.register_files import load_register
from deid_platform.governance.destinations import destination_for
from tests.support.register import DECLARED

NOW = datetime(2026, 11, 20, tzinfo=UTC)
PUBLIC = "ed_visits_by_county_year"


def register(change: Callable[[dict[str, Any]], object] = lambda content: None) -> Register:
    content = yaml.safe_load(yaml.safe_dump(load_register(DECLARED).content))
    content["destinations"]["open_data"] |= {
        "channel": "outbox",
        "settings": {"folder": "/srv/portal"},
    }
    change(content)
    return Register.parse(content)


def test_an_active_destination_with_a_flow_for_the_table_is_taken_as_declared():
    found = destination_for(register(), "open_data", PUBLIC, NOW)
    assert found.refusals == ()
    assert (found.channel, found.settings) == ("outbox", {"folder": "/srv/portal"})
    assert found.kept_at_most_until is None


def test_a_third_party_gets_archives_and_must_destroy_them():
    found = destination_for(
        register(), "bay_university_sftp", "ed_visits", NOW, zone=Zone.DEIDENTIFIED
    )
    assert found.refusals == ()
    assert found.recipient == "bay_university"
    assert found.keys
    assert str(found.kept_at_most_until) == "2035-12-31"


def test_an_unknown_destination_is_refused():
    with pytest.raises(AuthorisationError, match="not in the register in force"):
        destination_for(register(), "my_laptop", PUBLIC, NOW)


def place(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda content: content["destinations"]["open_data"].update(changes)


def test_a_private_key_is_refused_wherever_it_is_written():
    with pytest.raises(DeclarationError):
        register(place(recipient_keys=["AGE-SECRET-KEY-1QQQ"]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (place(status="frozen"), "the destination is frozen"),
        (place(status="retired"), "the destination is retired"),
        (place(channel=None), "names no channel"),
        (
            place(
                zone="deidentified",
                exposure="internal",
                encryption={"in_transit": "TLS", "at_rest": None},
            ),
            "takes data of the deidentified zone",
        ),
        (lambda c: c["data_flows"].pop("ed_open_data"), "no data flow of the register takes"),
        (lambda c: c["data_flows"]["ed_open_data"].update(status="frozen"), "the flow is frozen"),
        (
            lambda c: c["data_flows"]["ed_open_data"].update(next_review="2026-11-19"),
            "its review was due on 2026-11-19",
        ),
    ],
)
def test_a_destination_is_refused_for_a_rule_that_it_names(change, words):
    found = destination_for(register(change), "open_data", PUBLIC, NOW)
    assert any(words in refusal for refusal in found.refusals)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda party: party["contract"].update(expires="2026-11-19"), "the contract expired"),
        (lambda party: party["terms"].pop("no_contact"), "does not settle no_contact"),
        (lambda party: party.update(next_review="2026-11-19"), "its review was due"),
    ],
)
def test_a_third_party_out_of_its_contract_is_refused(change, words):
    changed = register(lambda content: change(content["third_parties"]["bay_university"]))
    found = destination_for(
        changed, "bay_university_sftp", "ed_visits", NOW, zone=Zone.DEIDENTIFIED
    )
    assert any(words in refusal for refusal in found.refusals)


def test_a_share_of_a_third_party_needs_keys():
    changed = register(
        lambda content: content["destinations"]["bay_university_sftp"].update(
            channel="outbox", settings={"folder": "/srv/bay"}, recipient_keys=[]
        )
    )
    found = destination_for(
        changed, "bay_university_sftp", "ed_visits", NOW, zone=Zone.DEIDENTIFIED
    )
    assert any("travels encrypted" in refusal for refusal in found.refusals)


def test_another_address_is_another_place():
    one = destination_for(register(), "open_data", PUBLIC, NOW)
    other = destination_for(
        register(place(settings={"folder": "/srv/other"})), "open_data", PUBLIC, NOW
    )
    assert one.digest != other.digest


@pytest.mark.parametrize("variable", ["DEID_RAW_KEY", "DEID_LIMITED_KEY", "DEID_LEDGER_URL"])
def test_a_destination_is_not_shown_what_is_the_platforms_own(variable):
    with pytest.raises(DeclarationError, match="a variable of the platform itself"):
        register(place(parameters={"key_id": variable}))
