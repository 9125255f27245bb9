"""Intervals against their published values, and measures on small cases."""

from __future__ import annotations

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from deid_platform.core.text.evaluation import Example, Marked, Tally, compared
from deid_platform.core.text.intervals import clopper_pearson, upper_bound, wilson
from deid_platform.core.text.spans import EntityClass, Span

TEXT = "Ana Reyes of 12 Elmwood, Fresno, called."


def mark(part: str, label: str = "PERSON") -> Marked:
    start = TEXT.index(part)
    return Marked(start=start, end=start + len(part), label=label)


def found(part: str, entity: EntityClass = EntityClass.PERSON) -> Span:
    start = TEXT.index(part)
    return Span(start=start, end=start + len(part), entity=entity)


@given(st.integers(1, 300), st.data())
def test_the_exact_interval_is_that_of_the_beta_distribution(trials, data):
    successes = data.draw(st.integers(0, trials))
    expected = scipy.stats.binomtest(successes, trials).proportion_ci(method="exact")
    assert clopper_pearson(successes, trials) == pytest.approx(
        (expected.low, expected.high), abs=1e-7
    )


def test_nothing_leaked_in_three_hundred_bounds_the_rate_at_one_percent():
    # The rule of three: 1 - 0.05 ** (1/300).
    assert upper_bound(0, 300) == pytest.approx(1 - 0.05 ** (1 / 300), abs=1e-9)


def test_wilson_is_that_of_scipy():
    expected = scipy.stats.binomtest(47, 50).proportion_ci(method="wilson")
    assert wilson(47, 50) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert wilson(0, 0) == (0.0, 1.0)


def test_f2_weighs_recall_four_times():
    tally = Tally(marked=10, found=9, findings=20, right=10)
    assert tally.f(2) == pytest.approx(5 * 0.5 * 0.9 / (4 * 0.5 + 0.9))


def test_any_shared_character_counts_under_overlap_but_not_under_iou():
    example = Example(text=TEXT, marked=(mark("12 Elmwood, Fresno", "ADDRESS"),))
    outcome = compared(example, [found("Elm", EntityClass.ADDRESS)])
    assert (outcome.overlap.recall, outcome.iou.recall) == (1.0, 0.0)
    assert outcome.characters.recall < 0.25


def test_findings_that_cover_a_mark_together_count_as_one():
    example = Example(text=TEXT, marked=(mark("12 Elmwood, Fresno", "ADDRESS"),))
    pieces = [found("12 Elmwood", EntityClass.ADDRESS), found("Fresno", EntityClass.PLACE)]
    outcome = compared(example, pieces)
    assert outcome.iou == Tally(marked=1, found=1, findings=1, right=1)


def test_the_class_of_a_finding_does_not_matter():
    example = Example(text=TEXT, marked=(mark("Ana Reyes"),))
    assert compared(example, [found("Ana Reyes", EntityClass.PLACE)]).overlap.recall == 1.0


def test_a_finding_on_what_is_no_identifier_counts_neither_way():
    example = Example(text=TEXT, marked=(), neutral=(mark("Fresno", "NRP"),))
    outcome = compared(example, [found("Fresno")])
    assert outcome.overlap == Tally()
    assert outcome.tokens == Tally()


def test_what_was_missed_and_what_was_wrong_is_told_by_place():
    example = Example(text=TEXT, marked=(mark("Ana Reyes"),))
    outcome = compared(example, [found("Fresno")])
    assert [(m.start, m.end) for m in outcome.missed] == [(0, 9)]
    assert [TEXT[s.start : s.end] for s in outcome.wrong] == ["Fresno"]
