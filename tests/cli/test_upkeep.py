"""``deid doctor``, ``deid backup``, ``deid restore`` and ``deid key`` as people type them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from deid_platform.cli import backup, doctor, key
from deid_platform.core.errors import ZoneError, ZoneKeyError
from deid_platform.core.zones import Zone
from deid_platform.engine.deployment import Deployment
from deid_platform.governance.events import KeyRotated
from deid_platform.governance.ledger import Ledger
from tests.docs.console import ROOT, commands
from tests.engine.upkeep_state import deployment_with_state, head_of, state


def run(*arguments: str) -> Result:
    app = typer.Typer()
    for module in (backup, doctor, key):
        module.register(app)
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("RAW", "LIMITED"):
        monkeypatch.delenv(f"DEID_{name}_KEY", raising=False)
        monkeypatch.delenv(f"DEID_{name}_KEY_NEW", raising=False)
    monkeypatch.delenv("DEID_LEDGER_URL", raising=False)
    made = deployment_with_state(tmp_path)
    monkeypatch.setenv("DEID_HOME", str(made.home))
    return made.home


def test_a_backup_is_made_and_restored(home: Path, tmp_path: Path) -> None:
    before = state(Deployment.from_environment())
    made = run("backup", str(tmp_path / "backup"), "--json")
    assert made.exit_code == 0
    told = json.loads(made.stdout)
    assert told["rows"] == {"raw": 500, "limited": 100, "deidentified": 100, "release": 100}
    assert set(told["keys"]) == {"raw", "limited"}

    assert isinstance(run("restore", str(tmp_path / "backup")).exception, ZoneError)
    shutil.rmtree(home / "zones")
    restored = run(
        "restore", str(tmp_path / "backup"), "--force", "--digest", told["digest"], "--json"
    )
    assert json.loads(restored.stdout)["ledger_head"] == head_of(home / "ledger.db")
    assert state(Deployment.from_environment()) == before


def test_a_backup_says_that_it_has_no_keys(tmp_path: Path) -> None:
    told = " ".join(run("backup", str(tmp_path / "backup")).output.split())
    assert "The keys are not in the backup" in told
    told = " ".join(run("restore", str(tmp_path / "backup"), "--force").output.split())
    assert "every zone opens" in told


def test_a_new_key_is_recorded_and_never_printed(home: Path) -> None:
    deployment = Deployment.from_environment()
    keys = [deployment.key(Zone.RAW)]
    for arguments in (["--json"], []):
        done = run("key", "rotate", "raw", *arguments)
        assert done.exit_code == 0
        keys.append(deployment.key(Zone.RAW))
        assert not [one for one in keys if one in done.output]
    entries = list(Ledger.open(deployment.ledger_url).entries(kinds=[KeyRotated]))
    assert [entry.subject for entry in entries] == ["raw", "raw"]
    assert entries[0].payload["new_key"] == entries[1].payload["old_key"]
    assert entries[0].payload["content"] == entries[1].payload["content"]
    assert not [one for one in keys if one in (home / "ledger.db").read_text("latin-1")]


def test_whoever_keeps_the_key_in_the_environment_is_told_to_switch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deployment = Deployment.from_environment()
    monkeypatch.setenv("DEID_RAW_KEY", deployment.key(Zone.RAW))
    monkeypatch.setenv("DEID_RAW_KEY_NEW", deployment.key(Zone.LIMITED))
    told = " ".join(run("key", "rotate", "raw").output.split())
    assert "Now set DEID_RAW_KEY to the new key and unset DEID_RAW_KEY_NEW" in told
    monkeypatch.setenv("DEID_RAW_KEY", deployment.key(Zone.LIMITED))
    monkeypatch.delenv("DEID_RAW_KEY_NEW")
    assert state(Deployment.from_environment())["raw"].rows == {"crosswalk.hospital__person": 500}


@pytest.mark.parametrize("zone", ["release", "nothing"])
def test_only_encrypted_zones_have_keys(zone: str) -> None:
    assert isinstance(run("key", "rotate", zone).exception, ZoneKeyError)


def test_the_doctor_fails_where_something_is_wrong_and_says_what_to_do(home: Path) -> None:
    (home / "keys" / "raw.key").chmod(0o644)
    done = run("doctor", "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert not told["ok"]
    failures = [one for one in told["findings"] if one["level"] == "failure"]
    assert {"raw"} <= {one["area"] for one in failures}
    assert all(one["do"] for one in failures)


def test_the_doctor_prints_a_line_for_each_thing_it_looked_at() -> None:
    done = run("doctor", "--fix")
    assert "encryption: OpenSSL loads" in done.stdout
    assert "raw: opens, 1 tables, key sha256:" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("failure")


def test_the_commands_of_the_how_tos_work_as_written(home: Path, tmp_path: Path) -> None:
    before = state(Deployment.from_environment())
    shown = [
        one.text
        for page in ("back-up-and-restore.md", "rotate-keys.md")
        for one in commands(ROOT / "docs" / "how-to" / page)
    ]
    assert len(shown) == 4
    (tmp_path / "checkout").mkdir()
    subprocess.run(
        ["bash", "-ec", "\n".join(shown)],
        cwd=tmp_path / "checkout",
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "DEID_HOME": str(home),
        },
        check=True,
        capture_output=True,
    )
    assert (tmp_path / "deid-backup" / "manifest.json").is_file()
    assert state(Deployment.from_environment()) == before
