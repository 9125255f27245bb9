"""Gathers the evidence of a release, group by group, and says of each piece missing why.

Source: governance specification, section 5 (HICP Practice 7.3); CalHHS Open Data Handbook 1.2 for
the publication group.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from deid_platform.engine.deployment import Deployment
from deid_platform.governance.chain import Records
from deid_platform.governance.packet.artefact import (
    Artefact,
    Audience,
    Group,
    json_artefact,
)
from deid_platform.governance.packet.determination import class_sizes, score_sheet, validation
from deid_platform.governance.packet.execution import columns, execution, governance
from deid_platform.governance.packet.facts import full
from deid_platform.governance.packet.masked import pictures, restricted
from deid_platform.governance.packet.registered import registered
from deid_platform.governance.packet.requested import released, requested, third_party
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
    asked, unasked = requested(subject)
    terms, no_terms = third_party(records, subject)
    artefacts = [
        *governance(subject),
        *rules,
        *asked,
        *execution(subject),
        *treated,
        *validation(subject),
        *sheet,
        *masked,
        *shape,
        *released(subject),
        *terms,
        *_publication(subject),
        _ledger(subject),
    ]
    absent = [*no_rules, *no_sheet, *not_masked, *no_shape, *untreated, *no_terms, *unasked]
    return Evidence(
        artefacts=tuple(artefacts),
        absent=tuple(absent),
        pictures=pictures(con, subject.table, publication),
    )


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
