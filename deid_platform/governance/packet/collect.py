"""Gathers the evidence of a release, group by group, and says of each piece missing why.

Source: governance specification, section 5 (HICP Practice 7.3); CalHHS Open Data Handbook 1.2 for
the publication group.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from deid_platform.engine.deployment import Deployment
from deid_platform.governance.chain import Records
from deid_platform.governance.packet.artefact import (
    Absent,
    Artefact,
    Audience,
    Group,
    json_artefact,
)
from deid_platform.governance.packet.determination import class_sizes, score_sheet, validation
from deid_platform.governance.packet.execution import columns, execution, governance
from deid_platform.governance.packet.facts import full, shown
from deid_platform.governance.packet.masked import pictures, restricted
from deid_platform.governance.packet.registered import registered
from deid_platform.governance.packet.subject import Evidence, Subject

if TYPE_CHECKING:
    import duckdb

_MEDIA_TYPES = {"csv": "text/csv", "json": "application/json", "md": "text/markdown"}


def collect(
    con: duckdb.DuckDBPyConnection, deployment: Deployment, records: Records, subject: Subject
) -> Evidence:
    """Everything that section 5 names.

    Args:
        con: the session of the release: it reads LIMITED, and holds the released table.
        deployment: whose declarations are in force.
        records: the ledger, which holds the register.
        subject: what is released.

    Raises:
        EvidenceError: the ledger speaks of a score sheet that can no longer be made.
    """
    publication = subject.release.publication
    sheet, no_sheet = score_sheet(con, subject)
    masked, not_masked = restricted(con, publication)
    shape, no_shape = class_sizes(con, subject)
    treated, untreated = columns(deployment, subject)
    rules, no_rules = registered(
        records, publication.name, datetime.fromisoformat(subject.built_at)
    )
    artefacts = [
        *governance(subject),
        *rules,
        *_request(subject),
        *execution(subject),
        *treated,
        *validation(subject),
        *sheet,
        *masked,
        *shape,
        *_release(subject),
        *_publication(subject),
        _ledger(subject),
    ]
    absent = [*no_rules, *no_sheet, *not_masked, *no_shape, *untreated, *_not_applicable(subject)]
    return Evidence(
        artefacts=tuple(artefacts),
        absent=tuple(absent),
        pictures=pictures(con, subject.table, publication),
    )


def _request(subject: Subject) -> list[Artefact]:
    request = subject.authority.request
    return [
        json_artefact(
            Group.REQUEST,
            "request",
            "Who asked for what, and why.",
            {
                "id": request.id,
                "publication": request.publication,
                "purpose": request.purpose,
                "requester": str(request.requester),
                "submitted_at": request.submitted_at,
                "method": "CalHHS Data De-Identification Guidelines, aggregate",
                "method_justification": (
                    "A public table of counts: small numbers are scored and hidden under "
                    f"{subject.release.policy.title}."
                ),
                "binding": asdict(subject.authority.binding),
            },
        ),
        json_artefact(
            Group.REQUEST,
            "decisions",
            "Every step of the request with identities, times and signatures, as the ledger "
            "holds it.",
            [shown(entry) for entry in subject.facts.request],
        ),
    ]


def _release(subject: Subject) -> list[Artefact]:
    request = subject.authority.request
    return [
        json_artefact(
            Group.RELEASE,
            "release",
            "What goes where, approved by whom, and who may read it there.",
            {
                "id": subject.release.id,
                "request": request.id,
                "target": subject.target,
                "location": subject.destination,
                "access": "public: the files may be read by everybody",
                "approvals": [
                    {"by": str(one.by), "role": one.role.value, "at": one.at}
                    for one in request.approvals
                ],
                "released_by": subject.by,
            },
        ),
        json_artefact(
            Group.RELEASE,
            "data_flow",
            "The way of the data, from source to destination.",
            {
                "sources": list(subject.sources),
                "path": ["landing", "raw", "limited", "candidate", "release", "outbox"],
                "method": subject.release.policy.title,
                "destination": subject.destination,
                "recipients": "public",
            },
        ),
    ]


def _publication(subject: Subject) -> list[Artefact]:
    """Copies of what accompanies the data in the bundle; the data itself is told by its digest."""
    artefacts = []
    for file in sorted(subject.bundle.iterdir()):
        stem, extension = file.stem, file.suffix.removeprefix(".")
        if extension not in _MEDIA_TYPES or file.name == f"{subject.release.stem}.csv":
            continue
        title = stem.removeprefix(f"{subject.release.stem}_")
        artefacts.append(
            Artefact(
                group=Group.PUBLICATION,
                title=title,
                description=f"As released: {file.name}.",
                media_type=_MEDIA_TYPES[extension],
                audience=Audience.PUBLIC,
                content=file.read_bytes(),
                extension=extension,
            )
        )
    return artefacts


def _ledger(subject: Subject) -> Artefact:
    return json_artefact(
        Group.INDEX,
        "ledger_entries",
        "Every ledger entry that the release rests on, in full.",
        [full(entry) for entry in subject.facts.all],
        Audience.RESTRICTED,
    )


def _not_applicable(subject: Subject) -> list[Absent]:
    absent = [
        Absent(
            name="third_party/terms",
            why="the release is public: no third party receives it under terms",
        )
    ]
    if not any("signature" in entry.payload for entry in subject.facts.request):
        absent.append(
            Absent(
                name="request/signatures",
                why="identities were asserted on the host's accounts, not signed",
            )
        )
    return absent
