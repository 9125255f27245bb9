"""Checks a packet against everything that holds it: manifest, signature, ledger, released bytes.

Each check is named and answers alone, so that one finding does not hide the next.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deid_platform.core.errors import DeidError, EvidenceError, ZoneKeyError
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.evidence_keys import unseal
from deid_platform.engine.fingerprint import fingerprint
from deid_platform.engine.sql import qualified
from deid_platform.governance.chain import Entry
from deid_platform.governance.events import DeliveryMade, RequestReleased
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.packet.attestation import opened
from deid_platform.governance.packet.folder import (
    ANNEX,
    ATTESTATION,
    KEY,
    MANIFEST,
    artefact_of,
    differences,
    read_manifest,
    unpacked,
)
from deid_platform.governance.recorded import verify_ledger
from deid_platform.governance.requests import requests

_RELEASED = "released/"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question about a packet, and what is wrong; nothing where all is well."""

    name: str
    asks: str
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What was checked of one packet."""

    release: str
    folder: Path
    checks: tuple[Check, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that is wrong, each with the check that found it."""
        return tuple(f"{one.name}: {what}" for one in self.checks for what in one.problems)


def released(ledger: Ledger, release: str) -> Entry:
    """The entry of a release.

    Raises:
        EvidenceError: the ledger knows no such release.
    """
    for entry in ledger.entries(kinds=[RequestReleased]):
        if entry.payload["release"] == release:
            return entry
    raise EvidenceError(
        release, "the ledger knows no such release", "list them with `deid audit coverage`"
    )


def verify_packet(deployment: Deployment, ledger: Ledger, release: str) -> Verified:
    """Check the packet of a release in every way there is.

    Raises:
        EvidenceError: the ledger knows no such release, or it was made without a packet.
    """
    entry = released(ledger, release)
    if entry.payload.get("packet_digest") is None:
        raise EvidenceError(
            release,
            "it was released by a version that wrote no packet",
            "its bundle's manifest and the ledger are its evidence",
        )
    one = _Verification(deployment, ledger, entry)
    return Verified(release=release, folder=one.folder, checks=tuple(one.checks()))


