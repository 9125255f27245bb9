"""Safe Harbor and the limited data set, held against columns. 45 CFR 164.514(b)(2), (e)."""

from __future__ import annotations

from typing import Any

import pytest

from deid_platform.core.attestation import attest
from deid_platform.core.attributes import IdentifierClass, identifier_by_name, name_words
from deid_platform.core.errors import DeclarationError
from deid_platform.core.safe_harbor import SafeHarborPolicy
from deid_platform.core.transforms import TRANSFORMS, ColumnType, build_transform
from deid_platform.core.zones import Zone
from tests.support.contracts import OPEN, visits_contract

PROFILES = {
    "some": {"vintage": "2020", "basis": "test", "restricted": ["036", "893"]},
    "allow": {"vintage": "2020", "basis": "test", "allowed": ["941"]},
}


def policy(**changes: Any) -> SafeHarborPolicy:
    return SafeHarborPolicy.model_validate(
        {
            "name": "safe_harbor",
            "version": 1,
            "method": "safe_harbor",
            "zip3_profile": "some",
            "zip3_profiles": PROFILES,
            **changes,
        }
    )


def column(identifier: str | None = None, **more: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"type": "varchar", "class": "quasi_identifier"}
    if identifier is not None:
        base["identifier"] = identifier
    if "transform" not in more and "limited" not in more:
        more["transform"] = "keep"
    return {**base, **more}


def refusal(name: str, declared: dict[str, Any]) -> str:
    with pytest.raises(DeclarationError) as error:
        visits_contract(**{name: declared})
    return str(error.value)


@pytest.mark.parametrize("identifier", list(IdentifierClass))
def test_no_identifier_of_any_class_is_kept(identifier: IdentifierClass) -> None:
    message = refusal("value", column(identifier.value, limited="drop", deidentified="keep"))
    assert message.startswith("visits: columns.value: ")
    assert identifier.citation in message


@pytest.mark.parametrize("identifier", list(IdentifierClass))
def test_every_class_may_be_dropped(identifier: IdentifierClass) -> None:
    contract = visits_contract(value=column(identifier.value, transform="drop"))
    assert contract.output_of("value", Zone.DEIDENTIFIED) is None


@pytest.mark.parametrize("transform", sorted(set(TRANSFORMS) - {"drop", "surrogate"}))
@pytest.mark.parametrize(
    "identifier", ["name", "ssn", "email", "telephone", "license_number", "device", "url"]
)
def test_nothing_but_dropping_removes_these(identifier: str, transform: str) -> None:
    options: dict[str, Any] = {
        "keep_values": {"values": ["a"]},
        "keep_codes": {"systems": ["loinc"]},
        "band_number": {"width": 10},
    }
    cls = TRANSFORMS[transform]
    type_ = ColumnType.VARCHAR if ColumnType.VARCHAR in cls.accepts else sorted(cls.accepts)[0]
    treatment = {transform: options.get(transform, {})}
    build_transform(treatment)
    declared = column(identifier, type=type_.value, limited="drop", deidentified=treatment)
    assert "does not remove the identifier" in refusal("value", declared)


@pytest.mark.parametrize(
    "identifier",
    [
        *("name", "ssn", "email", "telephone", "fax", "license_number", "vehicle", "device"),
        *("url", "ip_address", "biometric", "photograph", "geography", "dates"),
    ],
)
def test_a_surrogate_stands_only_for_record_numbers_and_codes(identifier: str) -> None:
    declared = column(
        identifier, limited="drop", deidentified={"surrogate": {"domain": "x", "rename": "y"}}
    )
    assert "visits: columns.value" in refusal("value", declared)


@pytest.mark.parametrize(
    "identifier",
    ["medical_record_number", "health_plan_number", "account_number", "other_unique"],
)
def test_a_surrogate_may_stand_for_a_record_number(identifier: str) -> None:
    surrogate = {"surrogate": {"domain": "x", "rename": "value_key"}}
    contract = visits_contract(value=column(identifier, transform=surrogate))
    assert contract.surrogates["value"] == "x"


