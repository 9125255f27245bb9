"""Whole tables through the assessment: every outcome, parts, high-risk cells, surveys."""

from __future__ import annotations

import duckdb
import pytest

from deid_platform.core.errors import DeidError
from deid_platform.core.risk.score_sheet import Outcome
from deid_platform.engine.assess import assess_file, assess_publication, assess_relation
from deid_platform.engine.suggest import suggest
from tests.core.risk.builders import AGE, COUNTY, SEX, YEAR, csv_file, ddg, declare


def row(people: int, population: int = 1_000_000, **labels: object) -> dict[str, object]:
    return {**labels, "visits": people * 2, "people": people, "population": population}


def assessed(tmp_path, publication, rows):
    return assess_file(csv_file(tmp_path, rows), publication, ddg())


def by_county(*people: int, total: bool = True) -> list[dict[str, object]]:
    counties = ("Alpine", "Los Angeles", "Kern")
    rows = [row(n, county=county, year=2023) for county, n in zip(counties, people, strict=False)]
    margin = [row(sum(people), county="California", year=2023)] if total else []
    return rows + margin


PLAIN = {"county": COUNTY, "year": YEAR}


def test_a_table_without_small_cells_passes_at_step_two(tmp_path):
    sheet = assessed(tmp_path, declare(PLAIN), by_county(11, 500, 40))
    assert (sheet.outcome, sheet.score, sheet.next_step) == (Outcome.RELEASABLE, None, 5)
    assert sheet.condition.met
    assert sheet.reasons == ("R-204: the numerator-denominator condition is met",)


def test_one_small_cell_in_a_small_county_requires_masking(tmp_path):
    sheet = assessed(tmp_path, declare(PLAIN), by_county(2, 500, 40))
    assert (sheet.outcome, sheet.score, sheet.next_step) == (Outcome.MASKING_REQUIRED, 14, 4)
    assert sheet.reasons == ("M-1: county, year scores 14 and has small cells",)
    points = {one.name: one.points for one in sheet.parts[0].components}
    assert points == {"events": 7, "time": 0, "geography": 7, "interaction": 0}


def test_the_real_smallest_cell_sets_the_interaction(tmp_path):
    """A-08: five or more, three or four, fewer."""

    def score(smallest: int) -> int | None:
        return assessed(tmp_path, declare(PLAIN), by_county(smallest, 500, 40)).score

    assert [score(n) for n in (2, 3, 4, 5, 10)] == [14, 11, 11, 9, 9]


def test_a_low_score_lets_small_cells_stand_if_the_expert_confirms(tmp_path):
    """A-05."""
    sheet = assessed(tmp_path, declare(PLAIN), by_county(5, 500, 40))
    assert sheet.outcome is Outcome.RELEASABLE
    assert sheet.conditions == (
        "A-05: the expert confirms that small cells may be shown (county, year)",
    )


def test_a_department_may_always_hide_small_cells(tmp_path):
    """A-05, the other reading."""
    file = csv_file(tmp_path, by_county(5, 500, 40))
    sheet = assess_file(file, declare(PLAIN), ddg().replace(always_suppress_small=True))
    assert sheet.outcome is Outcome.MASKING_REQUIRED


def test_a_zero_is_not_small(tmp_path):
    """A-03."""
    sheet = assessed(tmp_path, declare(PLAIN), by_county(0, 500, 40))
    assert sheet.condition.met
    rows = [row(0, 15_000, county=c, year=2023) for c in ("Alpine", "California")]
    empty = assessed(tmp_path, declare(PLAIN), rows)
    assert (empty.outcome, empty.score) == (Outcome.RELEASABLE, None)
    assert empty.reasons == ("A-03: every cell is zero",)


