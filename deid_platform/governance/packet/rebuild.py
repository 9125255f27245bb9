"""Makes a release again from its packet and its inputs, and compares the bytes.

The aggregate that the packet names is masked anew in a session of its own, described and exported
into a private folder. Where an input is gone, what is missing is named exactly, and the digests
are proved instead: the delivered bytes are those that were attested, and the ledger holds both.

Source: governance specification, section 5, E-3.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deid_platform.core.errors import DeidError, EvidenceError
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Publication
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.durable_files import make_private
from deid_platform.engine.fingerprint import fingerprint
from deid_platform.engine.mask import TableNames, mask_table
from deid_platform.engine.running_code import RunningCode
from deid_platform.engine.sql import identifier, qualified
from deid_platform.governance.dictionary import described
from deid_platform.governance.events import CandidateBuilt, DeliveryIngested
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.packet.folder import MANIFEST, artefact_of, read_manifest
from deid_platform.governance.packet.verify import released, verify_packet
from deid_platform.governance.publish import export_again

if TYPE_CHECKING:
    import duckdb

_PROOF = ("ledger", "attestation", "signature", "manifest", "bundle")
_WORK = "rebuild-"


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """What came of a rebuild.

    ``files`` tells of each released file whether it came out with the same bytes; it is empty
    where nothing could be made. ``missing`` names what a rebuild lacks, ``notes`` what differs
    without having mattered. ``proved`` says whether the digests hold.
    """

    release: str
    files: Mapping[str, bool]
    missing: tuple[str, ...]
    notes: tuple[str, ...]
    proved: bool

    @property
    def same(self) -> bool:
        """Whether every released byte was made again."""
        return bool(self.files) and all(self.files.values())


def rebuild(
    deployment: Deployment,
    ledger: Ledger,
    release: str,
    publication: Publication,
    policy: DdgPolicy,
    linked: Sequence[Publication] = (),
    *,
    code: RunningCode,
) -> Rebuilt:
    """Make the files of a release again and compare them, byte by byte.

    Args:
        deployment: whose zones hold the inputs.
        ledger: what was recorded.
        release: its id.
        publication: the declaration as it is now.
        policy: the policy as it is now.
        linked: publications masked before it, as they are now.
        code: what runs now.

    Raises:
        EvidenceError: there is no such release, or its packet does not hold.
    """
    verified = verify_packet(deployment, ledger, release)
    broken = [one for one in verified.checks if one.name in _PROOF and not one.passed]
    if any(one.name != "bundle" for one in broken):
        raise EvidenceError(
            release,
            "; ".join(f"{one.name}: {what}" for one in broken for what in one.problems),
            "a packet that does not hold proves nothing: restore it from a backup",
        )
    event = released(ledger, release).payload
    told = _Told.of(verified.folder)
    differing = told.code.differences(code)
    missing = [*_declarations(event, told, publication, policy)]
    files: dict[str, bool] = {}
    if not missing:
        make_private(deployment.scratch)
        with tempfile.TemporaryDirectory(prefix=_WORK, dir=deployment.scratch) as work:
            folder = Path(work) / "bundle"
            folder.mkdir(mode=0o700)
            with open_zone(deployment, None, reading=[Zone.LIMITED], files=[folder]) as con:
                missing += _inputs(con, ledger, told, publication, linked)
                if not missing:
                    files = _made(con, event, told, publication, policy, linked, folder)
    same = bool(files) and all(files.values())
    return Rebuilt(
        release=release,
        files=files,
        missing=tuple(missing) if same or not differing else (*missing, *differing),
        notes=differing if same else (),
        proved=not broken,
    )


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What the packet says a rebuild needs."""

    code: RunningCode
    aggregate: str | None
    deliveries: Sequence[Mapping[str, Any]]
    files: Mapping[str, str]
    bundle: Mapping[str, Any]

    @classmethod
    def of(cls, folder: Path) -> _Told:
        manifest = read_manifest(folder)
        inputs = artefact_of(folder, manifest, "execution/inputs")
        return cls(
            code=RunningCode(**artefact_of(folder, manifest, "execution/code")),
            aggregate=inputs["aggregate"],
            deliveries=inputs["deliveries"],
            files=artefact_of(folder, manifest, "execution/outputs")["files"],
            bundle=artefact_of(folder, manifest, "publication/manifest"),
        )


