"""How the labels of one dimension in two tables fit together: the same, nested, or apart.

Source: DDG 2.0, 4.4.3 (M-14: parent and child categories, totals of other tables).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from deid_platform.core.publication import Dimension, Kind
from deid_platform.core.risk.labels import read_ages
from deid_platform.core.risk.suggestions import recodes


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How two sets of labels fit: whether cells can be shared, and which labels add up to others.

    ``nested`` gives, for a coarse label of one table, the labels of the other that make it up.
    """

    shared: bool
    nested: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def fit(one: Dimension, its: Iterable[str], other: Dimension, theirs: Iterable[str]) -> Fit:
    """Compare the labels of a dimension in two tables, totals left out.

    Without a total in either, labels are slices that need not fit. With one, the labels of the
    one are among those of the other, or some of them are made up of the other's; else they divide
    people in two ways that only meet in the total.
    """
    mine, yours = set(its), set(theirs)
    if mine <= yours or yours <= mine or one.total is None or other.total is None:
        return Fit(shared=True)
    nested: dict[str, tuple[str, ...]] = {}
    for coarse, fine, dimension in ((mine, yours, other), (yours, mine, one)):
        for label in sorted(coarse - fine):
            if parts := _parts(label, sorted(fine - coarse), dimension):
                nested[label] = parts
    made = {part for parts in nested.values() for part in parts}
    apart = (mine ^ yours) - made - set(nested)
    return Fit(shared=not apart, nested=nested if not apart else {})


def _parts(label: str, fine: list[str], dimension: Dimension) -> tuple[str, ...]:
    """The finer labels that make up a coarse one, by a declared recode or by their ages."""
    for mapping in recodes(dimension, fine).values():
        parts = tuple(part for part in fine if mapping.get(part) == label)
        if parts:
            return parts
    ages = read_ages(label) if dimension.kind is Kind.AGE_RANGE else None
    if ages is None:
        return ()
    spans = {part: span for part in fine if (span := read_ages(part)) is not None}
    inside = [p for p, span in spans.items() if ages.low <= span.low and span.high <= ages.high]
    inside.sort(key=lambda part: spans[part].low)
    reached = ages.low
    for part in inside:
        if spans[part].low != reached:
            return ()
        reached = spans[part].high + 1
    return tuple(inside) if reached == ages.high + 1 else ()
