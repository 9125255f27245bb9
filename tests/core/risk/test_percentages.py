"""Whole percentages instead of counts, and when they protect."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid_platform.core.risk.percentages import method_needed, percent, three_category
from tests.core.risk.builders import ddg


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


def test_the_method_works_from_1100_people_on():
    """M-33."""
    counts = {"male": 545, "female": 545, "intersex": 9}
    assert not three_category(counts, 1099, ddg()).effective
    assert three_category(counts, 1100, ddg()).effective


def test_counts_published_elsewhere_undo_it():
    """M-34."""
    counts = {"male": 600, "female": 595, "intersex": 5}
    result = three_category(counts, 1200, ddg(), published_elsewhere=True)
    assert not result.effective
    assert result.shown["total"] == "100%"
    assert "rounded" in result.footnote


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
