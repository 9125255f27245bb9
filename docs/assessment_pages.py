"""Pages on the assessment: every rule of the policy and what implements it; every fault."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from deid_platform.core.faults import Fault
from deid_platform.core.policy import DdgPolicy
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.publications import load_policy
from docs.generate import table

_PROJECT = Path(__file__).parents[1]
_SHOWN = 3
"""How many places are named per rule; the others are found with a search for its id."""


def pages() -> dict[str, str]:
    """The pages, by file name."""
    policy = load_policy("calhhs_ddg_2", Deployment.from_environment({}))
    return {"ddg-coverage.md": _coverage(policy), "assessment-faults.md": _faults()}


def _coverage(policy: DdgPolicy) -> str:
    rules = [
        (
            rule_id,
            rule.step,
            rule.source,
            rule.says,
            _who(rule_id, rule.by, rule.gate),
            _places(rule_id, "tests"),
        )
        for rule_id, rule in policy.rules.items()
    ]
    readings = [
        (
            reading_id,
            reading.where,
            reading.question,
            f"{reading.chosen} (or: {'; '.join(reading.alternatives)})",
            _who(reading_id, reading.by, reading.gate),
            _places(reading_id, "tests"),
        )
        for reading_id, reading in policy.readings.items()
    ]
    rows = [
        (row.id, row.source, row.label, f"{row.points:+d}", f"`{name}`")
        for name, one in policy.score_tables.items()
        for row in one.rows
    ]
    return "\n\n".join(
        [
            "# Coverage of the guideline",
            f"Every rule of `{policy.name}` ({policy.title}), and where it is applied: code and "
            "test, or a person at a named gate. The places are found by the rule's id in the "
            "sources; a test fails when a rule has none. Rule ids are this policy's, section "
            "numbers the guideline's.",
            "## Rules",
            table(("rule", "step", "section", "says", "applied by", "tested by"), rules),
            "## Readings of what can be read in several ways",
            table(("id", "section", "question", "reading", "applied by", "tested by"), readings),
            "## Rows of the score tables",
            "Applied by `core/policy.py` (bands) and `core/risk/variable.py` (categories); both "
            "sides of every band edge are tested in `tests/core/risk/test_variables.py`.",
            table(("row", "source", "band or categories", "points", "table"), rows),
        ]
    )


def _who(rule_id: str, by: str, gate: str | None) -> str:
    if by == "human":
        return f"human decision: {gate}"
    return _places(rule_id, "deid_platform")


def _places(rule_id: str, folder: str) -> str:
    found = places(rule_id, folder)
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(f"`{one}`" for one in found[:_SHOWN]) + more


def places(rule_id: str, folder: str) -> list[str]:
    """The Python files of a folder that cite a rule, nearest to the rules first."""
    return [name for name, cited in _citations(folder).items() if rule_id in cited]


@cache
def _citations(folder: str) -> dict[str, frozenset[str]]:
    """The rule ids that each file cites; `M-1 to M-7` cites all between."""
    found: dict[str, frozenset[str]] = {}
    for file in sorted((_PROJECT / folder).rglob("*.py")):
        text = file.read_text("utf-8")
        cited = set(re.findall(r"\b[RMAST]-\d+\b", text))
        for prefix, low, _, high in re.findall(
            r"\b([RMA])-(\d+) (to|and) (?:[RMA]-)?(\d+)\b", text
        ):
            width = len(low) if prefix == "A" else 0
            cited |= {f"{prefix}-{n:0{width}}" for n in range(int(low), int(high) + 1)}
        if cited and file.name != "faults.py":
            found[str(file.relative_to(_PROJECT / folder))] = frozenset(cited)
    return found


def _faults() -> str:
    rows = [(fault.code, fault.name.lower().replace("_", " "), fault.meaning) for fault in Fault]
    return "\n\n".join(
        [
            "# Faults of declarations and tables",
            "`deid assess` gives one of these codes with each refusal, in its message and under "
            "`error.code` with `--json`. Codes D are of declarations, policies and files of worked "
            "examples (exit code 10; an unreadable table 17), codes C of tables (exit code 17). "
            "A message names columns, keys and rules, and never a cell.",
            table(("code", "name", "meaning"), rows),
        ]
    )
