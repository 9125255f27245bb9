"""Contracts and policies are read from YAML, and held against each other."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from deid_platform.core.errors import DeclarationError
from deid_platform.core.zones import Zone
from deid_platform.engine.declarations import load_contract, load_contracts, load_safe_harbor
from deid_platform.engine.deployment import Deployment
from tests.support.contracts import visits_declaration

CHECKOUT = Path(__file__).resolve().parents[2]
SHIPPED = Deployment(project=CHECKOUT, home=CHECKOUT / "var", environment={})
SYNTHEA = CHECKOUT.parent / "shared" / "data" / "synthea"


def deployment(folder: Path, *contracts: dict[str, Any]) -> Deployment:
    made = Deployment(project=folder, home=folder / "var", environment=os.environ)
    made.contracts.mkdir(parents=True, exist_ok=True)
    made.policies.mkdir(parents=True, exist_ok=True)
    policy = (CHECKOUT / "assets" / "policies" / "safe_harbor.yaml").read_text()
    (made.policies / "safe_harbor.yaml").write_text(policy)
    for contract in contracts:
        (made.contracts / f"{contract['name']}.yaml").write_text(yaml.safe_dump(contract))
    return made


def refused(made: Deployment) -> str:
    with pytest.raises(DeclarationError) as error:
        load_contracts(made)
    return str(error.value)


def other(**changes: Any) -> dict[str, Any]:
    declared = visits_declaration()
    declared.update(name="tests", source={"files": "hospital/tests-{partition}.csv"}, **changes)
    return declared


def test_the_shipped_contracts_and_policy_pass() -> None:
    contracts = load_contracts(SHIPPED)
    assert len(contracts) >= 19
    policy = load_safe_harbor(SHIPPED)
    assert policy.zip3_profile == "union"
    assert len(policy.zip3.restricted or ()) == 23


def test_the_default_zip_list_withholds_all_that_any_list_withholds() -> None:
    profiles = load_safe_harbor(SHIPPED).zip3_profiles
    union = set(profiles["union"].restricted or ())
    assert union == set().union(*(p.restricted or () for p in profiles.values()))
    assert {name: len(p.restricted or ()) for name, p in profiles.items()} == {
        "union": 23,
        "hhs_2012": 17,
        "census_2010": 14,
        "census_2020": 18,
    }


def test_every_shipped_table_counts_people_by_one_key_in_each_zone() -> None:
    for contract in load_contracts(SHIPPED).values():
        for zone in (Zone.LIMITED, Zone.DEIDENTIFIED):
            expected = None if contract.no_person else "person_key"
            assert contract.person_output(zone) == expected, contract.name


@pytest.mark.skipif(not SYNTHEA.is_dir(), reason="the Synthea sample is not beside the checkout")
def test_the_synthea_contracts_declare_every_column_of_the_sample() -> None:
    contracts = load_contracts(SHIPPED)
    for file in sorted(SYNTHEA.glob("*.csv")):
        with file.open(newline="") as lines:
            header = next(csv.reader(lines))
        contract = contracts[f"synthea_{file.stem}"]
        assert set(header) <= set(contract.columns), contract.name
        absent = set(contract.columns) - set(header)
        assert all(contract.columns[name].optional for name in absent), contract.name


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("patients", {"MIDDLE", "FIPS", "INCOME"}),
        ("providers", {"ENCOUNTERS", "PROCEDURES"}),
        ("payers", {"OWNERSHIP"}),
        ("payer_transitions", {"START_DATE", "END_DATE", "PLAN_OWNERSHIP", "OWNER_NAME"}),
        ("conditions", {"SYSTEM"}),
        ("procedures", {"SYSTEM", "DATE"}),
    ],
)
def test_columns_of_other_synthea_versions_are_known(table: str, columns: set[str]) -> None:
    declared = load_contracts(SHIPPED)[f"synthea_{table}"].columns
    assert all(declared[name].optional for name in columns)


def test_a_reference_joins_within_a_zone(tmp_path: Path) -> None:
    declared = other()
    declared["columns"]["visit_id"]["references"] = "visits.visit_id"
    assert set(load_contracts(deployment(tmp_path, visits_declaration(), declared))) == {
        "tests",
        "visits",
    }
    declared["columns"]["visit_id"]["transform"]["surrogate"]["domain"] = "test"
    assert "would not join" in refused(deployment(tmp_path, visits_declaration(), declared))


@pytest.mark.parametrize("target", ["nowhere.visit_id", "visits.nothing"])
def test_a_reference_to_nothing_is_refused(tmp_path: Path, target: str) -> None:
    declared = other()
    declared["columns"]["mrn"]["references"] = target
    message = refused(deployment(tmp_path, visits_declaration(), declared))
    assert f"tests: columns.mrn: references: there is no {target}" in message


def test_a_reference_to_another_system_is_refused(tmp_path: Path) -> None:
    declared = other(system="laboratory")
    declared["columns"]["mrn"]["references"] = "visits.mrn"
    assert "of another system" in refused(deployment(tmp_path, visits_declaration(), declared))


def test_two_contracts_claim_no_file_together(tmp_path: Path) -> None:
    declared = {**other(), "source": visits_declaration()["source"]}
    message = refused(deployment(tmp_path, visits_declaration(), declared))
    assert "claims the same files" in message


def test_an_unknown_policy_is_refused(tmp_path: Path) -> None:
    made = deployment(tmp_path, {**visits_declaration(), "policy": "anything"})
    assert "there is no such policy" in refused(made)


def test_a_policy_of_another_method_is_refused(tmp_path: Path) -> None:
    made = deployment(tmp_path, {**visits_declaration(), "policy": "ddg"})
    (made.policies / "ddg.yaml").write_text("name: ddg\nkind: ddg\n")
    assert "no Safe Harbor policy" in refused(made)


def test_a_file_is_named_after_its_contract(tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text(yaml.safe_dump(visits_declaration()))
    with pytest.raises(DeclarationError, match="two names"):
        load_contract(file)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"name: visits\nname: visits\n", "given twice"),
        (b"columns: {a: {type: date}, a: {type: date}}\n", "given twice"),
        (b"name: [\n", "line"),
        (b"\xff\xfe\x00", "not YAML in UTF-8"),
        (b"", "visits.yaml"),
        (b"just text", "visits.yaml"),
        (b"name: !!python/object/apply:os.system ['true']\n", "could not determine"),
    ],
)
def test_a_file_that_is_no_declaration_is_refused(
    tmp_path: Path, content: bytes, says: str
) -> None:
    file = tmp_path / "visits.yaml"
    file.write_bytes(content)
    with pytest.raises(DeclarationError) as error:
        load_contract(file)
    assert says in str(error.value)
    assert error.value.__cause__ is None