def test_small_denominators_alone_over_the_threshold_ask_for_mitigation(tmp_path):
    """A-06."""
    dimensions = {"county": COUNTY, "age": {"kind": "age_range"}, "year": YEAR}
    rows = [
        row(12, 600, county=county, age=age, year="2023-05")
        for county in ("Alpine", "California")
        for age in ("0-1", "2-3")
    ]
    rows[2] |= {"people": 24, "visits": 48}
    rows[3] |= {"people": 24, "visits": 48}
    sheet = assessed(tmp_path, declare(dimensions), rows)
    assert sheet.outcome is Outcome.MITIGATION_REQUIRED
    assert sheet.score == 5 + 5 + 7 + 7 + 1


def test_a_population_of_exactly_twenty_thousand_is_small(tmp_path):
    """A-01."""
    small = [row(50, 20_000, county=c, year=2023) for c in ("Kern", "California")]
    large = [row(50, 20_001, county=c, year=2023) for c in ("Kern", "California")]
    assert not assessed(tmp_path, declare(PLAIN), small).condition.met
    assert assessed(tmp_path, declare(PLAIN), large).condition.met


def test_people_not_events_are_tested(tmp_path):
    """A-02: many services from few people."""
    rows = by_county(6, 500, 40)
    rows[0]["visits"] = 480
    assert not assessed(tmp_path, declare(PLAIN), rows).condition.met


def test_high_risk_cells_are_hidden_whatever_the_score(tmp_path):
    """M-7, R-205, A-17: the cells of the subject, not the whole table."""
    dimensions = {"condition": {"kind": "other"}, "year": YEAR}
    place = {"place": {"kind": "residence_geography", "value": "California"}}
    rows = [row(4, condition="Opioid use", year=2023), row(400, condition="Flu", year=2023)]
    sheet = assessed(tmp_path, declare(dimensions, filters=place), rows)
    assert sheet.score == 7 + 0 - 5 + 3 + 1
    assert sheet.outcome is Outcome.MASKING_REQUIRED
    assert sheet.high_risk.columns == ("condition",)
    rows[0]["people"] = 11
    rows[0]["visits"] = 22
    assert assessed(tmp_path, declare(dimensions, filters=place), rows).condition.met


def test_a_declared_subject_of_the_table_covers_every_cell(tmp_path):
    publication = declare(PLAIN, subjects=["emergency_services"])
    sheet = assessed(tmp_path, publication, by_county(5, 500, 40))
    assert sheet.outcome is Outcome.MASKING_REQUIRED
    assert sheet.high_risk.subjects == ("emergency_services",)


def test_a_filter_is_a_variable(tmp_path):
    """A-32."""
    women = {"who": {"kind": "sex", "value": "Female"}}
    sheet = assessed(tmp_path, declare(PLAIN, filters=women), by_county(2, 500, 40))
    assert sheet.score == 14 + 1 + 1


def test_an_inferred_characteristic_is_scored_too(tmp_path):
    """R-104."""
    inferred = {"who": {"kind": "sex", "value": "Female", "because": "the clinic sees women only"}}
    sheet = assessed(tmp_path, declare(PLAIN, inferred=inferred), by_county(2, 500, 40))
    assert sheet.score == 16


def test_parts_side_by_side_are_scored_by_themselves(tmp_path):
    """R-523."""
    dimensions = {"county": COUNTY, "sex": SEX, "age": AGE, "year": YEAR}
    rows = [
        row(n, county=county, sex=sex, age=age, year=2023)
        for county, sex, age, n in [
            ("Kern", "Female", "All ages", 3),
            ("Kern", "Male", "All ages", 500),
            ("Kern", "All", "0-17", 100),
            ("Kern", "All", "18+", 403),
            ("Kern", "All", "All ages", 503),
            ("California", "All", "All ages", 503),
        ]
    ]
    parts = [["county", "sex", "year"], ["county", "age", "year"]]
    sheet = assessed(tmp_path, declare(dimensions, parts=parts), rows)
    assert [part.total for part in sheet.parts] == [7 + 0 - 1 + 1 + 1, 3 + 0 - 1 + 2 + 1]
    crossed = assessed(tmp_path, declare(dimensions), rows)
    assert crossed.score == 7 + 0 - 1 + 1 + 2 + 2


