"""The score of one variable at every edge and for every kind."""

from __future__ import annotations

import itertools

import pytest

from deid_platform.core.errors import AssessmentError
from deid_platform.core.faults import Fault
from deid_platform.core.publication import Kind
from deid_platform.core.risk.place import score_place, units_of
from deid_platform.core.risk.variables import score_variable
from tests.core.risk.builders import ddg, scored


def points(kind: Kind, *labels: str, **declared: object) -> int | None:
    return score_variable(scored(kind, *labels, **declared)).points


def fault(kind: Kind, *labels: str, **declared: object) -> Fault:
    with pytest.raises(AssessmentError) as caught:
        score_variable(scored(kind, *labels, **declared))
    return caught.value.fault


@pytest.mark.parametrize(
    ("table", "edges"),
    [
        (name, [(low.at_most, low.points, high.points) for low, high in pairs])
        for name, table in ddg().score_tables.items()
        if (bands := sorted(table.bands, key=lambda row: row.at_least or -1))
        and (pairs := list(itertools.pairwise(bands)))
    ],
)
def test_every_band_edge_scores_differently_on_its_two_sides(table, edges):
    for edge, below, above in edges:
        assert ddg().score_tables[table].band(edge).points == below
        assert ddg().score_tables[table].band(edge + 1).points == above


def test_the_highest_scoring_group_of_a_variable_decides():
    """R-511."""
    assert points(Kind.AGE_RANGE, "0-17", "18-64", "65-69", "70+") == 5


def test_finer_than_the_finest_row_takes_the_highest_score():
    """R-512."""
    assert points(Kind.TIME, "2023-01-05") == 5
    assert points(Kind.AGE_RANGE, "0-5 months") == 7


@pytest.mark.parametrize(
    ("kind", "listed", "finer"),
    [
        (Kind.TIME, "2023-01", "2023-01-05"),
        (Kind.SEX, "Male", "Another"),
        (Kind.INTERSEX, "Intersex", "Another"),
        (Kind.GENDER_IDENTITY, "Agender", "Something new"),
    ],
)
def test_the_sheet_says_where_a_label_is_finer_than_listed(kind, listed, finer):
    """R-512."""
    assert "R-512" not in score_variable(scored(kind, listed)).rules
    assert "R-512" in score_variable(scored(kind, listed, finer)).rules


def test_the_period_never_counts_in_the_interaction():
    assert score_variable(scored(Kind.TIME, "2023")).counts is False
    assert score_variable(scored(Kind.SEX, "Male")).counts is True
    assert score_variable(scored(Kind.SEX, "Male")).high_risk is False


def test_unknown_is_shown_but_not_scored():
    """A-14."""
    result = score_variable(scored(Kind.SEX, "Male", "Female", "Unknown"))
    assert (result.points, result.readings) == (1, ("A-14",))
    alone = score_variable(scored(Kind.SEX, "Unknown"))
    assert (alone.points, alone.counts, alone.expert_review) == (0, False, ())


def test_another_sex_goes_to_the_reviewer():
    """A-15."""
    result = score_variable(scored(Kind.SEX, "Male", "Female", "Another"))
    assert result.points == 1
    assert result.expert_review == ("A-15: sex shown with another category",)


def test_intersex_within_sex_replaces_the_sex_row():
    result = score_variable(scored(Kind.SEX, "Male", "Female", "Intersex"))
    assert (result.points, result.row) == (2, "IX-2")


def test_broad_race_groups_take_their_row():
    assert points(Kind.RACE, "White", "Black", "Asian", "Latino", "MENA") == 2
    assert points(Kind.RACE, "White", "Two or more races") == 3
    assert points(Kind.RACE_ETHNICITY, "Non-Hispanic White", "Hispanic") == 2


def test_native_hawaiians_alone_are_a_detailed_group():
    assert points(Kind.RACE, "Native Hawaiian") == 5
    assert points(Kind.RACE, "Native Hawaiian or Other Pacific Islander") == 3


def test_broad_and_detailed_race_together_take_the_highest():
    """R-515."""
    result = score_variable(scored(Kind.RACE, "Asian", "Chinese", "Tongan"))
    assert result.points == 7
    assert "R-515" in result.rules
    assert "R-515" not in score_variable(scored(Kind.RACE, "Asian", "White")).rules
    assert "R-515" not in score_variable(scored(Kind.RACE, "Chinese", "Tongan")).rules


def test_a_merged_question_looks_up_people_who_are_not_hispanic():
    """Some other race: 8,370,596 people, of whom 223,929 are not Hispanic."""
    alone = score_variable(scored(Kind.RACE, "Some other race"))
    merged = score_variable(scored(Kind.RACE_ETHNICITY, "Some other race"))
    assert (alone.row, merged.row) == ("RACED-1", "RACED-3")
    assert (alone.points, merged.points) == (3, 3)