def _declarations(
    event: Mapping[str, Any], told: _Told, publication: Publication, policy: DdgPolicy
) -> Iterator[str]:
    if told.bundle["publication_digest"] != publication.digest:
        yield (
            f"the declaration of {event['publication']} with digest "
            f"{told.bundle['publication_digest'][:12]}: it was changed since"
        )
    if told.bundle["policy"]["digest"] != policy.digest:
        yield (
            f"the policy {policy.name} with digest {told.bundle['policy']['digest'][:12]}: "
            "it was changed since"
        )


def _inputs(
    con: duckdb.DuckDBPyConnection,
    ledger: Ledger,
    told: _Told,
    publication: Publication,
    linked: Sequence[Publication],
) -> Iterator[str]:
    """Inputs that are not what they were, each with what changed it where the ledger says so."""
    name = publication.name
    if told.aggregate is None:
        yield f"limited/{name}: no aggregate was recorded"
        return
    try:
        now = fingerprint(con, qualified(Zone.LIMITED.value, "main", name))
    except DeidError:
        yield f"limited/{name} with fingerprint {told.aggregate}: the table is gone"
        return
    if now != told.aggregate:
        yield f"limited/{name} with fingerprint {told.aggregate}: it is {now} now"
        yield from _redelivered(ledger, told)
    for other in linked:
        yield from _linked(con, ledger, other.name, told.bundle["content_fingerprint"], name)


def _redelivered(ledger: Ledger, told: _Told) -> Iterator[str]:
    for one in told.deliveries:
        latest = None
        for entry in ledger.entries(kinds=[DeliveryIngested], subject=one["table"]):
            if entry.payload["partition"] == one["partition"]:
                latest = entry
        if latest is not None and latest.payload["delivery_digest"] != one["digest"]:
            yield (
                f"the delivery {one['table']} {one['partition']} with digest "
                f"{one['digest'][:19]}: another came on {latest.at[:10]}"
            )


def _linked(
    con: duckdb.DuckDBPyConnection, ledger: Ledger, other: str, content: str, name: str
) -> Iterator[str]:
    """The candidate of a linked table must be the one that stood when this one was masked."""
    built = 0
    for entry in ledger.entries(kinds=[CandidateBuilt], subject=name):
        if entry.payload["fingerprint"] == content:
            built = entry.sequence
    stood = None
    for entry in ledger.entries(kinds=[CandidateBuilt], subject=other):
        if entry.sequence < built:
            stood = entry.payload["fingerprint"]
    try:
        now = fingerprint(con, qualified(Zone.LIMITED.value, "candidate", other))
    except DeidError:
        now = "gone"
    if now != stood:
        yield f"candidate/{other} with fingerprint {stood}: it is {now} now"


def _made(
    con: duckdb.DuckDBPyConnection,
    event: Mapping[str, Any],
    told: _Told,
    publication: Publication,
    policy: DdgPolicy,
    linked: Sequence[Publication],
    folder: Path,
) -> dict[str, bool]:
    """Mask, describe and export again; which files have the attested bytes."""
    names = TableNames(
        source=qualified(Zone.LIMITED.value, "main", publication.name),
        candidate=qualified("memory", "main", "candidate"),
        evidence=qualified("memory", "main", "evidence"),
        certificate=qualified("memory", "main", "certificate"),
    )
    mask_table(con, names, publication, policy, linked=linked)
    content = fingerprint(con, names.candidate)
    table = qualified("memory", "main", publication.name)
    order = ", ".join(f"{identifier(one)} nulls last" for one in publication.dimension_columns)
    con.execute(f"create table {table} as select * from {names.candidate} order by {order}")
    again = described(
        con,
        table,
        publication,
        policy,
        release=event["release"],
        request=event["request"],
        fingerprint=content,
        score_sheet_digest=told.bundle["score_sheet_digest"],
    )
    export_again(con, table, again, event["target"], folder)
    made = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.iterdir())
    }
    # The bundle's manifest is in the packet; it is the same if what it lists came out the same.
    listed = {one["name"]: one["sha256"] for one in told.bundle["files"]}
    if made == listed and content == told.bundle["content_fingerprint"]:
        made[MANIFEST] = told.files[MANIFEST]
    return {
        name: made.get(name) == told.files.get(name)
        for name in sorted(made.keys() | told.files.keys())
    }
