"""A part and a table from their facts: what enters, what the sheet records, what is decided."""

from __future__ import annotations

import pytest

from deid_platform.core.errors import AssessmentError
from deid_platform.core.faults import Fault
from deid_platform.core.publication import Kind
from deid_platform.core.risk.part_score import interaction, score_part
from deid_platform.core.risk.publication_scoring import PartFacts, assess
from deid_platform.core.risk.score_sheet import ACTIONS, Outcome, Reliability
from tests.core.risk.builders import ddg, declare, facts, scored

YEAR = scored(Kind.TIME, "2023")
STATE = scored(Kind.RESIDENCE_GEOGRAPHY, "California")
PLAIN = {"county": {"kind": "residence_geography"}, "year": {"kind": "time"}}


def part(*variables, smallest: int | None = 5):
    return score_part("table", ("a", "b"), smallest, variables, ddg())


def points(score) -> dict[str, int | None]:
    return {one.name: one.points for one in score.components}


def test_the_components_stand_in_the_order_of_the_guideline():
    score = part(YEAR, STATE, scored(Kind.SEX, "Male"))
    assert list(points(score)) == ["events", "time", "geography", "sex", "interaction"]
    assert score.dimensions == ("a", "b")
    assert (score.extra_variables, score.population_table) == (1, "geography")


def test_a_column_named_like_a_component_does_not_replace_it():
    declared = declare({"events": {"kind": "sex"}, **PLAIN})
    result = assess(declared, facts({"events": ("Male",), **COUNTY}, smallest=2), ddg())
    assert points(result.parts[0])["events"] == 7
    assert points(result.parts[0])["events variable"] == 1


def test_of_several_periods_the_finer_counts():
    assert points(part(YEAR, scored(Kind.TIME, "2023-05"), STATE))["time"] == 5


def test_a_part_of_zeros_has_no_total_events_or_interaction():
    """A-03."""
    score = part(YEAR, STATE, smallest=None)
    assert (score.total, list(points(score))) == (None, ["time", "geography"])


def test_events_of_whole_states_and_years_are_within_safe_harbor():
    """R-509, A-28."""
    assert part(YEAR, STATE).safe_harbor
    assert part(scored(Kind.TIME, "2019-2023"), STATE).safe_harbor
    assert not part(scored(Kind.TIME, "2023-05"), STATE).safe_harbor
    assert not part(YEAR, scored(Kind.RESIDENCE_GEOGRAPHY, "Los Angeles")).safe_harbor
    assert not part(YEAR, STATE, scored(Kind.SEX, "Male")).safe_harbor
    plan = scored(Kind.INSURANCE, "P", populations={"P": 5_000_000}, population_source="s")
    assert not part(YEAR, plan).safe_harbor


def test_three_variables_score_and_a_fourth_goes_to_the_expert():
    """R-525, A-13."""
    three = interaction(3, 50, ddg())
    four = interaction(4, 50, ddg())
    assert (three.points, four.points) == (4, 4)
    assert ("A-13" in three.readings, "A-13" in four.readings) == (False, True)
    assert ("R-525" in three.rules, "R-525" in four.rules) == (False, True)


def test_without_variables_the_unknown_smallest_cell_gives_nothing():
    assert interaction(0, None, ddg()).points == 0


def test_a_component_names_the_rules_of_its_kind():
    rules = {
        one.name: one.rules
        for one in part(
            YEAR, STATE, scored(Kind.MEANS_TESTED, "WIC"), scored(Kind.SEX, "Male")
        ).components
    }
    assert "R-506" in rules["means_tested"]
    assert "R-506" not in rules["sex"]
    assert rules["interaction"] == ("R-521", "R-522")


def test_readings_are_listed_once():
    score = part(YEAR, scored(Kind.TIME, "2022"), STATE, scored(Kind.AGE_RANGE, "0-17", "18+"))
    assert score.readings == ("A-03", "A-09", "A-10", "A-07")


def test_what_the_expert_must_see_names_the_variable():
    score = part(YEAR, STATE, scored(Kind.OTHER, "a", "b"))
    assert score.expert_review == ("other: R-531: a variable outside the score tables",)


def test_a_variable_without_a_score_adds_nothing_but_is_shown():
    score = part(YEAR, STATE, scored(Kind.IMMIGRATION, "Refugee"))
    assert points(score)["immigration"] is None
    assert score.total == 7 + 0 - 5 + 1
    assert score.high_risk


def test_a_period_must_be_known():
    with pytest.raises(AssessmentError) as caught:
        part(STATE)
    assert caught.value.fault is Fault.NO_TIME


COUNTY = {"county": ("Alpine",), "year": ("2023",)}


def sheet(**more):
    return assess(declare(PLAIN), facts(COUNTY, **more), ddg())


@pytest.mark.parametrize(("smallest", "expected"), [(2, 14), (3, 11), (5, 9)])
def test_the_threshold_decides_between_masking_and_confirming(smallest, expected):
    result = sheet(smallest=smallest)
    assert result.score == expected
    assert result.masking_required is (expected >= 13)
    assert bool(result.conditions) is (expected < 13)


def test_a_score_below_the_threshold_says_so():
    """T-1."""
    assert sheet(smallest=5).reasons == ("T-1: no part reaches the threshold",)


def test_the_highest_part_is_the_score_and_each_part_is_judged_by_itself():
    parts = tuple(
        PartFacts(
            dimensions=("county", "year"),
            labels={"county": (county,), "year": ("2023",)},
            smallest=2,
            small_cells=1,
        )
        for county in ("Los Angeles", "Alpine")
    )
    result = sheet(parts=parts)
    assert [one.total for one in result.parts] == [2, 14]
    assert result.score == 14
    assert len(result.reasons) == 1
    assert len(result.conditions) == 1


