"""What an evidence packet holds, for whom, and that other tools can read it."""

from __future__ import annotations

import base64
import json
import re
import stat
from html.parser import HTMLParser
from pathlib import Path

import pytest

from deid_platform.core.errors import EvidenceError, ZoneKeyError
from deid_platform.engine.evidence_keys import sealing_file, signing_file, unseal
from deid_platform.governance.events import RequestReleased
from deid_platform.governance.packet.folder import (
    ANNEX,
    ATTESTATION,
    MANIFEST,
    REPORT,
    artefact_of,
    read_manifest,
    unpacked,
)
from deid_platform.governance.packet.verify import verify_packet
from tests.support.canaries import sightings
from tests.support.evidence import VISITS, build, evidence_world, release, with_more
from tests.support.governance import NAME, World
from tests.support.people import people
from tests.support.releases import count

CANARY = (733_315_799, 733_373_911)
"""Visits of hidden cells: numbers that stand nowhere else, too long to be in a digest by chance."""


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, str]:
    world = evidence_world(tmp_path_factory.mktemp("packet"))
    return world, release(world)


@pytest.fixture(scope="module")
def folder(released: tuple[World, str]) -> Path:
    world, name = released
    return world.deployment.evidence / name


def annex(world: World, folder: Path) -> dict[str, bytes]:
    return unpacked(unseal(world.deployment, (folder / ANNEX).read_bytes()))


def test_a_packet_holds_every_group_of_evidence(folder: Path):
    manifest = read_manifest(folder)
    groups = {one["name"].partition("/")[0] for one in manifest["artefacts"]}
    told = groups | {one["name"].partition("/")[0] for one in manifest["absent"]}

    assert told == {
        *("governance", "request", "execution", "validation", "determination", "release"),
        *("third_party", "publication", "index"),
    }
    assert {one["name"] for one in manifest["absent"]} <= {
        "governance/method_standard",
        "release/registered_flows",
        "request/form",
        "third_party/terms",
        "request/signatures",
    }


def test_the_ledger_names_the_packet_before_the_delivery(released, folder: Path):
    world, name = released
    kinds = [entry.kind for entry in world.ledger.entries(subject=NAME)]
    (entry,) = world.ledger.entries(kinds=[RequestReleased])

    assert kinds.index("request.released") < kinds.index("release.delivered")
    assert entry.payload["release"] == name
    assert entry.payload["packet_digest"] is not None
    assert verify_packet(world.deployment, world.ledger, name).problems == ()


def test_the_statement_is_in_toto_about_every_released_file(released, folder: Path):
    world, name = released
    envelope = json.loads((folder / ATTESTATION).read_text())
    stated = json.loads(base64.b64decode(envelope["payload"]))
    bundle = world.deployment.outbox / NAME / name

    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    assert stated["_type"] == "https://in-toto.io/Statement/v1"
    names = {one["name"] for one in stated["subject"]}
    assert names == {f"packet/{MANIFEST}"} | {f"released/{file.name}" for file in bundle.iterdir()}
    assert all(gate["passed"] for gate in stated["predicate"]["gates"])


def test_rocrate_reads_the_packet(folder: Path):
    from rocrate.rocrate import ROCrate

    crate = ROCrate(folder)
    paths = {entity.id for entity in crate.data_entities}

    assert REPORT in paths
    assert all((folder / path).is_file() for path in paths)
    assert crate.get("#person:ben.cho")["description"] == "data_steward"


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.headings: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.loads += [str(given[name]) for name in ("src", "data", "action") if given.get(name)]
        if tag in ("script", "link", "iframe", "object", "img"):
            self.loads.append(tag)
        if given.get("id"):
            self.ids.add(str(given["id"]))
        if tag == "a":
            self.links.add(str(given.get("href")))
        if re.fullmatch(r"h\d", tag):
            self.headings.append(tag)


def test_the_report_loads_nothing_and_its_links_lead_somewhere(folder: Path):
    text = (folder / REPORT).read_text("utf-8")
    page = _Page()
    page.feed(text)

    assert page.loads == []
    assert "http://" not in text
    assert "https://" not in text
    assert {link.removeprefix("#") for link in page.links} <= page.ids
    assert page.headings[0] == "h1"
    assert '<html lang="en">' in text


@pytest.mark.parametrize(
    "told",
    [
        "person:ana.ruiz",
        "The yearly open data table",
        "person:ben.cho as data steward",
        "person:dana.lee",
        "small counts",
        "Score sheet",
        "dagster",
        "Sierra",
    ],
)
def test_the_report_tells_who_why_how_and_where(folder: Path, told: str):
    assert told in (folder / REPORT).read_text("utf-8")


