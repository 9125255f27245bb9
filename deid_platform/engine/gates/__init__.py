"""Release gates: one file each, found by scanning this folder.

A gate looks at one table at one stage and answers with counts. It cites the rule it serves, holds
no cell value in its result, and fails closed: a gate that raises, or that finds nothing to check,
is a failed gate. Nothing here decides what a failure leads to; the caller does not promote.
"""

from deid_platform.engine.gates.base import (
    Finding,
    Gate,
    GateResult,
    Stage,
    check_passed,
    evaluate,
    evaluate_all,
    gate,
    gates_for,
)

__all__ = [
    "Finding",
    "Gate",
    "GateResult",
    "Stage",
    "check_passed",
    "evaluate",
    "evaluate_all",
    "gate",
    "gates_for",
]
