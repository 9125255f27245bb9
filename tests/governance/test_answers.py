"""An auditor's questions are answered in full, or what is missing is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from deid_platform.core.errors import EvidenceError, LedgerError
from deid_platform.core.workflow import Role
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.governance.answers import Answer
from deid_platform.governance.answers.approvals import approvals
from deid_platform.governance.answers.coverage import coverage
from deid_platform.governance.answers.drift import publication_drift, table_drift
from deid_platform.governance.answers.scans import scans
from deid_platform.governance.determinations import Knowledge, state_actual_knowledge
from deid_platform.governance.events import GateEvaluated, RequestReleased, SafeHarborAttested
from deid_platform.governance.packet.folder import REPORT
from deid_platform.governance.packet.since import since_release
from tests.support.evidence import VISITS, build, evidence_world, release, with_more
from tests.support.governance import NAME, World
from tests.support.people import REVIEWER, actor

TABLE = "deidentified/visits"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return evidence_world(tmp_path)


def covered(world: World) -> Answer:
    return coverage(world.deployment, world.ledger)


def drifted(world: World) -> list[str]:
    answer = publication_drift(world.deployment, world.ledger, world.publication, world.policy)
    return [line.says for line in answer.lines[1:]]


def deidentified(world: World, rows: int = 3) -> str:
    """A table in the de-identified zone; its fingerprint."""
    from deid_platform.engine.fingerprint import fingerprint

    with open_zone(world.deployment, Zone.DEIDENTIFIED) as con:
        con.execute(f"create or replace table main.visits as select range as n from range({rows})")
        return fingerprint(con, "deidentified.main.visits")


def attested(world: World, **treatments: str) -> None:
    world.ledger.append(
        SafeHarborAttested(
            table=TABLE,
            contract_digest="1" * 64,
            policy_digest="2" * 64,
            treatments={"n": "keep", **treatments},
            by="service:pipeline",
        )
    )


def stated(world: World, content: str) -> None:
    state_actual_knowledge(
        world.ledger,
        table=TABLE,
        fingerprint=content,
        answer=Knowledge.NONE,
        scenarios="occupations, publicised events, prior releases",
        role=Role.PRIVACY_REVIEWER,
        actor=actor(REVIEWER),
    )


def test_a_release_with_its_packet_is_covered(world: World):
    release(world)
    answer = covered(world)

    assert answer.problems == ()
    assert [line.subject.partition("/")[0] for line in answer.lines] == ["release", "outbox"]
    answer.check("coverage")


def test_a_table_put_into_the_release_zone_by_hand_is_an_orphan(world: World):
    release(world)
    with open_zone(world.deployment, Zone.RELEASE) as con:
        con.execute("create table main.by_hand as select 1 as one")

    with pytest.raises(EvidenceError, match="release/by_hand: no release of this content"):
        covered(world).check("coverage")


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("outbox/other/rel-1/data.csv", "outbox/other/rel-1: no release of that id"),
        (f"outbox/{NAME}/loose.csv", f"outbox/{NAME}/loose.csv: a file outside any bundle"),
        ("snapshots/mine.duckdb", "snapshots/mine.duckdb: no publication of it is recorded"),
    ],
)
def test_a_file_that_the_ledger_does_not_know_is_an_orphan(world: World, place: str, found: str):
    release(world)
    file = world.deployment.home / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("a")

    assert any(what.startswith(found) for what in covered(world).problems)


def test_a_release_whose_packet_is_gone_is_not_covered(world: World):
    shutil.rmtree(world.deployment.evidence / release(world))
    assert any("evidence packet" in what for what in covered(world).problems)


def test_a_recalled_release_whose_files_are_still_here_is_not_covered(world: World):
    release(world)
    (entry,) = world.ledger.entries(kinds=[RequestReleased])
    world.recall(entry.payload["request"])
    assert any("is recalled, and its files are still here" in w for w in covered(world).problems)


def test_a_packet_of_a_release_that_did_not_take_place_is_told_and_no_problem(world: World):
    (world.deployment.evidence / "rel-none").mkdir()
    answer = covered(world)
    assert answer.problems == ()
    assert answer.lines[0].subject == "evidence/rel-none"


def test_a_deidentified_table_is_covered_once_attested_and_stated(world: World):
    content = deidentified(world)
    assert covered(world).problems == (f"{TABLE}: no run of the pipeline attested it",)
    attested(world)
    assert len(covered(world).problems) == 1
    stated(world, content)
    assert covered(world).problems == ()


def test_a_broken_chain_answers_nothing(world: World):
    import sqlite3

    release(world)
    with sqlite3.connect(world.deployment.home / "ledger.db") as con:
        for (name,) in con.execute(
            "select name from sqlite_master where type = 'trigger'"
        ).fetchall():
            con.execute(f"drop trigger {name}")
        con.execute("delete from ledger_events where sequence = 2")
    for ask in (
        lambda: covered(world),
        lambda: approvals(world.ledger),
        lambda: scans(world.ledger),
    ):
        with pytest.raises(LedgerError):
            ask()


def test_approvals_name_each_person_role_and_entry(world: World):
    name = release(world)
    answer = approvals(world.ledger, name)
    says = [line.says for line in answer.lines if line.subject == name]

    assert answer.problems == ()
    assert len(says) == 11
    assert sum("(signed)" in one for one in says) == 9
    assert "approve release: person:ben.cho, data steward" in " ".join(says)
    assert all(line.evidence for line in answer.lines)


def test_one_person_in_two_roles_is_found(world: World):
    request = world.submit()
    world.decided(request.id)
    world.ledger.append(
        RequestReleased(
            request=request.id,
            release="rel-by-hand",
            publication=NAME,
            fingerprint=request.fingerprint,
            target="csv_bundle",
            manifest_digest="0" * 64,
            rows=1,
            by="person:ben.cho",
            os_user="tester",
        )
    )
    with pytest.raises(EvidenceError, match="separation of duties"):
        approvals(world.ledger).check("approvals")


def test_approvals_of_an_unknown_release_have_no_answer(world: World):
    with pytest.raises(EvidenceError, match="knows no such release"):
        approvals(world.ledger, "rel-none")


def test_scans_tell_patterns_gates_and_results(world: World):
    release(world)
    answer = scans(world.ledger)
    subjects = {line.subject for line in answer.lines}

    assert answer.problems == ()
    assert {"pattern: ssn", f"candidate/{NAME}"} <= subjects


def test_a_table_that_was_never_scanned_is_named(world: World):
    world.ledger.append(
        GateEvaluated(
            table="marts/visits",
            gate="columns",
            fingerprint="sha256:0",
            passed=True,
            rule="a rule",
        )
    )
    assert "marts/visits: pattern scan was never run on it" in scans(world.ledger).problems


def test_nothing_drifts_where_nothing_changed(world: World):
    release(world)
    assert drifted(world) == ["nothing changed"]


@pytest.mark.parametrize(
    ("year", "county", "value", "told"),
    [
        (2023, "Napa", (9, 8), "class sizes: 6 cells with fewer than 11 people"),
        (2023, "Sierra", (6, 1), "class sizes: the smallest class of person_count shrank"),
        (2023, "Colusa", (90, 80), "categories: 1 new of 10 in county"),
        (2023, "Napa", (912, 854), "other values in the same cells"),
    ],
)
def test_drift_is_told_by_its_kind(world: World, year: int, county: str, value, told: str):
    release(world)
    build(world, with_more(VISITS, year, county, value))
    assert any(what.startswith(told) for what in drifted(world)), drifted(world)


def test_a_new_policy_is_drift(world: World):
    release(world)
    world.policy = world.policy.replace(min_people=16)
    assert "policy: calhhs_ddg_2 was changed" in drifted(world)


def test_a_publication_that_was_never_released_cannot_have_drifted(world: World):
    with pytest.raises(EvidenceError, match="no release to compare with"):
        drifted(world)


def test_a_table_drifts_from_what_a_person_spoke_of(world: World):
    with pytest.raises(EvidenceError, match="never completed"):
        table_drift(world.deployment, world.ledger, TABLE)
    content = deidentified(world)
    attested(world)
    stated(world, content)
    assert table_drift(world.deployment, world.ledger, TABLE).lines[1].says == "nothing changed"
    deidentified(world, rows=4)
    attested(world, name="keep")

    told = [line.says for line in table_drift(world.deployment, world.ledger, TABLE).lines]
    assert "schema: column name is treated by keep; it was new" in told


def test_what_came_after_a_release_is_listed(world: World):
    name = release(world)
    kinds = [one["kind"] for one in since_release(world.ledger, name)]
    assert kinds == ["request.released", "release.delivered"]
    assert (world.deployment.evidence / name / REPORT).is_file()
