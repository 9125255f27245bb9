"""What dbt prints and writes holds no key and no cell; a failed table is stopped by its tests."""

from __future__ import annotations

import re
import shutil
from datetime import date

import pytest

from deid_platform.core.zones import Zone
from tests.dbt.zones import CHECKOUT, everything_written, new_deployment, run_dbt, write_zone

CANARY = "Zebulon-Canary-553-21-8891"
SOURCE = "{{ source('limited', 'ed_visits') }}"
BAD_MODELS = {
    "bad_conversion": f"select cast(county as integer) as n from {SOURCE}",
    "bad_error_function": f"select error(county) as n from {SOURCE}",
    "bad_hook": '{{ config(post_hook="select cast(county as date) from limited.main.ed_visits") }}'
    " select 1 as n",
    "bad_query": "{% if execute %}{% do run_query('select cast(county as double) from "
    "limited.main.ed_visits') %}{% endif %} select 1 as n",
}
BAD_CONTRACT = """
version: 2
models:
  - name: bad_constraint
    config: {contract: {enforced: true}}
    columns:
      - {name: county, data_type: varchar, constraints: [{type: unique}]}
  - name: bad_rows
    config: {contract: {enforced: true}}
    columns:
      - name: county
        data_type: varchar
        data_tests:
          - unique
          - accepted_values: {arguments: {values: [Alpine]}}
"""


def copied_project(tmp_path):
    project = tmp_path / "project"
    shutil.copytree(
        CHECKOUT / "dbt_project", project, ignore=shutil.ignore_patterns("target", "logs")
    )
    return project


def with_canary(home):
    deployment = new_deployment(home)
    visit = {
        "visit_month": date(2024, 5, 1),
        "county": CANARY,
        "age_years": 30,
        "_partition": "2024-05",
    }
    write_zone(
        deployment,
        Zone.LIMITED,
        {"ed_visits": [{**visit, "person_key": key, "visit_key": key} for key in (1, 2, 3)]},
    )
    return deployment


@pytest.fixture
def deployment(tmp_path):
    return with_canary(tmp_path / "home")


