"""The command itself: its version, its tables, and a home where nobody has made a deployment."""

from __future__ import annotations

from importlib.metadata import version
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from deid_platform.cli import build_app, columns_of
from deid_platform.core.errors import ZoneError


def test_the_version_is_that_of_the_package():
    done = CliRunner().invoke(build_app(), ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"deid {version('deid-platform')}\n")


@pytest.mark.parametrize("command", [["status"], ["status", "--json"], ["run"]])
def test_nothing_is_made_where_there_is_no_deployment(command, tmp_path: Path, monkeypatch):
    home = tmp_path / "mistyped"
    monkeypatch.setenv("DEID_HOME", str(home))
    error = CliRunner().invoke(build_app(), command).exception
    assert isinstance(error, ZoneError)
    assert "run `deid init`" in str(error)
    assert not home.exists()


def test_a_name_in_a_table_is_folded_and_never_cut():
    name = "ed_visits_by_county_and_race_and_quarter_" * 3
    table = columns_of("publication", "cells")
    table.add_row(name, "12")
    out = StringIO()
    Console(file=out, width=60).print(table)
    lines = [line.split("│")[1].strip() for line in out.getvalue().splitlines() if "│" in line]
    assert "".join(lines) == name
