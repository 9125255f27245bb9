from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deid_platform.cli import build_app
from deid_platform.core.errors import AuthorisationError, DeclarationError
from deid_platform.core.zones import Zone
from deid_platform.engine.deployment import Deployment
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.signatures import SignatureError
from tests.support.register import DECLARED, Office, make_key, office, write_register


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Office:
    return office(tmp_path_factory.mktemp("office"))


class Cli:
    def __init__(self, here: Office, extra: Path) -> None:
        self.here, self.extra = here, extra

    def __call__(self, *words: object, code: int = 0) -> str:
        done = CliRunner().invoke(build_app(), [str(word) for word in words])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return done.stdout

    def json(self, *words: object, code: int = 0):
        return json.loads(self(*words, "--json", code=code))

    @property
    def folders(self) -> list[object]:
        found: list[object] = ["--folder", DECLARED, "--folder", self.here.keys_folder]
        return found + (["--folder", self.extra] if self.extra.is_dir() else [])

    def apply(self, who: str = "lena.voss", *more: object) -> str:
        key = self.here.key(who)
        return self("register", "apply", "--as", who, "--key", key, "--yes", *self.folders, *more)


@pytest.fixture
def deid(here, tmp_path, monkeypatch) -> Cli:
    monkeypatch.setenv("DEID_HOME", str(tmp_path / "home"))
    return Cli(here, tmp_path / "more")


def newcomer(deid: Cli, **fields) -> None:
    person = {
        "display_name": "Rae Cole",
        "unit": "Epidemiology",
        "email": "rae.cole@health.example",
        "roles": [
            {
                "role": "requester",
                "since": "2024-01-01",
                "until": "2030-12-31",
                "certified_by": "lena.voss",
            }
        ],
        **fields,
    }
    write_register(deid.extra, {"people": {"rae.cole": person}})


def test_a_plan_says_what_an_apply_then_does(deid):
    assert "0 to change, 0 to remove" in deid("register", "plan", *deid.folders)
    assert deid("register", "plan", "--detailed-exitcode", *deid.folders, code=24)
    assert "in force since" in deid.apply()
    assert deid.json("register", "plan", "--detailed-exitcode", *deid.folders)["changes"] == []
    assert "nothing was done" in deid.apply()
    newcomer(deid)
    planned = deid.json("register", "plan", "--detailed-exitcode", *deid.folders, code=24)
    assert [(one["sign"], one["entry"]) for one in planned["changes"]] == [("+", "people.rae.cole")]
    applied = json.loads(deid.apply("nora.quinn", "--role", "director", "--json"))
    assert applied["changes"] == planned["changes"]
    shown = deid.json("register", "show", "people.rae.cole")
    assert shown["content"]["unit"] == "Epidemiology"
    assert deid.json("audit", "verify")["registers"] == 2


def test_only_who_the_register_in_force_entitles_applies_the_next(deid):
    deid.apply()
    newcomer(deid)
    with pytest.raises(AuthorisationError, match="may not apply"):
        deid.apply("ben.cho", "--role", "data_steward")
    with pytest.raises(SignatureError, match="role not held"):
        deid.apply("ana.ruiz", "--role", "data_coordinator")
    assert deid.json("audit", "verify")["registers"] == 1


def test_a_newcomer_cannot_apply_the_register_that_lets_them_in(deid, tmp_path):
    deid.apply()
    public = make_key(tmp_path / "rae")
    roles = [
        {
            "role": "data_coordinator",
            "since": "2024-01-01",
            "until": "2030-12-31",
            "certified_by": "lena.voss",
        }
    ]
    keys = [{"public": public, "valid_from": "2024-01-01", "valid_until": "2030-12-31"}]
    newcomer(deid, roles=roles, keys=keys)
    with pytest.raises(SignatureError, match="person unknown"):
        deid(
            *("register", "apply", "--as", "rae.cole", "--key", tmp_path / "rae", "--yes"),
            *deid.folders,
        )


