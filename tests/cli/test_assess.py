"""``deid assess`` as people type it: outcomes, exit codes, JSON, and what it never prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from deid_platform.cli import assess as assess_command
from deid_platform.core.errors import DeidError
from tests.core.risk.builders import csv_file

RUNNER = CliRunner()
DECLARED: dict[str, Any] = {
    "dimensions": {
        "county": {"kind": "residence_geography", "may_drop": True},
        "sex": {"kind": "sex", "may_drop": True},
        "year": {"kind": "time"},
    },
    "figures": {"visits": {"people": "people", "denominator": "population"}},
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEID_HOME", str(tmp_path / "home"))


def run(*arguments: object) -> Result:
    app = typer.Typer()
    assess_command.register(app)
    app.command("other")(lambda: None)
    return RUNNER.invoke(app, ["assess", *map(str, arguments)])


def files(folder: Path, people: list[int], **changed: Any) -> tuple[Path, Path]:
    rows = [
        {
            "county": county,
            "sex": sex,
            "year": 2023,
            "visits": n,
            "people": n,
            "population": 500_000,
        }
        for (county, sex), n in zip(
            [("Alpine", "Male"), ("Alpine", "Female"), ("Kern", "Male"), ("Kern", "Female")],
            people,
            strict=True,
        )
    ]
    declaration = folder / "table.yaml"
    declaration.write_text(yaml.safe_dump(DECLARED | changed), "utf-8")
    return csv_file(folder, rows), declaration


def test_a_releasable_table_exits_with_zero(tmp_path):
    table, declaration = files(tmp_path, [11, 12, 13, 14])
    result = run(table, "--declare", declaration, "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["outcome"], report["score"]) == (0, "releasable", None)
    assert report["step_2"]["met"] is True


def test_a_table_to_mask_exits_with_twenty(tmp_path):
    table, declaration = files(tmp_path, [3, 12, 13, 14])
    result = run(table, "--declare", declaration, "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["outcome"]) == (20, "masking_required")
    assert report["score"] == 16
    assert report["step_3"][0]["points"] == {
        "events": 7,
        "time": 0,
        "geography": 7,
        "sex": 1,
        "interaction": 1,
    }
    assert report["masking_required"] is True
    assert len(report["sheet_digest"]) == len(report["policy_digest"]) == 64


def test_a_table_for_the_expert_exits_with_twenty_one(tmp_path):
    table, declaration = files(
        tmp_path,
        [3, 12, 13, 14],
        dimensions={
            "county": {"kind": "residence_geography", "labels": {"Alpine": "California"}},
            "sex": {"kind": "other"},
            "year": {"kind": "time"},
        },
    )
    result = run(table, "--declare", declaration, "--json")
    assert result.exit_code == 21
    assert json.loads(result.stdout)["expert_review_required"] is True


def test_a_score_without_small_cells_exits_with_twenty_two(tmp_path):
    table, declaration = files(tmp_path, [11, 12, 13, 14])
    lines = table.read_text("utf-8").replace("500000", "900").replace(",2023,", ",2023-05,")
    table.write_text(lines, "utf-8")
    result = run(table, "--declare", declaration, "--json")
    assert result.exit_code == 22
    assert json.loads(result.stdout)["outcome"] == "mitigation_required"


@pytest.mark.parametrize(
    ("break_it", "exit_code", "code"),
    [
        (lambda table, declaration: declaration.write_text("- 1", "utf-8"), 10, "D-02"),
        (lambda table, declaration: declaration.unlink(), 10, "D-01"),
        (lambda table, declaration: table.write_text("", "utf-8"), 17, "D-01"),
        (
            lambda table, declaration: table.write_text(
                table.read_text("utf-8").replace("Alpine", "Q7SECRETQ7"), "utf-8"
            ),
            17,
            "C-15",
        ),
    ],
)
def test_what_cannot_be_assessed_says_why_with_a_code_and_without_values(
    tmp_path, break_it, exit_code, code
):
    table, declaration = files(tmp_path, [3, 12, 13, 14])
    break_it(table, declaration)
    result = run(table, "--declare", declaration, "--json")
    assert isinstance(result.exception, DeidError)
    assert result.exception.exit_code == exit_code
    report = json.loads(result.stdout)
    assert (report["outcome"], report["exit_code"]) == ("cannot_assess", exit_code)
    assert report["error"]["code"] == code
    assert "Q7SECRETQ7" not in result.stdout + str(result.exception)


def test_a_file_without_a_declaration_is_wrong_usage(tmp_path):
    table, _ = files(tmp_path, [3, 12, 13, 14])
    assert run(table).exit_code == 2
    assert run().exit_code == 2


def test_people_see_rows_rules_and_sources(tmp_path):
    table, declaration = files(tmp_path, [3, 12, 13, 14])
    text = run(table, "--declare", declaration).stdout
    for part in ("masking required", "under 11", "Table 24", "R-501", "threshold 13"):
        assert part in text
    assert "Alpine" not in text


def test_the_sheet_can_be_printed_as_markdown(tmp_path):
    table, declaration = files(tmp_path, [3, 12, 13, 14])
    text = run(table, "--declare", declaration, "--markdown").stdout
    assert "| **total** | threshold 13 | **16** | T-1 | 4.3.1 |" in text


def test_suggestions_come_with_the_sheet(tmp_path):
    table, declaration = files(tmp_path, [3, 12, 13, 14])
    result = run(table, "--declare", declaration, "--suggest", "--json")
    designs = json.loads(result.stdout)["suggestions"]
    assert designs[-1] == {
        "changes": [],
        "score": 16,
        "blanks": 1,
        "cells": 4,
        "loss": 0.0,
        "expert_review": False,
    }
    assert ["sex dropped"] in [one["changes"] for one in designs]
    shown = run(table, "--declare", declaration, "--suggest").stdout
    assert "sex dropped" in shown


def test_nothing_is_written(tmp_path):
    table, declaration = files(tmp_path, [3, 12, 13, 14])
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    run(table, "--declare", declaration)
    after = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert after == before
