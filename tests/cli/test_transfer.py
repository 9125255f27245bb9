"""`deid transfer`, as a person types it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deid_platform.cli import build_app
from deid_platform.governance.destinations import Destination
from deid_platform.governance.sending import send
from deid_platform.governance.transfers import OVERDUE, transfers
from tests.support.governance import DANA, World, world
from tests.support.people import people


@pytest.fixture
def sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    one = world(tmp_path)
    approved = one.approved()
    one.publish(approved.id)
    share = tmp_path / "share"
    share.mkdir()
    monkeypatch.setenv("DEID_HOME", str(one.deployment.home))
    monkeypatch.setenv("DEID_SIGNING_KEY", str(people().key("ben.cho").parent))
    place = Destination(
        name="share",
        recipient="registry",
        channel="outbox",
        location="the registry",
        settings={"folder": str(share)},
    )
    for days, name in ((10_000, "share"), (-1, "annex")):
        send(
            one.deployment,
            one.ledger,
            request=approved.id,
            destination=replace(place, name=name),
            actor=DANA,
            retention_until=date.today() + timedelta(days=days),
        )
    return one


def deid(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(build_app(), ["transfer", *arguments])
    return result.exit_code, result.stdout


def test_the_list_shows_every_copy_and_its_exit_code_tells_of_one_that_is_late(sent):
    code, text = deid("list", "--json")
    listed = {one["destination"]: one for one in json.loads(text)}
    assert code == OVERDUE
    assert set(listed) == {"share", "annex"}
    assert listed["share"]["overdue"] is None
    assert "could be kept until" in listed["annex"]["overdue"]
    assert listed["share"]["digest"] == listed["share"]["receiver_digest"]


def test_a_proof_of_destruction_settles_what_is_late(sent, tmp_path):
    proof = tmp_path / "certificate.pdf"
    proof.write_bytes(b"wiped on Monday")
    late = next(one.id for one in transfers(sent.ledger).values() if one.destination == "annex")
    code, text = deid("list", "--overdue")
    assert code == OVERDUE
    assert "ask registry for proof of destruction" in text
    arguments = ("--method", "wiped", "--proof", str(proof), "--as", "ben.cho")
    assert deid("confirm-destruction", late, *arguments)[0] == 0
    assert deid("list", "--overdue") == (0, "No copy is overdue.\n")
    assert "destroyed" in deid("list")[1]
