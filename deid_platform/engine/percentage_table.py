"""A table of whole percentages instead of counts: the three-category method, group by group.

Each combination of the other dimensions is one group. All that have a small category must meet
the method, and the percentages of all groups together are put to the attacker, who is taken to
know how many people each group has.

Source: DDG 2.0, 4.4.4 (M-31 to M-36).
"""

from __future__ import annotations

import duckdb
import numpy as np

from deid_platform.core.errors import MaskingError
from deid_platform.core.masking import PublishedTable, attack
from deid_platform.core.masking.model import UNBOUNDED, Ints
from deid_platform.core.masking.percentages import FALLBACK, FOOTNOTE, percent, three_categories
from deid_platform.core.masking.ratios import PEOPLE, between
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Publication
from deid_platform.engine.masking_model import rules_of
from deid_platform.engine.masking_table import MaskingCells, read_cells

SUFFIX = "_pct"
_SECONDS = 600.0


def percentage_table(
    con: duckdb.DuckDBPyConnection, table: str, publication: Publication, policy: DdgPolicy
) -> tuple[list[str], list[list[str]]]:
    """The header and the rows, as text, in the order of the dimensions; no count is among them.

    Raises:
        MaskingError: the percentages would not protect; says why, and what to use instead.
    """
    cells = read_cells(con, table, publication)
    shares = {
        people: _shares(cells, publication, people, policy) for people in _people(publication)
    }
    dimensions = publication.dimension_columns
    labels = [cells.labels[column][0][cells.labels[column][1]].tolist() for column in dimensions]
    header = [*dimensions, *(people + SUFFIX for people in shares), "note"]
    note = [FOOTNOTE] * cells.layout.cells
    return header, [list(row) for row in zip(*labels, *shares.values(), note, strict=True)]


def _people(publication: Publication) -> tuple[str, ...]:
    """The one column of people: nothing else may be shown beside its percentages (M-31, M-34)."""
    counted = publication.people_columns
    if len(counted) > 1 or set(publication.figures) - set(counted):
        raise MaskingError(
            f"{publication.name}: masking.method",
            "percentages stand alone: the table has further figures (M-31, M-34)",
            f"declare one count of people as the only figure, or use {FALLBACK}",
        )
    return counted


def _shares(
    cells: MaskingCells, publication: Publication, people: str, policy: DdgPolicy
) -> list[str]:
    column = str(publication.masking.share_of)
    texts, level = cells.labels[column]
    counts = cells.integers(people)
    total = publication.dimensions[column].total
    others = [cells.labels[c][1] for c in publication.dimension_columns if c != column]
    _, group = (
        np.unique(np.stack(others), axis=1, return_inverse=True)
        if others
        else (None, np.zeros(len(counts), dtype=np.int64))
    )
    group = np.asarray(group).reshape(-1)
    shown = [""] * len(counts)
    refused: dict[str, int] = {}
    wholes = np.zeros(len(counts), dtype=np.int64)
    for number in np.unique(group).tolist():
        here = np.flatnonzero(group == number)
        members = [c for c in here.tolist() if str(texts[level[c]]) != total]
        categories = {str(texts[level[c]]): int(counts[c]) for c in members}
        whole = sum(categories.values())
        wholes[here] = whole
        if any(policy.is_small(n) for n in categories.values()):
            found = three_categories(
                categories,
                rules_of(policy),
                min_total=policy.settings.three_category_min_total.value,
                counts_published_elsewhere=publication.masking.counts_published_elsewhere,
            )
            for reason in found.reasons:
                refused[reason] = refused.get(reason, 0) + 1
        for cell in here.tolist():
            is_total = str(texts[level[cell]]) == total
            shown[cell] = "100%" if is_total else percent(int(counts[cell]), whole)
    if refused:
        told = "; ".join(f"{reason} ({count} groups)" for reason, count in sorted(refused.items()))
        raise MaskingError(f"{publication.name}: masking.method", told, f"use {FALLBACK}")
    _withstand(cells, publication, policy, counts, wholes, shown)
    return shown


def _withstand(
    cells: MaskingCells,
    publication: Publication,
    policy: DdgPolicy,
    counts: Ints,
    wholes: Ints,
    shown: list[str],
) -> None:
    """Attack the percentages of all groups at once, with every group's size known."""
    low, high = np.zeros(len(counts)), np.full(len(counts), float(UNBOUNDED))
    for cell, text in enumerate(shown):
        share, size = text.strip("<%"), int(wholes[cell])
        if text == "100%" and counts[cell] == size:
            low[cell] = 0.995 * size
            high[cell] = size
        elif text.startswith("<"):
            low[cell], high[cell] = 1, 0.01 * size
        else:
            low[cell] = (float(share) - 0.5) / 100 * size
            high[cell] = (float(share) + 0.5) / 100 * size
    column = str(publication.masking.share_of)
    texts, level = cells.labels[column]
    is_total = texts[level] == publication.dimensions[column].total
    known = np.where((counts == 0) | is_total, counts, -1)
    table = PublishedTable(
        layout=cells.layout_for(counts),
        people=known,
        codes=np.where(known < 0, 1, 0),
        figures={},
        told={PEOPLE: between(low, high)},
    )
    rules = rules_of(policy)
    small = (counts >= 1) & (counts <= rules.largest_small) & (known < 0)
    found = attack(table, rules, small=small, seconds=_SECONDS)
    if not found.holds:
        raise MaskingError(
            f"{publication.name}: masking.method",
            "a reader who knows the size of each group works small counts out of the percentages",
            f"use {FALLBACK}",
        )
