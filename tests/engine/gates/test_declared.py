"""Subjects worked out of declarations, and the gates on tables the engine really made."""

from datetime import date

import pytest

from deid_platform.core.publication import Publication
from deid_platform.core.zones import Zone
from deid_platform.engine.crosswalk import extend
from deid_platform.engine.database import open_zone
from deid_platform.engine.declarations import load_contracts, load_safe_harbor
from deid_platform.engine.deidentify import deidentify
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.gates import Stage, evaluate_all
from deid_platform.engine.gates.declared import (
    candidate_subject,
    identifiers_of,
    mart_subject,
    record_subject,
    vocabulary_of,
)
from deid_platform.engine.gates.subjects import TableName
from deid_platform.engine.ingest import ingest
from tests.engine.gates.tables import CANARY, broken, ddg, publication
from tests.support.contracts import OPEN, visits_contract
from tests.support.deployments import land, temporary_deployment

CHECKOUT = Deployment.from_environment({})
MONTHS = ("2024-01", "2024-02")
HEADER = "visit_id,mrn,visit_date,county,sex,patient_name,chart"


def shipped(name):
    contracts = load_contracts(CHECKOUT)
    return contracts[name], contracts.values(), load_safe_harbor(CHECKOUT)


def name_column():
    return {"type": "varchar", "class": "direct_identifier", "identifier": "name"} | {
        "transform": "drop"
    }


def leaky_column():
    """What a steward might wrongly declare of a column that repeats the record number."""
    said = "A chart colour, which says nothing about a person."
    return {
        "type": "varchar",
        "class": "sensitive",
        "not_identifier": said,
        "open_vocabulary": OPEN,
        "transform": "keep",
    }


def gated(folder, chart, zone=Zone.DEIDENTIFIED, tamper=""):
    """Land two months, load them, build the table of a zone, and run its gates."""
    contract = visits_contract(patient_name=name_column(), chart=leaky_column())
    deployment = temporary_deployment(folder)
    policy = load_safe_harbor(CHECKOUT)
    for number, month in enumerate(MONTHS):
        rows = [
            f"V{number}00{i},MRN00{i}77,{month}-0{i},Alpine,F,Ann {CANARY},{chart}"
            for i in range(1, 6)
        ]
        land(deployment, f"hospital/visits-{month}.csv", "\n".join([HEADER, *rows]) + "\n")
    with open_zone(deployment, Zone.RAW, files=[deployment.landing]) as con:
        for month in MONTHS:
            ingest(con, deployment, contract, month)
            extend(con, contract, month)
    with open_zone(deployment, zone, reading=[Zone.RAW]) as con:
        built = deidentify(con, contract, zone, list(MONTHS), policy, system=[contract])
        staged = TableName(catalog=zone.value, schema="staging", name=contract.name)
        if tamper:
            con.execute(tamper.format(staged.sql))
        subject = record_subject(
            contract, zone, [contract], policy, staged, partitions=built.partitions
        )
        results = evaluate_all(con, subject)
    assert CANARY not in repr(results)
    return {result.gate: broken(result) or result.error for result in results if not result.passed}


@pytest.mark.parametrize("zone", [Zone.LIMITED, Zone.DEIDENTIFIED])
def test_a_sound_contract_passes_every_gate(tmp_path, zone):
    assert gated(tmp_path, "green", zone) == {}


@pytest.mark.parametrize("zone", [Zone.LIMITED, Zone.DEIDENTIFIED])
def test_a_contract_that_lets_a_record_number_through_is_stopped(tmp_path, zone):
    failed = gated(tmp_path, "MRN00177", zone)
    assert failed["identifier_overlap"] == {"chart": 10}


def test_a_contract_that_lets_a_name_through_is_stopped(tmp_path):
    failed = gated(tmp_path, f"{CANARY} Ann")
    assert failed == {"identifier_overlap": {"chart": 10}}


def test_a_table_that_lost_a_row_after_it_was_built_is_stopped(tmp_path):
    lost = "delete from {0} where visit_key = (select min(visit_key) from {0})"
    failed = gated(tmp_path, "green", tamper=lost)
    assert failed == {"reconciliation": {"rows_unaccounted": 1}}


