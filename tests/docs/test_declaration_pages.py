"""The declaration format as documented: every example is read, every key and kind has one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from deid_platform.core.declaration import parse_publication, validated
from deid_platform.core.examples import KINDS
from deid_platform.core.masking_choice import MaskingChoice
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.policy_overlay import overlaid
from deid_platform.core.publication import Dimension, Figure, Held, Kind, Publication, Survey
from deid_platform.core.risk.high_risk import table_subjects
from deid_platform.core.risk.publication_scoring import PartFacts, variables_of
from deid_platform.core.risk.score_sheet import Outcome
from deid_platform.engine.vectors import run_vectors
from tests.core.risk.builders import ddg

_REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
_PAGE = (_REFERENCE / "declaration.md").read_text("utf-8")
_BLOCKS = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", _PAGE, re.DOTALL)]
_WHOLE = next(block for block in _BLOCKS if "figures" in block)
_OVERLAY = next(block for block in _BLOCKS if "extends" in block)
_DIMENSIONS = [block for block in _BLOCKS if block is not _WHOLE and block is not _OVERLAY]


def test_the_whole_format_is_a_declaration_that_is_read():
    publication = parse_publication("declaration.md", _WHOLE)
    assert table_subjects("t", publication, ddg()) == ("emergency_services", "immigration")


@pytest.mark.parametrize("block", _DIMENSIONS)
def test_every_example_of_a_dimension_is_read(block):
    for name, dimension in block.items():
        figures = {"n": {"people": "n"}}
        declared = {"policy": "p", "dimensions": {name: dimension}, "figures": figures}
        publication = parse_publication("declaration.md", declared, name="t")
        facts = PartFacts(
            dimensions=(name,), labels={name: ("Unknown",)}, smallest=5, small_cells=1
        )
        assert variables_of(publication, facts, ddg())


def test_every_kind_of_dimension_has_an_example():
    shown = {one["kind"] for block in _DIMENSIONS for one in block.values()}
    assert shown == {kind.value for kind in Kind}


def test_every_key_of_the_format_is_on_the_page():
    surroundings = {
        "description",
        "columns",
        "sources",
        "unit",
    }
    for model in (Publication, Dimension, Held, Figure, Survey, MaskingChoice):
        for key in set(model.model_fields) - surroundings:
            assert re.search(rf"\b{key}\b", _PAGE), key


def test_every_outcome_and_exit_code_is_on_the_page():
    for outcome in Outcome:
        assert f"`{outcome.exit_code}`" in _PAGE
        assert f"`{outcome.value}`" in _PAGE


def test_the_overlay_on_the_page_is_a_policy():
    merged = overlaid("declaration.md", ddg().model_dump(), _OVERLAY)
    assert validated(DdgPolicy, "declaration.md", merged).min_people == 16


def test_every_kind_of_worked_example_is_documented_and_the_example_passes(tmp_path):
    page = (_REFERENCE / "vectors.md").read_text("utf-8")
    for kind in KINDS:
        assert f"| `{kind}` |" in page
    file = tmp_path / "example.yaml"
    file.write_text(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0], "utf-8")
    assert [result.status for result in run_vectors(file, ddg())] == ["pass"]
