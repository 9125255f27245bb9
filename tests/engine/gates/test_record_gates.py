"""Gates on limited and de-identified tables and marts, by shape, class and count."""

import pytest

from deid_platform.engine.gates.subjects import SafeHarborShape, Stage, TableName
from tests.engine.gates.tables import CANARY, broken, put, raw_column, record, run, zones


class TestColumns:
    def of(self, columns):
        declared = {"person_key": "BIGINT", "visit_year": "INTEGER", "note": None}
        with zones() as con:
            put(con, "deidentified.main.visits", columns)
            return run("columns", con, record(columns=declared))

    def test_the_declared_columns_pass_in_any_order(self):
        assert self.of("note varchar, visit_year integer, person_key bigint").passed

    def test_an_undeclared_column_stops_the_table(self):
        result = self.of("person_key bigint, visit_year integer, note varchar, ssn varchar")
        assert broken(result) == {"undeclared": 1}

    def test_a_missing_column_stops_the_table(self):
        assert broken(self.of("person_key bigint, visit_year integer")) == {"missing": 1}

    def test_another_type_stops_the_table(self):
        result = self.of("person_key bigint, visit_year date, note varchar")
        assert broken(result) == {"of_another_type": 1}


class TestSafeHarborShape:
    shape = SafeHarborShape(
        zip3=frozenset({"zip3"}),
        restricted_zip3=frozenset({"036", "893"}),
        ages={"age_years": "visit_year"},
        birth_years=frozenset({"birth_year"}),
        event_dates=(raw_column("visit_date", "visits"),),
    )

    def of(self, columns, *rows, shape=None, events=("2024-05-01", "2019-01-01")):
        with zones() as con:
            put(con, "raw.main.visits", "visit_date date", *[(event,) for event in events])
            put(con, "deidentified.main.visits", columns, *rows)
            return run("safe_harbor_shape", con, record(shape=shape or self.shape))

    def test_years_areas_and_capped_ages_pass(self):
        columns = "zip3 varchar, age_years integer, birth_year integer"
        rows = [("941", 90, 1934), ("000", 0, 2024), (None, None, None)]
        assert self.of(columns, *rows).passed

    @pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz", "time", "interval"])
    def test_a_date_or_time_column_stops_the_table_even_when_empty(self, kind):
        assert broken(self.of(f"seen {kind}")) == {"dates_or_times": 1}

    @pytest.mark.parametrize("kind", ["blob", "varchar[]", "struct(a integer)", "bit"])
    def test_a_binary_or_nested_column_stops_the_table(self, kind):
        assert broken(self.of(f"face {kind}")) == {"binary_or_nested": 1}

    def test_the_partition_month_stops_the_table(self):
        assert broken(self.of("_partition varchar")) == {"partition_columns": 1}

    def test_a_restricted_or_longer_zip_stops_the_table(self):
        result = self.of("zip3 varchar", ("036",), ("94110",), ("94",), (CANARY,), ("941",))
        assert broken(result) == {"zip3/not_three_digits": 3, "zip3/restricted_area": 1}

    def test_a_list_of_allowed_areas_lets_nothing_else_pass(self):
        shape = SafeHarborShape(zip3=frozenset({"zip3"}), allowed_zip3=frozenset({"941"}))
        result = self.of("zip3 varchar", ("941",), ("000",), ("900",), shape=shape)
        assert broken(result) == {"zip3/area_not_allowed": 1}

    def test_an_age_over_90_stops_the_table(self):
        assert broken(self.of("age_years integer", (90,), (91,), (104,))) == {
            "age_years/over_oldest": 2
        }

    def test_an_age_that_its_year_turns_into_one_over_90_stops_the_table(self):
        # 88 in 2021 is 91 in 2024, the latest year of the data; 80 in 2021 is not.
        columns = "age_years integer, visit_year integer"
        assert broken(self.of(columns, (88, 2021), (80, 2021), (90, 2021), (89, 2024))) == {
            "age_years/over_oldest_by_latest_year": 1
        }

    def test_a_year_of_birth_that_shows_an_age_over_89_stops_the_table(self):
        # In 2024 somebody born in 1933 is over 89 throughout.
        assert broken(self.of("birth_year integer", (1934,), (1933,))) == {
            "birth_year/before_bound": 1
        }

    def test_a_year_of_birth_with_nothing_to_reckon_from_stops_the_table(self):
        result = self.of("birth_year integer", (1990,), events=())
        assert broken(result) == {"birth_year/no_event_year": 1}