def test_an_unlisted_broad_race_takes_three_or_its_population_band():
    """A-14."""
    assert points(Kind.RACE, "White", "Some other race") == 3
    assert points(Kind.RACE, "Brand new", populations={"Brand new": 15}, population_source="s") == 7
    assert points(Kind.RACE, "Big", populations={"Big": 9_000_000}, population_source="s") == 3


def test_a_declared_population_can_raise_a_listed_group_but_not_lower_it():
    """R-517."""
    small = {"populations": {"White": 15_000}, "population_source": "s"}
    large = {"populations": {"Tongan": 9_000_000}, "population_source": "s"}
    assert points(Kind.RACE, "White", **small) == 7
    assert points(Kind.RACE, "Tongan", **large) == 7
    for kind, label, row_points in ((Kind.LANGUAGE, "Haitian", 7), (Kind.ETHNICITY, "Mexican", 1)):
        many = {"populations": {label: 9_000_000}, "population_source": "s"}
        few = {"populations": {label: 15_000}, "population_source": "s"}
        assert (points(kind, label, **many), points(kind, label, **few)) == (row_points, 7)
    equal = {"populations": {"White": 400_000}, "population_source": "s"}
    unmoved = score_variable(scored(Kind.RACE, "White", **equal))
    assert (unmoved.row, "R-517" in unmoved.rules) == ("RACE-1", False)


def test_a_group_of_several_names_is_as_fine_as_its_finest():
    assert points(Kind.RACE, "Pacific", groups={"Pacific": ("Tongan", "Fijian")}) == 7


def test_a_race_that_nothing_lists_fails():
    assert fault(Kind.RACE, "Martian") is Fault.UNKNOWN_GROUP
    assert fault(Kind.ETHNICITY, "Martian") is Fault.UNKNOWN_GROUP
    assert fault(Kind.LANGUAGE, "Klingon") is Fault.UNKNOWN_GROUP


def test_a_label_takes_the_meaning_it_is_given():
    assert points(Kind.AGE_RANGE, "Youth", labels={"Youth": "0-4"}) == 5
    assert points(Kind.SEX, "1", "2", labels={"1": "Male", "2": "Female"}) == 1


def test_languages_take_their_population_band_and_flag_a_straddling_margin():
    """A-29."""
    result = score_variable(scored(Kind.LANGUAGE, "Serbo-Croatian"))
    assert result.points == 5
    assert result.flags == ("margin of error straddles band edge",)
    assert points(Kind.LANGUAGE, "English", "Spanish", "Other Language") == 1
    assert score_variable(scored(Kind.LANGUAGE, "Khmer")).flags == ()


def test_a_language_beyond_the_reference_goes_to_the_expert():
    declared = {"populations": {"Klingon": 50_000}, "population_source": "s"}
    result = score_variable(scored(Kind.LANGUAGE, "Klingon", **declared))
    assert result.points == 5
    assert result.expert_review
    assert not score_variable(scored(Kind.LANGUAGE, "Armenian")).expert_review


def test_sexual_orientations_beyond_the_four_are_another_variable():
    """A-15."""
    four = ("Straight", "Gay or Lesbian", "Bisexual", "Asexual")
    assert points(Kind.SEXUAL_ORIENTATION, *four) == 2
    more = score_variable(scored(Kind.SEXUAL_ORIENTATION, *four, "Queer"))
    assert (more.points, bool(more.expert_review)) == (5, True)
    big = {"populations": {"Queer": 5_000_000}, "population_source": "s"}
    assert points(Kind.SEXUAL_ORIENTATION, *four, "Queer", **big) == 2


def test_gender_identities_broken_out_score_higher_and_many_are_flagged():
    assert points(Kind.GENDER_IDENTITY, "Man", "Woman", "Transgender or non-binary") == 3
    assert points(Kind.GENDER_IDENTITY, "Man", "Woman", "Agender") == 5
    assert points(Kind.GENDER_IDENTITY, "Man", "Woman", "Something new") == 5
    nine = score_variable(scored(Kind.GENDER_IDENTITY, *(f"g{n}" for n in range(9))))
    ten = score_variable(scored(Kind.GENDER_IDENTITY, *(f"g{n}" for n in range(10))))
    assert (nine.flags, ten.flags) == ((), ("ten gender categories or more",))


