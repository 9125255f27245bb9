"""Whoever changes evidence after a release is found out, whatever they change."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from deid_platform.core.errors import AuthorisationError, EvidenceError, LedgerError
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.evidence_keys import new_signing_key, signing_file, signing_key
from deid_platform.governance.chain import Head
from deid_platform.governance.packet.attestation import sign
from deid_platform.governance.packet.folder import (
    ANNEX,
    ATTESTATION,
    KEY,
    MANIFEST,
    REPORT,
    artefact_of,
    read_manifest,
)
from deid_platform.governance.packet.verify import verify_packet
from tests.support.governance import NAME, ROWS, World, opened
from tests.support.governance import world as new_world


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A deployment with two releases; the second is the one that is tampered with."""

    world: World
    first: str
    second: str

    @property
    def packet(self) -> Path:
        return self.world.deployment.evidence / self.second

    @property
    def other_packet(self) -> Path:
        return self.world.deployment.evidence / self.first

    @property
    def bundle(self) -> Path:
        return self.world.deployment.outbox / NAME / self.second

    @property
    def data(self) -> Path:
        return next(file for file in self.bundle.glob("*.csv") if "_dictionary" not in file.name)

    def found(self) -> set[str]:
        """The checks that found something."""
        verified = verify_packet(self.world.deployment, self.world.ledger, self.second)
        return {one.name for one in verified.checks if not one.passed}

    def object(self, name: str) -> Path:
        manifest = read_manifest(self.packet)
        return next(
            self.packet / line["path"]
            for line in manifest["artefacts"]
            if line["name"] == f"{name}.json"
        )

    def attest_anew(self) -> None:
        """Sign a statement over the manifest as it is, with the key that is in place."""
        envelope = json.loads((self.packet / ATTESTATION).read_text())
        stated = json.loads(base64.b64decode(envelope["payload"]))
        for subject in stated["subject"]:
            if subject["name"] == f"packet/{MANIFEST}":
                subject["digest"]["sha256"] = digest_of(self.packet / MANIFEST)
        write(self.packet / ATTESTATION, sign(stated, signing_key(self.world.deployment)))

    def list_anew(self) -> None:
        """Make the manifest fit the files as they are."""
        manifest = read_manifest(self.packet)
        for line in manifest["artefacts"]:
            content = (self.packet / line["path"]).read_bytes()
            line["sha256"], line["size"] = hashlib.sha256(content).hexdigest(), len(content)
        write(self.packet / MANIFEST, json.dumps(manifest).encode())

    @property
    def ledger_file(self) -> Path:
        return self.world.deployment.home / "ledger.db"

    def edit_ledger(self, *statements: tuple[str, tuple[object, ...]]) -> None:
        """Change the ledger as the owner of its file can: without its triggers."""
        with closing(sqlite3.connect(self.ledger_file)) as con:
            triggers = con.execute("select name from sqlite_master where type = 'trigger'")
            for (name,) in triggers.fetchall():
                con.execute(f"drop trigger {name}")
            for statement, parameters in statements:
                con.execute(statement, parameters)
            con.commit()

    def rewrite_from(self, kind: str, **changed: object) -> None:
        """Change the last entry of a kind, and make every link after it fit."""
        with closing(sqlite3.connect(self.ledger_file)) as con:
            rows = con.execute(
                "select sequence, at, kind, subject, payload, previous, hash "
                "from ledger_events order by sequence"
            ).fetchall()
        target = max(row[0] for row in rows if row[2] == kind)
        statements: list[tuple[str, tuple[object, ...]]] = []
        previous = ""
        for sequence, at, one, subject, text, before, digest in rows:
            if sequence < target:
                previous = digest
                continue
            payload = json.loads(text)
            if sequence == target:
                payload |= changed
                before = previous or before
            else:
                before = previous
            canonical = canonical_json(payload)
            digest = hashlib.sha256(
                canonical_json(
                    {
                        "sequence": sequence,
                        "at": at,
                        "kind": one,
                        "subject": subject,
                        "payload": payload,
                        "previous": before,
                    }
                ).encode()
            ).hexdigest()
            previous = digest
            statements.append(
                (
                    "update ledger_events set payload = ?, previous = ?, hash = ? "
                    "where sequence = ?",
                    (canonical, before, digest, sequence),
                )
            )
        statements.append(("update ledger_head set hash = ?", (previous,)))
        self.edit_ledger(*statements)


def canonical_json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def write(file: Path, content: bytes) -> None:
    """Replace a file, read-only or not."""
    file.unlink(missing_ok=True)
    file.write_bytes(content)


