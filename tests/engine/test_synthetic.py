"""The generated visits look like those of a population."""

from __future__ import annotations

import csv

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid_platform.core.errors import DeclarationError
from deid_platform.engine.synthetic import Scenario, generate
from deid_platform.engine.synthetic.columns import years_between
from deid_platform.engine.synthetic.draw import Choices, Source
from tests.support.synthetic import COLUMNS, POPULATION, synth


def one(con: duckdb.DuckDBPyConnection, query: str) -> tuple:
    return con.execute(query).fetchone()


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """100,000 visits of 60,000 people over a year, as a DuckDB table ``visits``."""
    out = tmp_path_factory.mktemp("many")
    synth(out, people=60_000, months=12, visits=100_000, file_format="parquet")
    con = duckdb.connect()
    con.execute(f"create table visits as from '{out}/ed_visits/*.parquet'")
    yield con
    con.close()


def test_columns_are_exactly_those_promised(many):
    assert [row[0] for row in many.execute("describe visits").fetchall()] == list(COLUMNS)


def test_every_visit_is_written_once_and_everyone_visits(many):
    assert one(
        many, "select count(*), count(distinct visit_id), count(distinct patient_mrn) from visits"
    ) == (100_000, 100_000, 60_000)


def test_visits_lie_in_the_month_of_their_file(tmp_path):
    for file in synth(tmp_path, start="2023-11", months=4).files:
        with file.open(encoding="utf-8", newline="") as lines:
            months = {row["visit_date"][:7] for row in csv.DictReader(lines)}
        assert months == {file.stem.removeprefix("ed_visits-")}


def test_all_58_counties_are_seen_in_proportion_to_their_population(many):
    expected = {
        row["area"]: int(row["population_count"])
        for row in csv.DictReader(POPULATION.open(encoding="utf-8"))
        if row["race_ethnicity"] == "Total" and row["area"] != "California"
    }
    seen = dict(many.execute("select county, count(*) from visits group by all").fetchall())
    assert set(seen) <= set(expected)
    assert len(expected) == 58
    assert len(seen) >= 57  # Alpine has 1 person in 32,000
    total = sum(expected.values())
    for county in ("Los Angeles", "San Diego", "Orange", "Fresno", "Humboldt"):
        assert seen[county] / 100_000 == pytest.approx(expected[county] / total, rel=0.12)


def test_a_county_has_its_own_mix_of_race_and_ethnicity(many):
    share = (
        "select avg((race_ethnicity = 'Hispanic or Latino')::int) from visits where county = '{}'"
    )
    assert one(many, share.format("Imperial"))[0] > 0.65
    assert one(many, share.format("Nevada"))[0] < 0.25


def test_race_and_ethnicity_agree_with_their_combination(many):
    assert one(
        many,
        """
        select count(*) from visits where race_ethnicity is distinct from case
            when ethnicity = 'Hispanic or Latino' then 'Hispanic or Latino'
            when ethnicity = 'Unknown' then 'Unknown'
            else race end
        """,
    ) == (0,)
    assert one(many, "select count(distinct race_ethnicity) from visits") == (8,)


def test_ages_agree_with_birth_dates_and_reach_from_infants_to_over_89(many):
    assert one(
        many,
        """
        select count(*) filter (age_years != date_sub('year', birth_date, visit_date)),
               count(*) filter (birth_date > visit_date)
        from visits
        """,
    ) == (0, 0)
    youngest, oldest, over_89 = one(
        many, "select min(age_years), max(age_years), count(*) filter (age_years > 89) from visits"
    )
    assert youngest == 0
    assert 95 < oldest <= 105
    assert 100 < over_89 < 4_000


def test_nobody_is_too_old_or_unborn_over_ten_years(tmp_path):
    synth(tmp_path, people=3_000, months=120, visits=20_000, file_format="parquet")
    with duckdb.connect() as con:
        con.execute(f"create table visits as from '{tmp_path}/ed_visits/*.parquet'")
        assert one(con, "select min(age_years), max(age_years) <= 105 from visits") == (0, True)


def test_a_person_keeps_what_does_not_change(many):
    assert one(
        many,
        """
        select max(count(distinct (patient_name, ssn, birth_date, sex, race, race_ethnicity,
                                   language, phone, email)))  over ()
        from visits group by patient_mrn limit 1
        """,
    ) == (1,)


def test_nobody_returns_after_dying(many):
    assert one(
        many,
        """
        select count(*) from visits as death join visits as later using (patient_mrn)
        where death.disposition = 'Expired' and later.arrival_time > death.arrival_time
        """,
    ) == (0,)
    assert one(many, "select count(*) > 50 from visits where disposition = 'Expired'") == (True,)


def test_some_people_move_to_another_county_once(many):
    (movers, most) = one(
        many,
        """
        with people as (select count(distinct county) as counties from visits group by patient_mrn)
        select count(*) filter (counties > 1), max(counties) from people
        """,
    )
    assert movers > 100
    assert most == 2


def test_few_people_make_many_visits(many):
    most, median = one(
        many,
        """
        with people as (select count(*) as visits from visits group by patient_mrn)
        select max(visits), median(visits) from people
        """,
    )
    assert median == 1
    assert most >= 15