def test_a_part_without_the_geography_is_of_the_whole_place(tmp_path):
    dimensions = {"county": COUNTY, "sex": SEX, "year": YEAR}
    rows = [
        row(n, county=county, sex=sex, year=2023)
        for county, sex, n in [
            ("Kern", "All", 5),
            ("California", "Male", 2),
            ("California", "Female", 3),
            ("California", "All", 5),
        ]
    ]
    sheet = assessed(
        tmp_path, declare(dimensions, parts=[["county", "year"], ["sex", "year"]]), rows
    )
    assert [part.total for part in sheet.parts] == [7 + 0 - 1 - 5, 7 + 0 - 5 + 1 + 1]


def test_more_than_three_variables_go_to_the_expert(tmp_path):
    """R-525."""
    dimensions = {
        "county": {"kind": "residence_geography"},
        "sex": {"kind": "sex"},
        "age": {"kind": "age_range"},
        "ethnicity": {"kind": "ethnicity"},
        "language": {"kind": "language"},
        "year": YEAR,
    }
    labels = {"sex": "Male", "age": "0-29", "ethnicity": "Yes", "language": "English"}
    rows = [row(5, county="Los Angeles", year="2019-2023", **labels)]
    sheet = assessed(tmp_path, declare(dimensions), rows)
    assert (sheet.score, sheet.outcome) == (7 - 5 - 5 + 4 + 4, Outcome.EXPERT_REVIEW_REQUIRED)
    assert any("R-525" in reason for reason in sheet.reasons)


def test_denominators_may_be_totals_of_the_table(tmp_path):
    """A-04: the published total the cell belongs to."""
    figures = {"people": {"people": "people", "denominator_total": ["sex"]}}
    dimensions = {"sex": SEX, "year": YEAR}
    place = {"place": {"kind": "residence_geography", "value": "California"}}
    publication = declare(dimensions, filters=place, figures=figures)
    rows = [
        {"sex": sex, "year": 2023, "people": n}
        for sex, n in (("Male", 15_000), ("Female", 5_001), ("All", 20_001))
    ]
    assert assessed(tmp_path, publication, rows).condition.met
    rows[2]["people"] = 20_000
    assert assessed(tmp_path, publication, rows).condition.small_denominators == 3


def test_a_figure_without_denominator_is_taken_as_small(tmp_path):
    figures = {"people": {"people": "people"}}
    publication = declare(PLAIN, figures=figures)
    rows = [{"county": "California", "year": 2023, "people": 500}]
    sheet = assessed(tmp_path, publication, rows)
    assert not sheet.condition.met
    assert sheet.conditions[-1].startswith("A-04")


def test_members_come_from_a_column(tmp_path):
    dimensions = {"plan": {"kind": "insurance", "population_column": "members"}, "year": YEAR}
    rows = [
        row(5, plan="A", year=2023) | {"members": 15_000},
        row(900, plan="B", year=2023) | {"members": 3_000_000},
    ]
    sheet = assessed(tmp_path, declare(dimensions), rows)
    assert sheet.parts[0].population_table == "insurance"
    assert sheet.score == 7 + 0 + 5 - 5


def test_a_projected_budget_is_not_assessed(tmp_path):
    publication = declare(PLAIN, product="budget_projected")
    sheet = assessed(tmp_path, publication, by_county(2, 500, 40))
    assert (sheet.outcome, sheet.next_step) == (Outcome.RELEASABLE, 6)


def test_a_table_about_providers_only_asks_what_can_be_inferred(tmp_path):
    """R-104: a classifier of columns is not enough."""
    dimensions = {"clinic": {"kind": "provider"}, "year": YEAR}
    rows = [row(2, clinic="North", year=2023)]
    sheet = assessed(tmp_path, declare(dimensions), rows)
    assert sheet.outcome is Outcome.EXPERT_REVIEW_REQUIRED
    basis = declare(dimensions, personal_data_basis="considered; both clinics see everybody")
    assert assessed(tmp_path, basis, rows).outcome is Outcome.RELEASABLE


