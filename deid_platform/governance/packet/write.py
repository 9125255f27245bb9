"""Writes the evidence packet of a release before anything leaves; a release without one is none.

The packet is gathered in the release's own session and placed before the release is recorded. The
ledger then names the digest of its attestation, which covers the manifest and so every file. A run
that was killed in between finds its own packet by that digest, and never writes another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deid_platform.core.errors import EvidenceError
from deid_platform.engine.dbt_manifest import sources_of
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.evidence_keys import seal, signing_key
from deid_platform.engine.running_code import running_code
from deid_platform.governance.authority import Authority
from deid_platform.governance.ledger import Ledger, system_clock
from deid_platform.governance.packet.artefact import Audience, json_bytes
from deid_platform.governance.packet.attestation import public_text, sign, statement
from deid_platform.governance.packet.collect import collect
from deid_platform.governance.packet.crate import CRATE, crate
from deid_platform.governance.packet.facts import facts_of
from deid_platform.governance.packet.folder import (
    ANNEX,
    ATTESTATION,
    KEY,
    MANIFEST,
    REPORT,
    Listed,
    differences,
    line_of,
    listed,
    manifest_bytes,
    packed,
    place,
    read_manifest,
    write_folder,
)
from deid_platform.governance.packet.report import report
from deid_platform.governance.packet.requested import keep_until
from deid_platform.governance.packet.subject import Evidence, Subject
from deid_platform.governance.requests import Actor
from deid_platform.governance.targets import Release

if TYPE_CHECKING:
    import duckdb

RETENTION_YEARS = 6
"""The least time that evidence is kept: HIPAA documentation, 45 CFR 164.316(b)(2)(i) (GV-08)."""


@dataclass(frozen=True, kw_only=True)
class Packet:
    """A packet in place: what the ledger records of it."""

    folder: Path
    digest: str | None
    key: str | None


def write_packet(
    con: duckdb.DuckDBPyConnection,
    deployment: Deployment,
    ledger: Ledger,
    release: Release,
    authority: Authority,
    *,
    table: str,
    bundle: Path,
    target: str,
    actor: Actor,
    work: Path,
    clock: Callable[[], datetime] = system_clock,
) -> Packet:
    """Write the packet of a release, or find the one that an earlier run recorded.

    Args:
        con: the session of the release, which reads LIMITED and holds the released table.
        deployment: where packets and keys are.
        ledger: what the release rests on.
        release: what is released.
        authority: the ledger's yes.
        table: the released table, quoted.
        bundle: the finished files.
        target: the export target.
        actor: who releases.
        work: a private folder on the same disk.
        clock: tells the time.

    Raises:
        EvidenceError: evidence is missing, or the recorded packet is gone or changed.
        ZoneKeyError: the platform has no signing or sealing key.
    """
    folder = deployment.evidence / release.id
    if authority.already_released is not None:
        return _recorded(
            folder, authority.already_released.packet_digest, authority.already_released
        )
    now = clock()
    sources = sources_of(deployment, release.publication.sources)
    subject = Subject(
        release=release,
        authority=authority,
        facts=facts_of(ledger, authority, sources),
        sources=sources,
        code=running_code(deployment),
        table=table,
        bundle=bundle,
        files={file.name: _digest(file.read_bytes()) for file in sorted(bundle.iterdir())},
        target=target,
        destination=f"outbox/{release.publication.name}/{release.id}",
        by=str(actor.identity),
        built_at=now.isoformat(timespec="seconds"),
        head=str(ledger.head()),
    )
    evidence = collect(con, deployment, ledger, subject)
    key = signing_key(deployment)
    public = public_text(key)
    about = _about(subject, now)
    files = _contents(deployment, subject, evidence, about, public)
    signed = sign(_statement(subject, evidence, files[MANIFEST], about), key)
    files[ATTESTATION] = signed
    draft = work / "packet"
    draft.mkdir(mode=0o755)
    write_folder(draft, files)
    place(draft, folder)
    return Packet(folder=folder, digest=_digest(signed), key=public)


def _recorded(folder: Path, digest: str | None, earlier: Any) -> Packet:
    if digest is None:
        return Packet(folder=folder, digest=None, key=None)
    attestation = folder / ATTESTATION
    if not attestation.is_file() or _digest(attestation.read_bytes()) != digest:
        raise EvidenceError(
            earlier.release,
            "its evidence packet is gone or was changed",
            "restore it from a backup; nothing was delivered",
        )
    changed = differences(folder, read_manifest(folder))
    if changed:
        raise EvidenceError(
            earlier.release,
            "; ".join(changed),
            "restore its evidence packet from a backup; nothing was delivered",
        )
    return Packet(folder=folder, digest=digest, key=earlier.platform_key)


def _about(subject: Subject, now: datetime) -> dict[str, Any]:
    until = now.replace(year=now.year + RETENTION_YEARS, day=min(now.day, 28))
    return {
        "release": subject.release.id,
        "request": subject.authority.request.id,
        "publication": subject.release.publication.name,
        "built_at": subject.built_at,
        "ledger_head": subject.head,
        "retain_until": keep_until(subject.facts.request, until.date()).isoformat(),
        "reproducibility": (
            f"deid audit rebuild {subject.release.id} masks and exports again from the recorded "
            "inputs and compares bytes, or proves the digests and names what is missing."
        ),
    }


def _contents(
    deployment: Deployment,
    subject: Subject,
    evidence: Evidence,
    about: Mapping[str, Any],
    public: str,
) -> dict[str, bytes]:
    """Every file of the packet but its attestation."""
    files: dict[str, bytes] = {}
    lines: list[Listed] = []
    for artefact in evidence.artefacts:
        if artefact.audience is Audience.PUBLIC:
            line = line_of(artefact)
            lines.append(line)
            files[line.path] = artefact.content
    restricted = [one for one in evidence.artefacts if one.audience is Audience.RESTRICTED]
    extra = (
        (REPORT, report(subject, evidence, about, lines), "text/html", "Report for people."),
        (KEY, f"{public}\n".encode(), "text/plain", "Public key of the attestation."),
    )
    for path, content, media_type, description in extra:
        files[path] = content
        lines.append(
            listed(f"index/{path}", path, content, media_type, Audience.PUBLIC, description)
        )
    files[CRATE] = json_bytes(_crate(subject, lines))
    lines.append(
        listed(
            f"index/{CRATE}",
            CRATE,
            files[CRATE],
            "application/ld+json",
            Audience.PUBLIC,
            "RO-Crate metadata.",
        )
    )
    files[ANNEX] = seal(deployment, packed(restricted, {"release": subject.release.id}))
    lines.append(
        listed(
            "index/annex.age",
            ANNEX,
            files[ANNEX],
            "application/age",
            Audience.RESTRICTED,
            "Restricted artefacts, sealed: " + ", ".join(one.name for one in restricted),
        )
    )
    files[MANIFEST] = manifest_bytes(about, lines, evidence.absent)
    return files


def _crate(subject: Subject, lines: list[Listed]) -> dict[str, Any]:
    request = subject.authority.request
    people: dict[str, list[str]] = {}
    for identity, role in request.held:
        people.setdefault(str(identity), []).append(role.value)
    people.setdefault(subject.by, []).append("carried out the release")
    return crate(
        title=f"Evidence of release {subject.release.id}: {subject.release.title}",
        description="Who asked, who decided, what ran on which code and data, and what passed.",
        built_at=subject.built_at,
        publisher="deid_platform",
        people=people,
        files=[
            {
                "path": line.path,
                "name": line.name,
                "description": line.description,
                "media_type": line.media_type,
                "size": line.size,
                "sha256": line.sha256,
            }
            for line in lines
        ],
        released=subject.files,
    )


def _statement(
    subject: Subject, evidence: Evidence, manifest: bytes, about: Mapping[str, Any]
) -> dict[str, Any]:
    binding = subject.authority.binding
    subjects = {f"released/{name}": digest for name, digest in subject.files.items()}
    subjects[f"packet/{MANIFEST}"] = _digest(manifest)
    return statement(
        subjects,
        {
            "release": subject.release.id,
            "request": subject.authority.request.id,
            "builder": {"id": "deid_platform", "code": subject.code.document()},
            "materials": {
                "aggregate": evidence.value("execution/inputs")["aggregate"],
                "deliveries": {
                    f"{one['table']}/{one['partition']}": one["digest"]
                    for one in evidence.value("execution/inputs")["deliveries"]
                },
                "policy": binding.policy_digest,
                "declaration": binding.publication_digest,
                "score_sheet": binding.score_sheet_digest,
            },
            "content_fingerprint": binding.fingerprint,
            "gates": [
                {"gate": one["gate"], "rule": one["rule"], "passed": one["passed"]}
                for one in evidence.value("validation/gates")
            ],
            "decisions": [
                {"sequence": entry.sequence, "kind": entry.kind, "hash": entry.hash}
                for entry in subject.facts.request
            ],
            "ledger_head": about["ledger_head"],
            "built_at": about["built_at"],
        },
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
