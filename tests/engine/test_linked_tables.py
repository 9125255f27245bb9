"""Two tables of one deployment share their county totals: what one hides, the other hides."""

from __future__ import annotations

import random
from datetime import date

import duckdb
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from deid_platform.core.errors import MaskingError
from deid_platform.core.publication import Publication
from deid_platform.engine.candidate_attack import attack_candidate
from deid_platform.engine.gates import Stage, evaluate, gates_for
from deid_platform.engine.gates.declared import candidate_subject
from deid_platform.engine.linked_tables import masked_before
from deid_platform.engine.mask import mask_publication, verify_candidate
from tests.engine.policies import policy

COUNTIES = ("Alpine", "Butte", "Colusa", "Glenn", "Inyo", "Mono")


def publication(name: str, dimensions: str, source: str = "source.deid.visits") -> Publication:
    return Publication.model_validate(
        {
            "name": name,
            "policy": "calhhs_ddg_2",
            "sources": (source, "seed.deid.population"),
            "dimensions": yaml.safe_load(dimensions),
            "figures": {
                "visit_count": {"people": "person_count"},
                "person_count": {"people": "person_count"},
            },
        }
    )


FINE = publication(
    "by_county_and_sex",
    "{county: {kind: residence_geography, total: California}, sex: {kind: sex, total: All}}",
)
COARSE = publication("by_county", "{county: {kind: residence_geography, total: State}}")
OTHER = publication(
    "by_county_elsewhere",
    "{county: {kind: residence_geography, total: State}}",
    source="source.deid.claims",
)


def limited(seed: int) -> duckdb.DuckDBPyConnection:
    chance = random.Random(seed)
    con = duckdb.connect(":memory:")
    con.execute("attach ':memory:' as limited")
    con.execute("create table leaves (county varchar, sex varchar, people bigint)")
    con.executemany(
        "insert into leaves values (?, ?, ?)",
        [
            (county, sex, chance.choice((0, 2, 5, 8, 12, 15, 40, 90)))
            for county in COUNTIES
            for sex in ("F", "M")
        ],
    )
    con.execute(
        """create table limited.main.by_county_and_sex as
        select coalesce(county, 'California') as county, coalesce(sex, 'All') as sex,
               sum(people * 2)::bigint as visit_count, sum(people)::bigint as person_count
        from leaves group by cube (county, sex)"""
    )
    con.execute(
        """create table limited.main.by_county as
        select coalesce(county, 'State') as county,
               sum(people * 2)::bigint as visit_count, sum(people)::bigint as person_count
        from leaves group by rollup (county)"""
    )
    return con


def hidden(con, table: str, where: str = "true") -> set[str]:
    rows = con.execute(
        f"select if(county = 'California', 'State', county) from limited.candidate.{table} "
        f"where person_count is null and {where}"
    ).fetchall()
    return {county for (county,) in rows}


def linked_gate(con, linked):
    (gate,) = (one for one in gates_for(Stage.CANDIDATE) if one.name == "linked_tables")
    subject = candidate_subject(COARSE, policy(), [], date(2026, 1, 1), contracts=[], linked=linked)
    return evaluate(gate, con, subject)


def test_the_finest_table_comes_first_and_only_tables_of_one_source_are_linked():
    everything = [COARSE, OTHER, FINE]
    assert masked_before(FINE, everything) == []
    assert masked_before(COARSE, everything) == [FINE]
    assert masked_before(OTHER, everything) == []


def test_a_dimension_without_a_margin_leaves_no_cell_to_share():
    without = publication(
        "by_county_and_year", "{county: {kind: residence_geography}, visit_year: {kind: time}}"
    )
    assert masked_before(COARSE, [COARSE, without]) == []


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 100_000))
def test_the_coarser_table_hides_and_shows_what_the_finer_one_does(seed):
    con = limited(seed)
    mask_publication(con, FINE, policy())
    mask_publication(con, COARSE, policy(), linked=[FINE])
    assert hidden(con, "by_county") == hidden(con, "by_county_and_sex", "sex = 'All'")
    assert attack_candidate(con, COARSE, policy()).holds
    assert verify_candidate(con, COARSE) == []
    assert linked_gate(con, [FINE]).passed


def codes(con, table: str, where: str = "true") -> dict[str, int]:
    rows = con.execute(
        f"select if(county = 'California', 'State', county), person_count_annotation "
        f"from limited.candidate.{table} where {where}"
    ).fetchall()
    return dict(rows)


def test_a_code_of_the_coarser_table_tells_no_more_than_that_of_the_finer_one():
    telling = 0
    for seed in range(150):
        con = limited(seed)
        mask_publication(con, FINE, policy())
        fine = codes(con, "by_county_and_sex", "sex = 'All'")
        mask_publication(con, COARSE, policy())
        alone = codes(con, "by_county")
        mask_publication(con, COARSE, policy(), linked=[FINE])
        coarse = codes(con, "by_county")
        telling += any(fine[county] == 1 and alone[county] == 2 for county in fine)
        assert not any(fine[county] == 1 and coarse[county] == 2 for county in fine)
        assert verify_candidate(con, COARSE) == []
    assert telling > 0, "no seed would tell more: the test proves nothing"


def test_the_gate_stops_a_code_that_tells_more():
    for seed in range(1_000):
        con = limited(seed)
        mask_publication(con, FINE, policy())
        mask_publication(con, COARSE, policy(), linked=[FINE])
        fine = codes(con, "by_county_and_sex", "sex = 'All'")
        unlabelled = [county for county, code in fine.items() if code == 1]
        if unlabelled:
            break
    con.execute(
        "update limited.candidate.by_county set visit_count_annotation = 2 where county = ?",
        unlabelled[:1],
    )
    assert linked_gate(con, [FINE]).violations["labelled_here_only"] == 1


def test_the_gate_stops_a_table_that_shows_what_another_hides():
    for seed in range(1_000):
        con = limited(seed)
        mask_publication(con, FINE, policy())
        mask_publication(con, COARSE, policy())
        if hidden(con, "by_county") != hidden(con, "by_county_and_sex", "sex = 'All'"):
            break
    else:
        pytest.fail("masked apart, the two tables never differ: the test proves nothing")
    result = linked_gate(con, [FINE])
    assert not result.passed
    assert result.violations["shown_here_only"] + result.violations["hidden_here_only"] > 0


def test_a_linked_candidate_of_other_data_is_refused():
    con = limited(1)
    mask_publication(con, FINE, policy())
    con.execute("update limited.main.by_county set person_count = person_count + 100")
    with pytest.raises(MaskingError, match="made from other data"):
        mask_publication(con, COARSE, policy(), linked=[FINE])


def test_a_missing_linked_candidate_is_refused_by_masking_and_by_the_gate():
    con = limited(1)
    with pytest.raises(MaskingError, match="no candidate yet"):
        mask_publication(con, COARSE, policy(), linked=[FINE])
    mask_publication(con, COARSE, policy())
    assert linked_gate(con, [FINE]).violations["linked_candidates_missing"] == 1
