"""Marts: counted again in Python, in an order that says nothing, from real dbt."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from deid_platform.core.zones import Zone
from tests.dbt.zones import built, new_deployment, run_dbt, write_zone

SELECTION = ("--select", "tag:marts")
MARTS = [
    "ed_conditions",
    "ed_people",
    "ed_utilisation_by_zip3_age_year",
    "ed_visits",
    "synthea_conditions",
    "synthea_encounters",
    "synthea_people",
]
BANDS = ((17, "0-17"), (44, "18-44"), (64, "45-64"), (200, "65 and over"))


def some_visits():
    chance = random.Random(11)
    for key in chance.sample(range(1, 2**62), 300):
        yield {
            "visit_key": key,
            "person_key": chance.randint(1, 60) * 10**15,
            "age_years": chance.choice([0, 17, 18, 64, 65, 90, None]),
            "sex": chance.choice(["F", "M", None]),
            "zip3": chance.choice(["945", "900", "000", None]),
            "visit_year": chance.choice([2022, 2023, 2024]),
            "diagnosis_code": chance.choice(["I10", "J18.9", None]),
            "condition_group": chance.choice(["Circulatory", "Respiratory", None]),
        }


VISITS = list(some_visits())
PATIENTS = [{"person_key": key, "birth_year": 1950 + key, "state": "Maine"} for key in (3, 1, 2)]
ENCOUNTERS = [
    {"encounter_key": key, "person_key": person, "start_year": 2023}
    for key, person in ((30, 1), (10, 1), (20, 3))
]
CONDITIONS = [
    {"person_key": 1, "encounter_key": 30, "code": "1", "start_year": 2020, "stop_year": 2021},
    {"person_key": 3, "encounter_key": 20, "code": "2", "start_year": 2022, "stop_year": None},
    {"person_key": 3, "encounter_key": 20, "code": "2", "start_year": 2022, "stop_year": None},
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    deployment = new_deployment(tmp_path_factory.mktemp("marts") / "home")
    write_zone(
        deployment,
        Zone.DEIDENTIFIED,
        {
            "ed_visits": VISITS,
            "synthea_patients": PATIENTS,
            "synthea_encounters": ENCOUNTERS,
            "synthea_conditions": CONDITIONS,
        },
    )
    done = run_dbt(deployment, "marts", "build", *SELECTION)
    assert done.returncode == 0, done.stdout
    return deployment


def query(run, sql):
    return built(run, Zone.DEIDENTIFIED, sql)


def test_the_marts_are_these_and_no_publication_is_built_beside_them(run):
    names = query(
        run,
        "select table_name from information_schema.tables "
        "where table_catalog = 'staging' and table_schema = 'main' order by 1",
    )
    assert [name for (name,) in names] == MARTS


@pytest.mark.parametrize(("mart", "key"), [("ed_visits", "visit_key"), ("ed_people", "person_key")])
def test_storage_order_is_the_order_of_surrogates(run, mart, key):
    stored = [value for (value,) in query(run, f"select {key} from staging.main.{mart}")]
    assert stored == sorted({row[key] for row in VISITS})


def test_a_visit_is_carried_over_whole(run):
    columns = [*VISITS[0]]
    rows = query(run, f"select {', '.join(columns)} from staging.main.ed_visits")
    assert sorted(rows, key=str) == sorted((tuple(visit.values()) for visit in VISITS), key=str)


def test_each_person_is_one_row_with_all_their_visits(run):
    wanted = Counter(visit["person_key"] for visit in VISITS)
    rows = query(run, "select person_key, visit_count from staging.main.ed_people")
    assert rows == sorted(wanted.items())


def test_utilisation_counts_visits_and_distinct_people(run):
    visits, people = Counter(), {}
    for visit in VISITS:
        age = visit["age_years"]
        band = next((b for top, b in BANDS if age is not None and age <= top), "Unknown")
        cell = (visit["zip3"], band, visit["visit_year"])
        visits[cell] += 1
        people.setdefault(cell, set()).add(visit["person_key"])
    rows = query(run, "select * from staging.main.ed_utilisation_by_zip3_age_year")
    assert {row[:3]: row[3:] for row in rows} == {
        cell: (visits[cell], len(people[cell])) for cell in visits
    }


def test_conditions_count_each_visit_once(run):
    wanted = Counter(
        (v["person_key"], v["visit_year"], v["condition_group"], v["diagnosis_code"])
        for v in VISITS
    )
    rows = query(
        run,
        "select person_key, visit_year, condition_group, diagnosis_code, visit_count "
        "from staging.main.ed_conditions",
    )
    assert {row[:4]: row[4] for row in rows} == wanted


def test_synthea_people_without_encounters_stay(run):
    rows = query(run, "select person_key, encounter_count from staging.main.synthea_people")
    assert rows == [(1, 2), (2, 0), (3, 1)]


def test_two_equal_conditions_stay_two_rows(run):
    rows = query(run, "select person_key, is_ongoing from staging.main.synthea_conditions")
    assert rows == [(1, False), (3, True), (3, True)]


def test_without_a_single_record_the_marts_are_there_and_empty(tmp_path):
    deployment = new_deployment(tmp_path / "home")
    write_zone(deployment, Zone.DEIDENTIFIED, {})
    done = run_dbt(deployment, "marts", "build", *SELECTION)
    assert done.returncode == 0, done.stdout
    for mart in MARTS:
        assert query(deployment, f"select count(*) from staging.main.{mart}") == [(0,)]
