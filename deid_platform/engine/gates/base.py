"""What a gate is, how it is found, and how it is run without letting a value or an error out."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from deid_platform.core.errors import DeidError, GateError
from deid_platform.engine.gates.subjects import CandidateSubject, RecordSubject, Stage, Subject

if TYPE_CHECKING:
    import duckdb

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


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a gate counted: each violation must be 0, what was merely seen may be anything.

    Keys name rules, columns and patterns; they are written by us or come from declarations, never
    from cells.
    """

    violations: Mapping[str, int]
    seen: Mapping[str, int] = field(default_factory=dict)


GateFunction = Callable[["duckdb.DuckDBPyConnection", Any], Finding]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One check, the rule it serves and the stages whose tables it stands before."""

    name: str
    source: str
    on: frozenset[Stage]
    description: str
    run: GateFunction


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """What a gate said of a table: rules and counts, no values."""

    gate: str
    table: str
    stage: Stage
    passed: bool
    rule: str
    description: str
    counts: Mapping[str, int]
    violations: Mapping[str, int]
    error: str | None = None

    def metadata(self) -> dict[str, str | int | bool]:
        """Flat and plain, for asset metadata, the ledger and ``--json``."""
        told: dict[str, str | int | bool] = {
            "gate": self.gate,
            "table": self.table,
            "stage": self.stage.value,
            "passed": self.passed,
            "rule": self.rule,
            "description": self.description,
        }
        told |= {f"violations/{name}": count for name, count in self.violations.items()}
        told |= {f"counts/{name}": count for name, count in self.counts.items()}
        if self.error is not None:
            told["error"] = self.error
        return told

    def summary(self) -> str:
        """One line: the gate and, where it failed, what it counted."""
        if self.passed:
            return f"{self.gate}: passed"
        if self.error is not None:
            return f"{self.gate}: could not be evaluated ({self.error})"
        broken = ", ".join(f"{name} {count}" for name, count in self.violations.items() if count)
        return f"{self.gate}: {broken}"


_GATES: dict[str, Gate] = {}


def gate(name: str, *, source: str, on: Iterable[Stage]) -> Callable[[GateFunction], GateFunction]:
    """Register a function of this folder as a gate; its docstring's first line describes it.

    Raises:
        GateError: two gates of one name, which would let one hide the other.
    """

    def register(run: GateFunction) -> GateFunction:
        if name in _GATES and _GATES[name].run.__module__ != run.__module__:
            raise GateError(name, "two gates have this name", "rename one of the two files")
        _GATES[name] = Gate(
            name=name,
            source=source,
            on=frozenset(on),
            description=(run.__doc__ or name).strip().splitlines()[0],
            run=run,
        )
        return run

    return register


def gates_for(stage: Stage) -> tuple[Gate, ...]:
    """Every gate that stands before a table of this stage, in order of name."""
    _load()
    return tuple(found for _, found in sorted(_GATES.items()) if stage in found.on)


def evaluate(gate: Gate, con: duckdb.DuckDBPyConnection, subject: Subject) -> GateResult:
    """Run one gate; an error, or nothing checked, is a failure.

    Only the class of an error is kept: the texts of DuckDB and pandera quote cell values.
    """
    error: str | None = None
    finding = Finding(violations={})
    try:
        finding = gate.run(con, subject)
        if not finding.violations:
            error = "the gate checked nothing"
    except DeidError as ours:
        error = f"{type(ours).__name__}: {ours}"
    except Exception as other:
        error = type(other).__name__
    violations = {name: int(count) for name, count in sorted(finding.violations.items())}
    return GateResult(
        gate=gate.name,
        table=subject.asset,
        stage=subject.stage,
        passed=error is None and not any(violations.values()),
        rule=gate.source,
        description=gate.description,
        counts={name: int(count) for name, count in sorted(finding.seen.items())},
        violations=violations,
        error=error,
    )


def evaluate_all(con: duckdb.DuckDBPyConnection, subject: Subject) -> tuple[GateResult, ...]:
    """Run every gate of the subject's stage.

    Raises:
        GateError: no gate is registered for the stage, so nothing would be checked.
    """
    gates = gates_for(subject.stage)
    if not gates:
        raise GateError(subject.asset, "no gate stands before this stage", "restore engine/gates")
    return tuple(evaluate(found, con, subject) for found in gates)


def check_passed(results: Iterable[GateResult]) -> None:
    """Let pass only a table that every gate passed.

    Raises:
        GateError: a gate failed, or there are no results.
    """
    results = tuple(results)
    failed = [result for result in results if not result.passed]
    if not results:
        raise GateError("gates", "no gate was evaluated", "evaluate the gates of the stage")
    if failed:
        raise GateError(
            failed[0].table,
            "stopped by " + "; ".join(result.summary() for result in failed),
            "nothing was promoted; correct the declaration or the model and run again",
        )


def as_record(subject: Subject) -> RecordSubject:
    """The subject of a gate on record-level tables.

    Raises:
        GateError: the gate was given another kind of table.
    """
    if not isinstance(subject, RecordSubject):
        raise GateError(subject.asset, "not a record-level table", "check the gate's stages")
    return subject


def as_candidate(subject: Subject) -> CandidateSubject:
    """The subject of a gate on candidates.

    Raises:
        GateError: the gate was given another kind of table.
    """
    if not isinstance(subject, CandidateSubject):
        raise GateError(subject.asset, "not a candidate", "check the gate's stages")
    return subject


def schema_violations(frame: Any, schema: Any) -> Counter[str]:
    """Validate with pandera and keep how often each check failed, by column; no failing value.

    Checks need a name: a bare lambda's would say nothing to a reader.
    """
    from pandera.errors import SchemaErrors

    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases
        # A check of the whole frame reports each failing row once per column.
        found = {
            (f"{column}/{check}" if context == "Column" else str(check), index)
            for context, column, check, index in zip(
                cases["schema_context"],
                cases["column"],
                map(_check_name, cases["check"]),
                cases["index"],
                strict=True,
            )
        }
        return Counter(name for name, _ in found)
    return Counter()


def _check_name(check: object) -> str:
    # pandera writes some built-in checks with their arguments, which come from declarations.
    return str(check).split("(", 1)[0]


@cache
def _load() -> None:
    package = importlib.import_module("deid_platform.engine.gates")
    for module in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"{package.__name__}.{module}")
