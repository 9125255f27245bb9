"""What the zones hold of identifiers: all of them in RAW, none outside it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from deid_platform.core.contract import Contract
from deid_platform.core.zones import Zone
from deid_platform.engine.crosswalk import extend
from deid_platform.engine.database import open_zone
from deid_platform.engine.declarations import load_contracts, load_safe_harbor
from deid_platform.engine.deidentify import deidentify, promote
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.gates import GateResult, evaluate_all
from deid_platform.engine.gates.declared import record_subject
from deid_platform.engine.gates.subjects import TableName
from deid_platform.engine.ingest import ingest
from deid_platform.engine.raw_tables import prepare_raw
from deid_platform.engine.synthetic import Scenario, generate
from tests.support.canaries import Sighting, sightings
from tests.support.deployments import temporary_deployment

CHECKOUT = Path(__file__).resolve().parents[2]
POPULATION = CHECKOUT / "dbt_project" / "seeds" / "county_population.csv"
SAMPLE = CHECKOUT / "../shared/data/synthea"
FIRST = ("payers", "organizations", "providers", "patients", "encounters", "claims")
"""Tables that others refer to, in the order in which they refer to each other."""
PERSONAL = ("SSN", "DRIVERS", "PASSPORT", "FIRST", "LAST", "MAIDEN", "ADDRESS", "BIRTHDATE", "Id")


def filled(
    deployment: Deployment, contracts: Sequence[Contract], parts: Sequence[str]
) -> list[GateResult]:
    """Take deliveries through RAW into LIMITED and DEIDENTIFIED; what the gates said on the way."""
    policy = load_safe_harbor(deployment)
    results: list[GateResult] = []
    with open_zone(deployment, Zone.RAW, files=[deployment.landing]) as con:
        prepare_raw(con, contracts)
        for contract in contracts:
            for part in parts:
                ingest(con, deployment, contract, part)
                extend(con, contract, part)
    for zone in (Zone.LIMITED, Zone.DEIDENTIFIED):
        with open_zone(deployment, zone, reading=[Zone.RAW]) as con:
            for contract in contracts:
                built = deidentify(con, contract, zone, parts, policy, system=contracts)
                staged = TableName(catalog=zone.value, schema="staging", name=contract.name)
                subject = record_subject(
                    contract, zone, contracts, policy, staged, partitions=built.partitions
                )
                results += evaluate_all(con, subject)
                promote(con, contract, zone)
    return results


def seen(deployment: Deployment, zone: Zone, markers: Sequence[str]) -> list[Sighting]:
    """Sightings in one zone's file, opened with its key."""
    encrypted = zone in (Zone.RAW, Zone.LIMITED)
    keys = {f"{zone.value}.duckdb": deployment.key(zone)} if encrypted else {}
    return sightings([deployment.zone_file(zone)], markers, keys)


def elsewhere(deployment: Deployment) -> list[Path]:
    """Everything of a deployment but the landing folder and the zone files."""
    return [p for p in deployment.home.iterdir() if p.name not in ("landing", "zones")]


@pytest.fixture(scope="module")
def synthea(tmp_path_factory: pytest.TempPathFactory) -> tuple[Deployment, list[GateResult]]:
    if not SAMPLE.is_dir():
        pytest.skip("the Synthea sample is not beside the checkout")
    deployment = temporary_deployment(tmp_path_factory.mktemp("synthea"), CHECKOUT)
    shutil.copytree(SAMPLE, deployment.landing / "synthea")
    contracts = [c for c in load_contracts(deployment).values() if c.system == "synthea"]
    order = {f"synthea_{name}": number for number, name in enumerate(FIRST)}
    contracts.sort(key=lambda contract: (order.get(contract.name, len(order)), contract.name))
    return deployment, filled(deployment, contracts, ["all"])


@pytest.fixture(scope="module")
def canaries(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Deployment, list[GateResult], list[str]]:
    deployment = temporary_deployment(tmp_path_factory.mktemp("canaries"), CHECKOUT)
    listed = tmp_path_factory.mktemp("listed") / "canaries.json"
    scenario = Scenario.of(people=400, months=2, canaries=5)
    generate(scenario, deployment.landing, population=POPULATION, canary_file=listed, workers=1)
    contract = load_contracts(deployment)["ed_visits"]
    results = filled(deployment, [contract], ["2024-01", "2024-02"])
    return deployment, results, json.loads(listed.read_text("utf-8"))


def identifiers_of_the_sample() -> Iterator[str]:
    """Each identifier of each person of the sample, of at least four characters."""
    with (SAMPLE / "patients.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            yield from (row[c] for c in PERSONAL if len(row.get(c) or "") >= 4)


@pytest.fixture(scope="module")
def markers(synthea: object) -> list[str]:
    return sorted(set(identifiers_of_the_sample()))


def test_every_gate_passes_on_the_sample_as_it_is(synthea):
    _, results = synthea
    assert [result.summary() for result in results if not result.passed] == []
    assert len({result.table for result in results}) == 36


def test_the_search_sees_the_identifiers_of_the_sample_in_the_raw_zone(synthea, markers):
    deployment, _ = synthea
    found = {sighting.marker for sighting in seen(deployment, Zone.RAW, markers)}
    assert found == set(range(len(markers)))


def test_without_its_key_the_raw_file_shows_none_of_them(synthea, markers):
    deployment, _ = synthea
    content = deployment.zone_file(Zone.RAW).read_bytes().lower()
    assert [n for n, marker in enumerate(markers) if marker.lower().encode() in content] == []


@pytest.mark.parametrize("zone", [Zone.LIMITED, Zone.DEIDENTIFIED])
def test_no_identifier_of_the_sample_is_outside_the_raw_zone(synthea, markers, zone):
    deployment, _ = synthea
    assert seen(deployment, zone, markers) == []


def test_no_identifier_of_the_sample_is_in_any_other_file(synthea, markers):
    deployment, results = synthea
    assert sightings(elsewhere(deployment), markers) == []
    told = repr([result.metadata() for result in results]).lower()
    assert [n for n, marker in enumerate(markers) if marker.lower() in told] == []


def test_every_gate_passes_on_generated_visits(canaries):
    _, results, _ = canaries
    assert [result.summary() for result in results if not result.passed] == []


def test_a_planted_person_is_in_the_raw_zone_and_nowhere_else(canaries):
    deployment, _, planted = canaries
    found = {sighting.marker for sighting in seen(deployment, Zone.RAW, planted)}
    assert len(found) > len(planted) // 2
    for zone in (Zone.LIMITED, Zone.DEIDENTIFIED):
        assert seen(deployment, zone, planted) == []
    assert sightings(elsewhere(deployment), planted) == []
