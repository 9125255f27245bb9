"""Whether all tests of a dbt model ran and passed is read from the run's own artefacts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deid_platform.core.errors import GateError, ToolError
from deid_platform.engine.dbt_results import check_tests_passed

MODEL = "model.deid.people"
UNIQUE, ROWS = "test.deid.unique_people", "test.deid.rows_of_people"
UNIT = "unit_test.deid.people.is_described"


def artefacts(folder: Path, results: dict[str, str]) -> Path:
    """A run of two models, of which ``people`` has two data tests and a unit test."""
    nodes = {
        MODEL: {"resource_type": "model", "name": "people"},
        "model.deid.visits": {"resource_type": "model", "name": "visits"},
        UNIQUE: {"resource_type": "test", "depends_on": {"nodes": [MODEL]}},
        ROWS: {
            "resource_type": "test",
            "depends_on": {"nodes": [MODEL, "source.deid.deidentified.ed_visits"]},
        },
    }
    manifest = {"nodes": nodes, "unit_tests": {UNIT: {"model": "people"}}}
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    told = [{"unique_id": name, "status": status} for name, status in results.items()]
    (folder / "run_results.json").write_text(json.dumps({"results": told}), "utf-8")
    return folder


def test_a_model_whose_tests_all_passed_has_so_many(tmp_path):
    target = artefacts(tmp_path, {UNIQUE: "pass", ROWS: "pass", UNIT: "pass", MODEL: "success"})
    assert check_tests_passed(target, "people") == 3


@pytest.mark.parametrize(
    "results",
    [
        {MODEL: "success"},
        {MODEL: "success", UNIQUE: "pass", ROWS: "pass"},
        {MODEL: "success", UNIQUE: "pass", ROWS: "warn", UNIT: "pass"},
        {MODEL: "success", UNIQUE: "pass", ROWS: "skipped", UNIT: "pass"},
        {MODEL: "success", UNIQUE: "pass", ROWS: "fail", UNIT: "pass"},
    ],
    ids=["none ran", "no unit test ran", "one warns", "one skipped", "one failed"],
)
def test_a_model_whose_tests_did_not_all_run_and_pass_is_stopped(tmp_path, results):
    with pytest.raises(GateError, match=r"people: [13] of its 3 dbt tests did not run"):
        check_tests_passed(artefacts(tmp_path, results), "people")


def test_a_model_without_a_test_is_stopped(tmp_path):
    with pytest.raises(GateError, match="staging/visits: no dbt test is declared for it"):
        check_tests_passed(artefacts(tmp_path, {UNIQUE: "pass"}), "visits")


def test_a_run_that_left_no_results_is_an_error(tmp_path):
    artefacts(tmp_path, {}).joinpath("run_results.json").unlink()
    with pytest.raises(ToolError, match=r"run_results\.json"):
        check_tests_passed(tmp_path, "people")