def test_texts_of_people_are_escaped_in_the_report(tmp_path: Path):
    world = evidence_world(tmp_path)
    world.publication = world.publication.model_copy(
        update={"title": "<script>alert(1)</script> & more"}
    )
    build(world)
    name = release(world)
    text = (world.deployment.evidence / name / REPORT).read_text("utf-8")

    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in text


def test_the_annex_holds_hidden_values_and_is_sealed(released, folder: Path):
    world, _ = released
    files = annex(world, folder)
    originals = files["determination/masked_originals.csv"].decode()

    assert "Sierra,2024,3,4,1" in originals
    assert "determination/protection_certificate.bin" in files
    assert (folder / ANNEX).read_bytes().startswith(b"age-encryption.org/v1")
    assert stat.S_IMODE((folder / ANNEX).stat().st_mode) == 0o400


def test_no_hidden_value_is_in_the_public_part(tmp_path: Path):
    """The hidden cells are planted: each a number that stands nowhere else."""
    world = evidence_world(tmp_path)
    # Counts of people decide; events may be of any size behind few people.
    planted = with_more(VISITS, 2024, "Sierra", (CANARY[0], 3))
    planted = with_more(planted, 2024, "Modoc", (CANARY[1], 6))
    build(world, planted)
    name = release(world)
    folder = world.deployment.evidence / name
    statement = base64.b64decode(json.loads((folder / ATTESTATION).read_text())["payload"])
    (tmp_path / "statement.json").write_bytes(statement)
    markers = [str(value) for value in CANARY]

    assert markers[0] in annex(world, folder)["determination/masked_originals.csv"].decode()
    assert sightings([folder, tmp_path / "statement.json"], markers) == []


def test_the_public_part_tells_no_counts_of_gates_and_no_accounts(released, folder: Path):
    world, _ = released
    manifest = read_manifest(folder)
    for name in ("request/decisions", "execution/run"):
        for entry in artefact_of(folder, manifest, name):
            assert not {"counts", "blanks", "os_user", "rows"} & entry["payload"].keys()
    assert "ledger_entries" in str(sorted(annex(world, folder)))


def test_what_a_packet_holds_is_read_only(folder: Path):
    modes = {stat.S_IMODE(file.stat().st_mode) for file in folder.rglob("*") if file.is_file()}
    assert modes <= {0o444, 0o400}


@pytest.mark.parametrize("missing", [signing_file, sealing_file], ids=["signing", "sealing"])
def test_nothing_leaves_without_a_key_for_its_evidence(tmp_path: Path, missing):
    world = evidence_world(tmp_path)
    missing(world.deployment).unlink()
    (world.deployment.home / "keys" / "annex.pub").unlink()

    with pytest.raises(ZoneKeyError):
        release(world)

    assert count(world, RequestReleased) == 0
    assert not list(world.deployment.outbox.iterdir())


def test_nothing_leaves_when_the_approved_score_sheet_cannot_be_made_again(tmp_path: Path):
    world = evidence_world(tmp_path)
    request = world.submit()
    world.decided(request.id)
    from deid_platform.core.zones import Zone
    from deid_platform.engine.database import open_zone

    with open_zone(world.deployment, Zone.LIMITED) as con:
        con.execute(f"update main.{NAME} set population_count = 400000000")

    with pytest.raises(EvidenceError):
        world.publish(request.id)

    assert count(world, RequestReleased) == 0
    assert not list(world.deployment.evidence.iterdir())


def test_the_register_in_force_is_in_the_packet_and_its_keys_are_not(tmp_path: Path):
    world = evidence_world(tmp_path)
    here = people()
    name = release(world)
    folder = world.deployment.evidence / name
    standard = artefact_of(folder, read_manifest(folder), "governance/method_standard")
    keys = [file.read_text().split()[1] for file in (here.folder / "keys").glob("*.pub")]

    assert standard["version"] in (folder / REPORT).read_text("utf-8")
    assert sightings([folder], keys) == []
    assert keys[0] in annex(world, folder)["governance/register_in_full.json"].decode()


def test_the_platform_signs_with_the_key_it_has_and_old_packets_still_verify(tmp_path: Path):
    world = evidence_world(tmp_path)
    first = release(world)
    signing_file(world.deployment).rename(tmp_path / "old.key")
    from deid_platform.engine.initialise import initialise

    initialise(world.deployment)
    build(world, with_more(VISITS, 2024, "Napa", (978, 884)))
    second = release(world)

    for name in (first, second):
        assert verify_packet(world.deployment, world.ledger, name).problems == ()