def test_models_that_fail_on_a_value_leave_it_in_no_output(tmp_path, deployment):
    project = copied_project(tmp_path)
    bad = project / "models" / "bad"
    bad.mkdir()
    for name, sql in BAD_MODELS.items():
        (bad / f"{name}.sql").write_text(
            "{{ config(contract={'enforced': false}) }} " + sql, "utf-8"
        )
    (bad / "bad_constraint.sql").write_text(f"select county from {SOURCE}", "utf-8")
    (bad / "bad_rows.sql").write_text(f"select county from {SOURCE}", "utf-8")
    (bad / "bad.yml").write_text(BAD_CONTRACT, "utf-8")

    done = run_dbt(
        deployment,
        "publications",
        *("--debug", "--log-level-file", "debug"),
        *("build", "--select", "path:models/bad"),
        project=project,
    )

    assert done.returncode == 1
    for name in [*BAD_MODELS, "bad_constraint"]:
        assert f"ERROR creating sql table model staging.main.{name}" in done.stdout
    assert "ConversionException" in done.stdout
    assert CANARY not in done.stdout + done.stderr
    assert (deployment.home / "logs" / "dbt.log").stat().st_size > 0
    assert deployment.key(Zone.LIMITED) not in done.stdout + done.stderr
    for folder in ("dbt", "logs"):
        assert deployment.key(Zone.LIMITED).encode() not in everything_written(
            deployment.home / folder
        )
        assert CANARY.encode() not in everything_written(deployment.home / folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A deployment in which dbt has built every publication, and what it printed."""
    deployment = with_canary(tmp_path_factory.mktemp("finished") / "home")
    done = run_dbt(deployment, "publications", "build", "--select", "tag:publications")
    assert done.returncode == 0, done.stdout
    return deployment, done.stdout + done.stderr


def test_the_key_is_in_nothing_that_dbt_prints_or_writes(finished):
    deployment, printed = finished
    key = deployment.key(Zone.LIMITED)
    assert key not in printed
    for folder in ("dbt", "logs", "staging", "zones", "tmp"):
        assert key.encode() not in everything_written(deployment.home / folder)


def test_without_asking_for_it_dbt_writes_no_log(finished):
    deployment, _ = finished
    assert everything_written(deployment.home / "logs") == b""


def test_the_staging_file_of_the_limited_zone_is_encrypted_and_no_spill_file_stays(finished):
    deployment, _ = finished
    staged = everything_written(deployment.home / "staging")
    assert len(staged) > 100_000
    assert b"Alameda" not in staged
    assert list(deployment.scratch.iterdir()) == []


def test_a_model_that_loses_rows_fails_its_tests(tmp_path, deployment):
    project = copied_project(tmp_path)
    model = project / "models/publications/ed_visits_by_county_year/ed_visits_by_county_year.sql"
    text = model.read_text("utf-8")
    model.write_text(text.replace("select 'Unknown' as county", "select 'Lost' as county"), "utf-8")
    done = run_dbt(
        deployment,
        "publications",
        *("build", "--exclude-resource-type", "unit_test"),
        *("--select", "path:seeds", "ed_visits_by_county_year"),
        project=project,
    )
    assert done.returncode == 1
    assert re.search(r"FAIL \d+ margins_reconcile_ed_visits_by_county_year", done.stdout)


def test_a_publication_that_drops_a_zero_cell_fails_its_tests(tmp_path, deployment):
    project = copied_project(tmp_path)
    model = project / "models/publications/ed_visits_by_county_age_sex_year"
    file = model / "ed_visits_by_county_age_sex_year.sql"
    text = file.read_text("utf-8").replace("left join counted", "inner join counted")
    file.write_text(text, "utf-8")
    done = run_dbt(
        deployment,
        "publications",
        *("build", "--exclude-resource-type", "unit_test"),
        *("--select", "path:seeds", "ed_visits_by_county_age_sex_year"),
        project=project,
    )
    assert done.returncode == 1
    assert "FAIL 58 shows_every_member_ed_visits_by_county_age_sex_year" in done.stdout


def test_the_wrong_key_ends_dbt_with_one_plain_error(deployment):
    other = new_deployment(deployment.home.parent / "other")
    shutil.copy(other.home / "keys" / "limited.key", deployment.home / "keys" / "limited.key")
    done = run_dbt(deployment, "publications", "build", "--select", "path:seeds")
    assert done.returncode != 0
    assert "the key does not open this zone file" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_zone_that_does_not_exist_yet_ends_dbt_with_one_plain_error(deployment):
    done = run_dbt(deployment, "marts", "build", "--select", "tag:marts")
    assert done.returncode != 0
    assert "this zone file does not exist yet" in done.stdout
    assert "Traceback" not in done.stdout


def test_the_marts_target_cannot_read_the_limited_zone(tmp_path, deployment):
    write_zone(deployment, Zone.DEIDENTIFIED, {})
    done = run_dbt(deployment, "marts", "build", "--select", "ed_visits_by_county_year")
    assert done.returncode == 1
    assert CANARY not in done.stdout


def test_a_model_cannot_reach_a_file_attach_another_zone_or_unlock_the_session(
    tmp_path, deployment
):
    project = copied_project(tmp_path)
    bad = project / "models" / "bad"
    bad.mkdir()
    statements = {
        "reads_a_file": f"select * from read_text('{CHECKOUT}/pyproject.toml')",
        "writes_a_file": "{% if execute %}{% do run_query(\"copy (select 1) to '"
        f"{tmp_path}/out.csv'\") %}}{{% endif %}} select 1 as n",
        "attaches": "{% if execute %}{% do run_query(\"attach '"
        f"{deployment.zone_file(Zone.RAW)}' as raw\") %}}{{% endif %}} select 1 as n",
        "unlocks": "{% if execute %}{% do run_query('set enable_external_access = true') %}"
        "{% endif %} select 1 as n",
    }
    for name, sql in statements.items():
        (bad / f"{name}.sql").write_text(
            "{{ config(contract={'enforced': false}) }} " + sql, "utf-8"
        )
    done = run_dbt(
        deployment, "publications", "build", "--select", "path:models/bad", project=project
    )
    assert done.returncode == 1
    for name in statements:
        assert f"ERROR creating sql table model staging.main.{name}" in done.stdout
    assert not (tmp_path / "out.csv").exists()


def test_dbt_show_prints_no_row(deployment):
    done = run_dbt(deployment, "publications", "show", "--inline", f"select county from {SOURCE}")
    assert done.returncode != 0
    assert CANARY not in done.stdout
