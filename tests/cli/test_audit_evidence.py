"""`deid audit packet`, `rebuild`, `coverage`, `approvals`, `scans` and `drift`, as typed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from deid_platform.core.errors import EvidenceError
from deid_platform.governance.packet.folder import ANNEX, REPORT, differences, read_manifest
from tests.support.evidence import evidence_world, release
from tests.support.governance import NAME, write_manifest
from tests.support.path import Site

QUESTIONS = {
    "packet": "rel",
    "rebuild": "rel",
    "coverage": None,
    "approvals": "rel",
    "scans": None,
    "drift": NAME,
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, str]:
    world = evidence_world(tmp_path_factory.mktemp("audit"))
    write_manifest(world.deployment)
    name = release(world)
    return Site(home=world.deployment.home, project=world.deployment.project), name


def words(question: str, name: str) -> list[str]:
    about = QUESTIONS[question]
    return ["audit", question, *([name if about == "rel" else about] if about else [])]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_answered_in_words_and_as_json(site: tuple[Site, str], question: str):
    here, name = site
    told = here.deid(*words(question, name))

    assert told.exit_code == 0, told.exception
    assert told.output.strip()
    assert here.asked(*words(question, name))


def test_json_answers_name_their_evidence(site: tuple[Site, str]):
    here, name = site
    approvals = here.asked("audit", "approvals", name)
    coverage = here.asked("audit", "coverage")

    assert approvals["answered"]
    assert all(line["evidence"] for line in approvals["lines"])
    assert [one["subject"] for one in coverage["lines"]] == [
        f"release/{NAME}",
        f"outbox/{NAME}/{name}",
    ]


def test_a_rebuild_tells_each_file(site: tuple[Site, str]):
    here, name = site
    told = here.asked("audit", "rebuild", name)
    assert told["same_bytes"]
    assert set(told["files"].values()) == {True}


def test_an_export_is_the_public_part_and_checks_by_itself(site: tuple[Site, str], tmp_path: Path):
    here, name = site
    here.asked("audit", "packet", name, "--export", str(tmp_path / "out"))
    manifest = read_manifest(tmp_path / "out")

    assert not (tmp_path / "out" / ANNEX).exists()
    assert differences(tmp_path / "out", manifest, annex=False) == []
    assert "annex.age is missing" in differences(tmp_path / "out", manifest)[0]


def test_an_export_with_the_annex_is_the_whole_packet(site: tuple[Site, str], tmp_path: Path):
    here, name = site
    here.asked("audit", "packet", name, "--export", str(tmp_path / "out"), "--with-annex")
    assert differences(tmp_path / "out", read_manifest(tmp_path / "out")) == []


def test_an_export_does_not_overwrite(site: tuple[Site, str], tmp_path: Path):
    here, name = site
    done = here.deid("audit", "packet", name, "--export", str(tmp_path))
    assert isinstance(done.exception, EvidenceError)


@pytest.mark.parametrize("question", ["packet", "rebuild", "approvals"])
def test_an_unknown_release_has_no_answer(site: tuple[Site, str], question: str):
    here, _ = site
    done = here.deid("audit", question, "rel-none")
    assert isinstance(done.exception, EvidenceError)
    assert done.exception.exit_code == 31


def test_a_changed_packet_is_shown_and_refused(site: tuple[Site, str], tmp_path: Path):
    here = site[0].copy(tmp_path)
    report = here.deployment.evidence / site[1] / REPORT
    content = report.read_bytes()
    report.unlink()
    report.write_bytes(content + b"<!-- more -->")

    shown = here.deid("audit", "packet", site[1])
    refused = here.deid("audit", "packet", site[1], "--verify")
    exported = here.deid("audit", "packet", site[1], "--export", str(tmp_path / "out"))

    assert shown.exit_code == 0
    assert re.search(r"FAIL\s+manifest", shown.output)
    assert isinstance(refused.exception, EvidenceError)
    assert isinstance(exported.exception, EvidenceError)
    assert not (tmp_path / "out").exists()


def test_what_is_missing_is_in_the_answer_before_it_is_refused(
    site: tuple[Site, str], tmp_path: Path
):
    here = site[0].copy(tmp_path)
    (here.deployment.outbox / "loose" / "rel-x").mkdir(parents=True)
    done = here.deid("audit", "coverage", "--json")

    assert isinstance(done.exception, EvidenceError)
    assert not json.loads(done.stdout)["answered"]