def two_parts(
    first: int | None, second: int | None, place: str = "Alpine"
) -> tuple[PartFacts, ...]:
    return tuple(
        PartFacts(
            dimensions=("county", "year"),
            labels={"county": (place,), "year": ("2023",)},
            smallest=smallest,
            small_cells=0,
        )
        for smallest in (first, second)
    )


def test_a_table_is_empty_only_if_each_of_its_parts_is():
    """A-03."""
    both = sheet(parts=two_parts(None, None), small=0, small_denominators=1)
    assert both.reasons == ("A-03: every cell is zero",)
    one = sheet(parts=two_parts(None, 50), small=0, small_denominators=1)
    assert one.reasons == ("T-1: no part reaches the threshold",)
    assert [part.total for part in one.parts] == [None, 5 + 0 + 7 - 5]


def test_a_table_of_the_whole_state_says_that_it_is_within_safe_harbor():
    """R-509."""
    whole = sheet(parts=two_parts(50, 50, "California"), small_denominators=1)
    assert whole.reasons == ("R-509: events of whole states and years only, within Safe Harbor",)
    mixed = (two_parts(50, 50, "California")[0], two_parts(50, 50, "Kern")[1])
    partly = sheet(parts=mixed, small_denominators=1)
    assert partly.reasons == ("T-1: no part reaches the threshold",)


def test_exactly_the_threshold_requires_masking():
    """T-1: the lowest score that does is 13."""
    held = {"who": {"kind": "sex", "value": "Female"}}
    county = {"county": ("Amador",), "year": ("2023",)}
    at = assess(declare(PLAIN, filters=held), facts(county, smallest=2), ddg())
    assert (at.score, at.masking_required) == (7 + 0 + 4 + 1 + 1, True)
    assert at.score == ddg().score_threshold


def test_an_outcome_keeps_every_reason():
    reliability = Reliability(rule="S-1", source="5.2", unreliable_cells=1)
    result = sheet(smallest=2, high_risk_small=1, reliability=reliability)
    assert [reason.split(":")[0] for reason in result.reasons] == ["M-1", "M-7", "S-1"]


def test_reliable_estimates_ask_for_nothing():
    reliability = Reliability(rule="S-1", source="5.2", unreliable_cells=0)
    assert sheet(smallest=5, reliability=reliability).outcome is Outcome.RELEASABLE


def test_a_noncitizen_dimension_says_that_its_small_cells_stay_hidden():
    """A-16."""
    declared = declare({**PLAIN, "status": {"kind": "immigration"}})
    labels = {**COUNTY, "status": ("Noncitizen",)}
    result = assess(declared, facts(labels, smallest=2), ddg())
    assert any(one.startswith("A-16") for one in result.conditions)
    mixed = facts(labels, smallest=2)
    second = PartFacts(dimensions=("county", "year"), labels=COUNTY, smallest=2, small_cells=1)
    both = facts(labels, parts=(*mixed.parts, second))
    assert any(one.startswith("A-16") for one in assess(declared, both, ddg()).conditions)
    none_small = facts(labels, smallest=20, small=0, small_denominators=1)
    assert not any(one.startswith("A-16") for one in assess(declared, none_small, ddg()).conditions)


def test_a_table_that_is_not_assessed_is_neither_scored_nor_masked():
    budget = declare(PLAIN, product="budget_projected")
    result = assess(budget, facts(COUNTY, smallest=2, high_risk_small=1), ddg())
    assert (result.condition, result.parts, result.outcome) == (None, (), Outcome.RELEASABLE)
    assert result.reasons == ("step 1: nothing to assess",)
    assert result.to_dict()["step_2"] is None


def test_a_table_the_law_expressly_opens_is_not_assessed():
    """R-106."""
    opened = declare(PLAIN, personal_data="expressly_public", personal_data_basis="Code 1")
    assert not assess(opened, facts(COUNTY), ddg()).step_one.assessed
    claimed = declare(PLAIN, personal_data="expressly_public")
    assert assess(claimed, facts(COUNTY), ddg()).step_one.assessed


def test_actual_budgets_that_tie_to_members_are_assessed():
    """A-25."""
    event = {"clinic": {"kind": "provider"}, "year": {"kind": "time"}}
    labels = {"clinic": ("x",), "year": ("2023",)}
    tied = declare(event, product="budget_actual")
    loose = declare(event, product="budget_actual", ties_to_members=False)
    assert assess(tied, facts(labels), ddg()).step_one.assessed
    assert not assess(loose, facts(labels), ddg()).step_one.assessed


def test_characteristics_of_providers_are_public():
    event = {"clinic": {"kind": "provider"}, "year": {"kind": "time"}}
    labels = {"clinic": ("x",), "year": ("2023",)}
    public = declare(event, product="provider_characteristics")
    assert assess(public, facts(labels), ddg()).outcome is Outcome.RELEASABLE


def test_every_outcome_has_its_own_exit_code_and_action():
    assert len({outcome.exit_code for outcome in Outcome}) == len(Outcome) == len(ACTIONS)
    assert Outcome.RELEASABLE.exit_code == 0


def test_the_sheet_lists_one_row_per_component():
    rows = sheet(smallest=2).rows()
    assert [one["component"] for one in rows] == ["events", "time", "geography", "interaction"]
    assert {one["part"] for one in rows} == {1}


def test_next_steps_follow_the_figure():
    assert sheet(smallest=2).next_step == 4
    assert sheet(smallest=5).next_step == 5
    assert assess(declare(PLAIN, product="budget_projected"), facts(COUNTY), ddg()).next_step == 6
