"""The score sheet that reviewers sign for is of the table behind the candidate."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import duckdb
import pytest

from deid_platform.engine.assess import assess_publication
from tests.engine.gates.tables import broken, candidate, ddg, publication, put_text, run, zones

_TABLE = "limited.main.visits_by_county"


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with zones() as con:
        fill(con, "12", "41146")
        yield con


def fill(con: duckdb.DuckDBPyConnection, people: str, population: str, year: str = "2024") -> None:
    put_text(
        con,
        _TABLE,
        "varchar varchar bigint bigint bigint",
        f"""
        county     | visit_year | visit_count | person_count | population_count
        -----------+------------+-------------+--------------+-----------------
        Alpine     | {year}     | {people}    | {people}     | {population}
        California | {year}     | {people}    | {people}     | 37309382
        """,
    )


def test_a_table_with_its_recorded_sheet_passes(con):
    assess_publication(con, publication(), ddg())
    assert run("assessed", con, candidate()).passed


def test_a_candidate_without_a_sheet_is_stopped(con):
    assert broken(run("assessed", con, candidate())) == {"score_sheet_absent": 1}


def test_a_sheet_of_other_content_is_stopped(con):
    assess_publication(con, publication(), ddg())
    fill(con, "3", "41146")
    assert broken(run("assessed", con, candidate())) == {"score_sheet_of_other_content": 1}


def test_a_sheet_under_another_policy_is_stopped(con):
    assess_publication(con, publication(), ddg().replace(min_people=12))
    assert broken(run("assessed", con, candidate())) == {"score_sheet_of_other_content": 1}


def test_a_policy_that_is_not_in_effect_is_stopped(con):
    assess_publication(con, publication(), ddg())
    early = candidate(as_of=date(2025, 10, 23))
    assert broken(run("assessed", con, early)) == {"policy_not_in_effect": 1}


def test_a_score_at_the_threshold_without_small_cells_is_stopped(con):
    """A-06."""
    dimensions = {
        "county": {"kind": "residence_geography", "total": "California"},
        "visit_year": {"kind": "time"},
    }
    held = {"who": {"kind": "age_range", "value": "7"}}
    declared = publication(dimensions=dimensions, filters=held)
    fill(con, "12", "1163", "2024-05")
    assess_publication(con, declared, ddg())
    stopped = run("assessed", con, candidate(publication=declared))
    assert broken(stopped) == {"mitigation_required": 1}
