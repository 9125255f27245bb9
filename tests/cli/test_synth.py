"""`deid synth` from the command line."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from deid_platform.cli import build_app
from deid_platform.core.errors import DeclarationError


def deid(*arguments: object):
    return CliRunner().invoke(build_app(), [str(argument) for argument in arguments])


def test_the_json_names_what_was_written(tmp_path):
    result = deid(
        "synth", "--people", 50, "--months", 2, "--out", tmp_path, "--visits", 80,
        "--format", "parquet", "--canaries", 1, "--canary-file", tmp_path / "list.json", "--json",
    )  # fmt: skip
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["visits"] == 80
    assert told["files"] == sorted(str(file) for file in tmp_path.glob("ed_visits/*.parquet"))
    assert len(told["files"]) == 2
    assert told["canary_file"] == str(tmp_path / "list.json")
    assert (tmp_path / "list.json").exists()
    assert not (tmp_path / "canaries.json").exists()


def test_the_summary_is_one_line(tmp_path):
    result = deid("synth", "--people", 50, "--months", 2, "--out", tmp_path)
    assert result.exit_code == 0
    assert result.stdout.startswith("55 visits of 50 people in 2 files under ")


def test_a_second_run_into_the_same_folder_is_refused(tmp_path):
    arguments = ("synth", "--people", 50, "--months", 2, "--out", tmp_path)
    assert deid(*arguments).exit_code == 0
    assert isinstance(deid(*arguments).exception, DeclarationError)
    assert deid(*arguments, "--force").exit_code == 0


def test_an_unknown_format_is_a_usage_error(tmp_path):
    result = deid("synth", "--people", 5, "--months", 1, "--out", tmp_path, "--format", "xlsx")
    assert result.exit_code == 2
    assert "csv" in result.stderr


def test_help_shows_an_example():
    result = deid("synth", "--help")
    assert "deid synth --people" in result.stdout
