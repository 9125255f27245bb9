"""Step 2, the numerator-denominator condition, on distinct people.

Source: DDG 2.0, 4.2 (R-201 to R-206; A-01 to A-04).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deid_platform.core.policy import DdgPolicy


@dataclass(frozen=True, kw_only=True)
class CellCondition:
    """The condition of one cell."""

    numerator_small: bool
    denominator_small: bool

    @property
    def met(self) -> bool:
        """Whether the cell passes."""
        return not (self.numerator_small or self.denominator_small)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """The condition of a table: how many of its cells are small, and what follows.

    ``unknown_denominators`` are figures without a recorded denominator, taken as small (A-04).
    """

    cells: int
    small_numerators: int
    small_denominators: int
    unknown_denominators: int = 0
    readings: tuple[str, ...] = ("A-01", "A-02", "A-04")
    rules: tuple[str, ...] = ("R-201", "R-202", "R-203", "R-204", "R-206")

    @property
    def met(self) -> bool:
        """No small numerator and no small or unknown denominator anywhere (R-204)."""
        return not (self.small_numerators or self.small_denominators or self.unknown_denominators)

    @property
    def next_step(self) -> int:
        """Step 5 where the condition is met, step 3 otherwise (Figure 5)."""
        return 5 if self.met else 3


def cell_condition(people: int, denominator: int | None, policy: DdgPolicy) -> CellCondition:
    """The condition of one cell; an unknown denominator is small."""
    return CellCondition(
        numerator_small=policy.is_small(people),
        denominator_small=denominator is None or denominator < policy.denominator_pass_min,
    )


def table_condition(cells: Sequence[tuple[int, int | None]], policy: DdgPolicy) -> Condition:
    """The condition of a table given as pairs of people and denominator."""
    conditions = [cell_condition(people, denominator, policy) for people, denominator in cells]
    return Condition(
        cells=len(cells),
        small_numerators=sum(condition.numerator_small for condition in conditions),
        small_denominators=sum(condition.denominator_small for condition in conditions),
    )
