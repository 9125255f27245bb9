"""The guideline's worked examples, one test each."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from deid_platform.core.examples import KINDS
from deid_platform.engine.vectors import run_vector
from tests.core.risk.builders import ddg

_FILE = Path(__file__).with_name("ddg_vectors.yaml")
_VECTORS = yaml.safe_load(_FILE.read_text("utf-8"))["vectors"]


@pytest.mark.parametrize("vector", _VECTORS, ids=[vector["id"] for vector in _VECTORS])
def test_the_policy_gives_what_the_guideline_gives(vector):
    result = run_vector(vector, ddg())
    assert result.status == "pass", result.failures


def test_every_kind_of_example_is_in_the_golden_file():
    assert {vector["kind"] for vector in _VECTORS} == set(KINDS)


def test_every_example_names_its_source_and_basis():
    assert all(vector["source"].startswith("DDG ") for vector in _VECTORS)
    assert {vector["basis"] for vector in _VECTORS} == {"stated", "derived", "constructed"}


EXAMPLES_OF = {
    "R-101": ["ddg-s1-02"],
    "R-102": ["ddg-s1-04"],
    "R-103": ["ddg-s1-01"],
    "R-106": ["ddg-s1-08"],
    "R-107": ["ddg-s1-07"],
    "R-202": ["ddg-nd-06"],
    "R-203": ["ddg-nd-05"],
    "R-206": ["ddg-nd-02", "ddg-nd-03"],
    "R-505": ["ddg-tot-03", "ddg-tot-21"],
    "R-506": ["ddg-tot-06"],
    "R-513": ["ddg-int-04", "ddg-int-05", "own-race-crossed"],
    "R-514": ["ddg-int-06"],
    "R-521": ["ddg-int-03"],
    "R-522": ["ddg-int-08"],
    "R-524": ["ddg-int-07"],
    "T-1": ["ddg-thr-01", "own-threshold"],
    "M-1": ["ddg-sup-04"],
    "M-2": ["ddg-sup-04"],
    "M-3": ["ddg-sup-08"],
    "M-4": ["ddg-sup-10"],
    "M-5": ["ddg-sup-10"],
    "M-6": ["ddg-sup-04", "ddg-sup-05", "ddg-sup-06", "ddg-sup-07"],
    "M-11": ["ddg-sup-09"],
    "M-12": ["ddg-sup-09"],
    "M-13": ["ddg-sup-04"],
    "M-14": ["ddg-sup-09"],
    "M-15": ["ddg-sup-01", "ddg-sup-02", "own-suppression-two-small"],
    "M-16": ["ddg-sup-09"],
    "M-31": ["ddg-sup-03"],
    "M-32": ["ddg-sup-03"],
    "M-33": ["ddg-msk-03"],
    "M-34": ["ddg-sup-03"],
    "M-35": ["ddg-sup-03"],
    "M-36": ["ddg-msk-01"],
    "A-07": ["ddg-int-08"],
    "A-09": ["own-time", "own-time-months"],
    "A-10": ["ddg-cmp-01"],
    "A-13": ["ddg-int-08", "own-four-variables"],
    "A-18": ["ddg-sup-08"],
    "A-19": ["ddg-sup-05"],
    "A-20": ["ddg-sup-01", "ddg-sup-02"],
    "A-22": ["ddg-sup-04"],
    "A-24": ["ddg-sup-03"],
    "A-25": ["ddg-s1-06", "ddg-s1-07"],
    "A-28": ["ddg-sh-03"],
}
"""Rules that the worked examples test, and by which of them."""


def test_the_examples_that_stand_for_a_rule_exist():
    known = {vector["id"] for vector in _VECTORS}
    assert {example for examples in EXAMPLES_OF.values() for example in examples} <= known
