"""The dbt sources are what the contracts give."""

from __future__ import annotations

import shutil

import pytest
import yaml

from deid_platform.core.errors import DeclarationError
from deid_platform.core.zones import Zone
from deid_platform.engine.dbt_sources import check_sources, sources_file, write_sources
from deid_platform.engine.deployment import Deployment
from tests.dbt.zones import CHECKOUT, CONTRACTS


@pytest.fixture
def copied(tmp_path):
    shutil.copytree(CHECKOUT / "assets" / "contracts", tmp_path / "assets" / "contracts")
    shutil.copytree(CHECKOUT / "assets" / "policies", tmp_path / "assets" / "policies")
    (tmp_path / "dbt_project" / "models").mkdir(parents=True)
    return Deployment.from_environment({"DEID_PROJECT": str(tmp_path)})


def test_the_sources_in_the_tree_are_those_the_contracts_give():
    check_sources(Deployment.from_environment({}))


def test_a_contract_without_its_source_is_noticed(copied):
    write_sources(copied)
    check_sources(copied)
    (copied.contracts / "ed_visits.yaml").unlink()
    with pytest.raises(DeclarationError, match="not what the contracts give"):
        check_sources(copied)


def test_a_missing_file_is_noticed(copied):
    with pytest.raises(DeclarationError, match="not what the contracts give"):
        check_sources(copied)


def test_a_source_lists_the_columns_its_zone_receives_and_no_other():
    document = yaml.safe_load(sources_file(Deployment.from_environment({})).read_text("utf-8"))
    found = {
        (source["name"], table["name"]): [column["name"] for column in table["columns"]]
        for source in document["sources"]
        for table in source["tables"]
    }
    assert found == {
        (zone.value, name): [output.name for output in contract.outputs(zone)]
        + (["_partition"] if zone is Zone.LIMITED else [])
        for zone in (Zone.LIMITED, Zone.DEIDENTIFIED)
        for name, contract in CONTRACTS.items()
    }


def test_writing_twice_gives_the_same_bytes(copied):
    first = write_sources(copied).read_bytes()
    assert write_sources(copied).read_bytes() == first