def test_noncitizens_score_and_are_high_risk():
    """A-16."""
    result = score_variable(scored(Kind.IMMIGRATION, "Citizen", "Naturalized", "Noncitizen"))
    assert (result.points, result.high_risk, result.readings) == (1, True, ("A-16",))
    born = score_variable(scored(Kind.IMMIGRATION, "U.S. citizen", "Foreign born"))
    assert (born.points, born.high_risk) == (1, False)


def test_a_finer_noncitizen_status_has_no_score_but_counts_and_is_high_risk():
    result = score_variable(scored(Kind.IMMIGRATION, "U.S. citizen", "Refugee"))
    assert (result.points, result.high_risk, result.counts) == (None, True, True)
    assert result.expert_review


def test_a_program_counts_as_a_variable_up_to_ten_million():
    """A-11."""

    def program(enrolled: int) -> tuple[int | None, bool]:
        one = scored(Kind.MEANS_TESTED, "P", populations={"P": enrolled}, population_source="s")
        result = score_variable(one)
        return result.points, result.counts

    assert program(10_000_000) == (1, True)
    assert program(10_000_001) == (0, False)
    medi_cal = score_variable(scored(Kind.MEANS_TESTED, "Medi-Cal", "Medicaid"))
    assert (medi_cal.points, medi_cal.counts) == (0, False)
    assert score_variable(scored(Kind.MEANS_TESTED, "Medi-Cal", "WIC")).counts


def test_a_program_without_known_enrolment_fails():
    assert fault(Kind.MEANS_TESTED, "Free Lunch") is Fault.UNKNOWN_PROGRAM


def test_other_variables_score_by_population_or_by_groups_and_go_to_the_expert():
    """R-531 to R-533."""
    veterans = score_variable(scored(Kind.OTHER, "Veteran"))
    assert (veterans.points, veterans.row) == (2, "POP-2")
    assert "R-518" in veterans.rules
    mixed = score_variable(scored(Kind.OTHER, "Veteran", "Civilian"))
    assert (mixed.points, mixed.row) == (3, "GRP-1")
    assert "R-518" in mixed.rules
    assert "R-518" not in score_variable(scored(Kind.OTHER, "Some college")).rules
    assert all(one.expert_review for one in (veterans, mixed))


def test_a_variable_without_a_table_of_its_own_is_another_variable():
    """Edition 1.0 has no table of sexual orientation."""
    one = scored(Kind.SEXUAL_ORIENTATION, "Straight", "Bisexual")
    first = type(one)(**{**vars(one), "policy": ddg("calhhs_ddg_1")})
    assert score_variable(first).row == "GRP-1"
    nothing = type(one)(**{**vars(first), "labels": ("Unknown",)})
    assert score_variable(nothing).counts is False


def test_specific_codes_are_other_variables():
    """R-535."""
    result = score_variable(scored(Kind.OTHER, "Q35.9"))
    assert "R-535" in result.rules
    assert result.flags == ("a publicly identifiable trait",)
    assert "R-535" in score_variable(scored(Kind.OTHER, "a", codes=True)).rules
    assert "R-535" not in score_variable(scored(Kind.OTHER, "Asthma")).rules
    mixed = score_variable(scored(Kind.OTHER, "Asthma", "E11"))
    assert "R-535: specific diagnosis or procedure codes" in mixed.expert_review
    both = score_variable(scored(Kind.OTHER, "Q35.9", "N18.6"))
    assert both.flags == ("a publicly identifiable trait",)
    assert score_variable(scored(Kind.OTHER, "N18.6")).flags == ()
    assert score_variable(scored(Kind.OTHER, "Asthma")).flags == ()


def test_ages_may_overlap_only_in_a_declared_hierarchy():
    assert fault(Kind.AGE_RANGE, "0-17", "10-20") is Fault.OVERLAPPING_AGES
    assert fault(Kind.AGE_RANGE, "0-17", "0-4", "30-40") is Fault.OVERLAPPING_AGES
    nested = scored(Kind.AGE_RANGE, "0-17", "0-4", "5-17")
    declared = {"0-17": ("0-4", "5-17")}
    result = score_variable(type(nested)(**{**vars(nested), "hierarchy": declared}))
    assert result.points == 5


def test_ages_that_touch_do_not_overlap():
    assert points(Kind.AGE_RANGE, "0-17", "18-44", "45-64", "65+") == 2


def test_what_cannot_be_read_fails_with_its_rule_and_without_its_value():
    assert fault(Kind.AGE_RANGE, "SECRET") is Fault.UNREADABLE_AGE
    assert fault(Kind.TIME, "SECRET") is Fault.UNREADABLE_PERIOD
    with pytest.raises(AssessmentError) as caught:
        score_variable(scored(Kind.AGE_RANGE, "SECRET"))
    assert "SECRET" not in str(caught.value)
    assert caught.value.where == "table: age_range"


