"""What reviewers sign for is the score of the very table behind the candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid_platform.core.risk.score_sheet import Outcome
from deid_platform.core.zones import Zone
from deid_platform.engine.assess import ASSESSMENT_SCHEMA, assess_relation
from deid_platform.engine.gates.base import Finding, as_candidate, gate
from deid_platform.engine.gates.subjects import Stage, Subject, TableName
from deid_platform.engine.gates.table_columns import exists

if TYPE_CHECKING:
    import duckdb


@gate(
    "assessed",
    source="CalHHS DDG 2.0, 4.3.1 and Figure 5 (T-1, A-06)",
    on=(Stage.CANDIDATE,),
)
def assessed(con: duckdb.DuckDBPyConnection, subject: Subject) -> Finding:
    """The recorded score sheet is that of the unmasked table, under a policy that is in effect.

    A table at or over the threshold without a small cell asks for a coarser table or a documented
    mitigation, so it is stopped.
    """
    candidate = as_candidate(subject)
    sheet = assess_relation(con, candidate.aggregate.sql, candidate.publication, candidate.policy)
    kept = TableName(
        catalog=Zone.LIMITED.value, schema=ASSESSMENT_SCHEMA, name=candidate.publication.name
    )
    there = exists(con, kept)
    recorded = (
        con.execute(f"select distinct sheet_digest from {kept.sql}").fetchall() if there else []
    )
    return Finding(
        violations={
            "score_sheet_absent": int(not recorded),
            "score_sheet_of_other_content": int(bool(recorded) and recorded != [(sheet.digest,)]),
            "policy_not_in_effect": int(not candidate.policy.in_effect(candidate.as_of)),
            "mitigation_required": int(sheet.outcome is Outcome.MITIGATION_REQUIRED),
        },
        seen={
            "parts": len(sheet.parts),
            "conditions": len(sheet.conditions),
            "expert_reviews": len(sheet.expert_review),
        },
    )
