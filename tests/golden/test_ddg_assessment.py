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
