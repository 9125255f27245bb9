"""``deid policy`` as people type it: what changes, and whether worked examples hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from deid_platform.cli import policy as policy_command
from deid_platform.core.errors import DeclarationError

RUNNER = CliRunner()
_GOLDEN = Path(__file__).parents[1] / "golden" / "ddg_vectors.yaml"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEID_HOME", str(tmp_path / "home"))


def run(*arguments: object) -> Result:
    app = typer.Typer()
    policy_command.register(app)
    app.command("other")(lambda: None)
    return RUNNER.invoke(app, ["policy", *map(str, arguments)])


def overlay(folder: Path, **settings: object) -> Path:
    file = folder / "department.yaml"
    content = {
        "extends": "calhhs_ddg_2",
        "name": "department",
        "filing": {
            "department": "Department of Examples",
            "filing_reference": "DE-1",
            "prt_approval": "PRT-1",
            "prt_approved_on": "2026-03-01",
            "effective_date": "2026-04-01",
        },
        "overrides": {"settings": {name: {"value": value} for name, value in settings.items()}},
    }
    file.write_text(yaml.safe_dump(content), "utf-8")
    return file


def test_the_shipped_examples_pass():
    result = run("vectors", _GOLDEN, "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 0
    assert report["counts"]["fail"] == report["counts"]["error"] == 0
    assert report["counts"]["pass"] == len(report["results"])


def test_an_overlay_with_another_threshold_fails_the_guidelines_examples(tmp_path):
    result = run("vectors", _GOLDEN, "--policy", overlay(tmp_path, score_threshold=12), "--json")
    assert result.exit_code == policy_command.FAILED
    failed = {one["id"] for one in json.loads(result.stdout)["results"] if one["status"] == "fail"}
    assert {"ddg-thr-01", "ddg-tot-02"} <= failed


def test_a_failing_example_shows_expected_against_got(tmp_path):
    file = tmp_path / "v.yaml"
    vector = {
        "id": "mine",
        "kind": "threshold",
        "input": {"totals": [12]},
        "expected": {"masking_required": [True]},
    }
    file.write_text(yaml.safe_dump({"schema_version": 1, "vectors": [vector]}), "utf-8")
    result = run("vectors", file)
    assert result.exit_code == policy_command.FAILED
    assert "expected [True], got [False]" in " ".join(result.stdout.split())


def test_an_unknown_kind_is_an_error_and_never_a_skip(tmp_path):
    file = tmp_path / "v.yaml"
    vector = {"id": "mine", "kind": "horoscope", "input": {}, "expected": {"luck": 1}}
    file.write_text(yaml.safe_dump({"schema_version": 1, "vectors": [vector]}), "utf-8")
    result = run("vectors", file, "--json")
    assert result.exit_code == policy_command.FAILED
    assert json.loads(result.stdout)["counts"] == {"pass": 0, "fail": 0, "error": 1}


def test_a_file_that_is_no_file_of_examples_is_refused(tmp_path):
    result = run("vectors", tmp_path / "missing.yaml", "--json")
    assert isinstance(result.exception, DeclarationError)
    assert json.loads(result.stdout)["error"]["code"] == "D-01"


def test_the_difference_of_two_policies_names_each_rule(tmp_path):
    result = run("diff", "calhhs_ddg_2", overlay(tmp_path, min_people=16), "--json")
    report = json.loads(result.stdout)
    assert report["changes"] == [
        {"where": "settings.min_people.value", "rule": "R-201", "before": 11, "after": 16}
    ]
    assert report["publications"] is None
    assert report["before"]["digest"] != report["after"]["digest"]


def test_the_editions_can_be_compared():
    shown = run("diff", "calhhs_ddg_1", "calhhs_ddg_2").stdout
    assert "INT-6" in shown
    assert "AGE-1" in shown
    same = run("diff", "calhhs_ddg_2", "calhhs_ddg_2").stdout
    assert "The policies say the same." in same