# (B) geography


@pytest.mark.parametrize("name", ["county", "city", "zip", "FIPS", "census_tract", "birthplace"])
def test_geography_below_a_state_is_refused(name: str) -> None:
    declared = column("geography", limited="drop", deidentified="keep")
    assert "no geography below a state" in refusal(name, declared)


def test_three_digit_zip_areas_pass_and_only_for_zip_codes() -> None:
    declared = column("geography", limited="drop", deidentified="zip3")
    assert visits_contract(home_zip=declared)
    assert visits_contract(ZIP=declared)
    assert "does not say it is one" in refusal("county_fips", declared)


@pytest.mark.parametrize("name", ["county", "home_zip", "admit_date", "employer"])
def test_a_code_stands_for_no_place_date_or_name(name: str) -> None:
    surrogate = {"surrogate": {"domain": "x", "rename": "value_key"}}
    message = refusal(name, column("other_unique", limited="drop", deidentified=surrogate))
    assert "would leave a stand-in" in message


def test_a_state_is_no_identifier() -> None:
    assert visits_contract(state=column(open_vocabulary=OPEN))


# (C) dates and ages


@pytest.mark.parametrize("type_", ["date", "timestamp"])
@pytest.mark.parametrize("transform", ["keep", "date_to_month"])
def test_a_date_finer_than_a_year_is_refused(type_: str, transform: str) -> None:
    declared = column("dates", type=type_, limited="keep", deidentified=transform)
    assert "no date element but the year" in refusal("admitted", declared)


@pytest.mark.parametrize("type_", ["date", "timestamp"])
def test_a_date_is_one_whatever_its_name(type_: str) -> None:
    assert "its type says it may be the identifier dates" in refusal("seen", column(type=type_))


def test_an_uncapped_age_is_refused() -> None:
    declared = column("dates", type="integer", limited="keep", deidentified="keep")
    assert "no age over 89" in refusal("age", declared)
    assert "its name says" in refusal("age", column(type="integer"))


def test_the_cap_on_ages_cannot_be_raised() -> None:
    declared = column(
        "dates", type="integer", limited="keep", deidentified={"cap_age": {"oldest": 99}}
    )
    assert "ages over 89 must be capped" in refusal("age", declared)


@pytest.mark.parametrize("name", ["birth_month", "visit_day", "arrival_hour", "QUARTER"])
def test_a_part_of_a_date_is_no_age(name: str) -> None:
    declared = column("dates", type="integer", limited="keep", deidentified="cap_age")
    assert "part of a date" in refusal(name, declared)


@pytest.mark.parametrize("name", ["birth_date", "BIRTHDATE", "dob", "PatientDOB", "born_on", "yob"])
def test_a_year_of_birth_needs_its_own_transform(name: str) -> None:
    plain = column("dates", type="date", limited="drop", deidentified="date_to_year")
    assert "a year of birth may reveal an age over 89" in refusal(name, plain)
    assert visits_contract(
        **{name: column("dates", type="date", limited="drop", deidentified="birth_year")}
    )


def test_a_date_about_nobody_may_stay_with_its_reason() -> None:
    declared = column(type="date", not_identifier="the start of the reporting programme")
    assert visits_contract(programme_start=declared)


# Free text, measures, direct identifiers


@pytest.mark.parametrize("zones", [("keep", "drop"), ("drop", "keep"), ("drop", "numeric_only")])
def test_free_text_is_dropped(zones: tuple[str, str]) -> None:
    declared = {
        "type": "varchar",
        "class": "free_text",
        "limited": zones[0],
        "deidentified": zones[1],
    }
    assert "free text" in refusal("note", declared)


