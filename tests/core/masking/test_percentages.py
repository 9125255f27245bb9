"""The three-category method of the guideline."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid_platform.core.masking import MaskingRules
from deid_platform.core.masking.percentages import method_needed, percent, three_categories

RULES = MaskingRules()


def test_ddg_4_4_4_two_large_categories_and_ten_intersex_people():
    shown = three_categories({"male": 545, "female": 545, "intersex": 10}, RULES)
    assert shown.effective
    assert shown.shown == {"male": "50%", "female": "50%", "intersex": "<1%", "total": "100%"}
    assert "may not add" in shown.footnote


@pytest.mark.parametrize(
    ("counts", "elsewhere", "reason"),
    [
        ({"male": 496, "female": 496, "intersex": 8}, False, "the total is below 1,100"),
        ({"male": 545, "female": 545, "intersex": 10}, True, "published elsewhere"),
        ({"male": 1100, "intersex": 10}, False, "two large categories"),
        ({"male": 600, "female": 600, "x": 4, "y": 5}, False, "two large categories"),
        ({"male": 600, "female": 600, "other": 40}, False, "two large categories"),
    ],
)
def test_where_counts_could_be_calculated_back_nothing_is_shown(counts, elsewhere, reason):
    shown = three_categories(counts, RULES, counts_published_elsewhere=elsewhere)
    assert not shown.effective
    assert shown.shown == {}
    assert any(reason in text for text in shown.reasons)
    assert shown.fallback == "suppression with complement, or aggregation"


def test_a_lower_limit_of_the_total_does_not_help_when_the_printed_share_tells_too_much():
    shown = three_categories({"male": 95, "female": 95, "intersex": 1}, RULES, min_total=100)
    assert not shown.effective
    assert any("rules out" in text for text in shown.reasons)


def test_a_zero_is_shown_as_zero_and_shares_are_rounded_half_up():
    shown = three_categories({"a": 1105, "b": 5, "c": 890, "d": 0}, RULES)
    assert shown.shown == {"a": "55%", "b": "<1%", "c": "45%", "d": "0%", "total": "100%"}


@pytest.mark.parametrize(
    ("count", "total", "shown"),
    [
        (0, 1100, "0%"),
        (0, 0, "0%"),
        (5, 0, "0%"),
        (1, 1100, "<1%"),
        (10, 1001, "<1%"),
        (10, 1000, "1%"),
        (149, 10_000, "1%"),
        (15, 1000, "2%"),
        (545, 1100, "50%"),
        (7, 7, "100%"),
    ],
)
def test_a_share_is_shown_in_whole_percent(count, total, shown):
    """M-31, M-32, A-24."""
    assert percent(count, total) == shown


@pytest.mark.parametrize(
    ("separate", "crossed", "needed"),
    [(False, False, True), (True, False, False), (True, True, True), (False, True, True)],
)
def test_a_separate_question_that_is_not_crossed_needs_none_of_it(separate, crossed, needed):
    """M-36."""
    assert method_needed(separate_question=separate, crossed=crossed) is needed


@given(st.integers(1, 10), st.integers(1100, 100_000))
def test_no_small_count_can_be_told_from_its_percentage(count, total):
    assert percent(count, total) == "<1%"
