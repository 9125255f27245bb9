"""Properties of masking, against every table that agrees with what is published."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deid_platform.core.errors import MaskingError
from deid_platform.core.masking import (
    COMPLEMENTARY,
    SMALL,
    Axis,
    Layout,
    MaskingRules,
    MaskingTable,
    attack,
    mask,
    published,
)
from deid_platform.core.masking.attack import goals, prior
from deid_platform.core.masking.complementary import breaking_rule_six
from tests.core.masking.tables import cube

RULES = MaskingRules()
COUNT = st.one_of(st.just(0), st.integers(1, 10), st.integers(11, 40))


@st.composite
def tables(draw):
    shape = draw(st.sampled_from([(3,), (6,), (3, 3), (4, 3), (2, 5), (2, 2, 3), (2, 2, 2, 2)]))
    size = int(np.prod(shape))
    return cube(np.array(draw(st.lists(COUNT, min_size=size, max_size=size))).reshape(shape))


@st.composite
def nested_tables(draw):
    """Four detailed levels in two groups, crossed with two levels, every margin published."""
    leaves = np.array(draw(st.lists(COUNT, min_size=8, max_size=8))).reshape(4, 2)
    detailed = np.concatenate(
        [leaves, leaves[:2].sum(0)[None], leaves[2:].sum(0)[None], leaves.sum(0)[None]]
    )
    values = np.concatenate([detailed, detailed.sum(1, keepdims=True)], axis=1)
    at = np.stack([index.ravel() for index in np.indices(values.shape)], axis=1)
    axes = (
        Axis(name="race", parents=(4, 4, 5, 5, 6, 6, -1)),
        Axis(name="sex", parents=(2, 2, -1)),
    )
    return MaskingTable(
        layout=Layout(name="nested", axes=axes, coordinates=at),
        people=values.ravel(),
        gated=np.ones(values.size, dtype=bool),
    )


def masked(table, rules=RULES):
    try:
        return mask(table, rules)
    except MaskingError:
        assume(False)


def every_table(masking):
    """All one-way tables of whole people that agree with what is published, as rows.

    People go up to a dozen more than any published count, which is beyond what is protected.
    """
    table = masking.table
    low, high = prior(published(table, masking.codes), RULES)
    top = int(table.people.max(initial=0)) + 12
    leaves = np.flatnonzero(masking.hidden[:-1])
    ranges = [np.arange(low[c], min(high[c], top) + 1) for c in leaves]
    values = np.stack([axis.ravel() for axis in np.meshgrid(*ranges, indexing="ij")], axis=1)
    found = np.tile(table.people, (len(values), 1))
    found[:, leaves] = values
    found[:, -1] = found[:, :-1].sum(axis=1)
    if masking.hidden[-1]:
        return found[(found[:, -1] >= low[-1]) & (found[:, -1] <= high[-1])]
    return found[found[:, -1] == table.people[-1]]


@settings(deadline=None, max_examples=25)
@given(st.lists(COUNT, min_size=2, max_size=5))
def test_no_small_cell_is_determined_or_narrowed_in_any_way_whole_people_could_be(counts):
    masking = masked(cube(counts))
    floor, reach = goals(published(masking.table, masking.codes), RULES)
    small = np.flatnonzero(masking.reasons == SMALL)
    assume(len(small) and masking.hidden[:-1].sum() <= 3)
    found = every_table(masking)
    for cell in small.tolist():
        values = set(found[:, cell].tolist())
        assert len(values) > 1
        assert set(range(int(floor[cell]), int(reach[cell]) + 1)) <= values


@settings(deadline=None, max_examples=30)
@given(tables() | nested_tables())
def test_zeros_are_untouched_and_every_small_cell_is_hidden(table):
    masking = masked(table)
    assert not masking.hidden[table.people == 0].any()
    assert masking.hidden[(table.people > 0) & (table.people < 11)].all()


@settings(deadline=None, max_examples=25)
@given(tables() | nested_tables())
def test_the_attacker_who_sees_the_published_codes_gets_nothing(table):
    masking = masked(table)
    found = attack(published(table, masking.codes), RULES, small=masking.reasons == SMALL)
    assert found.holds


@settings(deadline=None, max_examples=15)
@given(tables() | nested_tables())
def test_masking_again_what_is_hidden_hides_nothing_more(table):
    masking = masked(table)
    again = masked(replace(table, must_publish=~masking.hidden))
    assert not (again.hidden & ~masking.hidden).any()


@settings(deadline=None, max_examples=15)
@given(tables())
def test_the_same_table_gives_the_same_masking(table):
    assert np.array_equal(masked(table).codes, masked(table).codes)


@settings(deadline=None, max_examples=15)
@given(st.lists(st.lists(COUNT, min_size=3, max_size=3), min_size=3, max_size=4), st.randoms())
def test_cells_given_under_other_level_numbers_that_keep_the_key_order_are_masked_alike(rows, rng):
    first = cube(rows)
    spread = sorted(rng.sample(range(2 * len(rows) + 4), len(rows) + 1))
    parents = [-1] * (spread[-1] + 1)
    for level in spread[:-1]:
        parents[level] = spread[-1]
    at = first.layout.coordinates.copy()
    at[:, 0] = np.array(spread)[at[:, 0]]
    axes = (Axis(name="d0", parents=tuple(parents)), first.layout.axes[1])
    second = replace(first, layout=Layout(name="t", axes=axes, coordinates=at))
    assert np.array_equal(masked(first).codes, masked(second).codes)


@settings(deadline=None, max_examples=25)
@given(tables() | nested_tables())
def test_codes_of_both_kinds_stand_in_a_block_only_where_they_tell_no_more(table):
    masking = masked(table)
    told = masking.codes == COMPLEMENTARY
    for block in np.unique(masking.block[told]):
        inside = masking.block == block
        assert np.array_equal(masking.codes[inside], masking.reasons[inside])


def test_a_cell_that_must_be_published_is_never_a_complement():
    table = cube([4, 20, 30, 40])
    must = np.zeros(5, dtype=bool)
    must[1] = True
    assert masked(replace(table, must_publish=must)).hidden.tolist() == [
        True,
        False,
        True,
        False,
        False,
    ]


def test_a_table_in_which_everything_else_must_be_published_is_refused():
    table = cube([4, 20, 30])
    with pytest.raises(MaskingError, match="cannot be protected"):
        mask(replace(table, must_publish=np.array([False, True, True, True])), RULES)


def test_a_preferred_cell_is_the_complement_although_it_is_larger():
    table = cube([4, 20, 90])
    prefer = np.array([False, False, True, False])
    assert mask(replace(table, prefer_hide=prefer), RULES).hidden.tolist() == [
        True,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("strategy", "expected"), [("smallest", 3), ("most_similar", 1), ("least_interesting", 2)]
)
def test_each_strategy_chooses_its_own_complement(strategy, expected):
    axis = Axis(
        name="age",
        parents=(4, 4, 4, 4, -1),
        strategy=strategy,
        least_interesting=frozenset({2}),
    )
    table = cube([4, 60, 50, 20])
    layout = replace(table.layout, axes=(axis,))
    masking = mask(replace(table, layout=layout), RULES)
    assert np.flatnonzero(masking.reasons == COMPLEMENTARY).tolist() == [expected]


def test_a_denominator_of_one_person_cannot_be_protected():
    table = cube([1, 40, 50])
    with pytest.raises(MaskingError):
        mask(replace(table, limit=np.array([1, 100, 100, 200])), RULES)


@settings(deadline=None, max_examples=25)
@given(tables() | nested_tables())
def test_nothing_is_hidden_without_need_where_a_table_is_solved_exactly(table):
    masking = masked(table)
    assume(masking.pattern.gap is not None and masking.pattern.gap < 1e-6)
    small = masking.reasons == SMALL
    for cell in np.flatnonzero(masking.reasons == COMPLEMENTARY).tolist():
        fewer = masking.hidden.copy()
        fewer[cell] = False
        if len(breaking_rule_six(table, RULES, fewer)):
            continue
        codes = np.where(fewer, SMALL, 0)
        assert not attack(published(table, codes), RULES, small=small).holds


def test_with_no_time_left_nothing_is_returned():
    with pytest.raises(MaskingError, match="time was over"):
        mask(cube([4, 20, 30]), RULES, expired=lambda: True)


def test_an_attack_that_cannot_be_finished_refuses_the_table():
    table = cube([[4, 40], [60, 70]])
    masking = mask(table, RULES)
    unfinished = attack(
        published(table, masking.codes), RULES, small=masking.reasons == SMALL, seconds=-1.0
    )
    assert unfinished.undecided.any()
    assert not unfinished.holds


def test_a_one_way_table_is_solved_exactly_and_says_so():
    masking = mask(cube([4, 90, 12, 60, 25]), RULES)
    assert masking.pattern.gap == 0.0
    assert np.flatnonzero(masking.reasons == COMPLEMENTARY).tolist() == [2]
