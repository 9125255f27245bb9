"""A reader who knows all that is shown works out no small cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid_platform.engine.gates.base import Finding, as_candidate, gate
from deid_platform.engine.gates.subjects import Stage, Subject

if TYPE_CHECKING:
    import duckdb


@gate(
    "attacker",
    source="CalHHS DDG 2.0, 4.4.3 (M-11, M-15); protection audit",
    on=(Stage.CANDIDATE,),
)
def attacker(con: duckdb.DuckDBPyConnection, subject: Subject) -> Finding:
    """No hidden small cell can be recovered, or bounded more narrowly than the policy allows."""
    from deid_platform.engine.candidate_attack import attack_candidate

    candidate = as_candidate(subject)
    attack = attack_candidate(con, candidate.publication, candidate.policy)
    return Finding(
        violations={"cells_recovered": attack.recovered, "cells_narrowed": attack.narrowed},
        seen={"cells_watched": attack.watched},
    )
