"""Publications: every cell against a count made in Python, from real dbt on an encrypted zone."""

from __future__ import annotations

import csv
import itertools
import json
import random
from datetime import date

import pytest

from deid_platform.core.declaration import parse_publication
from deid_platform.core.zones import Zone
from deid_platform.engine.declarations import read_yaml
from tests.dbt.zones import CHECKOUT, built, new_deployment, run_dbt, write_zone

SELECTION = ("--select", "tag:publications")
SEEDS = CHECKOUT / "dbt_project" / "seeds"
YEARS = (2023, 2024)
BANDS = ((17, "0-17"), (44, "18-44"), (64, "45-64"), (200, "65 and over"))
MARGINS = {
    "county": "California",
    "age_group": "All ages",
    "sex": "All",
    "race_ethnicity": "All",
    "condition_group": "All conditions",
    "encounter_class": "All classes",
}
PUBLICATIONS = {
    "ed_visits_by_county_year": ("county", "visit_year"),
    "ed_visits_by_county_age_sex_year": ("county", "age_group", "sex", "visit_year"),
    "ed_visits_by_race_ethnicity_year": ("race_ethnicity", "visit_year"),
    "ed_visits_by_condition_year": ("condition_group", "visit_year"),
}


def seed(name):
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


POPULATION = {
    (row["area"], row["race_ethnicity"]): int(row["population_count"])
    for row in seed("county_population")
}
COUNTIES = sorted({area for area, _ in POPULATION} - {"California"})
RACES = sorted({race for _, race in POPULATION} - {"Total"})
CONDITIONS = sorted(row["condition_group"] for row in seed("condition_groups"))


def some_visits(count):
    chance = random.Random(20240229)
    people = [
        {
            "person_key": key,
            "county": chance.choice([*COUNTIES[:6], "Elsewhere", None]),
            "sex": chance.choice(["F", "M", "F", "M", "X", None]),
            "race_ethnicity": chance.choice([*RACES[:4], "Other", None]),
        }
        for key in range(1, 90)
    ]
    for number in range(count):
        year = chance.choice(YEARS)
        month = date(year, chance.randint(1, 12), 1)
        yield {
            **chance.choice(people),
            "visit_key": 10_000 + number,
            "visit_month": month,
            "age_years": chance.choice([0, 17, 18, 44, 45, 64, 65, 90, None]),
            "condition_group": chance.choice([*CONDITIONS[:5], "Undreamt of", None]),
            "_partition": f"{month:%Y-%m}",
        }


def some_encounters():
    chance = random.Random(7)
    for number in range(120):
        yield {
            "person_key": chance.randint(1, 30),
            "encounter_key": number,
            "start_month": date(chance.choice(YEARS), chance.randint(1, 12), 1),
            "encounter_class": chance.choice(["wellness", "inpatient", None]),
            "_partition": "all",
        }


VISITS = list(some_visits(400))
ENCOUNTERS = list(some_encounters())
PATIENTS = [
    {"person_key": key, "state": "Maine" if key % 2 else "Texas", "_partition": "all"}
    for key in range(1, 31)
]


def grouped(visit):
    age = visit["age_years"]
    return {
        "county": visit["county"] if visit["county"] in COUNTIES else "Unknown",
        "age_group": next((b for top, b in BANDS if age is not None and age <= top), "Unknown"),
        "sex": {"F": "Female", "M": "Male"}.get(visit["sex"], "Unknown"),
        "race_ethnicity": visit["race_ethnicity"]
        if visit["race_ethnicity"] in RACES
        else "Unknown",
        "condition_group": visit["condition_group"]
        if visit["condition_group"] in CONDITIONS
        else "Unknown",
        "visit_year": visit["visit_month"].year,
    }


def cells(rows, dimensions):
    """Events and people of each cell that has any, margins included."""
    events, people = {}, {}
    for row, person in rows:
        labels = [{row[d], MARGINS.get(d, row[d])} for d in dimensions]
        for cell in itertools.product(*labels):
            events[cell] = events.get(cell, 0) + 1
            people.setdefault(cell, set()).add(person)
    return {cell: (events[cell], len(people[cell])) for cell in events}


