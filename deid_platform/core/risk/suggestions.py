"""Designs of a table that score lower: what its declaration permits, and which are worth a look.

A design chooses, for each dimension, to keep it, to recode it or to drop it, or shows dimensions
side by side instead of crossed. All designs up to a bound are tried in a fixed order; the best are
those that no other beats in score, blanks and loss at once.

Source: DDG 2.0, 4.4.2 (split into several tables, coarser categories) and 4.4.5 (pool years).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from deid_platform.core.publication import Dimension, Kind, Publication
from deid_platform.core.risk.labels import fold, read_months

MOST_DESIGNS = 400
"""How many designs are tried at most; fewer changes come first."""
KEEP, DROP = "keep", "drop"


@dataclass(frozen=True, kw_only=True)
class Design:
    """A choice per dimension, and the parts into which the table is split, if it is."""

    choices: Mapping[str, str]
    split: bool = False

    @property
    def changes(self) -> tuple[str, ...]:
        """What an analyst loses, in words."""
        words = [
            f"{column} dropped" if choice == DROP else f"{column} by {choice}"
            for column, choice in self.choices.items()
            if choice != KEEP
        ]
        return (*words, *(["shown side by side, not crossed"] if self.split else []))


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """One design and what it gives: score, small cells left blank, share of cells lost."""

    changes: tuple[str, ...]
    score: int | None
    blanks: int
    cells: int
    loss: float
    expert_review: bool

    def beats(self, other: Suggestion) -> bool:
        """Whether it is nowhere worse and somewhere better."""
        mine, theirs = self._goals(), other._goals()
        return mine != theirs and all(a <= b for a, b in zip(mine, theirs, strict=True))

    def _goals(self) -> tuple[float, int, float]:
        return (float("-inf") if self.score is None else self.score, self.blanks, self.loss)


def recodes(dimension: Dimension, labels: Sequence[str]) -> dict[str, dict[str, str]]:
    """The recodes of one dimension: those declared, and for time the year and pools of years."""
    found = {name: dict(mapping) for name, mapping in dimension.coarser.items()}
    if dimension.kind is Kind.TIME:
        years = {label: year_of(dimension.labels.get(label, label)) for label in labels}
        if all(years.values()):
            if any((read_months(dimension.labels.get(one, one)) or 0) < 12 for one in labels):
                found["year"] = {label: str(year) for label, year in years.items()}
            for width in dimension.pool_years:
                found[f"{width} years"] = _pools(years, width)
    return {
        name: {label: mapping.get(label, label) for label in labels}
        for name, mapping in found.items()
    }


def year_of(label: str) -> int | None:
    """The calendar year that a period lies in, if its label says one."""
    years = set(re.findall(r"(?<!\d)((?:1[89]|2[01])\d{2})(?!\d)", fold(label)))
    return int(years.pop()) if len(years) == 1 else None


def _pools(years: Mapping[str, int | None], width: int) -> dict[str, str]:
    """Consecutive pools of a width, from the last year backwards; a shorter first one."""
    known = [year for year in years.values() if year is not None]
    last, first = max(known), min(known)
    pools = {}
    for label, year in years.items():
        if year is not None:
            end = last - (last - year) // width * width
            begin = max(first, end - width + 1)
            pools[label] = str(end) if begin == end else f"{begin}-{end}"
    return pools


def designs(
    publication: Publication, available: Mapping[str, Mapping[str, Mapping[str, str]]]
) -> Iterator[Design]:
    """Every permitted design, those with fewer changes first, up to the bound."""
    columns = publication.dimension_columns
    options = [
        [KEEP, *available[column], *([DROP] if publication.dimensions[column].may_drop else [])]
        for column in columns
    ]
    combined = sorted(
        itertools.product(*(range(len(choices)) for choices in options)),
        key=lambda chosen: (sum(1 for one in chosen if one), chosen),
    )
    found = (
        Design(
            choices={
                column: choices[index]
                for column, choices, index in zip(columns, options, chosen, strict=True)
            },
            split=split,
        )
        for chosen in combined
        for split in (False, True)
    )
    usable = (
        design
        for design in found
        if len(kept(publication, design)) > 0 and (not design.split or splits(publication, design))
    )
    return itertools.islice(usable, MOST_DESIGNS)


def kept(publication: Publication, design: Design) -> tuple[str, ...]:
    """The dimensions that a design still shows."""
    return tuple(
        column for column in publication.dimension_columns if design.choices[column] != DROP
    )


def splits(publication: Publication, design: Design) -> tuple[tuple[str, ...], ...]:
    """Parts that each show time and place with one further dimension, if a split is possible."""
    shown = kept(publication, design)
    if publication.parts:
        return ()
    base = [c for c in shown if _stays(publication.dimensions[c].kind)]
    single = [c for c in shown if c not in base]
    if len(single) < 2 or any(publication.dimensions[c].total is None for c in single):
        return ()
    return tuple(tuple(c for c in shown if c in base or c == one) for one in single)


def _stays(kind: Kind) -> bool:
    return kind is Kind.TIME or kind.is_geography or kind in (Kind.INSURANCE, Kind.PROVIDER)


def pareto(suggestions: Iterable[Suggestion]) -> list[Suggestion]:
    """Those that no other beats; among equals the one with fewer changes; best score first."""
    found = list(suggestions)
    best: dict[tuple[float, int, float], Suggestion] = {}
    for one in found:
        if not any(other.beats(one) for other in found):
            best.setdefault(one._goals(), one)
    return [best[goals] for goals in sorted(best)]
