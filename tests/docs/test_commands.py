"""Commands in the documentation exist, and those of the tutorial work in the order shown."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from deid_platform.cli import build_app
from deid_platform.core.determination import read_determination
from tests.docs.console import PAGES, ROOT, Shown, commands, mentions

NOT_RUN = ("make ", "deid ui")
"""Installing is the test runner's own work; the UI does not end by itself."""
AFTERWARDS = (
    "read-a-gate.md",
    "query-marts.md",
    "operate.md",
    "answer-an-auditor.md",
    "send-a-release.md",
)
"""How-tos whose commands work on the deployment that the tutorial leaves."""

BY_ROLE = (
    "for-the-requester.md",
    "for-the-privacy-reviewer.md",
    "for-the-expert.md",
    "for-the-steward.md",
    "for-the-platform-engineer.md",
    "for-the-auditor.md",
)
"""A page for each role, in the order in which one request goes from hand to hand."""

MENTIONED = [one for page in PAGES for one in mentions(page)]


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Path:
    """A copy of the declarations, since the tutorial changes them, with no Synthea tables in it:
    the tutorial does not touch them, and they take most of the time."""
    project = tmp_path_factory.mktemp("checkout")
    skip = shutil.ignore_patterns("__pycache__", "target", "logs", "synthea_*")
    for folder in ("assets", "dbt_project", "docs"):
        shutil.copytree(ROOT / folder, project / folder, ignore=skip)
    activate = project / ".venv" / "bin" / "activate"
    activate.parent.mkdir(parents=True)
    activate.touch()
    run(project, "python -m deid_platform.engine.dbt_sources")
    return project


def run(project: Path, script: str) -> subprocess.CompletedProcess[str]:
    paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DEID_", "DAGSTER_"))}
    return subprocess.run(
        ["bash", "-c", script],
        cwd=project,
        env={
            **inherited,
            "DEID_PROJECT": str(project),
            "PATH": os.pathsep.join(paths),
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=1700,
    )


def script_of(shown: list[Shown]) -> str:
    """The commands in one shell, which ends at the first unexpected exit code and names it."""
    lines = []
    for one in shown:
        if not one.text.startswith(NOT_RUN):
            told = shlex.quote(f"{one}: expected exit code {one.exit_code}, got")
            lines += [
                one.text,
                f"code=$?; test $code -eq {one.exit_code} || {{ echo {told} $code; exit 99; }}",
            ]
    return "\n".join(lines)


def test_commands_on_a_table_from_anywhere_work_without_a_deployment(project):
    shown = [
        one
        for name in ("assess-a-table.md", "mask-a-table.md", "redact-text.md")
        for one in commands(ROOT / "docs" / "how-to" / name)
    ]

    done = run(project, "export DEID_HOME=$PWD/none\n" + script_of(shown))

    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert not (project / "none").exists()


@pytest.fixture(scope="session")
def tutorial(project) -> subprocess.CompletedProcess[str]:
    """The tutorial as it was run once, and the how-tos that build on it."""
    shown = [*commands(ROOT / "docs" / "tutorial.md")]
    for name in AFTERWARDS:
        shown += commands(ROOT / "docs" / "how-to" / name)
    return run(project, script_of(shown))


@pytest.mark.slow
def test_the_tutorial_and_what_builds_on_it_work_as_written(project, tutorial):
    assert tutorial.returncode == 0, (tutorial.stdout + tutorial.stderr)[-3000:]
    undone = ["clinic_visits.yaml", "ed_visits_by_sex_year"]
    assert not [file for name in undone for file in (project / "assets").rglob(name)]
    assert not [file for name in undone for file in (project / "dbt_project").rglob(name)]


@pytest.mark.slow
def test_the_pages_of_the_roles_take_one_request_from_form_to_audit(project, tutorial):
    assert tutorial.returncode == 0, "the tutorial did not end; its own test says where"
    shown = [one for name in BY_ROLE for one in commands(ROOT / "docs" / "how-to" / name)]
    home = "$PWD/var/tutorial"
    there = f"export DEID_HOME={home} DEID_SIGNING_KEY={home}/demo/keys\n"

    done = run(project, there + script_of(shown))

    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    released = project / "var" / "tutorial" / "outbox" / "ed_visits_by_condition_year"
    assert list(released.glob("*/manifest.json"))


def test_the_example_of_an_expert_determination_holds_every_mandatory_content():
    example = ROOT / "docs" / "examples" / "expert_determination.yaml"

    found = read_determination(yaml.safe_load(example.read_text("utf-8")), date(2026, 1, 1))

    assert found.valid_until is not None


def test_a_command_that_fails_is_noticed(project):
    shown = [
        Shown(page=ROOT / "page.md", line=1, text="true"),
        Shown(page=ROOT / "page.md", line=2, text="(exit 15)", exit_code=15),
        Shown(page=ROOT / "page.md", line=3, text="(exit 3)"),
        Shown(page=ROOT / "page.md", line=4, text="touch reached"),
    ]

    done = run(project, script_of(shown))

    assert done.returncode == 99
    assert "page.md:3: (exit 3): expected exit code 0, got 3" in done.stdout
    assert not (project / "reached").exists()


@pytest.mark.parametrize("one", MENTIONED, ids=str)
def test_a_command_that_a_page_names_exists_with_its_options(one):
    command, words = _command_of(one.text)
    assert command is not None, f"{one}: there is no such command"
    known = {name for p in command.params for name in (*p.opts, *p.secondary_opts)} | {"--help"}
    given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert given <= known, f"{one}: no such option: {', '.join(sorted(given - known))}"


def test_pages_show_commands_of_every_noun():
    shown = {one.text.split()[1] for one in MENTIONED}
    root: Any = typer.main.get_command(build_app())
    assert shown >= set(root.commands) - {"ui", "policy"}


def _command_of(text: str) -> tuple[Any, list[str]]:
    """The command a line names, and the words after it; a group itself where nothing follows."""
    root: Any = typer.main.get_command(build_app())
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|>)")
    lexer.whitespace_split = True
    # What follows a pipe or a redirection is not this command's.
    words = list(itertools.takewhile(lambda word: not word.startswith(("|", ">", ")")), lexer))[1:]
    command = root
    while words and hasattr(command, "commands"):
        if words[0] not in command.commands:
            # `deid request PUBLICATION` is short for `deid request new PUBLICATION`.
            return (command.commands["new"], words) if command.name == "request" else (None, words)
        command = command.commands[words.pop(0)]
    return command, words
