"""Which publications of a deployment would come out differently under another policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from deid_platform.core.errors import AssessmentError, DeclarationError
from deid_platform.core.faults import Fault
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Publication
from deid_platform.engine.assess import assess_publication


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A publication's outcome and score under each of two policies."""

    publication: str
    before: str
    after: str
    score_before: int | None
    score_after: int | None

    @property
    def changes(self) -> bool:
        """Whether the outcome differs."""
        return self.before != self.after


def effects(
    con: duckdb.DuckDBPyConnection,
    publications: Sequence[Publication],
    before: DdgPolicy,
    after: DdgPolicy,
) -> list[Effect]:
    """Assess each publication under both policies; one that cannot be assessed says so."""
    found = []
    for publication in publications:
        first, score_before = _outcome(con, publication, before)
        second, score_after = _outcome(con, publication, after)
        found.append(
            Effect(
                publication=publication.name,
                before=first,
                after=second,
                score_before=score_before,
                score_after=score_after,
            )
        )
    return found


def _outcome(
    con: duckdb.DuckDBPyConnection, publication: Publication, policy: DdgPolicy
) -> tuple[str, int | None]:
    try:
        sheet = assess_publication(con, publication, policy, record=False)
    except (AssessmentError, DeclarationError) as error:
        fault = getattr(error, "fault", None)
        if fault is Fault.NOT_MATERIALISED:
            return "not materialised", None
        return f"cannot assess ({fault.code})" if fault else "cannot assess", None
    return sheet.outcome.value, sheet.score
