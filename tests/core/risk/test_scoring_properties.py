"""What holds for the score of every table, whatever its cells."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from deid_platform.core.publication import Kind
from deid_platform.core.risk.part_score import interaction, score_part
from deid_platform.core.risk.place import score_place
from deid_platform.core.risk.publication_scoring import assess
from tests.core.risk.builders import ddg, declare, facts, scored

LABELS = {
    "age": (Kind.AGE_RANGE, ["0-4", "5-9", "10-19", "20-44", "45-64", "65+"]),
    "sex": (Kind.SEX, ["Male", "Female"]),
    "race": (Kind.RACE, ["White", "Black", "Two or more", "Tongan"]),
    "language": (Kind.LANGUAGE, ["English", "Spanish", "Hmong", "Navajo"]),
    "payer": (Kind.MEANS_TESTED, ["Medi-Cal", "WIC", "Medicare"]),
    "school": (Kind.OTHER, ["Veteran", "Some college"]),
}
BASE = [scored(Kind.TIME, "2023"), scored(Kind.RESIDENCE_GEOGRAPHY, "Kern", "Alpine")]
POINTS = st.integers(0, 3000)


@st.composite
def tables(draw, least: int = 1):
    """People by the labels of some dimensions."""
    names = draw(st.permutations(list(LABELS)))[: draw(st.integers(least, 4))]
    axes = [draw(st.lists(st.sampled_from(LABELS[n][1]), min_size=1, unique=True)) for n in names]
    cells = {key: draw(POINTS) for key in itertools.product(*axes)}
    return dict(zip(names, axes, strict=True)), cells


def score(axes, cells):
    """The score of a table of these cells, with a county and a year."""
    people = [n for n in cells.values() if n > 0]
    variables = [*BASE, *(scored(LABELS[name][0], *labels) for name, labels in axes.items())]
    return score_part("t", tuple(axes), min(people) if people else None, variables, ddg())


def without(axes, cells, name):
    """The table summed over one dimension."""
    position = list(axes).index(name)
    summed: dict[tuple[str, ...], int] = {}
    for key, people in cells.items():
        rest = key[:position] + key[position + 1 :]
        summed[rest] = summed.get(rest, 0) + people
    return {other: labels for other, labels in axes.items() if other != name}, summed


@given(tables())
def test_adding_a_dimension_never_lowers_the_score(table):
    axes, cells = table
    whole = score(axes, cells).total
    for name in axes:
        fewer = score(*without(axes, cells, name)).total
        assert whole is None or whole >= fewer


@given(tables())
def test_what_a_dimension_adds_is_its_points_and_what_cells_and_interaction_explain(table):
    axes, cells = table
    whole = score(axes, cells)
    if whole.total is None:
        return
    by_name = {one.name: one.points for one in whole.components}
    for name in axes:
        fewer = {one.name: one.points for one in score(*without(axes, cells, name)).components}
        gained = sum(by_name.values()) - sum(fewer.values())
        explained = (by_name["events"] - fewer["events"]) + (
            by_name["interaction"] - fewer["interaction"]
        )
        assert gained - explained == by_name[LABELS[name][0].value]


@given(tables(), st.integers(0, 4))
def test_merging_adjacent_ages_never_raises_the_score(table, at):
    axes, cells = table
    ages = LABELS["age"][1]
    if "age" not in axes or not {ages[at], ages[at + 1]} <= set(axes["age"]):
        return
    low, high = ages[at].split("-")[0], ages[at + 1]
    merged = f"{low}+" if high.endswith("+") else f"{low}-{high.split('-')[1]}"
    position = list(axes).index("age")
    recoded: dict[tuple[str, ...], int] = {}
    for key, people in cells.items():
        label = merged if key[position] in (ages[at], ages[at + 1]) else key[position]
        new = (*key[:position], label, *key[position + 1 :])
        recoded[new] = recoded.get(new, 0) + people
    coarse = {**axes, "age": sorted({key[position] for key in recoded})}
    before, after = score(axes, cells).total, score(coarse, recoded).total
    assert before is None or after <= before


@given(st.sets(st.sampled_from(["Alpine", "Kern", "Kings", "Los Angeles", "Sierra"]), min_size=2))
def test_merging_counties_into_a_region_never_raises_the_score(counties):
    apart = score_place("t", [scored(Kind.RESIDENCE_GEOGRAPHY, *sorted(counties))])
    merged = scored(Kind.RESIDENCE_GEOGRAPHY, "R", groups={"R": tuple(sorted(counties))})
    assert score_place("t", [merged]).row.points <= apart.row.points


@given(st.integers(1, 12), st.integers(1, 12))
def test_a_longer_period_never_raises_the_score(years, more):
    labels = (f"2000-{1999 + n}" if n > 1 else "2000" for n in (years, years + more))
    periods = [[scored(Kind.TIME, label), BASE[1]] for label in labels]
    short, long = (score_part("t", (), 5, variables, ddg()) for variables in periods)
    assert long.total <= short.total


@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_dimensions_and_labels_never_matters(table, random):
    axes, cells = table
    names = list(axes)
    random.shuffle(names)
    shuffled = {name: random.sample(axes[name], len(axes[name])) for name in names}
    first, second = score(axes, cells), score(shuffled, cells)
    assert first.total == second.total
    assert sorted(one.row for one in first.components) == sorted(
        one.row for one in second.components
    )


@given(st.integers(1, 2000), st.integers(1, 2000))
def test_a_smaller_smallest_cell_never_lowers_the_score(one, other):
    small, large = sorted((one, other))
    totals = [score_part("t", (), n, BASE, ddg()).total for n in (small, large)]
    assert totals[0] >= totals[1]


@given(st.integers(0, 8))
def test_more_variables_never_lower_the_interaction(count):
    assert interaction(count, 1, ddg()).points <= interaction(count + 1, 1, ddg()).points


@given(st.integers(1, 60_000_000), st.integers(1, 60_000_000))
def test_more_residents_never_raise_the_score(one, other):
    few, many = sorted((one, other))
    for kind in (Kind.RESIDENCE_GEOGRAPHY, Kind.SERVICE_GEOGRAPHY, Kind.INSURANCE):
        points = [
            score_place(
                "t", [scored(kind, "x", populations={"x": n}, population_source="s")]
            ).row.points
            for n in (few, many)
        ]
        assert points[1] <= points[0]


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=8))
def test_a_table_at_or_over_the_threshold_with_small_cells_is_never_releasable(cells):
    small = sum(1 for people, _ in cells if 1 <= people <= 10)
    people = [n for n, _ in cells if n > 0]
    given_facts = facts(
        {"county": ("Alpine",), "year": ("2023-01",)},
        smallest=min(people) if people else None,
        small=small,
        small_denominators=len(cells),
    )
    publication = declare({"county": {"kind": "residence_geography"}, "year": {"kind": "time"}})
    sheet = assess(publication, given_facts, ddg())
    if sheet.score is not None and sheet.score >= 13:
        assert sheet.outcome.value in ("masking_required", "mitigation_required")
        assert sheet.masking_required == (small > 0)
    else:
        assert sheet.outcome.value == "releasable"
