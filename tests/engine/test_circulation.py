"""What is out stays known: a candidate is attacked together with every release before it."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid_platform.core.declaration import parse_publication
from deid_platform.core.errors import GateError, MaskingError
from deid_platform.core.nested_labels import fit
from deid_platform.core.publication import Dimension
from deid_platform.engine.circulation import (
    attack_with_circulated,
    check_circulated,
    in_circulation,
    keep_in_circulation,
)
from deid_platform.engine.mask import mask_publication
from tests.engine.policies import policy

COUNTY = {"kind": "residence_geography", "total": "All"}
SEX = {"kind": "sex", "total": "Both"}
AGE = {"kind": "age_range", "total": "Ages"}
KINDS = {"county": COUNTY, "sex": SEX, "age": AGE}


def publication(name, *dimensions, **more):
    return parse_publication(
        name,
        {
            "policy": "calhhs_ddg_2",
            "dimensions": {one: KINDS[one] for one in dimensions},
            "figures": {"people": {"people": "people"}},
        },
        name=name,
        sources=("source.deid.visits",),
        **more,
    )


BY_COUNTY = publication("by_county", "county")
BY_AGE = publication("by_age", "county", "age")
BY_SEX = publication("by_sex", "county", "sex")


@pytest.fixture
def con():
    with duckdb.connect(":memory:") as con:
        for zone in ("limited", "release"):
            con.execute(f"attach ':memory:' as {zone}")
        con.execute("create schema limited.candidate")
        yield con


def candidate(con, declared, rows):
    """Write a candidate by hand: its labels, and people or None; code 1 where hidden."""
    columns = ", ".join(f"{one} varchar" for one in declared.dimension_columns)
    con.execute(
        f"create or replace table limited.candidate.{declared.name} "
        f"({columns}, people bigint, people_annotation integer)"
    )
    marks = ", ".join("?" for _ in declared.dimension_columns)
    for row in rows:
        con.execute(
            f"insert into limited.candidate.{declared.name} values ({marks}, ?, ?)",
            [*row, int(row[-1] is None)],
        )


def released(con, declared, rows, release):
    candidate(con, declared, rows)
    keep_in_circulation(con, f"limited.candidate.{declared.name}", declared, release)


def test_another_pattern_of_the_same_table_does_not_leave(con):
    rows = {"Alpine": 7, "Butte": 20, "Colusa": 30, "Glenn": 90}
    total = ("All", sum(rows.values()))
    first = [(c, None if c in ("Alpine", "Butte") else n) for c, n in rows.items()]
    second = [(c, None if c in ("Alpine", "Colusa") else n) for c, n in rows.items()]
    released(con, BY_COUNTY, [*first, total], "r1")
    candidate(con, BY_COUNTY, [*second, total])
    found = attack_with_circulated(con, BY_COUNTY, policy())["people"]
    assert (found.recovered, found.tables) == (1, 2)
    with pytest.raises(GateError, match="1 releases that are out") as caught:
        check_circulated(con, BY_COUNTY, policy())
    assert "Alpine" not in str(caught.value)


def test_the_same_pattern_may_leave_again(con):
    rows = [("Alpine", None), ("Butte", None), ("Colusa", 30), ("All", 57)]
    released(con, BY_COUNTY, rows, "r1")
    candidate(con, BY_COUNTY, rows)
    check_circulated(con, BY_COUNTY, policy())


def test_a_superseded_vintage_cannot_be_unseen(con):
    counts = {"Alpine": 7, "Butte": 20, "Colusa": 30, "Glenn": 40}
    total = ("All", 97)

    def shown(*hidden):
        return [*((c, None if c in hidden else n) for c, n in counts.items()), total]

    released(con, BY_COUNTY, shown("Alpine", "Butte"), "r1")
    released(con, BY_COUNTY, shown("Alpine", "Butte", "Glenn"), "r2")
    candidate(con, BY_COUNTY, shown("Alpine", "Colusa"))
    assert [one.table for one in in_circulation(con, BY_COUNTY)] == [
        '"release"."circulated"."r1"',
        '"release"."circulated"."r2"',
    ]
    assert attack_with_circulated(con, BY_COUNTY, policy())["people"].recovered == 1


def test_a_revised_vintage_does_not_stop_a_new_one(con):
    released(con, BY_COUNTY, [("Alpine", None), ("Butte", None), ("Colusa", 30), ("All", 57)], "r1")
    later = [("Alpine", None), ("Butte", 26), ("Colusa", None), ("All", 71)]
    candidate(con, BY_COUNTY, later)
    check_circulated(con, BY_COUNTY, policy())


def test_a_finer_table_beside_an_older_coarser_one_does_not_give_its_cells_back(con):
    """The county totals that the older table hides are the sums of what the finer one shows."""
    older = [("Alpine", None), ("Butte", None), ("Colusa", 40), ("All", 70)]
    released(con, BY_COUNTY, older, "r1")
    finer = [
        ("Alpine", "F", None),
        ("Alpine", "M", None),
        ("Alpine", "Both", None),
        ("Butte", "F", 11),
        ("Butte", "M", 14),
        ("Butte", "Both", 25),
        ("Colusa", "F", None),
        ("Colusa", "M", None),
        ("Colusa", "Both", None),
        ("All", "F", 30),
        ("All", "M", 40),
        ("All", "Both", 70),
    ]
    candidate(con, BY_SEX, finer)
    found = attack_with_circulated(con, BY_SEX, policy())["people"]
    assert not found.holds
    with pytest.raises(GateError):
        check_circulated(con, BY_SEX, policy())


def test_two_tables_that_overlap_in_hidden_totals_are_attacked_together(con):
    """Either table alone leaves Alpine open; the sums of both leave it one value."""
    by_age = [
        ("Alpine", "0-17", None),
        ("Alpine", "18+", 20),
        ("Alpine", "Ages", None),
        ("Butte", "0-17", None),
        ("Butte", "18+", 30),
        ("Butte", "Ages", None),
        ("All", "0-17", 16),
        ("All", "18+", 50),
        ("All", "Ages", 66),
    ]
    by_sex = [
        ("Alpine", "F", 12),
        ("Alpine", "M", 13),
        ("Alpine", "Both", None),
        ("Butte", "F", None),
        ("Butte", "M", None),
        ("Butte", "Both", None),
        ("All", "F", None),
        ("All", "M", None),
        ("All", "Both", 66),
    ]
    released(con, BY_AGE, by_age, "r1")
    candidate(con, BY_SEX, by_sex)
    found = attack_with_circulated(con, BY_SEX, policy())["people"]
    assert found.recovered >= 1


def test_other_age_bands_are_seen_through_where_they_nest(con):
    older = [
        ("Alpine", "0-17", 25),
        ("Alpine", "18+", 50),
        ("Alpine", "Ages", 75),
    ]
    released(con, BY_AGE, older, "r1")
    newer = [
        ("Alpine", "0-9", None),
        ("Alpine", "10-17", 20),
        ("Alpine", "18-64", None),
        ("Alpine", "65+", 15),
        ("Alpine", "Ages", 75),
    ]
    candidate(con, BY_AGE, newer)
    assert attack_with_circulated(con, BY_AGE, policy())["people"].recovered == 1


def test_a_table_of_other_sources_is_no_concern(con):
    released(con, BY_COUNTY, [("Alpine", None), ("Butte", None), ("All", 27)], "r1")
    other = BY_SEX.model_copy(update={"sources": ("source.deid.claims",)})
    assert in_circulation(con, other) == []


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from([0, 3, 6, 9, 12, 15, 40]), min_size=6, max_size=6))
def test_tables_masked_in_their_order_always_pass_together(counts):
    with duckdb.connect(":memory:") as con:
        for zone in ("limited", "release"):
            con.execute(f"attach ':memory:' as {zone}")
        con.execute("create table leaves (county varchar, sex varchar, people bigint)")
        places = [(c, s) for c in ("Alpine", "Butte", "Colusa") for s in ("F", "M")]
        for (county, sex), people in zip(places, counts, strict=True):
            con.execute("insert into leaves values (?, ?, ?)", [county, sex, people])
        con.execute(
            """create table limited.main.by_sex as
            select coalesce(county, 'All') as county, coalesce(sex, 'Both') as sex,
                   sum(people)::bigint as people from leaves group by cube (county, sex)"""
        )
        con.execute(
            "create table limited.main.by_county as "
            "select county, people from limited.main.by_sex where sex = 'Both'"
        )
        try:
            mask_publication(con, BY_SEX, policy())
            mask_publication(con, BY_COUNTY, policy(), linked=[BY_SEX])
        except MaskingError:
            return
        keep_in_circulation(con, "limited.candidate.by_sex", BY_SEX, "r1")
        check_circulated(con, BY_COUNTY, policy())
        check_circulated(con, BY_SEX, policy())


def dimension(**keys):
    return Dimension.model_validate({"kind": "age_range", "total": "All", **keys})


def test_labels_fit_when_equal_among_each_other_or_made_of_each_other():
    plain = dimension()
    assert fit(plain, ["0-17", "18+"], plain, ["0-17"]).shared
    nested = fit(plain, ["0-17", "18+"], plain, ["0-9", "10-17", "18+"])
    assert nested.nested == {"0-17": ("0-9", "10-17")}
    assert not fit(plain, ["0-17", "18+"], plain, ["0-19", "20+"]).shared
    assert not fit(plain, ["0-17", "18+"], plain, ["0-9", "10-15", "18+"]).shared
    coarse = dimension(kind="other", coarser={"region": {"A": "North", "B": "North", "C": "South"}})
    found = fit(dimension(kind="other"), ["North", "South"], coarse, ["A", "B", "C"])
    assert found.nested == {"North": ("A", "B"), "South": ("C",)}