def place(*variables):
    return score_place("table", variables)


def test_places_score_by_the_population_of_the_reference():
    assert place(scored(Kind.RESIDENCE_GEOGRAPHY, "Alpine", "Los Angeles")).row.points == 7
    assert place(scored(Kind.RESIDENCE_GEOGRAPHY, "Los Angeles County")).row.points == -5
    assert place(scored(Kind.SERVICE_GEOGRAPHY, "Alpine")).row.points == 1
    assert place(scored(Kind.RESIDENCE_GEOGRAPHY, "Texas")).statewide


def test_only_a_whole_state_is_statewide():
    """R-509: a county of ten million is no state."""
    assert place(scored(Kind.RESIDENCE_GEOGRAPHY, "California")).statewide
    assert not place(scored(Kind.RESIDENCE_GEOGRAPHY, "Los Angeles")).statewide
    assert not place(scored(Kind.RESIDENCE_GEOGRAPHY, "California", "Kern")).statewide
    mixed = {"groups": {"Both": ("Texas", "Kern")}}
    assert not place(scored(Kind.RESIDENCE_GEOGRAPHY, "Both", **mixed)).statewide
    assert not place(scored(Kind.SERVICE_GEOGRAPHY, "Kern")).statewide
    assert not place(scored(Kind.PROVIDER, "Kern Medical")).statewide


def test_a_region_adds_up_its_counties():
    region = scored(Kind.RESIDENCE_GEOGRAPHY, "High", groups={"High": ("Alpine", "Sierra")})
    assert units_of(region)[0].population == 1163 + 3230


def test_service_only_for_residents_scores_both_ways_and_takes_the_higher():
    """R-507."""
    both = place(scored(Kind.SERVICE_GEOGRAPHY, "Alpine", residents_only=True))
    assert both.row.points == 7
    assert "R-507" in both.rules


def test_several_levels_take_the_highest():
    """R-508."""
    county = scored(Kind.RESIDENCE_GEOGRAPHY, "Alpine")
    state = scored(Kind.SERVICE_GEOGRAPHY, "California")
    both = place(county, state)
    assert both.row.points == 7
    assert "R-508" in both.rules
    assert "R-508" not in place(county).rules


@pytest.mark.parametrize(
    ("area", "hospitals", "expected"),
    [("address", False, 3), ("rural", False, 5), ("frontier", False, 7), ("frontier", True, 3)],
)
def test_addresses_score_by_area_except_hospitals(area, hospitals, expected):
    """A-27."""
    one = scored(Kind.SERVICE_GEOGRAPHY, "x", area=area, hospitals=hospitals)
    assert place(one).row.points == expected
    assert ("A-27" in place(one).readings) is hospitals


def test_a_named_provider_is_an_address():
    assert place(scored(Kind.PROVIDER, "General Hospital")).row.points == 3


def plan(members: int):
    return scored(
        Kind.INSURANCE, "Plan", populations={"Plan": members}, population_source="the plan"
    )


def test_fewer_members_than_residents_scores_the_members():
    """R-503, strict as written."""
    alpine = scored(Kind.RESIDENCE_GEOGRAPHY, "Alpine")
    assert place(plan(1162), alpine).table == "insurance"
    assert place(plan(1163), alpine).table == "geography"
    assert place(plan(1162)).rules == ("R-501", "R-504")
    assert place(alpine).rules == ("R-501", "R-502")


def test_the_highest_pair_of_plan_and_place_counts():
    """A-12."""
    counties = scored(Kind.RESIDENCE_GEOGRAPHY, "Alpine", "Los Angeles")
    assert (place(plan(30_000), counties).table, place(plan(30_000), counties).row.points) == (
        "geography",
        7,
    )


def test_at_an_address_plan_and_place_are_both_scored():
    """A-12."""
    address = scored(Kind.SERVICE_GEOGRAPHY, "x", area="address")
    assert place(plan(15_000), address).row.points == 5
    assert place(plan(900_000), address).row.points == 3


def test_an_unknown_place_fails():
    for kind in (Kind.RESIDENCE_GEOGRAPHY, Kind.SERVICE_GEOGRAPHY):
        with pytest.raises(AssessmentError) as caught:
            place(scored(kind, "Atlantis"))
        assert caught.value.fault is Fault.UNKNOWN_GEOGRAPHY


def test_no_place_and_no_plan_fails():
    with pytest.raises(AssessmentError) as caught:
        place()
    assert caught.value.fault is Fault.NO_GEOGRAPHY
