from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from deid_platform.cli import build_app
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.governance.events import SafeHarborAttested
from tests.support.governance import World, world
from tests.support.people import people


@pytest.fixture
def made(tmp_path) -> World:
    one = world(tmp_path)
    with open_zone(one.deployment, Zone.DEIDENTIFIED) as con:
        con.execute("create table visits as select 1 as person_key")
    one.ledger.append(
        SafeHarborAttested(
            table="deidentified/visits",
            contract_digest="c",
            policy_digest="p",
            treatments={"mrn": "surrogate"},
            by="service:pipeline",
        )
    )
    return one


def deid(one: World, *words: str):
    environment = {
        "DEID_PROJECT": str(one.deployment.project),
        "DEID_HOME": str(one.deployment.home),
        "DEID_SIGNING_KEY": str(people().folder / "keys"),
    }
    result = CliRunner(env=environment).invoke(build_app(), words)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_determination_is_shown_stated_and_lost_when_the_table_changes(made):
    said = ("--scenarios", "occupations, publicised events", "--role", "privacy_reviewer")
    assert "nobody has stated" in deid(made, "determine", "show", "visits")
    told = json.loads(
        deid(
            made,
            *("determine", "state", "visits", "--actual-knowledge", "none", *said),
            *("--as", "eli.park", "--json"),
        )
    )
    assert told["stands"]
    assert "by Safe Harbor" in deid(made, "determine", "show", "visits")
    with open_zone(made.deployment, Zone.DEIDENTIFIED) as con:
        con.execute("insert into visits values (2)")
    assert not json.loads(deid(made, "determine", "show", "visits", "--json"))["stands"]