def members():
    return {
        "county": [*COUNTIES, "Unknown", "California"],
        "age_group": [*(band for _, band in BANDS), "Unknown", "All ages"],
        "sex": ["Female", "Male", "Unknown", "All"],
        "race_ethnicity": [*RACES, "Unknown", "All"],
        "condition_group": [*CONDITIONS, "Unknown", "All conditions"],
        "visit_year": list(YEARS),
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    deployment = new_deployment(tmp_path_factory.mktemp("publications") / "home")
    write_zone(
        deployment,
        Zone.LIMITED,
        {
            "ed_visits": VISITS,
            "synthea_encounters": ENCOUNTERS,
            "synthea_patients": PATIENTS,
        },
    )
    done = run_dbt(deployment, "publications", "build", *SELECTION)
    assert done.returncode == 0, done.stdout
    return deployment


def table(deployment, name, columns):
    return built(deployment, Zone.LIMITED, f"select {', '.join(columns)} from staging.main.{name}")


@pytest.mark.parametrize(("name", "dimensions"), PUBLICATIONS.items())
def test_every_cell_and_margin_is_the_count_made_in_python(run, name, dimensions):
    expected = cells([(grouped(visit), visit["person_key"]) for visit in VISITS], dimensions)
    rows = table(run, name, (*dimensions, "visit_count", "person_count"))
    shown = {row[: len(dimensions)]: row[len(dimensions) :] for row in rows}
    assert {cell: counts for cell, counts in shown.items() if counts != (0, 0)} == expected


@pytest.mark.parametrize(("name", "dimensions"), PUBLICATIONS.items())
def test_a_cell_in_which_nobody_was_seen_is_there_and_is_zero(run, name, dimensions):
    wanted = set(itertools.product(*(members()[dimension] for dimension in dimensions)))
    rows = table(run, name, dimensions)
    assert len(rows) == len(wanted)
    assert set(rows) == wanted


@pytest.mark.parametrize("name", ["ed_visits_by_county_year", "ed_visits_by_county_age_sex_year"])
def test_a_county_is_set_against_its_own_population_and_the_rest_against_the_state(run, name):
    state = POPULATION["California", "Total"]
    for county, population in table(run, name, ("county", "population_count")):
        assert population == POPULATION.get((county, "Total"), state)


def test_a_race_is_set_against_its_statewide_population_and_the_unknown_against_the_state(run):
    rows = table(run, "ed_visits_by_race_ethnicity_year", ("race_ethnicity", "population_count"))
    state = POPULATION["California", "Total"]
    for race, population in rows:
        assert population == POPULATION.get(("California", race), state)


def test_encounters_are_counted_by_class_against_the_states_the_people_live_in(run):
    name = "synthea_encounters_by_class_year"
    dimensions = ("encounter_class", "encounter_year")
    expected = cells(
        [
            (
                {
                    "encounter_class": row["encounter_class"] or "Unknown",
                    "encounter_year": row["start_month"].year,
                },
                row["person_key"],
            )
            for row in ENCOUNTERS
        ],
        dimensions,
    )
    rows = table(run, name, (*dimensions, "encounter_count", "person_count", "population_count"))
    assert {row[:2]: row[2:4] for row in rows} == expected
    states = {row["state"]: int(row["population_count"]) for row in seed("state_population")}
    assert {row[4] for row in rows} == {states["Maine"] + states["Texas"]}


def test_the_states_of_the_reference_add_up_to_the_census():
    # 2020 Census, resident population of the United States: 331,449,281.
    assert sum(int(row["population_count"]) for row in seed("state_population")) == 331_449_281


def test_each_publication_declares_what_its_table_holds(run):
    manifest = json.loads((run.home / "dbt" / "manifest.json").read_text("utf-8"))
    policy = read_yaml(CHECKOUT / "assets" / "policies" / "calhhs_ddg_2.yaml")
    subjects = set(policy["high_risk"])
    found = 0
    for node in manifest["nodes"].values():
        if not node.get("original_file_path", "").startswith("models/publications/"):
            continue
        if node["resource_type"] != "model":
            continue
        found += 1
        declared = parse_publication(
            node["name"], node["config"]["meta"]["publication"], name=node["name"]
        )
        assert set(declared.table_columns) == set(node["columns"])
        for column, dimension in declared.dimensions.items():
            labels = {row[0] for row in table(run, node["name"], (column,))}
            assert dimension.total is None or dimension.total in labels
            assert set(declared.high_risk.get(column, {})) <= labels
            assert set(declared.high_risk.get(column, {}).values()) <= subjects
    assert found == 5


def test_without_a_single_visit_the_tables_are_there_and_empty(tmp_path):
    deployment = new_deployment(tmp_path / "home")
    write_zone(deployment, Zone.LIMITED, {})
    done = run_dbt(deployment, "publications", "build", *SELECTION)
    assert done.returncode == 0, done.stdout
    for name in [*PUBLICATIONS, "synthea_encounters_by_class_year"]:
        counted = built(deployment, Zone.LIMITED, f"select count(*) from staging.main.{name}")
        assert counted == [(0,)]
