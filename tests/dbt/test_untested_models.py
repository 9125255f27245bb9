"""A model that was built without its tests stays in staging; in the real job."""

from __future__ import annotations

import os

import dagster as dg

from deid_platform.core.zones import Zone
from tests.support.path import Site


def test_a_variable_that_leaves_tests_out_lets_no_mart_through(copied: Site) -> None:
    from assets.definitions import build_definitions
    from assets.runs import execute

    before = copied.fingerprints(Zone.DEIDENTIFIED, "marts")
    # Other rows than those tested before, so that the earlier result says nothing of them.
    copied.execute(Zone.DEIDENTIFIED, "delete from deidentified.main.ed_visits where sex = 'F'")
    with copied.environment():
        os.environ["DBT_EXCLUDE_RESOURCE_TYPES"] = "test unit_test"
        outcome = execute(
            build_definitions(copied.deployment),
            copied.deployment,
            "marts",
            assets=[dg.AssetKey(["staging", "ed_people"]), dg.AssetKey(["marts", "ed_people"])],
        )
    assert not outcome.succeeded
    assert "dbt tests did not run" in outcome.errors["dbt_marts"]
    assert copied.fingerprints(Zone.DEIDENTIFIED, "marts") == before
