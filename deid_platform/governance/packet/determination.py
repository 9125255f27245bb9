"""Evidence of what was checked and determined: validation and determination groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid_platform.core.errors import EvidenceError
from deid_platform.core.patterns import PATTERNS
from deid_platform.core.zones import Zone
from deid_platform.engine.assess import assess_publication
from deid_platform.engine.fingerprint import fingerprint
from deid_platform.engine.gates import Stage, gates_for
from deid_platform.engine.sql import qualified
from deid_platform.governance.packet.artefact import (
    Absent,
    Artefact,
    Audience,
    Group,
    json_artefact,
)
from deid_platform.governance.packet.masked import profile
from deid_platform.governance.packet.subject import Subject

if TYPE_CHECKING:
    import duckdb


def validation(subject: Subject) -> list[Artefact]:
    """Gates, scans, and restricted counts."""
    gates = subject.facts.gates
    described = {gate.name: gate.description for gate in gates_for(Stage.CANDIDATE)}
    return [
        json_artefact(
            Group.VALIDATION,
            "gates",
            "Every gate that looked at exactly this content, with its rule and result.",
            [
                {
                    "gate": entry.payload["gate"],
                    "rule": entry.payload["rule"],
                    "says": described.get(entry.payload["gate"], ""),
                    "passed": entry.payload["passed"],
                    "failures": entry.payload["failures"],
                    "at": entry.at,
                    "sequence": entry.sequence,
                    "hash": entry.hash,
                }
                for entry in gates
            ],
        ),
        json_artefact(
            Group.VALIDATION,
            "text_scan",
            "Patterns that the released values were scanned for; violations stop a release.",
            {
                "patterns": [
                    {"name": pattern.name, "identifier": pattern.identifier.value}
                    for pattern in PATTERNS.values()
                ],
                "gates": [
                    {"gate": entry.payload["gate"], "passed": entry.payload["passed"]}
                    for entry in gates
                    if entry.payload["gate"] in ("pattern_scan", "identifier_overlap")
                ],
            },
        ),
        json_artefact(
            Group.VALIDATION,
            "counts",
            "What each gate counted, class sizes included.",
            {entry.payload["gate"]: entry.payload["counts"] for entry in gates},
            Audience.RESTRICTED,
        ),
    ]


def score_sheet(
    con: duckdb.DuckDBPyConnection, subject: Subject
) -> tuple[list[Artefact], list[Absent]]:
    """The score sheet that was approved, made again and compared by its digest.

    Raises:
        EvidenceError: it can no longer be made.
    """
    release, digest = subject.release, subject.authority.binding.score_sheet_digest
    if not any(entry.kind == "assessment.recorded" for entry in subject.facts.candidate):
        return [], [
            Absent(name="determination/score_sheet", why="the ledger records no assessment of it")
        ]
    sheet = assess_publication(con, release.publication, release.policy, record=False)
    if sheet.digest != digest:
        raise EvidenceError(
            release.id,
            "the score sheet that was approved can no longer be made from the aggregate",
            "the aggregate changed since: build the candidate again and have it approved anew",
        )
    document = sheet.to_dict()
    kept = (
        *("publication", "policy", "policy_digest", "declaration_digest", "edition", "threshold"),
        *("outcome", "action", "masking_required", "expert_review_required", "score", "readings"),
    )
    chosen = {
        name: {
            "where": reading.where,
            "question": reading.question,
            "chosen": reading.chosen,
            "alternatives": list(reading.alternatives),
        }
        for name, reading in release.policy.readings.items()
    }
    return [
        json_artefact(
            Group.DETERMINATION,
            "score_sheet",
            "Publication scoring, part by part: variables, bands, points and rules.",
            {
                "digest": digest,
                **{name: document[name] for name in kept},
                "parts": [
                    {
                        "dimensions": list(part.dimensions),
                        "total": part.total,
                        "components": [row for row in sheet.rows() if row["part"] == number],
                    }
                    for number, part in enumerate(sheet.parts, start=1)
                ],
            },
        ),
        json_artefact(
            Group.DETERMINATION,
            "readings",
            "How the policy reads each place where the guideline can be read in several ways.",
            chosen,
        ),
        json_artefact(
            Group.DETERMINATION,
            "score_sheet_in_full",
            "The sheet as it was digested, counts of high-risk and unreliable cells included.",
            document,
            Audience.RESTRICTED,
        ),
    ], []


def class_sizes(
    con: duckdb.DuckDBPyConnection, subject: Subject
) -> tuple[list[Artefact], list[Absent]]:
    """The shape of the aggregate that was masked, against which drift is measured; restricted.

    Raises:
        EvidenceError: the aggregate is another by now.
    """
    candidate = next((e for e in subject.facts.candidate if e.kind == "candidate.built"), None)
    recorded = candidate.payload.get("source_fingerprint") if candidate else None
    publication = subject.release.publication
    source = qualified(Zone.LIMITED.value, "main", publication.name)
    name = "validation/class_sizes"
    if recorded is None:
        return [], [Absent(name=name, why="the pipeline recorded no aggregate of it")]
    if fingerprint(con, source) != recorded:
        raise EvidenceError(
            subject.release.id,
            "the aggregate is not the one that the candidate was masked from",
            "build the candidate again and have it approved anew",
        )
    return [
        json_artefact(
            Group.VALIDATION,
            "class_sizes",
            "Columns, labels, and how many cells have each small number of people.",
            profile(con, source, publication),
            Audience.RESTRICTED,
        )
    ], []