class TestClassSizes:
    def of(self, **facts):
        rows = [("F", 1), ("F", 2), ("M", 3)]
        with zones() as con:
            put(con, "deidentified.main.visits", "sex varchar, person_key bigint", *rows)
            facts = {"quasi_identifiers": ("sex",), "person": "person_key"} | facts
            return run("class_sizes", con, record(**facts))

    def test_without_a_minimum_classes_are_reported_and_pass(self):
        result = self.of()
        assert result.passed
        assert result.counts["classes_of_1"] == 1
        assert result.counts["classes_of_2_to_4"] == 1

    def test_a_class_below_the_minimum_of_the_policy_stops_the_table(self):
        assert broken(self.of(min_class=2)) == {"classes_below_minimum": 1}

    def test_a_person_seen_twice_is_one_person(self):
        with zones() as con:
            rows = [("F", 1), ("F", 1), ("F", 1)]
            put(con, "deidentified.main.visits", "sex varchar, person_key bigint", *rows)
            subject = record(quasi_identifiers=("sex",), person="person_key", min_class=2)
            assert not run("class_sizes", con, subject).passed


class TestReconciliation:
    def of(self, rows, *, stage=Stage.DEIDENTIFIED, delivered=((1, 1, 0), (2, 2, 0)), parts=None):
        with zones() as con:
            put(
                con,
                "raw.ingest.deliveries",
                "table_name varchar, _partition varchar, "
                "rows_in bigint, rows_loaded bigint, rows_quarantined bigint",
                ("visits", "2023-12", *delivered[0]),
                ("visits", "2024-01", *delivered[1]),
                ("others", "2024-01", 9, 1, 1),
            )
            put(
                con,
                "raw.main.visits",
                "mrn varchar, visit_date date, _partition varchar",
                (CANARY, "2023-12-01", "2023-12"),
                (CANARY, "2024-01-01", "2024-01"),
                ("M2", "2024-01-09", "2024-01"),
            )
            if stage is Stage.LIMITED:
                put(con, "limited.main.visits", "person_key bigint, _partition varchar", *rows)
            else:
                put(con, "deidentified.main.visits", "person_key bigint, visit_year int", *rows)
            facts = {
                "raw": TableName(catalog="raw", name="visits"),
                "raw_person": "mrn",
                "person": "person_key",
                "raw_date": "visit_date",
                "year": "visit_year",
                "partitions": parts,
            }
            return run("reconciliation", con, record(stage=stage, **facts))

    def test_equal_rows_and_people_pass(self):
        assert self.of([(1, 2023), (1, 2024), (2, 2024)]).passed

    def test_a_lost_row_stops_the_table(self):
        assert broken(self.of([(1, 2023), (2, 2024)])) == {"rows_unaccounted": 1}

    def test_a_row_in_another_year_stops_the_table(self):
        assert broken(self.of([(1, 2023), (1, 2023), (2, 2024)])) == {"rows_unaccounted": 2}

    def test_two_people_made_one_stop_the_table(self):
        result = self.of([(1, 2023), (1, 2024), (1, 2024)])
        assert broken(result) == {"people_unaccounted": 1}

    def test_a_delivery_that_lost_a_row_stops_the_table(self):
        result = self.of([(1, 2023), (1, 2024), (2, 2024)], delivered=((1, 1, 0), (4, 2, 1)))
        assert broken(result) == {"deliveries_unbalanced": 1}

    def test_a_raw_table_that_lost_rows_since_it_was_loaded_stops_the_table(self):
        result = self.of([(1, 2023), (1, 2024), (2, 2024)], delivered=((1, 1, 0), (4, 3, 1)))
        assert broken(result) == {"raw_rows_unaccounted": 1}

    def test_a_limited_table_is_compared_by_partition(self):
        good = [(1, "2023-12"), (1, "2024-01"), (2, "2024-01")]
        assert self.of(good, stage=Stage.LIMITED).passed
        moved = [(1, "2023-12"), (1, "2023-12"), (2, "2024-01")]
        assert broken(self.of(moved, stage=Stage.LIMITED)) == {"rows_unaccounted": 2}

    def test_a_table_rebuilt_in_part_is_compared_with_that_part(self):
        assert self.of([(1, 2024), (2, 2024)], parts=("2024-01",)).passed
        assert broken(self.of([(1, 2024)], parts=("2024-01",))) == {
            "people_unaccounted": 1,
            "rows_unaccounted": 1,
        }
        untouched = ((9, 1, 0), (2, 2, 0))
        rows = [(1, 2024), (2, 2024)]
        assert self.of(rows, parts=("2024-01",), delivered=untouched).passed
