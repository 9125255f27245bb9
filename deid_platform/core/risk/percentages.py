"""The three-category method: whole percentages instead of counts.

For a variable with two large categories and a small one, where hiding a large one would hide too
much (intersex within sex, non-binary within gender).

Source: DDG 2.0, 4.4.4 (M-31 to M-36; A-24).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from deid_platform.core.policy import DdgPolicy

FOOTNOTE = (
    "Counts are withheld and percentages rounded to protect privacy; "
    "totals may not add to 100 percent."
)


@dataclass(frozen=True, kw_only=True)
class Percentages:
    """What is shown, and whether it protects the small category.

    ``effective`` is false below 1,100 people, where a count could be worked back (M-33), and
    where counts of the variable are public elsewhere (M-34).
    """

    shown: Mapping[str, str]
    effective: bool
    footnote: str = FOOTNOTE


def three_category(
    counts: Mapping[str, int], total: int, policy: DdgPolicy, *, published_elsewhere: bool = False
) -> Percentages:
    """Percentages of each category, in whole percent (M-31, M-32)."""
    enough = total >= policy.settings.three_category_min_total.value
    shown = {name: percent(count, total) for name, count in counts.items()}
    return Percentages(
        shown={**shown, "total": "100%"}, effective=enough and not published_elsewhere
    )


def percent(count: int, total: int) -> str:
    """A share in whole percent, halves up; zero is 0% and any other share below one is <1%."""
    if count == 0 or total == 0:
        return "0%"
    share = Fraction(count * 100, total)
    return "<1%" if share < 1 else f"{int(share + Fraction(1, 2))}%"


def method_needed(*, separate_question: bool, crossed: bool) -> bool:
    """Not needed where the small category is its own yes-no question, uncrossed (M-36)."""
    return not separate_question or crossed
