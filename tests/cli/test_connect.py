"""``deid connect`` as people type and pipe it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from deid_platform.cli import connect
from deid_platform.core.errors import QueryError
from deid_platform.core.zones import Zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.snapshots import publish_snapshot
from tests.engine.upkeep_state import deployment_with_state


def run(typed: str, *arguments: str) -> Result:
    app = typer.Typer()
    connect.register(app)
    return CliRunner().invoke(app, list(arguments), input=typed)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = deployment_with_state(tmp_path)
    monkeypatch.setenv("DEID_HOME", str(made.home))
    return made.home


def documents(text: str) -> list[object]:
    decoder, found = json.JSONDecoder(), []
    while text.strip():
        one, end = decoder.raw_decode(text.strip())
        found.append(one["rows"])
        text = text.strip()[end:]
    return found


def test_several_questions_are_answered_in_turn() -> None:
    typed = ".tables\nselect value,\n  count(*) as n\nfrom counts group by all;\nselect 2 as two"
    answered = run(typed, "marts", "--json")
    assert answered.exit_code == 0
    assert documents(answered.stdout) == [
        [{"name": "counts"}],
        [{"value": 1, "n": 100}],
        [{"two": 2}],
    ]


def test_a_session_ends_where_it_is_told_to() -> None:
    assert documents(run("select 1 as a;\n.quit\nselect 2 as a;\n", "--json").stdout) == [
        [{"a": 1}]
    ]


def test_answers_are_tables_and_are_cut() -> None:
    answered = run("select value from counts;\n", "--limit", "3")
    assert answered.stdout.count("│ 1") == 3
    assert "Only the first 3 rows" in answered.output


@pytest.mark.parametrize(
    "sql",
    [
        "insert into counts values (1);",
        "attach 'x.duckdb';",
        "select * from read_csv('/etc/passwd');",
        "copy counts to 'x.csv';",
        "set enable_external_access = true;",
        "select 1; select 2;",
        "select cast(county as integer) from counts;",
    ],
)
def test_a_snapshot_is_read_and_nothing_else(sql: str) -> None:
    refused = run(sql + "\n")
    assert isinstance(refused.exception, QueryError)
    assert "Quackenbush" not in str(refused.exception)


def test_the_version_that_was_opened_is_kept() -> None:
    deployment = Deployment.from_environment()
    from deid_platform.engine.analyst_query import asking
    from deid_platform.engine.database import open_zone

    with asking(deployment, "marts") as answer:
        assert answer("select max(value) from counts", 1).rows == [(1,)]
        with open_zone(deployment, Zone.DEIDENTIFIED) as con:
            con.execute("update deidentified.marts.counts set value = 2")
        publish_snapshot(deployment, Zone.DEIDENTIFIED, schema="marts", name="marts")
        assert answer("select max(value) from counts", 1).rows == [(1,)]


def test_a_mistake_typed_at_a_terminal_does_not_end_the_session(home: Path) -> None:
    ours, theirs = pty.openpty()
    program = (
        "import typer; from deid_platform.cli import connect\n"
        "app = typer.Typer(); connect.register(app); app()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, "marts"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "DEID_HOME": str(home), "COLUMNS": "200"},
        text=True,
    ) as session:
        os.write(ours, b"selekt 1;\nselect 40 + 2 as answer;\n.quit\n")
        printed, told = session.communicate(timeout=120)
    os.close(ours)
    os.close(theirs)
    assert session.returncode == 0
    assert "correct the SQL" in told
    assert "42" in printed
    assert "marts> " in printed
