"""Publications from a dbt manifest, and what another policy would change about them."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from deid_platform.core.declaration import parse_publication
from deid_platform.core.errors import DeclarationError
from deid_platform.core.publication import Publication
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.policy_effects import effects
from deid_platform.engine.publications import find_publication, load_policy, load_publications
from tests.core.risk.builders import ddg

DECLARED = {
    "policy": "calhhs_ddg_2",
    "dimensions": {"county": {"kind": "residence_geography"}, "year": {"kind": "time"}},
    "figures": {"visits": {"people": "people", "denominator": "population"}},
}


def manifest(folder: Path, **meta: object) -> Path:
    node = {
        "resource_type": "model",
        "name": "visits",
        "description": " Visits. ",
        "config": {"meta": meta},
        "columns": {"county": {"name": "county", "description": "County.", "data_type": "varchar"}},
        "depends_on": {"nodes": ["source.b", "model.a"]},
    }
    other = {"resource_type": "model", "name": "mart", "config": {"meta": {}}}
    test = {"resource_type": "test", "name": "t", "config": {"meta": meta}}
    file = folder / "manifest.json"
    nodes = {"model.visits": node, "model.mart": other, "test.t": test}
    file.write_text(json.dumps({"nodes": nodes}), "utf-8")
    return file


def test_a_publication_is_a_model_that_declares_itself_one(tmp_path):
    (publication,) = load_publications(manifest(tmp_path, publication=DECLARED))
    assert (publication.name, publication.description) == ("visits", "Visits.")
    assert publication.columns["county"].type == "varchar"
    assert publication.sources == ("model.a", "source.b")
    assert find_publication("visits", [publication]) is publication


def test_a_wrong_declaration_in_the_manifest_names_its_model(tmp_path):
    broken = manifest(tmp_path, publication={**DECLARED, "figures": {}})
    with pytest.raises(DeclarationError, match="visits: figures"):
        load_publications(broken)


def test_the_publications_of_this_deployment_name_a_policy_in_force():
    deployment = Deployment.from_environment({})
    named = {
        line.split("policy:")[1].strip()
        for file in (deployment.dbt_project / "models" / "publications").rglob("*.yml")
        for line in file.read_text("utf-8").splitlines()
        if line.strip().startswith("policy:")
    }
    assert named
    assert all(load_policy(name, deployment).status == "in_force" for name in named)


@pytest.fixture
def con():
    con = duckdb.connect()
    con.execute("attach ':memory:' as limited")
    con.execute(
        "create table limited.main.visits as select * from (values ('Alpine', 2023, 12, 12, 1163), "
        "('Kern', 2023, 400, 400, 841146)) as t(county, year, visits, people, population)"
    )
    yield con
    con.close()


def visits(name: str = "visits", **changed: object) -> Publication:
    return parse_publication(name, {**DECLARED, **changed}, name=name)


def test_an_effect_says_how_a_publication_comes_out_under_both_policies(con):
    # 12 people are small only where the department asks for 16.
    (effect,) = effects(con, [visits()], ddg(), ddg().replace(min_people=16, score_threshold=7))
    assert (effect.before, effect.after) == ("releasable", "masking_required")
    assert effect.changes
    (same,) = effects(con, [visits()], ddg(), ddg())
    assert not same.changes


def test_a_publication_that_cannot_be_assessed_says_so_by_its_code(con):
    unknown = visits(dimensions={**DECLARED["dimensions"], "age": {"kind": "age_range"}})
    missing = visits("absent")
    found = effects(con, [unknown, missing], ddg(), ddg())
    assert [one.before for one in found] == ["cannot assess (C-02)", "not materialised"]


def test_nothing_is_recorded_by_a_comparison(con):
    effects(con, [visits()], ddg(), ddg())
    schemas = con.execute("select distinct schema_name from duckdb_tables()").fetchall()
    assert schemas == [("main",)]
