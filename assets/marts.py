"""dbt models as assets, and their promotion out of staging.

dbt builds into a staging file and its tests run there, as asset checks of ``staging/<model>``.
When every test of a table ran and passed, the ledger gets the fingerprint of what dbt built; a
promotion moves a table on only if the ledger knows exactly that content as tested. So a table
whose tests failed stays in staging even when somebody launches the promotion alone.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, DbtProject, dbt_assets

from assets import keys
from assets.records import gate_specs
from assets.reporting import check_result, table_schema
from assets.resources import LedgerResource, ZonesResource
from deid_platform.core.contract import Contract
from deid_platform.core.errors import GateError
from deid_platform.core.safe_harbor import SafeHarborPolicy
from deid_platform.core.zones import Zone
from deid_platform.engine.database import STAGING
from deid_platform.engine.dbt_manifest import dbt_executable, ensure_manifest, target_folder
from deid_platform.engine.dbt_results import check_tests_passed
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.fingerprint import fingerprint
from deid_platform.engine.gates import Stage, evaluate_all
from deid_platform.engine.gates.declared import mart_subject
from deid_platform.engine.gates.subjects import TableName
from deid_platform.engine.promotion import REFERENCE, promote_tables
from deid_platform.governance.events import GateEvaluated, TablePromoted

MARTS = "marts"
"""Schema of analysts' marts in the de-identified zone."""

TARGETS: dict[Zone, str] = {Zone.LIMITED: "publications", Zone.DEIDENTIFIED: "marts"}
"""The dbt target, and the tag of its nodes, that builds into the staging file of each zone."""


class Translator(DagsterDbtTranslator):
    """Names dbt's nodes as the rest of the platform does."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Sources are zone tables, seeds are reference data, models live in staging."""
        name = dbt_resource_props["name"]
        kind = dbt_resource_props["resource_type"]
        if kind == "source":
            return dg.AssetKey([dbt_resource_props["source_name"], name])
        return keys.reference(name) if kind == "seed" else keys.staging(name)

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Reference data is a group of its own; staging is one group per zone it leads to."""
        kind = dbt_resource_props["resource_type"]
        if kind == "source":
            return str(dbt_resource_props["source_name"])
        if kind == "seed":
            return "reference"
        is_mart = TARGETS[Zone.DEIDENTIFIED] in dbt_resource_props["tags"]
        return f"staging_{Zone.DEIDENTIFIED if is_mart else Zone.LIMITED}"

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> Sequence[str] | None:
        """The owner a model's meta names."""
        owner = (dbt_resource_props.get("config", {}).get("meta") or {}).get("owner")
        return [owner] if owner else None


def dbt_project(deployment: Deployment) -> DbtProject:
    """The project, its artefacts kept with the deployment's state."""
    ensure_manifest(deployment)
    return DbtProject(
        project_dir=deployment.dbt_project,
        target_path=target_folder(deployment),
        profiles_dir=deployment.dbt_project,
    )


@dataclass(frozen=True, kw_only=True)
class Model:
    """A dbt model as its manifest tells of it: declared columns, and tables it is made from."""

    name: str
    description: str
    owner: str | None
    columns: Mapping[str, tuple[str, str]]
    sources: tuple[str, ...]
    seeds: tuple[str, ...]

    @property
    def person(self) -> str | None:
        """The person surrogate, where rows concern persons."""
        return "person_key" if "person_key" in self.columns else None


def models(manifest: Path, folder: str) -> list[Model]:
    """The models below ``models/<folder>``, in order of name."""
    content = json.loads(manifest.read_text("utf-8"))
    nodes = {**content["nodes"], **content["sources"]}
    found = [
        node
        for node in nodes.values()
        if node["resource_type"] == "model"
        and node["original_file_path"].startswith(f"models/{folder}/")
    ]
    return sorted((_model(node, nodes) for node in found), key=lambda model: model.name)


def _model(node: Mapping[str, Any], nodes: Mapping[str, Any]) -> Model:
    upstream = _ancestors(node, nodes)
    return Model(
        name=node["name"],
        description=node.get("description") or "",
        owner=(node["config"].get("meta") or {}).get("owner"),
        columns={
            name: (column.get("data_type") or "", column.get("description") or "")
            for name, column in node["columns"].items()
        },
        sources=tuple(sorted(one["name"] for one in upstream if one["resource_type"] == "source")),
        seeds=tuple(sorted(one["name"] for one in upstream if one["resource_type"] == "seed")),
    )


