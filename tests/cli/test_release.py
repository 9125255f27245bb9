from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from deid_platform.cli import build_app
from deid_platform.core.errors import AuthorisationError, LedgerError
from deid_platform.governance.ledger import Ledger
from tests.support.governance import NAME, World, world, write_manifest

PURPOSE = ("--purpose", "The yearly open data table")


class Terminal:
    """`deid`, run in this process on a deployment of its own."""

    def __init__(self, deployment: World) -> None:
        self.world = deployment
        self.environment = {
            "DEID_PROJECT": str(deployment.deployment.project),
            "DEID_HOME": str(deployment.deployment.home),
        }

    def __call__(self, *words: str) -> str:
        result = CliRunner(env=self.environment).invoke(build_app(), words)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *words: str):
        return json.loads(self(*words, "--json"))


@pytest.fixture
def deid(tmp_path) -> Terminal:
    made = world(tmp_path)
    write_manifest(made.deployment)
    made.build()
    return Terminal(made)


def requested(deid: Terminal) -> str:
    return deid.json("request", NAME, *PURPOSE, "--as", "ana.ruiz")["request"]


def test_from_request_to_release_on_the_command_line(deid):
    request = requested(deid)
    assert deid.json("request", "show", request)["state"] == "submitted"
    approved = deid.json("approve", request, "--as", "ben.cho", "--role", "data_steward")
    assert approved["state"] == "release_approved"
    released = deid.json("release", request, "--to", "csv_bundle", "--as", "dana.lee")
    assert released["new"]
    assert released["rows"] == 6
    assert f"{NAME}_2023_2024_" in " ".join(released["files"])
    (listed,) = deid.json("request", "list")
    assert (listed["state"], listed["release"]) == ("released", released["release"])
    assert not deid.json("release", request, "--as", "dana.lee")["new"]


def test_the_same_path_tells_a_person_what_comes_next(deid):
    told = deid("request", NAME, *PURPOSE, "--as", "ana.ruiz")
    request = told.split(":")[0]
    assert f"deid approve {request} --role data_steward" in told
    assert "waits for a data_steward: approve or reject it" in deid("request", "list")
    assert "release_approved" in deid("approve", request, "--as", "ben", "--role", "data_steward")
    assert "manifest.json" in deid("release", request, "--as", "dana.lee")
    assert "released before" in deid("release", request, "--as", "dana.lee")
    shown = deid("request", "show", request)
    assert "The yearly open data table" in shown
    assert "request.approved  person:ben" in shown


def test_new_may_be_written_out(deid):
    assert deid.json("request", "new", NAME, *PURPOSE, "--as", "ana.ruiz")["state"] == "submitted"


def test_self_approval_is_refused_with_the_rule(deid):
    request = requested(deid)
    with pytest.raises(AuthorisationError, match="separation of duties"):
        deid("approve", request, "--as", "person:ana.ruiz", "--role", "data_steward")


def test_a_release_without_approval_is_refused(deid):
    with pytest.raises(AuthorisationError, match="an approval by a data_steward"):
        deid("release", requested(deid), "--as", "dana.lee")
    assert not list(deid.world.deployment.outbox.rglob("*.csv"))


def test_reject_and_withdraw_end_a_request(deid):
    first = requested(deid)
    role = ("--role", "data_steward")
    ended = deid.json("reject", first, *role, "--reason", "No legal basis", "--as", "ben.cho")
    assert ended["state"] == "rejected"
    second = requested(deid)
    ended = deid.json("request", "withdraw", second, "--reason", "Later", "--as", "ana.ruiz")
    assert ended["state"] == "withdrawn"


def test_a_recalled_release_is_not_released_again(deid):
    request = requested(deid)
    deid("approve", request, "--as", "ben.cho", "--role", "data_steward")
    deid("release", request, "--as", "dana.lee")
    recalled = deid.json("recall", request, "--reason", "A wrong year", "--as", "ben.cho")
    assert recalled["state"] == "recalled"
    with pytest.raises(AuthorisationError, match="is recalled"):
        deid("release", request, "--as", "dana.lee")


def test_the_ledger_is_verified_pinned_and_shown(deid):
    head = deid("audit", "head").strip()
    assert head == deid.json("audit", "head")["head"]
    requested(deid)
    verified = deid.json("audit", "verify", "--head", head)
    assert verified["ok"]
    assert verified["decisions"] == verified["registers"] == 0
    assert "the chain holds" in deid("audit", "verify")
    (last,) = deid.json("ledger", "show", "--last", "1")
    assert (last["kind"], last["subject"]) == ("request.submitted", NAME)
    assert "request.submitted" in deid("ledger", "show", "--subject", NAME)


def test_a_head_of_another_ledger_is_refused(deid, tmp_path):
    other = world(tmp_path / "other")
    other.build()
    with pytest.raises(LedgerError, match="pinned head"):
        deid("audit", "verify", "--head", str(other.ledger.head()))


def test_the_operating_system_account_is_recorded(deid):
    requested(deid)
    *_, last = Ledger.open(deid.world.deployment.ledger_url).entries(subject=NAME)
    assert last.payload["os_user"]
    assert last.payload["by"] == "person:ana.ruiz"


def test_a_refusal_ends_the_program_with_its_exit_code_and_one_line(deid):
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from deid_platform.cli import main; main()"),
            *("release", requested(deid), "--as", "dana.lee"),
        ],
        env={**os.environ, **deid.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == AuthorisationError.exit_code
    assert "AuthorisationError" in done.stderr
    assert "Traceback" not in done.stderr
