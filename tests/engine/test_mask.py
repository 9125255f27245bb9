"""Masking a publication's table: what the candidate shows, and what an attacker gets from it."""

from __future__ import annotations

import os
import subprocess
import sys

import duckdb
import highspy
import pytest
import yaml

from deid_platform.core.errors import DeclarationError, MaskingError
from deid_platform.core.publication import Publication
from deid_platform.engine.candidate_attack import attack_candidate
from deid_platform.engine.mask import (
    TableNames,
    mask_publication,
    mask_table,
    verify_candidate,
)
from tests.engine.policies import policy

DECLARATION = """
name: visits_by_county
policy: calhhs_ddg_2
dimensions:
  county: {kind: residence_geography, total: California}
  sex: {kind: sex, total: All}
figures:
  visit_count: {people: person_count, denominator: population_count}
  person_count: {people: person_count, denominator: population_count}
"""


def publication(**changes) -> Publication:
    return Publication.model_validate(yaml.safe_load(DECLARATION) | changes)


def limited(counts: dict[tuple[str, str], int]) -> duckdb.DuckDBPyConnection:
    """A limited zone with the cube of these counts; each person visits twice."""
    con = duckdb.connect(":memory:")
    con.execute("attach ':memory:' as limited")
    con.execute("create table leaves (county varchar, sex varchar, people bigint)")
    con.executemany("insert into leaves values (?, ?, ?)", [(*k, v) for k, v in counts.items()])
    con.execute(
        """create table limited.main.visits_by_county as
        select coalesce(county, 'California') as county, coalesce(sex, 'All') as sex,
               sum(people * 2)::bigint as visit_count, sum(people)::bigint as person_count,
               sum(people * 100 + 50)::bigint as population_count
        from leaves group by cube (county, sex)"""
    )
    return con


COUNTS = {
    ("Alpine", "F"): 4,
    ("Alpine", "M"): 40,
    ("Butte", "F"): 60,
    ("Butte", "M"): 70,
    ("Colusa", "F"): 0,
    ("Colusa", "M"): 90,
}


def test_the_candidate_has_the_columns_of_the_source_and_an_annotation_per_figure():
    con = limited(COUNTS)
    mask_publication(con, publication(), policy())
    described = con.execute("describe limited.candidate.visits_by_county").fetchall()
    columns = [row[0] for row in described]
    assert columns == [
        "county",
        "sex",
        "visit_count",
        "person_count",
        "population_count",
        "visit_count_annotation",
        "person_count_annotation",
    ]


def test_a_small_cell_and_its_complements_lose_all_their_figures_but_zeros_stay():
    con = limited(COUNTS)
    result = mask_publication(con, publication(), policy())
    hidden = con.execute(
        """select county, sex from limited.candidate.visits_by_county
        where person_count is null and visit_count is null and person_count_annotation > 0
          and visit_count_annotation > 0 order by all"""
    ).fetchall()
    assert hidden == [("Alpine", "F"), ("Alpine", "M"), ("Butte", "F"), ("Butte", "M")]
    zero = con.execute(
        """select person_count, person_count_annotation from limited.candidate.visits_by_county
        where county = 'Colusa' and sex = 'F'"""
    ).fetchone()
    assert zero == (0, 0)
    assert result.counts["person_count"]["small_hidden"] == 1
    assert result.counts["person_count"]["complementary_hidden"] == 3


def test_the_attacker_gets_nothing_from_a_masked_candidate():
    con = limited(COUNTS)
    mask_publication(con, publication(), policy())
    assert attack_candidate(con, publication(), policy()).holds


@pytest.mark.parametrize("column", ["person_count", "visit_count"])
def test_the_attacker_recovers_a_small_cell_when_a_complement_is_put_back(column):
    con = limited(COUNTS)
    mask_publication(con, publication(), policy())
    con.execute(
        f"""update limited.candidate.visits_by_county as c set {column} = s.{column}
        from limited.main.visits_by_county as s
        where c.county = s.county and c.sex = s.sex and c.sex = 'M'"""
    )
    assert attack_candidate(con, publication(), policy()).recovered == 1