def _ancestors(node: Mapping[str, Any], nodes: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    pending, seen = list(node["depends_on"]["nodes"]), set()
    while pending:
        name = pending.pop()
        if name in nodes and name not in seen:
            seen.add(name)
            pending += nodes[name].get("depends_on", {}).get("nodes", [])
    return [nodes[name] for name in sorted(seen)]


def staging_assets(project: DbtProject, zone: Zone, built: list[Model]) -> dg.AssetsDefinition:
    """The dbt run that builds the staging tables of one zone, its tests as checks."""

    @dbt_assets(
        manifest=project.manifest_path,
        project=project,
        select=f"tag:{TARGETS[zone]}",
        dagster_dbt_translator=Translator(),
        name=f"dbt_{TARGETS[zone]}",
        pool=keys.staging_pool(zone),
    )
    def assets(
        context: dg.AssetExecutionContext,
        dbt: DbtCliResource,
        zones: ZonesResource,
        ledger: LedgerResource,
    ) -> Iterator[Any]:
        selected = {key.path[-1] for key in context.selected_asset_keys}
        chosen = [model.name for model in built if model.name in selected]
        work = target_folder(zones.deployment) / f"{context.run_id[:8]}-{TARGETS[zone]}"
        try:
            yield from dbt.cli(
                ["build", "--target", TARGETS[zone]], context=context, target_path=work
            ).stream()
            for name in chosen:
                check_tests_passed(work, name)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        with zones.open(None, staging=zone) as con:
            tested = [_tested(name, fingerprint(con, _staged(name).sql)) for name in chosen]
        ledger.record(*tested)

    return assets


def promotion_asset(
    model: Model,
    zone: Zone,
    key: dg.AssetKey,
    contracts: Mapping[str, Contract],
    policy: SafeHarborPolicy,
) -> dg.AssetsDefinition:
    """Build the asset that moves a tested model out of staging.

    A mart passes the gates of its stage first. An aggregate moves within the pipeline's own zones
    and meets its gates as a candidate.
    """
    is_mart = zone is Zone.DEIDENTIFIED

    @dg.multi_asset(
        name=keys.op_name(key),
        specs=[
            dg.AssetSpec(
                key,
                deps=[keys.staging(model.name)],
                skippable=True,
                description=model.description,
                group_name="marts" if is_mart else zone.value,
                owners=[model.owner] if model.owner else None,
                tags={"deid/zone": zone.value},
                kinds={"duckdb"},
                metadata=table_schema(
                    [(name, kind, text) for name, (kind, text) in model.columns.items()]
                ),
            )
        ],
        check_specs=gate_specs(key, Stage.MART) if is_mart else [],
        pool=keys.pool(zone),
    )
    def asset(zones: ZonesResource, ledger: LedgerResource) -> Iterator[Any]:
        reading = [Zone.RAW] if is_mart else []
        with zones.open(zone, reading=reading, staging=zone) as con:
            staged = _staged(model.name)
            content = fingerprint(con, staged.sql)
            check_tested(ledger, model.name, content)
            found = (
                evaluate_all(
                    con,
                    mart_subject(
                        model.name,
                        {name: kind for name, (kind, _) in model.columns.items()},
                        [contracts[source] for source in model.sources],
                        policy,
                        staged,
                        person=model.person,
                        contracts=contracts.values(),
                    ),
                )
                if is_mart
                else ()
            )
            passed = all(one.passed for one in found)
            rows = promote_tables(con, _moves(model, zone)) if passed else 0
        ledger.record(
            *(
                GateEvaluated.of(one, fingerprint=content, policy_digest=policy.digest)
                for one in found
            )
        )
        yield from (check_result(key, one) for one in found)
        if passed:
            ledger.record(
                TablePromoted(
                    table=key.to_user_string(), zone=zone.value, fingerprint=content, rows=rows
                )
            )
            yield dg.MaterializeResult(
                asset_key=key,
                metadata={
                    "dagster/row_count": dg.MetadataValue.int(rows),
                    "fingerprint": dg.MetadataValue.text(content),
                },
            )

    return asset


def check_tested(ledger: LedgerResource, model: str, content: str) -> None:
    """Let a table leave staging only if the ledger knows this content as tested.

    Raises:
        GateError: dbt's tests did not pass on it, or were not run.
    """
    latest = None
    for entry in ledger.open().entries(kinds=[GateEvaluated], subject=_staging_name(model)):
        latest = entry.event
    if not isinstance(latest, GateEvaluated) or latest.fingerprint != content:
        raise GateError(
            _staging_name(model),
            "dbt's tests have not passed on the table that is in staging",
            f"materialise {_staging_name(model)} again, which runs them",
        )


def dbt_resource(project: DbtProject) -> DbtCliResource:
    """dbt as installed beside this Python."""
    return DbtCliResource(project_dir=project, dbt_executable=str(dbt_executable()))


def _staged(model: str) -> TableName:
    return TableName(catalog=STAGING, name=model)


def _moves(model: Model, zone: Zone) -> list[tuple[TableName, TableName]]:
    if zone is Zone.DEIDENTIFIED:
        target = TableName(catalog=zone.value, schema=MARTS, name=model.name)
        return [(_staged(model.name), target)]
    seeds = [
        (
            TableName(catalog=STAGING, schema=REFERENCE, name=seed),
            TableName(catalog=zone.value, schema=REFERENCE, name=seed),
        )
        for seed in model.seeds
    ]
    return [*seeds, (_staged(model.name), TableName(catalog=zone.value, name=model.name))]


def _staging_name(model: str) -> str:
    return f"staging/{model}"


def _tested(model: str, content: str) -> GateEvaluated:
    return GateEvaluated(
        table=_staging_name(model),
        gate="dbt_tests",
        fingerprint=content,
        passed=True,
        rule="HICP 7.3, validation before anything is promoted",
    )
