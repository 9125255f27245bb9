"""Tables of one deployment hide the same of their shared cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid_platform.core.errors import MaskingError
from deid_platform.engine.gates.base import Finding, as_candidate, gate
from deid_platform.engine.gates.subjects import Stage, Subject
from deid_platform.engine.linked_tables import compare

if TYPE_CHECKING:
    import duckdb


@gate(
    "linked_tables",
    source="CalHHS DDG 2.0, 4.4.3 (M-14); protection audit, cross-table leak",
    on=(Stage.CANDIDATE,),
)
def linked_tables(con: duckdb.DuckDBPyConnection, subject: Subject) -> Finding:
    """A cell that an earlier table hides is hidden here, and one that it shows is shown.

    Nor does a code here say of a hidden cell what a code there keeps to itself.
    """
    candidate = as_candidate(subject)
    violations = {"linked_candidates_missing": 0, "shown_here_only": 0, "hidden_here_only": 0}
    violations["of_other_data"] = violations["labelled_here_only"] = shared = 0
    for other in candidate.linked:
        for people in candidate.publication.people_columns:
            if people not in other.people_columns:
                continue
            try:
                found = compare(con, candidate.table.sql, candidate.publication, people, other)
            except MaskingError:
                violations["linked_candidates_missing"] += 1
                continue
            shared += found.cells
            violations["shown_here_only"] += found.shown_here_only
            violations["hidden_here_only"] += found.hidden_here_only
            violations["of_other_data"] += found.different
            violations["labelled_here_only"] += found.labelled_here_only
    return Finding(
        violations=violations,
        seen={"shared_cells": shared, "linked_tables": len(candidate.linked)},
    )
