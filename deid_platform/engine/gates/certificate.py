"""A candidate's certificate proves, without a solver, that no small cell can be worked out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid_platform.engine.gates.base import Finding, as_candidate, gate
from deid_platform.engine.gates.subjects import Stage, Subject

if TYPE_CHECKING:
    import duckdb


@gate(
    "certificate",
    source="CalHHS DDG 2.0, 4.4.3 (M-15); protection audit",
    on=(Stage.CANDIDATE,),
)
def certificate(con: duckdb.DuckDBPyConnection, subject: Subject) -> Finding:
    """The candidate has a certificate, and every witness in it agrees with what is published."""
    from deid_platform.core.masking.certificate import stated
    from deid_platform.engine.mask import verify_candidate
    from deid_platform.engine.masking_model import rules_of

    candidate = as_candidate(subject)
    faults = verify_candidate(con, candidate.publication, stated(rules_of(candidate.policy)))
    return Finding(violations={"faults": len(faults)})
