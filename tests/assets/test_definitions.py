"""The code location: what Dagster is offered, and how it is named and described."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from deid_platform.core.zones import Zone
from deid_platform.engine.declarations import load_contracts
from deid_platform.engine.gates import Stage, gates_for
from tests.support.path import CHECKOUT, Finished

FOLDERS = {
    *("raw", "limited", "deidentified", "reference", "staging", "marts"),
    *("assessment", "candidate", "release", "snapshots", "requests", "scans"),
}
STAGES = {
    "deidentified": Stage.DEIDENTIFIED,
    "marts": Stage.MART,
    "candidate": Stage.CANDIDATE,
}


@pytest.fixture(scope="module")
def definitions(finished: Finished) -> Any:
    with finished.site.environment():
        from assets.location import build_definitions

        return build_definitions(finished.site.deployment)


@pytest.fixture(scope="module")
def nodes(definitions: Any) -> dict[str, Any]:
    """Asset nodes that the location makes, by key."""
    graph = definitions.resolve_asset_graph()
    return {
        key.to_user_string(): graph.get(key)
        for key in graph.get_all_asset_keys()
        if not graph.get(key).is_external
    }


def test_every_asset_is_named_by_its_zone_and_table(nodes: dict[str, Any]) -> None:
    assert {key.split("/")[0] for key in nodes} == FOLDERS
    assert all(len(key.split("/")) == 2 for key in nodes)


def test_every_contract_has_its_three_tables(nodes: dict[str, Any], finished: Finished) -> None:
    for name in load_contracts(finished.site.deployment):
        for zone in (Zone.RAW, Zone.LIMITED, Zone.DEIDENTIFIED):
            assert f"{zone.value}/{name}" in nodes


def test_every_publication_has_aggregate_candidate_and_release(nodes: dict[str, Any]) -> None:
    named = {key.split("/")[1] for key in nodes if key.startswith("candidate/")}
    assert len(named) >= 5
    for folder in ("staging", "limited", "release"):
        assert named <= {key.split("/")[1] for key in nodes if key.startswith(f"{folder}/")}


def test_every_asset_has_a_group_and_a_description(nodes: dict[str, Any]) -> None:
    assert [key for key, node in nodes.items() if node.group_name in (None, "default")] == []
    assert [key for key, node in nodes.items() if not (node.description or "").strip()] == []


def test_assets_that_hold_data_of_a_source_have_owner_kind_and_zone(nodes: dict[str, Any]) -> None:
    for key, node in nodes.items():
        if key.split("/")[0] in ("raw", "limited", "deidentified", "marts", "candidate"):
            assert node.owners, key
            assert "duckdb" in node.kinds, key
            assert node.tags["deid/zone"] in {zone.value for zone in Zone}, key


def test_tables_show_their_columns(nodes: dict[str, Any]) -> None:
    for key, node in nodes.items():
        if key.split("/")[0] in ("raw", "limited", "deidentified", "marts", "candidate"):
            schema = node.metadata["dagster/column_schema"]
            assert len(schema.columns if hasattr(schema, "columns") else schema.value.columns) > 0


def test_partitioned_assets_share_one_backfill_policy(nodes: dict[str, Any]) -> None:
    policies = {str(n.backfill_policy) for n in nodes.values() if n.partitions_def is not None}
    assert len(policies) == 1


def test_every_gate_is_a_blocking_check_that_quotes_its_rule(definitions: Any) -> None:
    graph = definitions.resolve_asset_graph()
    specs = {
        (key.asset_key.to_user_string(), key.name): graph.get_check_spec(key)
        for key in graph.asset_check_keys
    }
    gates = 0
    for (asset, name), spec in specs.items():
        stage = STAGES.get(asset.split("/")[0])
        if stage is None:
            continue
        (gate,) = [one for one in gates_for(stage) if one.name == name]
        assert spec.blocking, (asset, name)
        assert gate.source in (spec.description or ""), (asset, name)
        gates += 1
    tables = [n for n in graph.get_all_asset_keys() if n.path[0] in STAGES]
    expected = sum(len(gates_for(STAGES[key.path[0]])) for key in tables)
    assert gates == expected > 100


def test_dbt_tests_are_checks_of_the_staged_models(definitions: Any) -> None:
    checked = {
        key.asset_key.to_user_string() for key in definitions.resolve_asset_graph().asset_check_keys
    }
    staged = {
        key.to_user_string()
        for key in definitions.resolve_asset_graph().get_all_asset_keys()
        if key.path[0] == "staging"
    }
    assert staged <= checked


def test_column_lineage_of_a_record_table_names_columns_of_the_raw_table(
    finished: Finished,
) -> None:
    with finished.site.environment():
        import dagster as dg

        from assets.instance import instance_of

        event = instance_of(finished.site.deployment).get_latest_materialization_event(
            dg.AssetKey(["deidentified", "ed_visits"])
        )
    assert event is not None
    metadata = event.asset_materialization.metadata  # type: ignore[union-attr]
    lineage = metadata["dagster/column_lineage"].value.deps_by_column
    (source,) = lineage["person_key"]
    assert source.asset_key.path == ["raw", "ed_visits"]
    assert source.column_name == "patient_mrn"
    assert [dep.column_name for dep in lineage["age_years"]] == ["age_years", "visit_date"]


def test_there_is_a_job_for_each_zone_and_for_the_whole_path(definitions: Any) -> None:
    jobs = {job.name for job in definitions.resolve_all_job_defs()}
    assert {
        *("raw_zone", "limited_zone", "deidentified_zone", "marts", "candidates"),
        *("whole_path", "release"),
    } <= jobs
    steps = definitions.resolve_job_def("whole_path").asset_layer.executable_asset_keys
    assert not [key for key in steps if key.path[0] == "release"]


def test_definitions_load_in_a_few_seconds(finished: Finished) -> None:
    with finished.site.environment():
        from assets.location import build_definitions

        began = time.process_time()
        build_definitions(finished.site.deployment).resolve_asset_graph()
    assert time.process_time() - began < 10


def test_dagster_validates_the_workspace(finished: Finished) -> None:
    with finished.site.environment():
        done = subprocess.run(
            [
                *(Path(sys.executable).with_name("dagster"), "definitions", "validate"),
                *("-w", "workspace.yaml"),
            ],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Validation successful" in done.stdout + done.stderr
