"""Everything this code location offers: assets, checks, jobs, resources."""

from __future__ import annotations

import dagster as dg

from assets import keys, marts
from assets.candidate import assessment_asset, candidate_asset, candidate_checks
from assets.raw import raw_asset
from assets.records import record_asset
from assets.release import release_asset, snapshot_asset
from assets.requests import request_assets, request_sensors
from assets.resources import LedgerResource, ZonesResource
from assets.scans import scan_assets, scan_schedule
from assets.schedules import monthly_schedule, watched
from deid_platform.core.errors import DeclarationError
from deid_platform.core.safe_harbor import SafeHarborPolicy
from deid_platform.core.zones import Zone
from deid_platform.engine.declarations import load_contracts, load_safe_harbor
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.linked_tables import masked_before
from deid_platform.engine.publications import load_policy, load_publications
from deid_platform.engine.scanning import vocabulary_of_deployment
from deid_platform.governance.snapshots import RELEASE_SNAPSHOT

JOBS: dict[str, tuple[str, ...]] = {
    "raw_zone": ("raw",),
    "limited_zone": ("limited",),
    "deidentified_zone": ("deidentified",),
    "marts": ("staging", "aggregates", "marts", "marts_snapshot"),
    "candidates": ("assessments", "candidates"),
    "whole_path": (
        "raw",
        "limited",
        "deidentified",
        "staging",
        "aggregates",
        "marts",
        "marts_snapshot",
        "assessments",
        "candidates",
    ),
    "release": ("releases", "release_snapshot"),
    "scans": ("scans",),
}
"""Jobs, by the families of assets they materialise. Releases are never part of the path."""


def build_definitions(deployment: Deployment | None = None) -> dg.Definitions:
    """The code location of a deployment, from its contracts, policies and dbt project.

    Raises:
        DeclarationError: a contract, policy or publication is wrong; nothing is loaded.
        ToolError: dbt cannot parse its project.
    """
    deployment = deployment or Deployment.from_environment()
    contracts = load_contracts(deployment)
    safe_harbor = {
        name: load_safe_harbor(deployment, name)
        for name in sorted({contract.policy for contract in contracts.values()})
    }
    project = marts.dbt_project(deployment)
    aggregates = marts.models(project.manifest_path, "publications")
    analysts = marts.models(project.manifest_path, "marts")
    publications = load_publications(project.manifest_path)
    ddg = {
        name: load_policy(name, deployment)
        for name in sorted({publication.policy for publication in publications})
    }
    by_name = {model.name: model for model in aggregates}
    linked = {p.name: masked_before(p, publications) for p in publications}

    def policy_of(model: marts.Model) -> SafeHarborPolicy:
        """The one Safe Harbor policy of the tables that a model is made from."""
        named = sorted({contracts[source].policy for source in model.sources})
        if len(named) != 1:
            raise DeclarationError(
                model.name,
                f"its sources are under {len(named)} Safe Harbor policies",
                "build it from tables of one policy",
            )
        return safe_harbor[named[0]]

    families: dict[str, list[dg.AssetsDefinition]] = {
        "raw": [raw_asset(c) for c in contracts.values()],
        "limited": [
            record_asset(c, Zone.LIMITED, contracts, safe_harbor[c.policy])
            for c in contracts.values()
        ],
        "deidentified": [
            record_asset(c, Zone.DEIDENTIFIED, contracts, safe_harbor[c.policy])
            for c in contracts.values()
        ],
        "staging": [
            marts.staging_assets(project, Zone.LIMITED, aggregates),
            marts.staging_assets(project, Zone.DEIDENTIFIED, analysts),
        ],
        "aggregates": [
            marts.promotion_asset(m, Zone.LIMITED, keys.limited(m.name), contracts, policy_of(m))
            for m in aggregates
        ],
        "marts": [
            marts.promotion_asset(m, Zone.DEIDENTIFIED, keys.mart(m.name), contracts, policy_of(m))
            for m in analysts
        ],
        "assessments": [assessment_asset(p, ddg[p.policy], by_name[p.name]) for p in publications],
        "candidates": [
            candidate_asset(p, ddg[p.policy], by_name[p.name], linked[p.name]) for p in publications
        ],
        "releases": [release_asset(p, ddg[p.policy]) for p in publications],
        "marts_snapshot": [
            watched(
                snapshot_asset(
                    Zone.DEIDENTIFIED, marts.MARTS, "marts", [keys.mart(m.name) for m in analysts]
                )
            )
        ],
        "release_snapshot": [
            snapshot_asset(
                Zone.RELEASE, "main", RELEASE_SNAPSHOT, [keys.release(p.name) for p in publications]
            )
        ],
        "scans": scan_assets(
            deployment,
            contracts,
            vocabulary_of_deployment(deployment, contracts, publications),
        ),
    }
    steps = request_assets(publications, ddg)
    checks = [
        candidate_checks(p, ddg[p.policy], by_name[p.name], contracts, linked[p.name])
        for p in publications
    ]
    jobs = {name: _job(name, members, families) for name, members in JOBS.items()}
    return dg.Definitions(
        assets=[*(asset for family in families.values() for asset in family), *steps],
        asset_checks=checks,
        jobs=list(jobs.values()),
        sensors=request_sensors(steps),
        schedules=[monthly_schedule(jobs["whole_path"]), scan_schedule(jobs["scans"])],
        resources={
            "zones": ZonesResource(),
            "ledger": LedgerResource(),
            "dbt": marts.dbt_resource(project),
        },
        executor=dg.in_process_executor,
    )


def _job(
    name: str, members: tuple[str, ...], families: dict[str, list[dg.AssetsDefinition]]
) -> dg.UnresolvedAssetJobDefinition:
    chosen = [asset for member in members for asset in families[member]]
    return dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(*chosen),
        description=f"Materialises {', '.join(members)}.",
    )
