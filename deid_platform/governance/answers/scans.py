"""How identifiers in text and exports are detected: what is looked for, where, and what came of it.

Source: governance specification, sections 6 and 9 (HICP Practice 7.3).
"""

from __future__ import annotations

from collections.abc import Iterator

from deid_platform.core.patterns import PATTERNS
from deid_platform.engine.gates import Stage, gates_for
from deid_platform.governance.answers.answer import Answer, Line, entries
from deid_platform.governance.chain import Entry
from deid_platform.governance.events import GateEvaluated, TablePromoted
from deid_platform.governance.ledger import Ledger

QUESTION = "How is PHI in free text and exports detected?"

SCANS = ("pattern_scan", "identifier_overlap")
"""Gates that look for identifiers in the values of a table."""

_RECALL = "tests/core/test_patterns.py and tests/engine/gates: each pattern and gate finds planted "


def scans(ledger: Ledger) -> Answer:
    """What is looked for, and the latest scan of every table that was promoted or built.

    Raises:
        LedgerError: the chain does not hold.
    """
    ledger.verify()
    found, problems = list(_configuration()), []
    latest = _latest(ledger)
    for table, expected in _expected(ledger).items():
        for gate in expected:
            entry = latest.get((table, gate))
            if entry is None:
                problems.append(f"{table}: {gate.replace('_', ' ')} was never run on it")
                continue
            passed = bool(entry.payload["passed"])
            found.append(
                Line(
                    subject=table,
                    says=f"{gate.replace('_', ' ')} "
                    f"{'found nothing' if passed else 'FOUND SOMETHING, and stopped it'}, "
                    f"{entry.at[:19]}",
                    evidence=entries([entry.sequence]),
                )
            )
    found += _alerts(ledger)
    if not latest:
        problems.append("no scan was run yet")
    return Answer(question=QUESTION, lines=tuple(found), problems=tuple(problems))


def _configuration() -> Iterator[Line]:
    for pattern in PATTERNS.values():
        yield Line(
            subject=f"pattern: {pattern.name.replace('_', ' ')}",
            says=f"evidence of {pattern.identifier.value.replace('_', ' ')}",
            evidence=(pattern.identifier.citation,),
        )
    for stage in (Stage.LIMITED, Stage.DEIDENTIFIED, Stage.MART, Stage.CANDIDATE):
        for gate in gates_for(stage):
            if gate.name in SCANS:
                yield Line(
                    subject=f"gate: {gate.name.replace('_', ' ')} before {stage.value}",
                    says=gate.description,
                    evidence=(gate.source,),
                )
    yield Line(subject="recall", says=f"{_RECALL}identifiers", evidence=("docs/reference",))


def _expected(ledger: Ledger) -> dict[str, tuple[str, ...]]:
    """Tables of the ledger, each with the scans that stand before its stage."""
    stages = {
        "limited": Stage.LIMITED,
        "deidentified": Stage.DEIDENTIFIED,
        "marts": Stage.MART,
        "candidate": Stage.CANDIDATE,
    }
    wanted = {
        prefix: tuple(gate.name for gate in gates_for(stage) if gate.name in SCANS)
        for prefix, stage in stages.items()
    }
    tables = {entry.subject for entry in ledger.entries(kinds=[GateEvaluated])}
    tables |= {
        entry.subject
        for entry in ledger.entries(kinds=[TablePromoted])
        # Aggregates move within the pipeline's own zones and meet their gates as candidates.
        if not entry.subject.startswith("limited/")
    }
    return {
        table: wanted[prefix]
        for table in sorted(tables)
        if (prefix := table.partition("/")[0]) in wanted
    }


def _latest(ledger: Ledger) -> dict[tuple[str, str], Entry]:
    return {
        (entry.subject, entry.payload["gate"]): entry
        for entry in ledger.entries(kinds=[GateEvaluated])
        if entry.payload["gate"] in SCANS
    }


def _alerts(ledger: Ledger) -> Iterator[Line]:
    """Scans of files, which are recorded under kinds of their own."""
    last: dict[tuple[str, str], Entry] = {}
    for entry in ledger.entries():
        if entry.kind.startswith("scan."):
            last[entry.kind, entry.subject] = entry
    for (kind, subject), entry in sorted(last.items()):
        yield Line(
            subject=subject,
            says=f"{kind.replace('.', ' ').replace('_', ' ')}, {entry.at[:19]}",
            evidence=entries([entry.sequence]),
        )
