"""No rule of the guideline without the code and the test that apply it, or the person who does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deid_platform.core.faults import Fault
from docs.assessment_pages import pages, places
from tests.core.risk.builders import ddg

_ENTRIES = {**ddg().rules, **ddg().readings}


@pytest.mark.parametrize("rule", [name for name, one in _ENTRIES.items() if one.by == "code"])
def test_a_rule_that_code_applies_is_cited_by_code_and_by_a_test(rule):
    assert places(rule, "deid_platform")
    assert places(rule, "tests")


@pytest.mark.parametrize("rule", [name for name, one in _ENTRIES.items() if one.by == "human"])
def test_a_rule_that_a_person_applies_names_the_gate(rule):
    assert _ENTRIES[rule].gate


def test_no_code_cites_a_rule_that_the_policy_does_not_have():
    cited: set[str] = set()
    for file in Path("deid_platform/core/risk").rglob("*.py"):
        cited |= set(re.findall(r"\b(?:R-\d+|M-\d+|A-\d+|T-\d|S-\d)\b", file.read_text("utf-8")))
    assert cited <= set(_ENTRIES)


def test_every_rule_row_and_fault_stands_on_its_page():
    found = pages()
    for name in _ENTRIES:
        assert f"| {name} |" in found["ddg-coverage.md"]
    for table in ddg().score_tables.values():
        assert all(f"| {row.id} |" in found["ddg-coverage.md"] for row in table.rows)
    assert all(f"| {fault.code} |" in found["assessment-faults.md"] for fault in Fault)