def survey(tmp_path, sample: list[int], rse: list[float], name: str = "Ours", **more: object):
    rows = [
        row(500, county=county, year=2023) | {"n": n, "rse": r}
        for county, n, r in zip(("Kern", "California"), sample, rse, strict=True)
    ]
    columns = {"name": name, "sample_column": "n", "rse_column": "rse", **more}
    return assessed(tmp_path, declare(PLAIN, product="survey", survey=columns), rows)


def test_an_estimate_on_fewer_than_thirty_cases_is_unreliable(tmp_path):
    """S-1."""
    assert survey(tmp_path, [30, 40], [5, 5]).outcome is Outcome.RELEASABLE
    unreliable = survey(tmp_path, [29, 40], [5, 5])
    assert unreliable.outcome is Outcome.MASKING_REQUIRED
    assert (unreliable.reliability.unreliable_cells, unreliable.reliability.annotation) == (1, 4)


def test_a_listed_survey_follows_its_own_rule(tmp_path):
    """S-2, A-26: NHIS needs 50 cases and a relative error of at most 30 percent."""
    assert survey(tmp_path, [50, 60], [30, 30], "NHIS").outcome is Outcome.RELEASABLE
    assert survey(tmp_path, [49, 60], [30, 31], "NHIS").reliability.unreliable_cells == 2
    assert survey(tmp_path, [5, 5], [20, 21], "CHIS").reliability.unreliable_cells == 1


def test_the_sheet_names_no_label_and_not_the_smallest_count(tmp_path):
    rows = by_county(7, 123_457, 40)
    sheet = assessed(tmp_path, declare(PLAIN), rows)
    text = sheet.markdown() + str(sheet.to_dict()) + str(sheet.rows())
    for label in ("Alpine", "Los Angeles", "123457", "123504"):
        assert label not in text
    assert "under 11" in text


def test_the_order_of_rows_and_columns_does_not_matter(tmp_path):
    rows = by_county(2, 500, 40)
    turned = [dict(reversed(one.items())) for one in reversed(rows)]
    first = assessed(tmp_path, declare(PLAIN), rows)
    second = assessed(tmp_path, declare(PLAIN), turned)
    assert first.digest == second.digest


def test_the_digest_changes_with_the_outcome_the_declaration_and_the_policy(tmp_path):
    rows = by_county(2, 500, 40)
    file = csv_file(tmp_path, rows)
    base = assess_file(file, declare(PLAIN), ddg()).digest
    assert base == assess_file(file, declare(PLAIN), ddg()).digest
    assert base != assess_file(file, declare(PLAIN, title="x"), ddg()).digest
    assert base != assess_file(file, declare(PLAIN), ddg().replace(min_people=12)).digest
    other = csv_file(tmp_path, by_county(5, 500, 40))
    assert base != assess_file(other, declare(PLAIN), ddg()).digest


@pytest.fixture
def limited():
    con = duckdb.connect()
    con.execute("attach ':memory:' as limited")
    con.execute(
        'create table limited.main."table" as select * from (values '
        "('Alpine', 2023, 4, 2, 1163), ('California', 2023, 4, 2, 37309382)) "
        "as t(county, year, visits, people, population)"
    )
    yield con
    con.close()


def test_the_sheet_is_kept_beside_the_candidate(limited):
    sheet = assess_publication(limited, declare(PLAIN), ddg())
    kept = limited.execute('select * from limited.assessment."table"').fetchall()
    assert len(kept) == 4
    columns = [one[0] for one in limited.description]
    first = dict(zip(columns, kept[0], strict=True))
    assert first["sheet_digest"] == sheet.digest
    assert (first["outcome"], first["score"]) == ("masking_required", 14)