class _Verification:
    """One packet, its entry, and the questions."""

    def __init__(self, deployment: Deployment, ledger: Ledger, entry: Entry) -> None:
        self.deployment = deployment
        self.ledger = ledger
        self.entry = entry
        self.event: dict[str, Any] = entry.payload
        self.folder: Path = deployment.evidence / self.event["release"]

    def checks(self) -> Iterator[Check]:
        questions: tuple[tuple[str, str, Callable[[], Iterator[str]]], ...] = (
            ("ledger", "does the chain hold, and the signatures in it?", self._chain),
            ("attestation", "is it the one that the ledger names?", self._named),
            ("signature", "did the platform's key sign exactly this?", self._signed),
            ("manifest", "is every file there, unchanged, and no other?", self._files),
            ("events", "does the packet tell what the ledger holds?", self._events),
            ("annex", "is the restricted annex that of this release?", self._annex),
            ("bundle", "are the released bytes those that were attested?", self._bundle),
            ("table", "is the released table the content that was approved?", self._table),
        )
        for name, asks, question in questions:
            try:
                problems = tuple(question())
            except DeidError as error:
                problems = (f"{error.where}: {error.what}",)
            except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
                # A forged packet need not have the form of one.
                problems = ("it does not have the form of a packet's",)
            yield Check(name=name, asks=asks, problems=problems)

    def _chain(self) -> Iterator[str]:
        for one in verify_ledger(self.ledger).doubtful:
            if one.entry.payload.get("request") == self.event["request"]:
                yield f"the decision of ledger entry {one.entry.sequence} is in doubt: {one.doubt}"

    def _named(self) -> Iterator[str]:
        if _digest(self._read(ATTESTATION)) != self.event["packet_digest"]:
            yield "it is not the attestation whose digest the ledger holds"
        key = self._read(KEY).decode("ascii", "replace").strip()
        if key != self.event["platform_key"]:
            yield "the packet's public key is not the one that the ledger names"

    def _signed(self) -> Iterator[str]:
        stated = self._statement()
        predicate = stated["predicate"]
        for name, said, held in (
            ("the release", predicate["release"], self.event["release"]),
            ("the request", predicate["request"], self.event["request"]),
            ("the content", predicate["content_fingerprint"], self.event["fingerprint"]),
        ):
            if said != held:
                yield f"it attests {name} otherwise than the ledger"

    def _files(self) -> Iterator[str]:
        manifest = self._read(MANIFEST)
        if _digest(manifest) != self._subjects().get(f"packet/{MANIFEST}"):
            yield "the manifest is not the one that was attested"
        yield from differences(self.folder, read_manifest(self.folder))

    def _events(self) -> Iterator[str]:
        manifest = read_manifest(self.folder)
        told = artefact_of(self.folder, manifest, "request/decisions") or []
        told += artefact_of(self.folder, manifest, "execution/run") or []
        told += artefact_of(self.folder, manifest, "validation/gates") or []
        hashes = {entry.sequence: entry.hash for entry in self._entries(told)}
        for one in told:
            if hashes.get(one["sequence"]) != one["hash"]:
                yield f"ledger entry {one['sequence']} is not the one in the packet"
        head, _, digest = str(manifest["ledger_head"]).partition(":")
        at_head = next(self.ledger.entries(after=int(head) - 1), None)
        if at_head is None or at_head.hash != digest:
            yield "the ledger's head at the release is no longer in the chain"
        if int(head) >= self.entry.sequence:
            yield "the packet names a head that is later than the release"

    def _annex(self) -> Iterator[str]:
        sealed = self._read(ANNEX)
        try:
            files = unpacked(unseal(self.deployment, sealed))
        except ZoneKeyError as error:
            if not _is_kept_elsewhere(error):
                raise
            return
        if json.loads(files["index.json"])["release"] != self.event["release"]:
            yield "it is the annex of another release"

    def _bundle(self) -> Iterator[str]:
        attested = {
            name.removeprefix(_RELEASED): digest
            for name, digest in self._subjects().items()
            if name.startswith(_RELEASED)
        }
        if attested.get(MANIFEST) != self.event["manifest_digest"]:
            yield "the bundle's manifest is not the one that the ledger names"
        for entry in self.ledger.entries(kinds=[DeliveryMade]):
            if entry.payload["release"] != self.event["release"]:
                continue
            place = self.deployment.home / entry.payload["destination"]
            if not place.is_dir():
                yield f"{entry.payload['destination']} is not there"
                continue
            found = {
                file.relative_to(place).as_posix(): _digest(file.read_bytes())
                for file in place.rglob("*")
                if file.is_file()
            }
            yield from _compared(attested, found)

    def _table(self) -> Iterator[str]:
        """Only of the release that is current: a later one replaces the table."""
        known = requests(self.ledger, self.event["publication"])
        standing = known[self.event["request"]].released
        latest = list(
            self.ledger.entries(kinds=[RequestReleased], subject=self.event["publication"])
        )[-1]
        if standing is None or latest.sequence != self.entry.sequence:
            return
        with open_zone(self.deployment, None, reading=[Zone.RELEASE]) as con:
            table = qualified(Zone.RELEASE.value, "main", self.event["publication"])
            if fingerprint(con, table) != self.event["fingerprint"]:
                yield "the table in the release zone is not the content that was approved"

    def _statement(self) -> dict[str, Any]:
        return opened(self._read(ATTESTATION), self.event["platform_key"])

    def _subjects(self) -> dict[str, str]:
        return {one["name"]: one["digest"]["sha256"] for one in self._statement()["subject"]}

    def _entries(self, told: list[Mapping[str, Any]]) -> Iterator[Entry]:
        wanted = {int(one["sequence"]) for one in told}
        if not wanted:
            return
        for entry in self.ledger.entries(after=min(wanted) - 1):
            if entry.sequence > max(wanted):
                return
            if entry.sequence in wanted:
                yield entry

    def _read(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            raise EvidenceError(name, "it is missing", "restore the packet from a backup") from None


def _compared(attested: Mapping[str, str], found: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(attested.keys() | found.keys()):
        if name not in found:
            yield f"{name} was removed from the bundle"
        elif name not in attested:
            yield f"{name} was added to the bundle"
        elif attested[name] != found[name]:
            yield f"{name} was changed after the release"


def _is_kept_elsewhere(error: ZoneKeyError) -> bool:
    """Whether only the key is absent, which a machine that releases need not have."""
    return "cannot be read" in error.what


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
