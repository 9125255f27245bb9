"""Tables of one deployment hide the same of their shared cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid_platform.core.errors import MaskingError
from deid_platform.core.zones import Zone
from deid_platform.engine.gates.base import Finding, as_candidate, gate
from deid_platform.engine.gates.subjects import CandidateSubject, Stage, Subject
from deid_platform.engine.joint_attack import JointFinding, Shown, attack_together
from deid_platform.engine.linked_tables import compare
from deid_platform.engine.sql import qualified

if TYPE_CHECKING:
    import duckdb


@gate(
    "linked_tables",
    source="CalHHS DDG 2.0, 4.4.3 (M-14); protection audit, cross-table leak",
    on=(Stage.CANDIDATE,),
)
def linked_tables(con: duckdb.DuckDBPyConnection, subject: Subject) -> Finding:
    """A cell that an earlier table hides is hidden here, and one that it shows is shown.

    Nor does a code here say of a hidden cell what a code there keeps to itself, nor do all these
    tables together give away what each of them keeps.
    """
    candidate = as_candidate(subject)
    violations = {"linked_candidates_missing": 0, "shown_here_only": 0, "hidden_here_only": 0}
    violations |= {"of_other_data": 0, "labelled_here_only": 0}
    violations |= {"recovered_together": 0, "narrowed_together": 0}
    shared = 0
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
    if not violations["linked_candidates_missing"]:
        for joint in _together(con, candidate):
            violations["recovered_together"] += joint.recovered
            violations["narrowed_together"] += joint.narrowed
    return Finding(
        violations=violations,
        seen={"shared_cells": shared, "linked_tables": len(candidate.linked)},
    )


def _together(con: duckdb.DuckDBPyConnection, candidate: CandidateSubject) -> list[JointFinding]:
    """The candidate attacked with all linked candidates at once, per column of people."""
    mine = Shown(
        table=candidate.table.sql,
        publication=candidate.publication,
        source=candidate.aggregate.sql,
    )
    return [
        attack_together(
            con,
            mine,
            [
                Shown(
                    table=qualified(Zone.LIMITED.value, "candidate", other.name),
                    publication=other,
                )
                for other in candidate.linked
                if people in other.people_columns
            ],
            people,
            candidate.policy,
        )
        for people in candidate.publication.people_columns
    ]
