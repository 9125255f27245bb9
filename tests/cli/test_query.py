"""``deid query`` and ``deid init`` as people type them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from deid_platform.cli import init as init_command
from deid_platform.cli import query as query_command
from deid_platform.core.errors import QueryError, ZoneError
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.snapshots import publish_snapshot


def run(*arguments: str) -> Result:
    app = typer.Typer()
    init_command.register(app)
    query_command.register(app)
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DEID_RAW_KEY", "DEID_LIMITED_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DEID_HOME", str(tmp_path / "home"))
    assert run("init", "--json").exit_code == 0
    deployment = Deployment.from_environment()
    with open_zone(deployment, Zone.DEIDENTIFIED) as con:
        con.execute("create schema deidentified.marts")
        con.execute(
            "create table deidentified.marts.people_by_zip3 as select * from (values "
            "('941', 120, 'a, \"b\"'), ('900', 300, null)) as v(zip3, person_count, note)"
        )
    publish_snapshot(deployment, Zone.DEIDENTIFIED, schema="marts", name="marts")
    return deployment.home


QUESTION = "select zip3, person_count, note from people_by_zip3 order by zip3"


@pytest.mark.parametrize("cell", ["[/smith]", "[red]smith", ":smile:"])
def test_a_cell_that_looks_like_markup_is_printed_as_it_is(cell: str) -> None:
    printed = run("query", "marts", f"select '{cell}' as note")
    assert printed.exit_code == 0, printed.exception
    assert cell in printed.stdout


def test_a_statement_that_is_not_text_is_refused() -> None:
    error = run("query", "marts", "select \udcff").exception
    assert isinstance(error, QueryError)
    assert "not valid UTF-8" in str(error)


def test_a_query_prints_a_table() -> None:
    printed = run("query", "marts", QUESTION)
    assert printed.exit_code == 0
    assert "person_count" in printed.output
    assert "941" in printed.output


def test_a_query_prints_json() -> None:
    assert json.loads(run("query", "marts", QUESTION, "--json").output) == {
        "columns": ["zip3", "person_count", "note"],
        "rows": [
            {"zip3": "900", "person_count": 300, "note": None},
            {"zip3": "941", "person_count": 120, "note": 'a, "b"'},
        ],
        "is_cut": False,
    }


def test_a_query_prints_csv() -> None:
    assert run("query", "marts", QUESTION, "--csv").output == (
        'zip3,person_count,note\n900,300,\n941,120,"a, ""b"""\n'
    )


def test_a_limit_cuts_and_says_so() -> None:
    answer = json.loads(run("query", "marts", QUESTION, "--limit", "1", "--json").output)
    assert len(answer["rows"]) == 1
    assert answer["is_cut"]


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("selct 1", "syntax error"),
        ("select nothing from people_by_zip3", "nothing"),
        ("from nowhere", "nowhere does not exist"),
        ("drop table people_by_zip3", "not one select statement"),
        ("insert into people_by_zip3 values ('1', 1, '')", "not one select statement"),
        ("select 1; select 2", "not one select statement"),
        ("", "not one select statement"),
        ("copy people_by_zip3 to '/tmp/x.csv'", "not one select statement"),
        ("attach '/tmp/x.duckdb'", "not one select statement"),
        ("set threads = 1", "not one select statement"),
        ("select * from read_csv('/etc/passwd')", "outside the snapshot"),
        ("select * from '/etc/passwd'", "/etc/passwd does not exist|outside the snapshot"),
    ],
)
def test_what_a_snapshot_cannot_answer_is_refused(sql: str, says: str) -> None:
    error = run("query", "marts", sql).exception
    assert isinstance(error, QueryError)
    with pytest.raises(QueryError, match=says):
        raise error


def test_a_failure_on_the_data_quotes_no_cell() -> None:
    error = run("query", "marts", "select cast(note as integer) from people_by_zip3").exception
    assert isinstance(error, QueryError)
    assert "try_cast" in str(error)
    assert "a, " not in str(error).replace("a, b", "")
    assert '"b"' not in str(error)


def test_a_snapshot_that_was_never_published_is_told() -> None:
    error = run("query", "release", "select 1").exception
    assert isinstance(error, ZoneError)
    assert "no snapshot of that name" in str(error)


def test_init_again_says_that_nothing_changed(home: Path) -> None:
    printed = run("init")
    assert "nothing was changed" in printed.output
    assert str(home) in printed.output.replace("\n", "")
