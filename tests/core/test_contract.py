"""A contract that exists is one that passed: shape, outputs, digest, messages."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from deid_platform.core.contract import Contract
from deid_platform.core.errors import DeclarationError
from deid_platform.core.transforms import ColumnType
from deid_platform.core.zones import Zone
from tests.support.contracts import OPEN, visits_contract, visits_declaration


def refused(declared: object) -> str:
    with pytest.raises(DeclarationError) as error:
        Contract.parse(declared, "visits.yaml")
    assert error.value.__cause__ is None
    return str(error.value)


def changed(**top: Any) -> dict[str, Any]:
    declared = visits_declaration()
    for key, value in top.items():
        if value is None:
            del declared[key]
        else:
            declared[key] = value
    return declared


def plain(**more: Any) -> dict[str, Any]:
    return {
        "type": "varchar",
        "class": "sensitive",
        "open_vocabulary": OPEN,
        "transform": "keep",
        **more,
    }


def test_outputs_are_ordered_named_and_typed_per_zone() -> None:
    contract = visits_contract()
    limited = [(o.name, o.type, o.sources) for o in contract.outputs(Zone.LIMITED)]
    assert limited == [
        ("visit_key", ColumnType.BIGINT, ("visit_id",)),
        ("person_key", ColumnType.BIGINT, ("mrn",)),
        ("visit_month", ColumnType.DATE, ("visit_date",)),
        ("county", ColumnType.VARCHAR, ("county",)),
        ("sex", ColumnType.VARCHAR, ("sex",)),
    ]
    deidentified = [(o.name, o.type) for o in contract.outputs(Zone.DEIDENTIFIED)]
    assert deidentified == [
        ("visit_key", ColumnType.BIGINT),
        ("person_key", ColumnType.BIGINT),
        ("visit_year", ColumnType.INTEGER),
        ("sex", ColumnType.VARCHAR),
    ]


def test_what_other_layers_ask_of_a_contract() -> None:
    contract = visits_contract(note={"type": "varchar", "class": "free_text", "transform": "drop"})
    assert contract.person_output(Zone.LIMITED) == "person_key"
    assert contract.text_columns(Zone.DEIDENTIFIED) == ("sex",)
    assert contract.surrogates == {"visit_id": "visit", "mrn": "person"}
    assert contract.crosswalk("person") == "hospital__person"
    assert set(contract.identifier_columns) == {"visit_id", "mrn", "visit_date", "county"}
    assert contract.capped_years == ("visit_year",)
    assert contract.event_dates == ("visit_date",)


def test_a_name_without_rename_becomes_lower_case() -> None:
    contract = visits_contract(DIAGNOSIS=plain())
    assert contract.output_of("DIAGNOSIS", Zone.LIMITED).name == "diagnosis"  # type: ignore[union-attr]


def test_the_digest_follows_content_and_not_layout() -> None:
    declared = visits_declaration()
    again = {key: declared[key] for key in reversed(declared)}
    again["columns"] = {
        name: dict(reversed(column.items())) for name, column in declared["columns"].items()
    }
    assert Contract.parse(declared, "a").digest == Contract.parse(again, "b").digest


@pytest.mark.parametrize(
    "column",
    [
        plain(type="integer"),
        plain(required=True),
        plain(description="other"),
        plain(transform={"keep": {"rename": "other"}}),
        plain(values=["a"], open_vocabulary=None),
        plain(open_vocabulary="another reason"),
    ],
)
def test_the_digest_changes_with_each_part_of_a_column(column: dict[str, Any]) -> None:
    before = visits_contract(code=plain()).digest
    assert visits_contract(code=column).digest != before


def test_the_order_of_columns_is_content() -> None:
    declared = visits_declaration()
    declared["columns"] = dict(reversed(declared["columns"].items()))
    assert Contract.parse(declared, "a").digest != visits_contract().digest


def test_a_message_says_where_what_and_what_to_do() -> None:
    message = refused(visits_declaration(county=plain(identifier="geography")))
    assert message == (
        "visits: columns.county: Safe Harbor permits no geography below a state except "
        "three-digit ZIP areas (45 CFR 164.514(b)(2)(i)(B)); transform it, or use a policy "
        "backed by an Expert Determination; permitted: zip3 for ZIP codes, else drop"
    )


def test_further_problems_are_counted() -> None:
    declared = visits_declaration(ssn=plain(), email=plain())
    assert "(and 1 more problem)" in refused(declared)


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        (None, "visits.yaml"),
        ([], "visits.yaml"),
        ({}, "visits.yaml: name"),
        (changed(name="Visits"), "Visits: name"),
        (changed(name="a__b"), "a__b: name"),
        (changed(owner="me"), "visits: owner"),
        (changed(version=0), "visits: version"),
        (changed(policy=None), "visits: policy"),
        (changed(columns={}), "declares no columns"),
        (changed(surprise=1), "visits: surprise"),
        (changed(person=None), "does not say whose privacy"),
        (changed(person="nobody"), "nobody is no column"),
        (changed(no_person="it has nobody in it"), "a person and no_person"),
        (changed(key=["visit"]), "visit is no column"),
        (changed(key=["sex"]), "a key column may be missing"),
        (changed(partition="sex"), "no required date column"),
        (changed(partition="gone"), "no required date column"),
        (changed(partition=None), "it names {partition}"),
        (changed(source={"files": "hospital/visits.csv"}), "one file for each month"),
        (changed(source={"files": "/etc/{partition}"}), "relative to the landing folder"),
        (changed(source={"files": "a/../../{partition}"}), "relative to the landing folder"),
        (changed(source={"files": "a/{partition}", "delimiter": ";;"}), "source.delimiter"),
        (changed(source={"files": "a/{partition}", "formats": ["xlsx"]}), "source.formats"),
        (changed(source={"files": "a/{partition}", "encoding": "ebcdic"}), "source.encoding"),
    ],
)
def test_a_wrong_contract_is_refused(declared: object, says: str) -> None:
    assert says in refused(declared)


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ({"type": "varchar", "class": "sensitive"}, "either transform, or both"),
        (plain(limited="keep"), "either transform, or both"),
        (
            {"type": "varchar", "class": "sensitive", "limited": "keep"},
            "either transform, or both",
        ),
        (plain(type="text"), "columns.code: type"),
        (plain(type="blob"), "binary content is refused"),
        (plain(type="BYTEA"), "binary content is refused"),
        ({"type": "varchar", "transform": "keep"}, "columns.code: class"),
        (plain(**{"class": "pii"}), "columns.code: class"),
        (plain(**{"class": "needs_review"}), "nobody has classified this column"),
        (plain(identifier="dna"), "columns.code: identifier"),
        (plain(identifier="other_unique", not_identifier="many share it"), "drop not_identifier"),
        (plain(not_identifier="no"), "columns.code: not_identifier"),
        (plain(required=True, optional=True), "cannot be optional"),
        (plain(transform="hash"), "no transform is named 'hash'"),
        (plain(transform="cap_age"), "cap_age does not take the type varchar"),
        (plain(transform={"keep": {"rename": "Not Snake"}}), "not snake case"),
        (plain(transform={"keep": {"rename": "sex"}}), "would be named sex"),
        (plain(transform={"keep": {"rename": "_partition"}}), "begin with _"),
        (plain(range=[1, 2]), "does not fit the type varchar"),
        (plain(type="date", identifier="dates", range=[1, 2]), "does not fit the type date"),
        (plain(type="integer", range=[5, 1]), "ends before it begins"),
        (plain(references="nowhere"), "columns.code: references"),
        (plain(unknown=1), "columns.code: unknown"),
    ],
)
def test_a_wrong_column_is_refused(column: dict[str, Any], says: str) -> None:
    assert says in refused(visits_declaration(code=column))


def test_columns_that_differ_only_in_case_are_refused() -> None:
    assert "differ only in case" in refused(visits_declaration(SEX=plain()))


@pytest.mark.parametrize("name", ["_row", " code", "co\nde", ""])
def test_unusable_column_names_are_refused(name: str) -> None:
    assert "names that begin with _" in refused(visits_declaration(**{name: plain()}))


def test_a_person_key_is_a_surrogate_in_both_zones() -> None:
    dropped = {
        "type": "varchar",
        "required": True,
        "class": "direct_identifier",
        "identifier": "medical_record_number",
        "transform": "drop",
    }
    assert "no surrogate in the limited zone" in refused(visits_declaration(mrn=dropped))


def test_a_person_key_is_never_missing() -> None:
    declared = visits_declaration()
    del declared["columns"]["mrn"]["required"]
    assert "the person key may be missing" in refused(declared)


def test_a_partitioned_table_is_rebuilt_by_year() -> None:
    declared = visits_declaration()
    column = declared["columns"]["visit_date"]
    column["deidentified"] = {"birth_year": {}}
    assert "rebuilt by year" in refused(declared)


def test_an_age_names_an_event_whose_year_is_shown() -> None:
    age = {
        "type": "integer",
        "class": "quasi_identifier",
        "identifier": "dates",
        "limited": "keep",
        "deidentified": {"cap_age": {"event": "sex"}},
    }
    assert "sex is no date" in refused(visits_declaration(age=age))
    age["deidentified"] = {"cap_age": {"event": "visit_date"}}
    assert visits_contract(age=age).capped_ages == {"age": "visit_year"}


def test_a_contract_does_not_change() -> None:
    contract = visits_contract()
    with pytest.raises(ValueError, match="frozen"):
        contract.person = "sex"


def test_parsing_leaves_what_it_was_given_as_it_was() -> None:
    declared = visits_declaration()
    before = copy.deepcopy(declared)
    Contract.parse(declared, "visits")
    assert declared == before
