"""Nothing of a planted person is in evidence: not in the packet, its statement, nor its annex."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from deid_platform.engine.evidence_keys import unseal
from deid_platform.governance.packet.folder import ANNEX, ATTESTATION, unpacked
from tests.support.canaries import sightings
from tests.support.path import Demonstrated, Finished


@pytest.fixture(scope="module")
def packet(demonstrated: Demonstrated) -> Path:
    (found,) = demonstrated.site.deployment.evidence.iterdir()
    return found


def test_no_planted_person_is_in_a_packet_its_statement_or_its_annex(
    finished: Finished, demonstrated: Demonstrated, packet: Path, tmp_path: Path
) -> None:
    envelope = json.loads((packet / ATTESTATION).read_text())
    (tmp_path / "statement.json").write_bytes(base64.b64decode(envelope["payload"]))
    sealed = (packet / ANNEX).read_bytes()
    for name, content in unpacked(unseal(demonstrated.site.deployment, sealed)).items():
        (tmp_path / name.replace("/", "_")).write_bytes(content)

    assert sightings([packet, tmp_path], finished.canaries) == []


def test_a_packet_of_the_whole_path_is_complete_and_can_be_made_again(
    demonstrated: Demonstrated, packet: Path
) -> None:
    site = demonstrated.site
    told = site.asked("audit", "packet", packet.name, "--verify")
    names = {one["name"] for one in told["manifest"]["artefacts"]}
    missing = {one["name"].partition("/")[0] for one in told["manifest"]["absent"]}

    assert {"determination/score_sheet.json", "execution/columns.json"} <= names
    assert missing <= {"governance", "release", "third_party", "request"}
    assert site.asked("audit", "rebuild", packet.name)["same_bytes"]