def test_a_measure_that_is_text_keeps_only_its_numbers() -> None:
    measure = {"type": "varchar", "class": "measure", "transform": "keep"}
    assert "may hold anything" in refusal("result", measure)
    assert visits_contract(result={**measure, "transform": "numeric_only"})
    assert visits_contract(result={**measure, "values": ["positive", "negative"]})
    assert "may hold anything" in refusal("result", {**measure, "open_vocabulary": OPEN})


def test_text_that_is_kept_has_a_bound_or_a_reason() -> None:
    kept = {"type": "varchar", "class": "sensitive", "transform": "keep"}
    assert "may hold anything, a name among it" in refusal("payer", kept)
    assert "may hold anything" in refusal("payer", {**kept, "transform": {"keep": {"rename": "x"}}})
    assert visits_contract(payer={**kept, "values": ["Medicare"]})
    assert visits_contract(payer={**kept, "open_vocabulary": OPEN})
    assert visits_contract(payer={**kept, "transform": {"keep_values": {"values": ["Medicare"]}}})
    assert visits_contract(payer={**kept, "transform": {"keep_codes": {"systems": ["cpt"]}}})
    assert visits_contract(payer={**kept, "transform": "drop"})


def test_a_listed_column_is_no_open_vocabulary() -> None:
    both = column(values=["F", "M"], open_vocabulary=OPEN)
    assert "drop open_vocabulary" in refusal("kind", both)


def test_a_direct_identifier_names_its_class() -> None:
    declared = {"type": "varchar", "class": "direct_identifier", "transform": "drop"}
    assert "names no identifier class" in refusal("value", declared)


# Names that speak


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        *(("ssn", "ssn"), ("PatientSSN", "ssn"), ("ssn_last4", "ssn")),
        *(("phone", "telephone"), ("HOME_PHONE", "telephone"), ("cell", "telephone")),
        *(("telephone2", "telephone"), ("fax", "fax"), ("e_mail", "email"), ("Email1", "email")),
        *(("patient_mrn", "medical_record_number"), ("MRN_NO", "medical_record_number")),
        *(("memberid", "health_plan_number"), ("subscriber_number", "health_plan_number")),
        *(("account_no", "account_number"), ("DRIVERS", "license_number")),
        *(("passport", "license_number"), ("licence_plate", "license_number")),
        *(("vin", "vehicle"), ("udi", "device"), ("portal_url", "url"), ("ip", "ip_address")),
        *(("client_ip", "ip_address"), ("ipaddress", "ip_address"), ("photo", "photograph")),
        *(("fingerprint", "biometric"), ("address", "geography"), ("StreetAddress", "geography")),
        *(("zip", "geography"), ("ZIPCODE", "geography"), ("county", "geography")),
        *(("city", "geography"), ("lat", "geography"), ("LON", "geography")),
        *(("dob", "dates"), ("BIRTHDATE", "dates"), ("admit_date", "dates")),
        *(("SERVICEDATE", "dates"), ("LASTBILLEDDATE1", "dates"), ("age", "dates")),
        *(("admit_month", "dates"), ("arrival_time", "dates")),
        *(("name", "name"), ("OWNERNAME", "name"), ("FIRST", "name"), ("maiden", "name")),
        *(("patient_id", "other_unique"), ("PATIENTID", "other_unique"), ("Id", "other_unique")),
        *(("employer", "name"), ("yob", "dates"), ("adm_dt", "dates"), ("geohash", "geography")),
        *(("ssn_hash", "ssn"), ("session_token", "other_unique"), ("npi", "other_unique")),
        *(("uuid", "other_unique"), ("SERIES_UID", "other_unique")),
    ],
)
def test_a_name_that_speaks_of_an_identifier_must_declare_one(name: str, identifier: str) -> None:
    assert identifier_by_name(name) == IdentifierClass(identifier)
    assert f"may be the identifier {identifier}" in refusal(name, column())
    assert visits_contract(
        **{name: column(not_identifier="shared by thousands of rows", open_vocabulary=OPEN)}
    )