def change(file: Path, old: bytes, new: bytes) -> None:
    content = file.read_bytes()
    assert old in content
    write(file, content.replace(old, new, 1))


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    world = new_world(tmp_path_factory.mktemp("tampering"))
    world.approved()
    first = world.publish()
    world.build([*ROWS, ("Mono", 2024, 31, 30, 13000, 0)])
    request = world.submit()
    world.decided(request.id)
    second = world.publish()
    return Scene(world=world, first=first.release, second=second.release)


@pytest.fixture
def scene(released: Scene, tmp_path: Path) -> Iterator[Scene]:
    """A copy of the two releases, to be tampered with."""
    before = released.world.deployment
    home = shutil.copytree(before.home, tmp_path / "home")
    world = opened(dataclasses.replace(before, home=home))
    world.requested = released.world.requested
    yield dataclasses.replace(released, world=world)
    world.ledger.close()


def flip_signature(scene: Scene) -> None:
    envelope = json.loads((scene.packet / ATTESTATION).read_text())
    signature = bytearray(base64.b64decode(envelope["signatures"][0]["sig"]))
    signature[0] ^= 1
    envelope["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    write(scene.packet / ATTESTATION, json.dumps(envelope).encode())


def change_payload(scene: Scene) -> None:
    envelope = json.loads((scene.packet / ATTESTATION).read_text())
    stated = json.loads(base64.b64decode(envelope["payload"]))
    stated["predicate"]["builder"]["id"] = "somebody"
    envelope["payload"] = base64.b64encode(json.dumps(stated).encode()).decode()
    write(scene.packet / ATTESTATION, json.dumps(envelope).encode())


def sign_with_another_key(scene: Scene) -> None:
    write(signing_file(scene.world.deployment), new_signing_key())
    signing_file(scene.world.deployment).chmod(0o600)
    scene.attest_anew()


def change_artefact_and_manifest(scene: Scene) -> None:
    change(scene.object("request/request"), b"The yearly", b"The weekly")
    scene.list_anew()


def change_everything_with_the_platform_key(scene: Scene) -> None:
    change_artefact_and_manifest(scene)
    scene.attest_anew()


def swap_annex(scene: Scene) -> None:
    write(scene.packet / ANNEX, (scene.other_packet / ANNEX).read_bytes())


def swap_annex_and_sign(scene: Scene) -> None:
    swap_annex(scene)
    scene.list_anew()
    scene.attest_anew()


def swap_packet(scene: Scene) -> None:
    shutil.rmtree(scene.packet)
    shutil.copytree(scene.other_packet, scene.packet)


def change_data_and_bundle_manifest(scene: Scene) -> None:
    change(scene.data, b"40", b"41")
    manifest = json.loads((scene.bundle / MANIFEST).read_text())
    for one in manifest["files"]:
        if one["name"] == scene.data.name:
            one["sha256"] = digest_of(scene.data)
    write(scene.bundle / MANIFEST, json.dumps(manifest).encode())


def edit_approval(scene: Scene) -> None:
    scene.edit_ledger(
        (
            "update ledger_events set payload = replace(payload, 'ben.cho', 'eve.roe') "
            "where kind = 'request.decided'",
            (),
        )
    )


def edit_release_event(scene: Scene) -> None:
    scene.edit_ledger(
        (
            "update ledger_events set payload = replace(payload, 'dana.lee', 'eve.roe') "
            "where kind = 'request.released'",
            (),
        )
    )


def remove_gate_result(scene: Scene) -> None:
    scene.edit_ledger(
        ("delete from ledger_events where kind = 'gate.evaluated' and sequence < 5", ())
    )


def change_table(scene: Scene) -> None:
    with open_zone(scene.world.deployment, Zone.RELEASE) as con:
        con.execute(f"update {NAME} set visit_count = 41 where visit_count = 40")


TAMPERINGS: dict[str, tuple[Callable[[Scene], object], set[str]]] = {
    "an artefact changed": (
        lambda s: change(s.object("request/request"), b"The yearly", b"The weekly"),
        {"manifest"},
    ),
    "an artefact removed": (lambda s: s.object("validation/gates").unlink(), {"manifest"}),
    "a file added": (lambda s: (s.packet / "more.txt").write_text("more"), {"manifest"}),
    "a link added": (lambda s: (s.packet / "more").symlink_to("/etc"), {"manifest"}),
    "the manifest edited": (
        lambda s: change(s.packet / MANIFEST, b'"retain_until": "20', b'"retain_until": "19'),
        {"manifest"},
    ),
    "the manifest removed": (lambda s: (s.packet / MANIFEST).unlink(), {"manifest"}),
    "an artefact and the manifest changed": (change_artefact_and_manifest, {"manifest"}),
    "all changed and signed by the platform's key": (
        change_everything_with_the_platform_key,
        {"attestation"},
    ),
    "the signature changed": (flip_signature, {"attestation", "signature"}),
    "the statement changed": (change_payload, {"attestation", "signature"}),
    "signed by another key": (sign_with_another_key, {"attestation", "signature"}),
    "the attestation removed": (
        lambda s: (s.packet / ATTESTATION).unlink(),
        {"attestation", "signature"},
    ),
    "the public key replaced": (
        lambda s: write(s.packet / KEY, base64.b64encode(b"k" * 32)),
        {"attestation", "manifest"},
    ),
    "the report changed": (
        lambda s: change(s.packet / REPORT, b"person:ben.cho", b"person:eve.roe"),
        {"manifest"},
    ),
    "the crate changed": (
        lambda s: change(s.packet / "ro-crate-metadata.json", b"ben.cho", b"eve.roe"),
        {"manifest"},
    ),
    "the annex of another release": (swap_annex, {"annex", "manifest"}),
    "the annex of another release, all signed anew": (
        swap_annex_and_sign,
        {"annex", "attestation"},
    ),
    "the packet of another release": (swap_packet, {"attestation", "signature", "annex"}),
    "the annex damaged": (
        lambda s: write(s.packet / ANNEX, (s.packet / ANNEX).read_bytes()[:-1] + b"x"),
        {"annex", "manifest"},
    ),
    "the whole packet removed": (lambda s: shutil.rmtree(s.packet), {"attestation", "manifest"}),
    "the released data changed": (lambda s: change(s.data, b"40", b"41"), {"bundle"}),
    "the released data and the bundle's manifest changed": (
        change_data_and_bundle_manifest,
        {"bundle"},
    ),
    "a file added to the bundle": (
        lambda s: (s.bundle / "more.csv").write_text("county\n"),
        {"bundle"},
    ),
    "a file removed from the bundle": (lambda s: s.data.unlink(), {"bundle"}),
    "the released table changed": (change_table, {"table"}),
    "the approval in the ledger edited": (edit_approval, {"ledger"}),
    "the release in the ledger edited": (edit_release_event, {"ledger"}),
    "a gate's result removed from the ledger": (remove_gate_result, {"ledger"}),
}


def test_nothing_is_found_where_nothing_was_changed(scene: Scene):
    assert scene.found() == set()
    assert verify_packet(scene.world.deployment, scene.world.ledger, scene.first).problems == ()


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found(scene: Scene, name: str):
    tamper, checks = TAMPERINGS[name]
    tamper(scene)
    assert checks <= scene.found()


def test_a_chain_rewritten_from_the_approval_on_is_found_by_the_packet(scene: Scene):
    head = scene.world.ledger.head()
    scene.rewrite_from("request.decided", by="person:eve.roe")
    scene.world.ledger.verify()

    assert "events" in scene.found()
    with pytest.raises(LedgerError):
        scene.world.ledger.verify(Head.parse(str(head)))


def test_a_release_without_its_packet_is_not_delivered_again(scene: Scene):
    request = read_manifest(scene.packet)["request"]
    shutil.rmtree(scene.bundle)
    change(scene.packet / REPORT, b"ben.cho", b"eve.roe")

    with pytest.raises(EvidenceError, match="was changed"):
        scene.world.publish(request)

    assert not scene.bundle.exists()


def test_a_candidate_rebuilt_after_the_approval_is_not_released(scene: Scene):
    scene.world.build([*ROWS, ("Inyo", 2024, 55, 50, 18000, 0)])
    request = scene.world.submit()
    scene.world.decided(request.id)
    scene.world.build([*ROWS, ("Inyo", 2024, 56, 50, 18000, 0)])
    before = sorted(scene.world.deployment.evidence.iterdir())

    with pytest.raises(AuthorisationError):
        scene.world.publish(request.id)

    assert sorted(scene.world.deployment.evidence.iterdir()) == before


def test_a_packet_says_in_full_who_decided(scene: Scene):
    manifest = read_manifest(scene.packet)
    decided = artefact_of(scene.packet, manifest, "request/decisions")
    people = ["ana.ruiz", "eli.park", "eli.park", "gus.ortiz", "hana.kim", "ben.cho", "max.hale"]
    people += ["nora.quinn", "dana.lee"]
    told = [one["payload"]["by"] for one in decided if one["kind"] == "request.decided"]
    assert told == [f"person:{name}" for name in people]


@pytest.mark.parametrize(
    "text",
    [
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"format": "deid-evidence-packet/1", "artefacts": [1]}',
        b'{"format": "deid-evidence-packet/1", "artefacts": [{"name": "request/decisions.json"}]}',
        b"[" * 100_000,
    ],
    ids=["a list", "empty", "no text", "no lines", "no path", "too deep"],
)
@pytest.mark.parametrize("name", [MANIFEST, ATTESTATION])
def test_a_packet_that_is_none_is_found_and_ends_no_check(scene, name, text):
    write(scene.packet / name, text)
    assert {"manifest" if name == MANIFEST else "attestation"} <= scene.found()
