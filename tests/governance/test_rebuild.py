"""A release is made again to the byte, or what that lacks is named and the digests are proved."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from deid_platform.core.errors import EvidenceError
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.running_code import RunningCode, running_code
from deid_platform.governance.packet.folder import REPORT
from deid_platform.governance.packet.rebuild import Rebuilt, rebuild
from tests.support.evidence import VISITS, build, evidence_world, release, with_more
from tests.support.governance import NAME, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return evidence_world(tmp_path)


def again(world: World, name: str, **code: Any) -> Rebuilt:
    return rebuild(
        world.deployment,
        world.ledger,
        name,
        world.publication,
        world.policy,
        code=dataclasses.replace(running_code(world.deployment), **code),
    )


def test_a_release_is_made_again_byte_for_byte(world: World):
    found = again(world, release(world))

    assert found.same
    assert found.proved
    assert len(found.files) == 5
    assert found.missing == ()


def test_a_rebuild_changes_nothing(world: World):
    name = release(world)
    before = {file: file.stat().st_mtime_ns for file in world.deployment.home.rglob("*.csv")}
    head = world.ledger.head()
    again(world, name)

    after = {file: file.stat().st_mtime_ns for file in world.deployment.home.rglob("*.csv")}
    assert after == before
    assert world.ledger.head() == head
    assert not [one for one in world.deployment.scratch.iterdir() if one.name[0] == "r"]


def test_an_aggregate_that_is_another_by_now_is_named_and_the_digests_are_proved(world: World):
    name = release(world)
    build(world, with_more(VISITS, 2024, "Napa", (978, 884)))
    found = again(world, name)

    assert not found.same
    assert found.files == {}
    assert [what for what in found.missing if what.startswith(f"limited/{NAME} with fingerprint")]
    assert found.proved


def test_an_aggregate_that_is_gone_is_named(world: World):
    name = release(world)
    with open_zone(world.deployment, Zone.LIMITED) as con:
        con.execute(f"drop table main.{NAME}")

    found = again(world, name)

    assert "the table is gone" in found.missing[0]
    assert found.proved


def test_a_changed_declaration_or_policy_is_named(world: World):
    name = release(world)
    world.publication = world.publication.model_copy(update={"title": "Another"})
    world.policy = world.policy.replace(min_people=16)

    found = again(world, name)

    assert [one.partition(" ")[2].split(" ")[0] for one in found.missing] == [
        "declaration",
        "policy",
    ]


def test_other_code_is_named_with_its_commit_where_the_bytes_do_not_come_out(world: World):
    name = release(world)
    build(world, with_more(VISITS, 2024, "Napa", (978, 884)))
    found = again(world, name, source_digest="0" * 64, commit="f" * 40, clean=True)

    assert not found.same
    assert any("the code is commit ffffffffffff" in what for what in found.missing)


def test_other_code_with_the_same_bytes_is_noted(world: World):
    found = again(world, release(world), source_digest="0" * 64)

    assert found.same
    assert len(found.notes) == 1


def test_delivered_bytes_that_were_changed_prove_nothing(world: World):
    name = release(world)
    bundle = world.deployment.outbox / NAME / name
    next(bundle.glob("*_dictionary.csv")).write_text("changed\n")

    assert not again(world, name).proved


def test_a_packet_that_does_not_hold_is_no_ground_to_rebuild_on(world: World):
    name = release(world)
    report = world.deployment.evidence / name / REPORT
    report.unlink()

    with pytest.raises(EvidenceError, match=r"report\.html is missing"):
        again(world, name)


def test_code_tells_sources_declarations_and_libraries_apart(world: World):
    now = running_code(world.deployment)
    assert now.differences(now) == ()
    for field in ("source_digest", "declarations_digest", "lock_digest"):
        assert len(now.differences(dataclasses.replace(now, **{field: "0" * 64}))) == 1
    older: RunningCode = dataclasses.replace(now, libraries={**now.libraries, "duckdb": "0.1"})
    assert "duckdb is 0.1" in now.differences(older)[0]