def test_identifiers_are_distinct_and_well_formed(many):
    assert one(
        many,
        r"""
        with people as (select any_value(ssn) as ssn, any_value(phone) as phone,
                               any_value(member_id) as member_id from visits group by patient_mrn)
        select count(ssn) - count(distinct ssn),
               count(*) filter (not regexp_full_match(ssn, '[0-8]\d{2}-\d{2}-\d{4}')),
               count(*) filter (phone like '%555-%')
        from people
        """,
    ) == (0, 0, 0)
    assert one(many, "select count(*) from visits where ssn like '000%' or ssn like '666%'") == (0,)


def test_zip_codes_are_californian_but_for_a_few(many):
    prefixes = dict(
        many.execute(
            "select zip[:3], count(*) from visits where zip is not null group by all"
        ).fetchall()
    )
    assert all(len(prefix) == 3 and prefix.isdigit() for prefix in prefixes)
    elsewhere = {p: n for p, n in prefixes.items() if not "900" <= p <= "961"}
    assert {"036", "821"} <= set(elsewhere)
    assert sum(elsewhere.values()) < 1_000


def test_high_risk_and_rare_conditions_are_there(many):
    groups = dict(
        many.execute("select condition_group, count(*) from visits group by all").fetchall()
    )
    assert len(groups) == 16
    for group in ("Substance use", "Serious mental illness"):
        assert groups[group] > 1_000
    rare = many.execute(
        "select count(*) from (select diagnosis_code from visits group by all having count(*) < 60)"
    ).fetchone()
    assert rare[0] >= 5
    assert one(many, "select avg(is_emergency_transport::int) between .1 and .3 from visits")[0]


def test_diagnoses_fit_age_and_sex(many):
    assert one(
        many,
        """
        select count(*) from visits
        where condition_group = 'Pregnancy and childbirth' and (sex = 'M' or age_years < 14)
           or diagnosis_code = 'N44.00' and sex = 'F'
           or diagnosis_code = 'J21.9' and age_years > 2
        """,
    ) == (0,)


def test_discharge_follows_arrival_on_the_day_of_the_visit(many):
    assert one(
        many,
        """
        select count(*) from visits
        where discharge_time <= arrival_time or arrival_time::date != visit_date
        """,
    ) == (0,)


def test_some_notes_mention_the_patient_and_no_slot_stays_open(many):
    named, numbered, reached, open_slots = one(
        many,
        """
        select count(*) filter (contains(triage_note, split_part(patient_name, ' ', -1))),
               count(*) filter (contains(triage_note, patient_mrn)),
               count(*) filter (contains(triage_note, phone)),
               count(*) filter (triage_note similar to '.*[{}].*' or triage_note is null)
        from visits
        """,
    )
    assert named > 10_000
    assert numbered > 3_000
    assert reached > 3_000
    assert open_slots == 0


def test_condition_groups_are_those_that_publications_know(many):
    seed = POPULATION.with_name("condition_groups.csv")
    known = {row["condition_group"] for row in csv.DictReader(seed.open(encoding="utf-8"))}
    groups = many.execute("select distinct condition_group from visits").fetchall()
    assert {group for (group,) in groups} == known


def test_a_population_table_without_a_county_is_refused(tmp_path):
    seed = tmp_path / "county_population.csv"
    lines = POPULATION.read_text("utf-8").splitlines()
    seed.write_text("\n".join(line for line in lines if not line.startswith("Yuba")), "utf-8")
    with pytest.raises(DeclarationError, match="every county"):
        generate(Scenario.of(people=9, months=1), tmp_path / "out", population=seed)


def test_the_population_seed_adds_up_as_printed():
    rows = list(csv.DictReader(POPULATION.open(encoding="utf-8")))
    count = {(row["area"], row["race_ethnicity"]): int(row["population_count"]) for row in rows}
    areas = {area for area, _ in count}
    assert len(rows) == len(count) == 59 * 8
    assert count["Alpine", "Total"] == 1_163
    for area in areas:
        groups = sum(n for (a, group), n in count.items() if a == area and group != "Total")
        assert abs(groups - count[area, "Total"]) <= 2
    for group in {group for _, group in count}:
        counties = sum(n for (a, g), n in count.items() if g == group and a != "California")
        assert abs(counties - count["California", group]) <= 5


@given(
    st.lists(
        st.lists(st.integers(0, 5), min_size=4, max_size=4).filter(any), min_size=1, max_size=30
    ),
    st.data(),
)
def test_a_choice_never_takes_an_option_without_weight(weights, data):
    shares = st.floats(2.0**-33, 1 - 2.0**-33)
    row = data.draw(st.integers(0, len(weights) - 1))
    share = data.draw(shares)
    (picked,) = Choices(weights).pick(np.array([row]), np.array([share]))
    assert weights[row][picked] > 0


@given(st.integers(0, 2**63 - 1), st.integers(0, 97_000_000))
def test_scrambled_numbers_are_distinct_and_below_their_size(seed, first):
    numbers = np.arange(first, first + 1_000, dtype=np.int64)
    for size in (98_000_000, 898 * 99 * 9_999, 10**9, 10**10):
        scrambled = Source(seed=seed).scramble("any", numbers, size)
        assert len(set(scrambled.tolist())) == len(numbers)
        assert scrambled.min() >= 0
        assert scrambled.max() < size


@given(st.dates(), st.dates())
def test_completed_years_agree_with_the_calendar(birth, day):
    epoch = np.datetime64("1970-01-01")
    days = [np.array([(np.datetime64(d) - epoch).astype(np.int64)]) for d in (birth, day)]
    expected = day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
    assert years_between(*days).tolist() == [expected]