def test_a_figure_left_in_a_small_cell_gives_it_away():
    """A-23: the statistics of shown cells are part of the audit."""
    con = limited(COUNTS)
    mask_publication(con, publication(), policy())
    con.execute(
        """update limited.candidate.visits_by_county set visit_count = 8
        where county = 'Alpine' and sex = 'F'"""
    )
    assert not attack_candidate(con, publication(), policy()).holds


def test_a_margin_that_is_not_the_sum_of_its_rows_is_refused_by_column_and_the_candidate_stays():
    con = limited(COUNTS)
    mask_publication(con, publication(), policy())
    before = con.execute("select * from limited.candidate.visits_by_county").fetchall()
    con.execute(
        """update limited.main.visits_by_county set visit_count = visit_count + 1
        where county = 'Butte' and sex = 'All'"""
    )
    with pytest.raises(MaskingError, match=r"visit_count: .* along county, sex are not the sum"):
        mask_publication(con, publication(), policy())
    assert con.execute("select * from limited.candidate.visits_by_county").fetchall() == before


def test_the_same_rows_in_another_order_give_the_same_candidate():
    first, second = limited(COUNTS), limited(dict(reversed(COUNTS.items())))
    for con in (first, second):
        mask_publication(con, publication(), policy())
    query = "select * from limited.candidate.visits_by_county"
    assert first.execute(query).fetchall() == second.execute(query).fetchall()


def test_an_undeclared_column_stops_the_table():
    con = limited(COUNTS)
    con.execute("alter table limited.main.visits_by_county add column mrn varchar")
    with pytest.raises(DeclarationError, match="mrn"):
        mask_publication(con, publication(), policy())


def test_people_counted_in_several_rows_make_the_axis_inexact_and_are_still_protected():
    con = limited(COUNTS)
    con.execute(
        """update limited.main.visits_by_county
        set person_count = person_count - case county when 'California' then 2 else 1 end
        where sex = 'All' and county <> 'Colusa'"""
    )
    result = mask_publication(con, publication(), policy())
    assert result.inexact["person_count"] == ("sex",)
    assert attack_candidate(con, publication(), policy()).holds


def test_without_a_masking_verdict_only_high_risk_labels_are_masked():
    con = limited(COUNTS | {("Butte", "F"): 7})
    high_risk = {"county": {"Alpine": "serious_mental_illness"}}
    mask_publication(con, publication(high_risk=high_risk), policy(), masking_required=False)
    hidden = con.execute(
        """select distinct county from limited.candidate.visits_by_county
        where person_count_annotation = 1"""
    ).fetchall()
    assert ("Alpine",) in hidden


def test_the_candidate_comes_with_a_certificate_that_holds():
    con = limited(COUNTS)
    mask_publication(con, publication(), policy())
    assert verify_candidate(con, publication()) == []


def test_a_candidate_changed_after_masking_has_no_certificate_that_holds():
    con = limited(COUNTS)
    mask_publication(con, publication(), policy())
    con.execute("update limited.candidate.visits_by_county set population_count = 1")
    assert verify_candidate(con, publication()) != []


def test_a_candidate_without_a_certificate_is_said_to_have_none():
    con = limited(COUNTS)
    mask_publication(con, publication(), policy())
    con.execute("drop table limited.masking.visits_by_county_certificate")
    assert verify_candidate(con, publication()) == ["there is no certificate"]


def test_counties_that_nest_in_regions_are_protected_against_both_margins():
    con = duckdb.connect(":memory:")
    con.execute("attach ':memory:' as limited")
    con.execute(
        """create table limited.main.visits_by_county as
        select region, county, people as person_count from (values
            ('North', 'Alpine', 4), ('North', 'Butte', 60), ('North', 'Colusa', 70),
            ('South', 'Inyo', 30), ('South', 'Kern', 90),
            ('North', 'All', 134), ('South', 'All', 120), ('State', 'All', 254)
        ) as cells (region, county, people)"""
    )
    declared = publication(
        dimensions={
            "region": {"kind": "residence_geography", "total": "State"},
            "county": {"kind": "residence_geography", "total": "All", "parent": "region"},
        },
        figures={"person_count": {"people": "person_count"}},
    )
    mask_publication(con, declared, policy())
    hidden = con.execute(
        "select county from limited.candidate.visits_by_county where person_count is null"
    ).fetchall()
    assert hidden == [("Alpine",), ("Butte",)]
    assert attack_candidate(con, declared, policy()).holds
    assert verify_candidate(con, declared) == []


