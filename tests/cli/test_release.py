from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import yaml
from typer.testing import CliRunner

from deid_platform.cli import build_app
from deid_platform.core.errors import AuthorisationError, DeidError, LedgerError
from deid_platform.core.intake import FormError
from deid_platform.governance.ledger import Ledger
from tests.support.governance import NAME, World, form, world, write_manifest
from tests.support.people import people

STEPS = (
    ("review", "--yes", "--as", "eli.park"),
    ("execute",),
    ("validate", "--findings", "Twenty rows looked at", "--yes", "--as", "gus.ortiz"),
    ("determine request", "--explanation", "Small cells are hidden", "--as", "hana.kim"),
    ("approve", "--role", "data_steward", "--as", "ben.cho"),
    ("approve", "--role", "deputy_director", "--as", "max.hale"),
    ("approve", "--role", "director", "--as", "nora.quinn"),
)


class Terminal:
    """`deid`, run in this process on a deployment of its own."""

    def __init__(self, deployment: World) -> None:
        self.world = deployment
        self.environment = {
            "DEID_PROJECT": str(deployment.deployment.project),
            "DEID_HOME": str(deployment.deployment.home),
            "DEID_SIGNING_KEY": str(people().folder / "keys"),
        }
        self.form = deployment.deployment.home / "request.yaml"
        self.form.write_text(json.dumps(form()), "utf-8")

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
    return deid.json("request", NAME, "--from", str(deid.form), "--as", "ana.ruiz")["request"]


def approved(deid: Terminal) -> str:
    request = requested(deid)
    for name, *options in STEPS:
        deid(*name.split(), request, *options)
    return request


def test_from_request_to_release_on_the_command_line(deid):
    request = requested(deid)
    assert deid.json("request", "show", request)["state"] == "submitted"
    states = [deid.json(*name.split(), request, *more)["state"] for name, *more in STEPS]
    assert states == [
        *("approved_for_execution", "executed", "validated", "legal_cleared"),
        *("legal_cleared", "legal_cleared", "release_approved"),
    ]
    released = deid.json("release", request, "--to", "csv_bundle", "--as", "dana.lee")
    assert released["new"]
    assert released["rows"] == 6
    assert f"{NAME}_2023_2024_" in " ".join(released["files"])
    (listed,) = deid.json("request", "list")
    assert (listed["state"], listed["release"]) == ("released", released["release"])
    assert not deid.json("release", request, "--as", "dana.lee")["new"]


def test_the_same_path_tells_a_person_what_comes_next(deid):
    told = deid("request", NAME, "--from", str(deid.form), "--as", "ana.ruiz")
    request = told.split(":")[0]
    assert "next: privacy_reviewer: approve_for_execution" in told
    assert "waits for privacy_reviewer" in deid("request", "list")
    for name, *options in STEPS:
        told = deid(*name.split(), request, *options)
    assert "release_approved" in told
    assert "manifest.json" in deid("release", request, "--as", "dana.lee")
    assert "released before" in deid("release", request, "--as", "dana.lee")
    shown = deid("request", "show", request)
    assert "The yearly open data table" in shown
    assert "approve_release  person:ben.cho" in shown


def test_new_may_be_written_out(deid):
    form_file = ("--from", str(deid.form))
    asked = deid.json("request", "new", NAME, *form_file, "--as", "ana.ruiz")
    assert asked["state"] == "submitted"


def test_a_draft_is_a_form_that_only_its_author_can_complete(deid):
    draft = yaml.safe_load(deid("request", "draft", NAME))
    assert draft["method"] == "ddg_aggregate"
    assert {one["name"] for one in draft["data_elements"]} == {
        *("county", "visit_year", "visit_count", "person_count", "population_count"),
    }
    deid.form.write_text(yaml.safe_dump(draft), "utf-8")
    with pytest.raises(FormError, match=r"IN-03 data_elements\.1"):
        requested(deid)


def test_an_inbox_shows_each_person_what_waits_for_them_and_why(deid):
    request = requested(deid)
    (item,) = deid.json("inbox", "--as", "eli.park")
    assert (item["request"], item["as_role"]) == (request, "privacy_reviewer")
    assert deid.json("inbox", "--as", "ben.cho") == []
    assert "Nothing waits for you." in deid("inbox", "--as", "ana.ruiz")
    deid("return", request, "--reason", "Say why county", "--as", "eli.park")
    assert "Say why county" in deid("inbox", "--as", "ana.ruiz")
    again = ("--from", str(deid.form), "--as", "ana.ruiz")
    assert deid.json("request", "resubmit", request, *again)["state"] == "submitted"


def test_without_a_key_nothing_is_decided(deid):
    del deid.environment["DEID_SIGNING_KEY"]
    with pytest.raises(AuthorisationError, match="only with a signature"):
        requested(deid)
    key = str(people().key("ben.cho"))
    with pytest.raises(AuthorisationError, match="SIG-05"):
        deid("request", NAME, "--from", str(deid.form), "--as", "ana.ruiz", "--key", key)


def test_self_approval_is_refused_with_the_rule(deid):
    request = requested(deid)
    with pytest.raises(AuthorisationError, match="separation of duties"):
        deid("approve", request, "--as", "person:ana.ruiz", "--role", "data_steward")


def test_a_release_without_approval_is_refused(deid):
    with pytest.raises(AuthorisationError, match="an approval by a data_steward"):
        deid("release", requested(deid), "--as", "dana.lee")
    assert not list(deid.world.deployment.outbox.rglob("*.csv"))


def test_a_release_to_another_target_than_the_destinations_is_refused(deid):
    request = approved(deid)
    with pytest.raises(DeidError):
        deid("release", request, "--to", "parquet", "--as", "dana.lee")


def test_reject_and_withdraw_end_a_request(deid):
    first = requested(deid)
    role = ("--role", "data_steward")
    ended = deid.json("reject", first, *role, "--reason", "No legal basis", "--as", "ben.cho")
    assert ended["state"] == "rejected"
    second = requested(deid)
    ended = deid.json("request", "withdraw", second, "--reason", "Later", "--as", "ana.ruiz")
    assert ended["state"] == "withdrawn"


def test_hold_and_resume(deid):
    request = requested(deid)
    held = deid.json("hold", request, "--reason", "Waits for counsel", "--as", "ben.cho")
    assert held["state"] == "on_hold"
    assert deid.json("resume", request, "--as", "ben.cho")["state"] == "submitted"


def test_a_sample_is_not_shown_into_a_file(deid):
    request = requested(deid)
    for name, *options in STEPS[:2]:
        deid(*name.split(), request, *options)
    with pytest.raises(AuthorisationError, match="on a terminal only"):
        deid("validate", request, "--sample", "5", "--as", "gus.ortiz")


def test_a_recalled_release_is_not_released_again(deid):
    request = approved(deid)
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
    assert (verified["registers"], verified["decisions"]) == (1, 2)
    assert "the chain holds" in deid("audit", "verify")
    (last,) = deid.json("ledger", "show", "--last", "1")
    assert (last["kind"], last["subject"]) == ("request.decided", NAME)
    assert "request.decided" in deid("ledger", "show", "--subject", NAME)


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
