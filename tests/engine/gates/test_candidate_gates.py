"""Gates on candidates: what is shown, what is blank, and where it came from."""

import pytest

from deid_platform.engine.gates.subjects import TableName
from deid_platform.engine.mask import mask_publication
from tests.engine.gates.tables import (
    CANARY,
    broken,
    candidate,
    ddg,
    publication,
    put,
    put_text,
    run,
    zones,
)

AGGREGATE = """
    county     | visit_year | visit_count | person_count | population_count
    -----------+------------+-------------+--------------+-----------------
    California | 2024       | 200         | 100          | 37309382
    Alameda    | 2024       | 150         | 70           | 1513236
    Alpine     | 2024       | 9           | 7            | 1175
    Sierra     | 2024       | 41          | 23           | 3239
    Modoc      | 2024       | 0           | 0            | 9686
"""
AGGREGATE_TYPES = "varchar integer bigint bigint bigint"
MASKED = """
    county     | visit_year | visit_count | v | person_count | p | population_count
    -----------+------------+-------------+---+--------------+---+-----------------
    California | 2024       | 200         | 0 | 100          | 0 | 37309382
    Alameda    | 2024       | 150         | 0 | 70           | 0 | 1513236
    Alpine     | 2024       | .           | 1 | .            | 1 | 1175
    Sierra     | 2024       | .           | 2 | .            | 2 | 3239
    Modoc      | 2024       | 0           | 0 | 0            | 0 | 9686
"""
MASKED_TYPES = "varchar integer bigint tinyint bigint tinyint bigint"
TABLE = "limited.candidate.visits_by_county"


def of(gate, change="", *, aggregate=AGGREGATE, **facts):
    with zones() as con:
        put_text(con, "limited.main.visits_by_county", AGGREGATE_TYPES, aggregate)
        put_text(con, TABLE, MASKED_TYPES, MASKED)
        con.execute(f"alter table {TABLE} rename v to visit_count_annotation")
        con.execute(f"alter table {TABLE} rename p to person_count_annotation")
        if change:
            con.execute(f"{change.format(TABLE)}")
        return run(gate, con, candidate(**facts))


class TestSmallCounts:
    def test_a_masked_candidate_passes_and_its_blanks_are_counted(self):
        result = of("small_counts")
        assert result.passed
        assert result.counts["person_count/blank"] == 2
        assert result.counts["minimum_people"] == 11

    def test_zero_and_eleven_may_be_shown_and_ten_may_not(self):
        shown = "update {} set visit_count = 41, visit_count_annotation = 0, "
        shown += "person_count_annotation = 0, person_count = %d where county = 'Sierra'"
        assert of("small_counts", shown % 11).passed
        assert of("small_counts", shown % 0).passed
        assert broken(of("small_counts", shown % 10)) == {"person_count/enough_people": 1}
        assert broken(of("small_counts", shown % -1)) == {"person_count/enough_people": 1}

    def test_a_figure_shown_beside_its_hidden_people_stops_the_candidate(self):
        change = "update {} set visit_count = 9, visit_count_annotation = 0 where county = 'Alpine'"
        result = of("small_counts", change)
        assert broken(result) == {"visit_count_hidden_with_its_people": 1}

    def test_a_blank_without_annotation_stops_the_candidate(self):
        change = "update {} set visit_count_annotation = null where county = 'Alpine'"
        assert broken(of("small_counts", change)) == {"visit_count_blank_is_explained": 1}

    def test_an_annotation_without_a_blank_stops_the_candidate(self):
        change = "update {} set visit_count_annotation = 1 where county = 'Alameda'"
        assert broken(of("small_counts", change)) == {"visit_count_explained_is_blank": 1}

    def test_an_unstable_value_may_be_shown(self):
        change = "update {} set visit_count_annotation = 4 where county = 'Alameda'"
        assert of("small_counts", change).passed

    def test_an_unknown_code_stops_the_candidate(self):
        change = "update {} set visit_count_annotation = 9 where county = 'Alameda'"
        assert broken(of("small_counts", change)) == {"visit_count_annotation/known_code": 1}

    def test_a_candidate_without_annotations_stops(self):
        result = of("small_counts", "alter table {} drop visit_count_annotation")
        assert not result.passed
        assert result.error is not None


