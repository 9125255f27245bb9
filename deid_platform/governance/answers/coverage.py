"""How every dataset in the de-identified and public zones follows the method.

Each table, snapshot, bundle and packet is held against the ledger by its fingerprint or digest.
What the ledger does not account for is an orphan.

Source: governance specification, section 9 (HICP Practice 7.3).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deid_platform.core.workflow import State
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.durable_files import sha256_of
from deid_platform.engine.fingerprint import fingerprint
from deid_platform.engine.sql import qualified
from deid_platform.governance.answers.answer import Answer, Line, entries
from deid_platform.governance.chain import Entry
from deid_platform.governance.determinations import safe_harbor
from deid_platform.governance.events import (
    GateEvaluated,
    RequestReleased,
    SafeHarborAttested,
    SnapshotPublished,
    TablePromoted,
)
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.packet.folder import ATTESTATION
from deid_platform.governance.requests import requests

if TYPE_CHECKING:
    import duckdb

QUESTION = "How do you ensure that all analytics datasets follow the method?"


@dataclass(frozen=True, kw_only=True)
class _Found:
    """One dataset: where it stands, or what it lacks."""

    line: Line
    problems: tuple[str, ...] = ()


def coverage(deployment: Deployment, ledger: Ledger) -> Answer:
    """Every dataset beside what it rests on.

    Raises:
        LedgerError: the chain does not hold.
        ZoneError: a zone cannot be read.
    """
    ledger.verify()
    found = [
        *_deidentified(deployment, ledger),
        *_released(deployment, ledger),
        *_snapshots(deployment, ledger),
        *_bundles(deployment, ledger),
        *_packets(deployment, ledger),
    ]
    return Answer(
        question=QUESTION,
        lines=tuple(one.line for one in found),
        problems=tuple(what for one in found for what in one.problems),
    )


def _deidentified(deployment: Deployment, ledger: Ledger) -> Iterator[_Found]:
    zone = Zone.DEIDENTIFIED
    if not deployment.zone_file(zone).exists():
        return
    with open_zone(deployment, None, reading=[zone]) as con:
        for name in _tables(con, zone, "main"):
            content = fingerprint(con, qualified(zone.value, "main", name))
            yield _determined(ledger, f"{zone.value}/{name}", content)
        for name in _tables(con, zone, "marts"):
            content = fingerprint(con, qualified(zone.value, "marts", name))
            yield _mart(ledger, f"marts/{name}", content)


def _determined(ledger: Ledger, table: str, content: str) -> _Found:
    stands = safe_harbor(ledger, table, content)
    rests = [entry.sequence for entry in ledger.entries(kinds=[SafeHarborAttested], subject=table)][
        -1:
    ]
    if stands.attested is None:
        return _orphan(table, "no run of the pipeline attested it")
    says = "Safe Harbor, attested by the pipeline"
    if stands.statement is not None:
        says += f"; actual knowledge: {stands.statement.answer}, {stands.statement.by}"
    return _Found(
        line=Line(subject=table, says=says, evidence=entries(rests)),
        problems=tuple(f"{table}: {what}" for what in stands.missing),
    )


def _mart(ledger: Ledger, table: str, content: str) -> _Found:
    promoted = [
        entry
        for entry in ledger.entries(kinds=[TablePromoted], subject=table)
        if entry.payload["fingerprint"] == content
    ]
    if not promoted:
        return _orphan(table, "no promotion of this content is recorded")
    gates: dict[str, Entry] = {
        entry.payload["gate"]: entry
        for entry in ledger.entries(kinds=[GateEvaluated], subject=table)
        if entry.payload["fingerprint"] == content
    }
    failed = sorted(name for name, entry in gates.items() if not entry.payload["passed"])
    return _Found(
        line=Line(
            subject=table,
            says=f"promoted after {len(gates)} gates",
            evidence=entries([promoted[-1].sequence, *(e.sequence for e in gates.values())]),
        ),
        problems=tuple(f"{table}: gate {name} did not pass" for name in failed)
        or (() if gates else (f"{table}: no gate looked at this content",)),
    )


def _released(deployment: Deployment, ledger: Ledger) -> Iterator[_Found]:
    if not deployment.zone_file(Zone.RELEASE).exists():
        return
    events = list(ledger.entries(kinds=[RequestReleased]))
    with open_zone(deployment, None, reading=[Zone.RELEASE]) as con:
        for name in _tables(con, Zone.RELEASE, "main"):
            content = fingerprint(con, qualified(Zone.RELEASE.value, "main", name))
            subject = f"release/{name}"
            matching = [
                entry
                for entry in events
                if (entry.subject, entry.payload["fingerprint"]) == (name, content)
            ]
            if not matching:
                yield _orphan(subject, "no release of this content is recorded")
                continue
            yield _stands(deployment, ledger, subject, matching[-1])


def _stands(deployment: Deployment, ledger: Ledger, subject: str, entry: Entry) -> _Found:
    event = entry.payload
    problems = []
    state = requests(ledger, event["publication"])[event["request"]].state
    if state is not State.RELEASED:
        problems.append(f"{subject}: the request it was released by is {state.value}")
    problems += [f"{subject}: {what}" for what in _packet_problems(deployment, event)]
    return _Found(
        line=Line(
            subject=subject,
            says=f"release {event['release']} of request {event['request']}",
            evidence=(*entries([entry.sequence]), f"evidence/{event['release']}"),
        ),
        problems=tuple(problems),
    )


def _packet_problems(deployment: Deployment, event: dict[str, str | None]) -> Iterator[str]:
    digest, release = event.get("packet_digest"), str(event["release"])
    attestation = deployment.evidence / release / ATTESTATION
    if digest is None:
        yield f"release {release} was made by a version that wrote no evidence packet"
    elif not attestation.is_file():
        yield f"the evidence packet of {release} is gone"
    elif sha256_of(attestation) != f"sha256:{digest}":
        yield f"the evidence packet of {release} is not the one that the ledger names"


def _snapshots(deployment: Deployment, ledger: Ledger) -> Iterator[_Found]:
    published: dict[str, Entry] = {
        entry.payload["snapshot"]: entry for entry in ledger.entries(kinds=[SnapshotPublished])
    }
    for file in sorted(deployment.snapshots.glob("*.duckdb")):
        subject = f"snapshots/{file.name}"
        entry = published.get(file.stem)
        if entry is None:
            yield _orphan(subject, "no publication of it is recorded")
        elif entry.payload["digest"].removeprefix("sha256:") != sha256_of(file).removeprefix(
            "sha256:"
        ):
            yield _orphan(subject, "it is not the file that was published last")
        else:
            yield _Found(
                line=Line(
                    subject=subject,
                    says=f"copy of zone {entry.payload['zone']}",
                    evidence=entries([entry.sequence]),
                )
            )


def _bundles(deployment: Deployment, ledger: Ledger) -> Iterator[_Found]:
    known = {
        (entry.subject, entry.payload["release"]): entry
        for entry in ledger.entries(kinds=[RequestReleased])
    }
    for publication in _folders(deployment.outbox):
        for bundle in _folders(publication):
            subject = f"outbox/{publication.name}/{bundle.name}"
            entry = known.get((publication.name, bundle.name))
            if entry is None:
                yield _orphan(subject, "no release of that id is recorded")
                continue
            state = requests(ledger, publication.name)[entry.payload["request"]].state
            problems = list(_packet_problems(deployment, entry.payload))
            if state in (State.RECALLED, State.EXPIRED):
                problems.append(f"the release is {state.value}, and its files are still here")
            yield _Found(
                line=Line(
                    subject=subject,
                    says=f"bundle of a release that is {state.value}",
                    evidence=(*entries([entry.sequence]), f"evidence/{bundle.name}"),
                ),
                problems=tuple(f"{subject}: {what}" for what in problems),
            )
        for file in sorted(one for one in publication.iterdir() if one.is_file()):
            yield _orphan(f"outbox/{publication.name}/{file.name}", "a file outside any bundle")


def _packets(deployment: Deployment, ledger: Ledger) -> Iterator[_Found]:
    """A packet that no release names was left by a run that ended before its release."""
    known = {entry.payload["release"] for entry in ledger.entries(kinds=[RequestReleased])}
    for folder in _folders(deployment.evidence):
        if folder.name not in known:
            yield _Found(
                line=Line(
                    subject=f"evidence/{folder.name}",
                    says="a packet of a release that did not take place; nothing left",
                )
            )


def _orphan(subject: str, why: str) -> _Found:
    return _Found(
        line=Line(subject=subject, says=f"ORPHAN: {why}"), problems=(f"{subject}: {why}",)
    )


def _folders(parent: Path) -> list[Path]:
    if not parent.is_dir():
        return []
    return sorted(one for one in parent.iterdir() if one.is_dir() and one.name[0] != ".")


def _tables(con: duckdb.DuckDBPyConnection, zone: Zone, schema: str) -> list[str]:
    return [
        name
        for (name,) in con.execute(
            "select table_name from duckdb_tables() where database_name = ? and schema_name = ? "
            "and not starts_with(table_name, '_') order by table_name",
            [zone.value, schema],
        ).fetchall()
    ]
