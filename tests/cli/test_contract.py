"""`deid contract check` and `deid contract new`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from deid_platform.cli import build_app
from deid_platform.core.errors import DeclarationError
from tests.support.contracts import visits_declaration

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "assets" / "contracts").mkdir(parents=True)
    (tmp_path / "assets" / "policies").mkdir()
    policy = (CHECKOUT / "assets" / "policies" / "safe_harbor.yaml").read_text()
    (tmp_path / "assets" / "policies" / "safe_harbor.yaml").write_text(policy)
    monkeypatch.setenv("DEID_PROJECT", str(tmp_path))
    monkeypatch.setenv("DEID_HOME", str(tmp_path / "home"))
    write(tmp_path, "visits")
    return tmp_path


def write(project: Path, name: str, **columns: object) -> None:
    declared = visits_declaration(**columns)
    declared["name"] = name
    declared["source"] = {"files": f"hospital/{name}-{{partition}}.csv"}
    (project / "assets" / "contracts" / f"{name}.yaml").write_text(yaml.safe_dump(declared))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(build_app(), ["contract", *arguments])


def test_sound_contracts_pass(project: Path) -> None:
    result = run("check")
    assert result.exit_code == 0
    assert "visits: 5 columns" in result.stdout


def test_every_problem_of_every_contract_is_listed(project: Path) -> None:
    write(project, "leaky", county={"type": "varchar", "class": "sensitive", "transform": "keep"})
    write(
        project,
        "lost",
        sex={"type": "varchar", "class": "sensitive", "references": "gone.Id", "transform": "drop"},
    )
    result = run("check", "--json")
    assert result.exit_code == DeclarationError.exit_code
    found = json.loads(result.stdout)
    assert not found["passed"]
    assert found["contracts"]["visits"]["passed"]
    assert "leaky: columns.county" in found["contracts"]["leaky"]["problems"][0]
    assert "there is no gone.Id" in found["contracts"]["lost"]["problems"][0]


def test_one_contract_may_be_checked_alone(project: Path) -> None:
    write(project, "leaky", county={"type": "varchar", "class": "sensitive", "transform": "keep"})
    assert run("check", "visits").exit_code == 0
    assert run("check", "leaky").exit_code == DeclarationError.exit_code


def test_an_unknown_contract_is_a_problem(project: Path) -> None:
    result = run("check", "nothing")
    assert result.exit_code == DeclarationError.exit_code
    assert "there is no such contract" in result.stdout


def test_a_missing_policy_is_a_problem_of_its_contracts(project: Path) -> None:
    (project / "assets" / "policies" / "safe_harbor.yaml").unlink()
    assert "there is no such policy" in run("check").stdout


def test_a_draft_is_yaml_on_standard_output(project: Path) -> None:
    file = project / "people.csv"
    file.write_text("person,email\nA,a@example.org\nB,b@example.org\n")
    result = run("new", str(file))
    assert result.exit_code == 0
    assert yaml.safe_load(result.stdout)["columns"]["email"]["identifier"] == "email"
    assert "@" not in result.stdout


def test_a_draft_in_the_contracts_folder_is_refused_by_check(project: Path) -> None:
    file = project / "people.csv"
    file.write_text("person,email\nA,a@example.org\nB,b@example.org\n")
    target = project / "assets" / "contracts" / "people.yaml"
    result = run("new", str(file), "-o", str(target), "--json")
    assert json.loads(result.stdout)["undecided"] == ["person"]
    checked = run("check", "people")
    assert checked.exit_code == DeclarationError.exit_code
    assert "nobody has decided this" in checked.stdout


def test_a_draft_overwrites_nothing(project: Path) -> None:
    file = project / "people.csv"
    file.write_text("person,email\nA,a@example.org\nB,b@example.org\n")
    result = run("new", str(file), "-o", str(file))
    assert isinstance(result.exception, DeclarationError)
    assert file.read_text().startswith("person,email")