class TestCandidateMatches:
    def test_a_candidate_that_only_hides_passes(self):
        assert of("candidate_matches").passed

    @pytest.mark.parametrize(
        ("change", "violation"),
        [
            ("update {} set visit_count = 151 where county = 'Alameda'", "values_changed"),
            ("update {} set visit_count = null where county = 'Modoc'", "zeros_hidden"),
            ("update {} set population_count = 1 where county = 'Alpine'", "denominators_changed"),
            ("delete from {} where county = 'Alpine'", "cells_lost"),
        ],
    )
    def test_a_tampered_candidate_stops(self, change, violation):
        assert broken(of("candidate_matches", change)) == {violation: 1}

    def test_an_added_or_repeated_cell_stops_the_candidate(self):
        added = f"insert into {{}} values ('{CANARY}', 2024, null, 1, null, 1, 5)"
        assert broken(of("candidate_matches", added)) == {"cells_added": 1}
        repeated = "insert into {0} select * from {0} where county = 'Modoc'"
        assert broken(of("candidate_matches", repeated)) == {"cells_repeated": 1}


class TestReconciliation:
    def of_rows(self, rows):
        with zones() as con:
            put_text(con, "limited.main.visits_by_county", AGGREGATE_TYPES, AGGREGATE)
            con.execute(f"create table limited.main.visits as from range({rows})")
            source = TableName(catalog="limited", name="visits")
            return run("reconciliation", con, candidate(source=source, rows_figure="visit_count"))

    def test_a_margin_that_counts_every_visit_passes(self):
        assert self.of_rows(200).passed

    def test_a_visit_that_no_cell_counts_stops_the_candidate(self):
        assert broken(self.of_rows(203)) == {"source_rows_unaccounted": 3}

    def test_an_empty_aggregate_stops_the_candidate(self):
        with zones() as con:
            put(con, "limited.main.visits_by_county", "county varchar, visit_count bigint")
            result = run("reconciliation", con, candidate())
        assert broken(result) == {"aggregate_empty": 1}


class TestReferenceVintage:
    reference = (TableName(catalog="staging", name="county_population"),)

    def of_rows(self, *rows, **facts):
        with zones() as con:
            columns = "area varchar, vintage integer, source varchar, population_count bigint"
            populated = [(*row, 1000) for row in rows]
            put(con, "staging.main.county_population", columns, *populated)
            return run("reference_vintage", con, candidate(reference=self.reference, **facts))

    def test_sourced_and_dated_reference_data_passes(self):
        assert self.of_rows(("Alameda", 2010, "Department of Finance")).passed

    def test_reference_data_without_source_or_year_stops_the_candidate(self):
        result = self.of_rows((CANARY, None, "Department of Finance"), (CANARY, 2010, " "))
        assert broken(result) == {
            "reference_rows_without_source": 1,
            "reference_rows_without_vintage": 1,
        }

    def test_reference_data_older_than_the_limit_stops_the_candidate(self):
        rows = [("Alameda", 2010, "Department of Finance"), ("Alpine", 2024, "Census")]
        result = self.of_rows(*rows, oldest_reference_years=10)
        assert broken(result) == {"reference_rows_too_old": 1}

    def test_a_list_of_labels_needs_no_vintage(self):
        with zones() as con:
            put(con, "staging.main.county_population", "condition_group varchar", ("Injury",))
            assert run("reference_vintage", con, candidate(reference=self.reference)).passed

    def test_a_missing_reference_table_stops_the_candidate(self):
        with zones() as con:
            result = run("reference_vintage", con, candidate(reference=self.reference))
        assert broken(result) == {"reference_tables_absent": 1}

    def test_a_denominator_without_source_stops_the_candidate(self):
        bare = {"visit_count": {"people": "visit_count", "denominator": "population_count"}}
        declared = publication(figures=bare)
        with zones() as con:
            result = run("reference_vintage", con, candidate(publication=declared))
        assert broken(result) == {"denominators_without_source": 1}


class TestAttacker:
    def of(self, change=""):
        with zones() as con:
            put_text(con, "limited.main.visits_by_county", AGGREGATE_TYPES, AGGREGATE)
            mask_publication(con, publication(), ddg())
            if change:
                con.execute(change.format(TABLE))
            return run("attacker", con, candidate())

    def test_a_candidate_masked_by_the_engine_withstands(self):
        result = self.of()
        assert result.passed
        assert result.counts["cells_watched"] == 1

    def test_a_single_blank_under_a_shown_total_is_recovered(self):
        reveal = """
            update {0} set visit_count = source.visit_count, person_count = source.person_count,
                visit_count_annotation = 0, person_count_annotation = 0
            from limited.main.visits_by_county as source
            where {0}.county = source.county and source.county <> 'Alpine'
        """
        assert broken(self.of(reveal)) == {"cells_recovered": 1}

    def test_a_candidate_with_a_cell_missing_fails(self):
        result = self.of("delete from {} where county = 'Sierra'")
        assert not result.passed
        assert result.error is not None
