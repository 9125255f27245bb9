"""Ages, periods and codes as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid_platform.core.risk.labels import (
    Names,
    fold,
    looks_like_a_code,
    read_ages,
    read_months,
    without_qualifiers,
)


@pytest.mark.parametrize(
    ("label", "low", "high"),
    [
        ("0-17", 0, 17),
        ("18–44", 18, 44),
        ("5 to 9 years", 5, 9),
        ("65 and over", 65, 99),
        ("65 years and older", 65, 99),
        ("85+", 85, 99),
        (">= 85", 85, 99),
        ("over 64", 65, 99),
        ("Under 18", 0, 17),
        ("<1", 0, 0),
        ("17 and under", 0, 17),
        ("Ages 20-24", 20, 24),
        ("7", 7, 7),
        ("100+", 100, 100),
        ("130", 130, 130),
    ],
)
def test_an_age_label_is_read_as_its_range(label, low, high):
    ages = read_ages(label)
    assert (ages.low, ages.high, ages.months) == (low, high, False)


@pytest.mark.parametrize("label", ["", "adult", "17-0", "0-17-30", "131", "-3", "1,5"])
def test_a_label_that_is_no_age_is_not_guessed(label):
    assert read_ages(label) is None


@pytest.mark.parametrize("label", ["6 months", "0-5 months", "newborn", "3 weeks", "28 days"])
def test_ages_finer_than_a_year_are_marked(label):
    assert read_ages(label).months


@given(st.integers(0, 99), st.integers(0, 30))
def test_the_width_of_a_range_counts_both_ends(low, more):
    assert read_ages(f"{low}-{low + more}").width == more + 1


@given(st.integers(0, 98))
def test_an_open_range_reaches_the_oldest_age(low):
    assert read_ages(f"{low}+").width == 100 - low


@pytest.mark.parametrize(
    ("label", "months"),
    [
        ("2023", 12),
        ("CY 2023", 12),
        ("2023.0", 12),
        ("2019-2023", 60),
        ("2018 to 2023", 72),
        ("2020-2021", 24),
        ("2019-21", 36),
        ("2022-23", 12),
        ("FY 2022-23", 12),
        ("FY2019-FY2021", 36),
        ("2023-H1", 6),
        ("2023 Q4", 3),
        ("Q1 2023", 3),
        ("2023-05", 1),
        ("Jan 2024", 1),
        ("January 2024", 1),
        ("2024 sept", 1),
        ("2023-01/2023-06", 6),
        ("2023-05-06", 0),
        ("2023 week 7", 0),
        ("5 years aggregated", 60),
        ("18 months", 18),
        ("annual", 12),
        ("monthly", 1),
        ("daily", 0),
    ],
)
def test_a_period_label_is_read_as_months(label, months):
    assert read_months(label) == months


@pytest.mark.parametrize("label", ["", "recent", "2023-13", "2023 Q5", "2023-2019", "13"])
def test_a_label_that_is_no_period_is_not_guessed(label):
    assert read_months(label) is None


@pytest.mark.parametrize("label", ["G82.21", "Z98.84", "0DB64Z3", "93886", "E11", "J0585"])
def test_a_diagnosis_or_procedure_code_is_recognized(label):
    assert looks_like_a_code(label)


@pytest.mark.parametrize("label", ["Asthma", "Injury", "Other", "Diseases", "2023"])
def test_a_group_of_diagnoses_is_no_code(label):
    assert not looks_like_a_code(label)


def test_one_name_has_many_spellings():
    names = Names(["Black or African American"], {"Black or African American": ["Black"]})
    assert names.find(" BLACK ") == "Black or African American"
    assert names.find("black_or_african_american") == "Black or African American"
    assert names.find("Blackish") is None


def test_an_alias_of_a_name_that_is_not_listed_finds_nothing():
    assert Names(["A"], {"B": ["b"]}).find("b") is None


@pytest.mark.parametrize(
    ("label", "plain"),
    [
        ("Non-Hispanic Black", "black"),
        ("White, not Hispanic", "white"),
        ("Asian (non-Hispanic)", "asian"),
        ("Hispanic, any race group", "hispanic"),
        ("White alone", "white"),
    ],
)
def test_a_race_label_loses_what_it_says_of_ethnicity(label, plain):
    assert without_qualifiers(label) == plain


@given(st.text(max_size=30))
def test_folding_twice_is_folding_once(text):
    assert fold(fold(text)) == fold(text)
