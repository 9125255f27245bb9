"""The three-category method: whole percentages in place of counts, for one small category of three.

Source: DDG 2.0, 4.4.4 (M-31 to M-36), reading A-24. The guideline prints the share of 10 in 1,100
a factor of 100 too small; here it is computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from deid_platform.core.masking.model import MaskingRules

FOOTNOTE = (
    "Counts are withheld and percentages rounded to protect privacy; "
    "percentages may not add to 100%."
)
FALLBACK = "suppression with complement, or aggregation"


@dataclass(frozen=True, kw_only=True)
class Percentages:
    """What is shown instead of counts, or why the method does not protect.

    ``shown`` is empty unless the method is effective; ``reasons`` say what stands against it.
    """

    shown: Mapping[str, str]
    effective: bool
    reasons: tuple[str, ...]
    footnote: str = FOOTNOTE
    fallback: str = FALLBACK


def three_categories(
    counts: Mapping[str, int],
    rules: MaskingRules,
    *,
    min_total: int = 1100,
    total: int | None = None,
    counts_published_elsewhere: bool = False,
) -> Percentages:
    """Show the shares of a variable's categories in whole percent.

    Effective only when no small count can be calculated back: the total is at least ``min_total``
    (M-33), no count of the variable is published anywhere else (M-34), exactly one category is
    small and at least two are not, and what is printed for the small one leaves every count that
    the policy protects possible. ``total`` is that of all categories, where some are not given.
    """
    total = sum(counts.values()) if total is None else total
    small = {name: n for name, n in counts.items() if 1 <= n <= rules.largest_small}
    large = [n for n in counts.values() if n > rules.largest_small]
    shown = {name: percent(n, total) for name, n in counts.items()}
    reasons = []
    if total < min_total:
        reasons.append(f"the total is below {min_total:,}")
    if counts_published_elsewhere:
        reasons.append("counts of the variable are published elsewhere")
    if len(small) != 1 or len(large) < 2:
        reasons.append("the method is for two large categories and one small one")
    low, high = rules.feasible
    if any(
        percent(n, total) != shown[name] for name in small for n in range(low, high + 1) if total
    ):
        reasons.append("the printed share of the small category rules out some small counts")
    effective = not reasons
    return Percentages(
        shown={**shown, "total": "100%"} if effective else {},
        effective=effective,
        reasons=tuple(reasons),
    )


def percent(count: int, total: int) -> str:
    """Whole percent, halves up; ``<1%`` for anything above zero and below one percent (A-24)."""
    if count == 0 or total == 0:
        return "0%"
    share = Fraction(100 * count, total)
    return "<1%" if share < 1 else f"{int(share + Fraction(1, 2))}%"


def method_needed(*, separate_question: bool, crossed: bool) -> bool:
    """Not needed where the small category is its own yes-no question, uncrossed (M-36)."""
    return not separate_question or crossed