def test_an_apply_that_is_not_confirmed_changes_nothing(deid):
    done = CliRunner().invoke(
        build_app(),
        [
            *("register", "apply", "--as", "lena.voss", "--key", str(deid.here.key("lena.voss"))),
            *map(str, deid.folders),
        ],
        input="n\n",
    )
    assert done.exit_code == 1
    assert Ledger.open(Deployment.from_environment().ledger_url).head().sequence == 0


def test_what_does_not_fit_together_is_refused_in_the_plan_and_in_the_apply(deid):
    newcomer(deid, aliases=["ana.ruiz"])
    told = deid.json("register", "plan", *deid.folders, code=10)["problems"]
    assert any("goes by a name of" in one for one in told)
    with pytest.raises(DeclarationError, match="one name means one person"):
        deid.apply()


def test_a_key_entry_is_yaml_for_the_register(deid, tmp_path):
    public = make_key(tmp_path / "rae")
    told = deid("register", "key", "rae.cole", tmp_path / "rae.pub", "--until", "2030-01-31")
    assert public.split()[1] in told
    with pytest.raises(DeclarationError, match=r"not a line of a \.pub file"):
        deid("register", "key", "rae.cole", tmp_path / "rae", "--until", "2030-01-31")


def test_an_auditor_learns_what_is_in_force(deid, tmp_path):
    with pytest.raises(AuthorisationError, match="no register is in force"):
        deid("audit", "standard")
    deid.apply()
    assert deid.json("audit", "standard")["version"] == "2026-1"
    assert all(one["trained"] for one in deid.json("audit", "training")["people"])
    assert deid.json("audit", "code")["unowned"] == []
    party = deid.json("audit", "third-party", "bay_university")
    assert (party["obstacles_now"], party["transfers"]) == ([], [])
    with pytest.raises(AuthorisationError, match="not in the register"):
        deid("audit", "third-party", "nobody")
    zones = deid.json("audit", "egress")["zones"]
    assert {one["zone"] for one in zones if one["readers"]} == {"raw", "limited", "deidentified"}
    drawn = tmp_path / "map.svg"
    assert deid.json("audit", "map", "--svg", drawn)["flows"]
    assert drawn.read_text().startswith("<svg ")
    assert deid("audit", "map", "--mermaid").startswith("flowchart LR\n")
    digest = deid.json("register", "policies")["safe_harbor"]
    found = deid.json("audit", "policy", digest[:12])
    assert (found["digest"], found["standards"]) == (digest, ["2026-1"])
    for unknown in ("1" * 64, "1c4"):
        with pytest.raises(AuthorisationError, match="never saw"):
            deid("audit", "policy", unknown)


def test_code_that_nobody_owns_is_found(deid, here):
    def forget(content):
        del content["code_paths"]["dbt_project/macros/*"]

    content = here.changed(forget).content
    write_register(deid.extra, content)
    deid(
        *("register", "apply", "--as", "lena.voss", "--key", here.key("lena.voss"), "--yes"),
        *("--folder", deid.extra),
    )
    unowned = deid.json("audit", "code", code=25)["unowned"]
    assert unowned
    assert all(one.startswith("dbt_project/macros/") for one in unowned)


def test_a_folder_of_keys_signs_a_register_by_the_name_of_who_applies_it(deid, here, monkeypatch):
    monkeypatch.setenv("DEID_SIGNING_KEY", str(here.key("lena.voss").parent))
    deid("register", "apply", "--as", "lena.voss", "--yes", *deid.folders)
    assert deid.json("register", "show")["digest"] == here.register.digest


def test_a_register_without_a_key_is_not_applied(deid, monkeypatch):
    monkeypatch.delenv("DEID_SIGNING_KEY", raising=False)
    with pytest.raises(AuthorisationError, match="only with a signature"):
        deid("register", "apply", "--as", "lena.voss", "--yes", *deid.folders)


def test_a_zone_that_others_can_read_is_found(deid):
    deid.apply()
    deployment = Deployment.from_environment()
    file = deployment.zone_file(Zone.RAW)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    assert deid.json("audit", "egress")["zones"][0]["exposed"] is False
    file.chmod(0o644)
    assert deid.json("audit", "egress", code=25)["zones"][0]["exposed"] is True
