"""People who are counted in several rows: the total is less than the sum of its rows."""

from __future__ import annotations

import copy
import random

import duckdb
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from deid_platform.core.errors import MaskingError
from deid_platform.core.masking.certificate import decode
from deid_platform.core.masking.verify import verify
from deid_platform.core.publication import Publication
from deid_platform.engine.candidate_attack import attack_candidate
from deid_platform.engine.mask import (
    TableNames,
    declared,
    mask_publication,
    published_text,
    verify_candidate,
)
from tests.engine.policies import policy

PUBLICATION = Publication.model_validate(
    yaml.safe_load("""
name: visits_by_class
policy: calhhs_ddg_2
dimensions:
  class: {kind: other, total: All}
  visit_year: {kind: time}
figures:
  visit_count: {people: person_count, denominator: population_count}
  person_count: {people: person_count, denominator: population_count}
""")
)
CLASSES = ("ambulatory", "emergency", "inpatient", "wellness")
YEARS = (2021, 2022, 2023)


def limited(seed: int, people: int, weights: tuple[int, ...]) -> duckdb.DuckDBPyConnection:
    """A limited zone in which people visit in several classes."""
    chance = random.Random(seed)
    visits = [
        (person, chance.choices(CLASSES, weights)[0], year)
        for person in range(people)
        for year in YEARS
        for _ in range(chance.randint(0, 3))
    ] or [(0, CLASSES[0], YEARS[0])]
    con = duckdb.connect(":memory:")
    con.execute("attach ':memory:' as limited")
    con.execute("create table visits (person bigint, class varchar, visit_year integer)")
    con.executemany("insert into visits values (?, ?, ?)", visits)
    con.execute(
        """create table limited.main.visits_by_class as
        with cells as (
            select classes.class, years.visit_year
            from (select unnest(?::varchar[]) as class union all select 'All') as classes
            cross join (select distinct visit_year from visits) as years
        )
        select cells.class, cells.visit_year,
               count(visits.person) as visit_count,
               count(distinct visits.person) as person_count,
               1000000::bigint as population_count
        from cells left join visits
            on cells.visit_year = visits.visit_year
            and cells.class in (visits.class, 'All')
        group by all""",
        [list(CLASSES)],
    )
    return con


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 10_000),
    st.integers(2, 60),
    st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(0, 3), st.integers(0, 3)),
)
def test_what_is_masked_withstands_the_attacker_and_its_certificate_holds(seed, people, weights):
    con = limited(seed, people, weights)
    mask_publication(con, PUBLICATION, policy())
    assert attack_candidate(con, PUBLICATION, policy()).holds
    assert verify_candidate(con, PUBLICATION) == []
    shown = con.execute(
        "select count(*) from limited.candidate.visits_by_class where person_count between 1 and 10"
    ).fetchone()
    assert shown == (0,)


def certified() -> tuple[list[str], list[list[str]], dict]:
    """A candidate whose certificate needs tables that a solver found."""
    for seed in range(200):
        con = limited(seed, 27, (9, 12, 1, 1))
        mask_publication(con, PUBLICATION, policy())
        names = TableNames.of_zone(PUBLICATION)
        certificate = decode(con.execute(f"select content from {names.certificate}").fetchone()[0])
        if certificate["people"]["person_count"]["solved"]:
            return *published_text(con, names.candidate, PUBLICATION), certificate
    raise MaskingError("test", "no seed needs a solved table", "widen the search")


def more_people_than_visits(part):
    part["solved"][0]["figures"]["visit_count"] = {"cells": [], "amounts": []}
    part["solved"][0]["people"]["amounts"][0] += 500


def another_sum_of_visits(part):
    change = part["solved"][0]["figures"]["visit_count"]
    change["amounts"] = [amount + 1 for amount in change["amounts"]]


def a_shown_cell(part):
    part["solved"][0]["people"]["cells"][0] = 10_000


def no_visits_at_all(part):
    part["figures"] = {}


def a_total_below_a_member(part):
    part["solved"] = [
        {"people": change, "figures": {"visit_count": change}}
        for change in [{"cells": [0], "amounts": [10_000]}]
    ]


@pytest.mark.parametrize(
    "tamper",
    [
        more_people_than_visits,
        another_sum_of_visits,
        a_shown_cell,
        no_visits_at_all,
        a_total_below_a_member,
    ],
)
def test_a_solved_table_that_contradicts_what_is_published_is_rejected(tamper):
    header, rows, certificate = certified()
    assert verify(header, rows, declared(PUBLICATION), certificate) == []
    tampered = copy.deepcopy(certificate)
    tamper(tampered["people"]["person_count"])
    assert verify(header, rows, declared(PUBLICATION), tampered) != []