def test_a_hierarchy_within_a_column_is_protected_at_every_level():
    con = duckdb.connect(":memory:")
    con.execute("attach ':memory:' as limited")
    con.execute(
        """create table limited.main.visits_by_county as select * from (values
            ('All', 174), ('Asian', 64), ('Chinese', 4), ('Korean', 60),
            ('Other', 40), ('White', 70)
        ) as cells (race, person_count)"""
    )
    declared = publication(
        dimensions={
            "race": {
                "kind": "race",
                "total": "All",
                "hierarchy": {"Asian": ["Chinese", "Korean"]},
            }
        },
        figures={"person_count": {"people": "person_count"}},
    )
    mask_publication(con, declared, policy())
    hidden = con.execute(
        "select race from limited.candidate.visits_by_county where person_count is null"
    ).fetchall()
    assert hidden == [("Chinese",), ("Korean",)]
    assert attack_candidate(con, declared, policy()).holds
    assert verify_candidate(con, declared) == []


def test_time_that_is_over_before_a_safe_pattern_refuses_and_the_last_candidate_stays():
    con = limited(COUNTS)
    mask_publication(con, publication(), policy())
    before = con.execute("select * from limited.candidate.visits_by_county").fetchall()
    names = TableNames.of_zone(publication())
    with pytest.raises(MaskingError, match="time was over"):
        mask_table(con, names, publication(), policy(), seconds=-1.0)
    assert con.execute("select * from limited.candidate.visits_by_county").fetchall() == before
    assert verify_candidate(con, publication()) == []


def test_a_solver_that_fails_refuses_and_the_last_candidate_stays(monkeypatch):
    con = limited(COUNTS)
    mask_publication(con, publication(), policy())
    before = con.execute("select * from limited.candidate.visits_by_county").fetchall()
    monkeypatch.setattr(
        highspy.Highs, "getModelStatus", lambda _: highspy.HighsModelStatus.kSolveError
    )
    with pytest.raises(MaskingError, match="the solver failed"):
        mask_publication(con, publication(), policy())
    assert con.execute("select * from limited.candidate.visits_by_county").fetchall() == before
    assert verify_candidate(con, publication()) == []


def test_a_run_killed_while_it_masks_leaves_the_last_good_candidate(tmp_path):
    home = tmp_path / "limited.duckdb"
    script = f"""
import os, duckdb
from deid_platform.core.masking import complementary
from deid_platform.engine.mask import mask_publication
from tests.engine.policies import policy
from tests.engine.test_mask import COUNTS, limited, publication
con = limited(COUNTS)
con.execute("attach '{home}' as kept")
con.execute("create table if not exists kept.main.visits_by_county as "
            "from limited.main.visits_by_county")
con.execute("detach limited")
con.execute("detach kept")
con.execute("attach '{home}' as limited")
if os.environ.get("KILL"):
    complementary.Protector.protect = lambda *_, **__: os.kill(os.getpid(), 9)
    complementary.Optimiser.solve = lambda *_, **__: os.kill(os.getpid(), 9)
mask_publication(con, publication(), policy())
"""
    runs = [
        subprocess.run([sys.executable, "-c", script], env=os.environ | more, check=False)
        for more in ({}, {"KILL": "1"})
    ]
    assert [run.returncode for run in runs] == [0, -9]
    con = duckdb.connect(":memory:")
    con.execute(f"attach '{home}' as limited (read_only)")
    assert con.execute("select count(*) from limited.candidate.visits_by_county").fetchone() == (
        12,
    )
    assert verify_candidate(con, publication()) == []