@pytest.mark.parametrize(
    "name",
    [
        *("ethnicity", "sex", "race", "language", "payer", "state", "diagnosis_code", "CODE"),
        *("DESCRIPTION", "capacity", "severity", "paid", "is_covid", "opioid", "units", "medicaid"),
        *("length_of_stay", "dosage", "disposition", "telemetry", "chapter", "recipient"),
        *("is_valid", "specialty", "year", "candidates", "language_group", "stage", "package"),
    ],
)
def test_a_name_that_only_resembles_one_passes(name: str) -> None:
    assert identifier_by_name(name) is None


def test_words_of_a_name_do_not_depend_on_its_style() -> None:
    assert {name_words(n) for n in ("patient_id", "PatientId", "PATIENT ID", "patient-id")} == {
        ("patient", "id")
    }


# Limited data set


@pytest.mark.parametrize(
    "identifier",
    [i.value for i in IdentifierClass if i.value not in ("geography", "dates", "other_unique")],
)
def test_a_limited_data_set_keeps_none_of_the_sixteen(identifier: str) -> None:
    message = refusal("value", column(identifier, limited="keep", deidentified="drop"))
    assert "164.514(e)" in message


@pytest.mark.parametrize("name", ["street_address", "ADDRESS", "LAT", "longitude", "census_tract"])
def test_a_limited_data_set_keeps_no_street_or_coordinates(name: str) -> None:
    assert "no street address" in refusal(
        name, column("geography", limited="keep", deidentified="drop")
    )


@pytest.mark.parametrize("name", ["county", "city", "zip"])
def test_a_limited_data_set_may_keep_town_county_and_zip(name: str) -> None:
    assert visits_contract(**{name: column("geography", limited="keep", deidentified="drop")})


def test_a_limited_data_set_may_keep_dates_and_ages() -> None:
    assert visits_contract(
        admit_date=column("dates", type="date", limited="keep", deidentified="drop"),
        age=column("dates", type="integer", limited="keep", deidentified="cap_age"),
    )


# The policy


def test_the_policy_says_which_areas_are_withheld() -> None:
    assert policy().rules(2024).zip3_restricted == {"036", "893"}
    assert policy().rules(2024).zip3_allowed is None
    allow = policy(zip3_profile="allow").rules(None)
    assert allow.zip3_allowed == {"941"}
    assert allow.zip3_restricted == frozenset()


@pytest.mark.parametrize(
    "changes",
    [
        {"oldest_age": 90},
        {"zip3_profile": "none"},
        {"method": "expert_determination"},
        {"zip3_profiles": {"some": {"vintage": "x", "basis": "y"}}},
        {"zip3_profiles": {"some": {"vintage": "x", "basis": "y", "restricted": ["36"]}}},
        {
            "zip3_profiles": {
                "some": {"vintage": "x", "basis": "y", "restricted": [], "allowed": []}
            }
        },
        {"surprise": 1},
    ],
)
def test_a_policy_that_breaks_the_rule_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        policy(**changes)


def test_the_attestation_names_rule_action_list_and_vintage_and_no_value() -> None:
    contract = visits_contract(zip=column("geography", limited="drop", deidentified="zip3"))
    attested = attest(contract, policy(), 2024)
    assert attested.zip3_digest == policy().zip3.digest != policy(zip3_profile="allow").zip3.digest
    assert attested.contract_digest == contract.digest
    actions = {t.column: (t.action, t.output) for t in attested.treatments}
    assert actions == {
        "visit_id": ("surrogate", "visit_key"),
        "mrn": ("surrogate", "person_key"),
        "visit_date": ("date_to_year", "visit_year"),
        "county": ("drop", None),
        "sex": ("keep", "sex"),
        "zip": ("zip3", "zip"),
    }
    assert attested.treatments[0].identifier == "other_unique"