def test_a_column_added_after_the_table_was_built_is_stopped(tmp_path):
    failed = gated(tmp_path, "green", tamper="alter table {} add column ssn varchar")
    assert failed == {"columns": {"undeclared": 1}}


def test_each_shipped_contract_makes_a_subject_for_both_zones():
    contracts = load_contracts(CHECKOUT)
    policy = load_safe_harbor(CHECKOUT)
    for contract in contracts.values():
        for zone in (Zone.LIMITED, Zone.DEIDENTIFIED):
            subject = record_subject(contract, zone, contracts.values(), policy)
            assert subject.asset == f"{zone.value}/{contract.name}"
            assert set(subject.columns) >= {o.name for o in contract.outputs(zone)}
            assert subject.identifiers, "every shipped system has direct identifiers"


def test_identifiers_are_those_of_the_whole_system_and_of_no_other():
    contract, contracts, policy = shipped("synthea_encounters")
    subject = record_subject(contract, Zone.DEIDENTIFIED, contracts, policy)
    tables = {source.table.name for source in subject.identifiers}
    assert "synthea_patients" in tables
    assert "ed_visits" not in tables


def test_direct_identifiers_and_street_addresses_are_searched_for_and_counties_are_not():
    patients, _, _ = shipped("synthea_patients")
    columns = {source.column: source for source in identifiers_of([patients])}
    assert {"SSN", "DRIVERS", "PASSPORT", "FIRST", "LAST", "ADDRESS", "Id"} <= set(columns)
    assert not {"COUNTY", "CITY", "ZIP", "BIRTHDATE", "RACE"} & set(columns)
    assert columns["LAST"].names
    assert not columns["SSN"].names


def test_safe_harbor_limits_come_from_contract_and_policy():
    patients, contracts, policy = shipped("synthea_patients")
    shape = record_subject(patients, Zone.DEIDENTIFIED, contracts, policy).shape
    assert shape.zip3 == {"zip3"}
    assert shape.birth_years == {"birth_year"}
    assert "036" in shape.restricted_zip3
    assert shape.event_dates


def test_a_column_that_one_contract_leaves_open_is_open():
    listed = visits_contract(
        chart=leaky_column() | {"open_vocabulary": None, "values": ["green", "red"]}
    )
    other = visits_contract(chart=leaky_column())
    assert vocabulary_of([listed], Zone.LIMITED)["chart"] == {"green", "red"}
    assert vocabulary_of([listed, other], Zone.LIMITED)["chart"] == frozenset()


def test_a_mart_is_held_to_the_shape_of_the_tables_it_comes_from():
    patients, contracts, policy = shipped("synthea_patients")
    columns = {"zip3": "text", "birth_year": "int", "person_count": "bigint", "code": "bigint"}
    table = TableName(catalog="staging", name="people")
    subject = mart_subject("people", columns, [patients], policy, table, contracts=contracts)
    assert subject.stage is Stage.MART
    assert subject.columns["zip3"] == "VARCHAR"
    assert subject.shape.zip3 == {"zip3"}
    assert subject.measures == {"birth_year", "person_count"}
    assert {source.table.name for source in subject.identifiers} > {"synthea_patients"}


def test_a_candidate_has_its_declared_columns_and_an_annotation_for_each_figure():
    visits, contracts, _ = shipped("ed_visits")
    subject = candidate_subject(
        publication(), ddg(), [visits], date(2026, 1, 1), contracts=contracts
    )
    assert set(subject.columns) == {
        "county",
        "visit_year",
        "visit_count",
        "visit_count_annotation",
        "person_count",
        "person_count_annotation",
        "population_count",
    }
    assert subject.timed == {"visit_year"}
    assert subject.labelled == {"county", "visit_year"}
    assert "California" in subject.vocabulary["county"]


def test_labels_of_one_dimension_are_no_labels_of_another():
    declared = publication(
        dimensions={
            "county": {"kind": "residence_geography", "total": "California"},
            "payer": {"kind": "other", "total": "All payers", "labels": {"MC": "Medi-Cal"}},
        }
    )
    subject = candidate_subject(declared, ddg(), [], date(2026, 1, 1), contracts=[])
    assert "Medi-Cal" in subject.vocabulary["payer"]
    assert "Medi-Cal" not in subject.vocabulary["county"]
    assert isinstance(subject.publication, Publication)
