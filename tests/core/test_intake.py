"""The request form: every rule broken one at a time, and all problems told at once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid_platform.core.intake import FormError, OpenData
from deid_platform.core.intake_rules import (
    RULES,
    Surroundings,
    check_form,
    missing_for_dispute,
    problems,
)
from deid_platform.core.register import Register
from deid_platform.engine.register_files import load_register
from tests.support.register import DECLARED

REGISTER: Register = load_register(DECLARED)
AROUND = Surroundings(
    columns=("county", "visit_count"),
    register=REGISTER,
    at=datetime(2026, 3, 1, tzinfo=UTC),
)
PUBLIC: dict[str, Any] = {
    "dataset": "ed_visits_by_county_year",
    "unit": "Epidemiology",
    "purpose": "public_release",
    "secondary_use": True,
    "description": "The yearly open data table",
    "sources": ["ed_visits"],
    "period": "2025",
    "population": "Residents with a visit",
    "data_elements": [
        {"name": "county", "kind": "sub_state_geography", "justification": "Shown by county"},
        {"name": "visit_count", "kind": "measure", "justification": "What is published"},
    ],
    "recipients": [{"name": "Everybody", "kind": "public"}],
    "destination": "open_data",
    "retention_until": "permanent",
    "frequency": "yearly",
    "record_level": False,
    "method": "ddg_aggregate",
    "method_justification": "A public aggregate goes through the guideline",
    "publication_intent": "open_data",
    "open_data": {
        "individual": False,
        "prohibited": False,
        "sole_source_without_sensitivities": True,
        "mandate": True,
    },
    "is_research": False,
    "funds_transfer": False,
}
STUDY: dict[str, Any] = PUBLIC | {
    "dataset": "ed_visits",
    "purpose": "research",
    "recipients": [{"name": "Principal investigator", "kind": "third_party"}],
    "destination": "bay_university_sftp",
    "third_party": "bay_university",
    "retention_until": "2027-01-01",
    "disposal": "Destroyed, with a certificate",
    "record_level": True,
    "method": "expert_determination",
    "publication_intent": "none",
    "open_data": None,
    "is_research": True,
    "research": {"cphs_approval": "2026-011"},
}
EXCHANGE: dict[str, Any] = {
    name: f"What the form says of {name}"
    for name in (
        *("use_case_name", "provider", "receiver", "submitter_contact", "receiver_contact"),
        *("description_purpose", "data_types", "output_use", "data_users"),
        *("transfer_management", "destruction_return", "critical_dates", "specialized_security"),
    )
} | {"redisclosure": "not_permitted"}


def form(base: dict[str, Any] = PUBLIC, **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (base | changes).items() if value is not None}


def rules_broken(document: dict[str, Any]) -> set[str]:
    return {one.rule for one in problems(document, AROUND)}


@pytest.mark.parametrize("complete", [PUBLIC, STUDY], ids=["public table", "study"])
def test_a_complete_form_has_no_problem(complete):
    assert [str(one) for one in problems(form(complete), AROUND)] == []
    assert check_form(form(complete), AROUND).document()["dataset"] == complete["dataset"]


@pytest.mark.parametrize(
    ("rule", "base", "changes"),
    [
        ("IN-00", PUBLIC, {"purpose": "curiosity"}),
        ("IN-00", PUBLIC, {"colour": "red"}),
        ("IN-00", PUBLIC, {"data_elements": [{"name": "county"}]}),
        ("IN-01", PUBLIC, {"unit": None}),
        ("IN-01", PUBLIC, {"purpose": None}),
        ("IN-01", PUBLIC, {"recipients": []}),
        ("IN-01", PUBLIC, {"is_research": None}),
        ("IN-02", PUBLIC, {"secondary_use": False}),
        ("IN-03", PUBLIC, {"data_elements": [{**PUBLIC["data_elements"][0], "justification": ""},
                                             PUBLIC["data_elements"][1]]}),
        ("IN-03", PUBLIC, {"data_elements": [*PUBLIC["data_elements"],
                                             PUBLIC["data_elements"][1]]}),
        ("IN-04", PUBLIC, {"data_elements": PUBLIC["data_elements"][:1]}),
        ("IN-04", PUBLIC, {"data_elements": [*PUBLIC["data_elements"],
                                             {**PUBLIC["data_elements"][0], "name": "ssn"}]}),
        ("IN-05", PUBLIC, {"destination": "usb_stick"}),
        ("IN-05", PUBLIC, {"destination": "analyst_snapshots"}),
        ("IN-05", STUDY, {"third_party": "social_services"}),
        ("IN-06", PUBLIC, {"retention_until": None}),
        ("IN-06", PUBLIC, {"retention_until": "2020-01-01"}),
        ("IN-06", STUDY, {"retention_until": "permanent"}),
        ("IN-06", STUDY, {"disposal": ""}),
        ("IN-07", STUDY, {"third_party": None}),
        ("IN-07", STUDY, {"third_party": "unknown"}),
        ("IN-07", STUDY, {"purpose": "test_data"}),
        ("IN-09", STUDY, {"research": None}),
        ("IN-09", STUDY, {"is_research": False}),
        ("IN-10", PUBLIC, {"funds_transfer": True}),
        ("IN-11", PUBLIC, {"recipients": [{"name": "Social Services", "kind": "department"}]}),
        ("IN-11", PUBLIC, {"exchange": {**EXCHANGE, "output_use": ""}}),
        ("IN-11", PUBLIC, {"exchange": {**EXCHANGE, "receiver": EXCHANGE["provider"]}}),
        ("IN-12", PUBLIC, {"recipient_deidentifies": True}),
        ("IN-12", PUBLIC, {"data_elements": [{**PUBLIC["data_elements"][0],
                                              "kind": "direct_identifier"}]}),
        ("IN-13", PUBLIC, {"dataset": "unregistered_table"}),
        ("MD-01", PUBLIC, {"method": None}),
        ("MD-01", PUBLIC, {"method_justification": "yes"}),
        ("MD-01", PUBLIC, {"method_justification": "Remove identifiers where possible, of course"}),
        ("MD-02", STUDY, {"method": "safe_harbor"}),
        ("MD-03", PUBLIC, {"method": "expert_determination"}),
        ("MD-03", STUDY, {"data_elements": [{**PUBLIC["data_elements"][0], "kind": "state"},
                                            PUBLIC["data_elements"][1]]}),
        ("MD-04", PUBLIC, {"method": "safe_harbor"}),
        ("MD-04", STUDY, {"method": "ddg_aggregate"}),
        ("MD-05", PUBLIC, {"method": "limited_data_set"}),
        ("MD-06", PUBLIC, {"free_text_included": True}),
        ("MD-06", STUDY, {"data_elements": [{**PUBLIC["data_elements"][0], "kind": "free_text"},
                                            PUBLIC["data_elements"][1]]}),
        ("MD-07", STUDY, {"purpose": "model_training"}),
        ("GV-03", PUBLIC, {"open_data": None}),
        ("GV-03", PUBLIC, {"open_data": {**PUBLIC["open_data"], "prohibited": True}}),
        ("GV-03", PUBLIC, {"open_data": {**PUBLIC["open_data"],
                                         "sole_source_without_sensitivities": False}}),
        ("GV-09", PUBLIC, {"record_level": True}),
    ],
)  # fmt: skip
def test_each_rule_is_enforced_and_named(rule, base, changes):
    assert rule in rules_broken(form(base, **changes))


def test_an_expired_contract_blocks_naming_the_obstacle():
    late = Surroundings(
        columns=AROUND.columns, register=REGISTER, at=datetime(2099, 1, 1, tzinfo=UTC)
    )
    standard = REGISTER.method_standards
    assert standard
    told = " ".join(str(one) for one in problems(form(STUDY), late))
    assert "IN-08 third_party: the contract expired on" in told


def test_every_rule_has_a_source_and_is_known_by_its_id():
    assert all(rule.id == name and rule.source and rule.text for name, rule in RULES.items())


def test_all_problems_are_told_at_once_and_nothing_is_quoted():
    with pytest.raises(FormError) as raised:
        check_form({"purpose": "secret words", "unit": 7}, AROUND)
    told = str(raised.value)
    assert "secret words" not in told
    for rule in ("IN-00 purpose", "IN-00 unit", "IN-01 dataset", "IN-02", "IN-06", "MD-01"):
        assert rule in told
    assert "IN-01 purpose" not in told


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from([*PUBLIC, "x"]), inner, max_size=4),
))  # fmt: skip
def test_anything_read_as_a_form_is_refused_and_never_breaks_it(document):
    with pytest.raises(FormError):
        check_form(document, AROUND)


@pytest.mark.parametrize(
    ("answers", "level"),
    [
        ({"individual": True}, 3),
        ({"prohibited": True}, 3),
        ({"sole_source_without_sensitivities": True, "mandate": True}, 1),
        ({"sole_source_without_sensitivities": True, "already_public": True}, 1),
        ({"sole_source_without_sensitivities": True}, 2),
        ({"permission_of_owners": True, "mandate": True}, 2),
        ({"mandate": True}, None),
    ],
)
def test_the_handbooks_decision_tree_gives_the_level(answers, level):
    asked = {"individual": False, "prohibited": False, "sole_source_without_sensitivities": False}
    assert OpenData(**{**asked, **answers}).level == level


def test_a_dispute_needs_the_fields_d():
    asked = check_form(
        form(exchange=EXCHANGE, recipients=[{"name": "All", "kind": "public"}]), AROUND
    )
    assert missing_for_dispute(asked) == (
        *("known_risks", "legal_authority", "alternatives", "positions"),
    )