def test_assessing_again_replaces_the_sheet(limited):
    assess_publication(limited, declare(PLAIN), ddg())
    limited.execute('update limited.main."table" set people = 400, visits = 400')
    assess_publication(limited, declare(PLAIN), ddg())
    kept = limited.execute('select distinct outcome, score from limited.assessment."table"')
    assert kept.fetchall() == [("releasable", 3 + 0 + 7 - 5)]


def test_nothing_temporary_is_left_behind(limited):
    assess_publication(limited, declare(PLAIN), ddg(), record=False)
    tables = limited.execute("select table_name from duckdb_tables()").fetchall()
    assert tables == [("table",)]


def test_a_file_may_be_parquet_or_ndjson(tmp_path):
    con = duckdb.connect()
    source = csv_file(tmp_path, by_county(2, 500, 40))
    for suffix, clause in (("parquet", "format parquet"), ("ndjson", "format json")):
        target = tmp_path / f"table.{suffix}"
        con.execute(f"copy (from read_csv('{source}')) to '{target}' ({clause})")
        assert assess_file(target, declare(PLAIN), ddg()).score == 14


SUGGESTED = {
    "county": COUNTY | {"may_drop": True, "coarser": {"region": {"Alpine": "R", "Kern": "R"}}},
    "sex": SEX | {"may_drop": True},
    "quarter": {"kind": "time", "pool_years": [2]},
}


def suggestions(tmp_path):
    rows = []
    for county in ("Alpine", "Kern"):
        for sex in ("Male", "Female"):
            for quarter in ("2022 Q4", "2023 Q1", "2023 Q2"):
                people = 2 if county == "Alpine" else 900
                rows.append(row(people, county=county, sex=sex, quarter=quarter))
    for county in ("Alpine", "Kern"):
        for quarter in ("2022 Q4", "2023 Q1", "2023 Q2"):
            people = 4 if county == "Alpine" else 1800
            rows.append(row(people, county=county, sex="All", quarter=quarter))
    for sex, people in (("Male", 902), ("Female", 902), ("All", 1804)):
        for quarter in ("2022 Q4", "2023 Q1", "2023 Q2"):
            rows.append(row(people, county="California", sex=sex, quarter=quarter))
    con = duckdb.connect()
    file = csv_file(tmp_path, rows)
    con.execute(f"create table t as from read_csv('{file}', all_varchar = true)")
    return suggest(con, "t", declare(SUGGESTED), ddg())


def test_suggestions_are_the_designs_no_other_beats(tmp_path):
    found = suggestions(tmp_path)
    assert found[0].score < 13
    assert found[-1].changes == ()
    assert not any(a.beats(b) for a in found for b in found)
    assert any("quarter by year" in one.changes for one in found) or any(
        "quarter by 2 years" in one.changes for one in found
    )


def test_suggestions_are_the_same_every_time(tmp_path):
    assert suggestions(tmp_path) == suggestions(tmp_path)


def test_a_recode_into_something_unreadable_is_refused(tmp_path):
    dimensions = {
        "county": {"kind": "residence_geography"},
        "age": {"kind": "age_range", "coarser": {"broad": {"0-1": "young", "2-3": "young"}}},
        "year": YEAR,
    }
    con = duckdb.connect()
    file = csv_file(tmp_path, [row(2, county="Kern", age=a, year=2023) for a in ("0-1", "2-3")])
    con.execute(f"create table t as from read_csv('{file}', all_varchar = true)")
    with pytest.raises(DeidError, match="D-29"):
        suggest(con, "t", declare(dimensions), ddg())


def test_a_relation_is_assessed_as_it_stands():
    con = duckdb.connect()
    con.execute("create table t(county varchar, year int, visits int, people int, population int)")
    con.execute("insert into t values ('California', 2023, 5, 5, 37000000)")
    assert assess_relation(con, "t", declare(PLAIN), ddg()).score == 7 + 0 - 5 - 5
