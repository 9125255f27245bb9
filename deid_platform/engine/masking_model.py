"""Builds the constraint models of a publication: one per column that counts people."""

from __future__ import annotations

import numpy as np

from deid_platform.core.masking import SMALL, Layout, MaskingRules, MaskingTable, PublishedTable
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import FigureKind, Publication
from deid_platform.core.risk.high_risk import high_risk_labels
from deid_platform.engine.linked_tables import Elsewhere
from deid_platform.engine.masking_table import Column, MaskingCells
from deid_platform.engine.masking_wishes import check_must_publish, named_cells, prices
from deid_platform.engine.shown_statistics import with_statistics

_ADDITIVE = (FigureKind.COUNT, FigureKind.AMOUNT)


def rules_of(policy: DdgPolicy) -> MaskingRules:
    """The policy's thresholds as masking takes them."""
    return MaskingRules(
        min_people=policy.min_people,
        feasible=policy.min_feasible,
        strategy=policy.complement_strategy,
    )


def published_table(
    cells: MaskingCells, publication: Publication, people: str, true: Column | None = None
) -> PublishedTable:
    """The table of one people column as a reader sees it.

    Whether people add up along an axis, and stay within their denominators, is read from the
    ``true`` counts where they are at hand, else from what is shown.
    """
    known = cells.integers(people, missing=-1)
    linked = linked_figures(publication, people)
    codes = np.zeros(len(known), dtype=np.int64)
    for figure in linked:
        column = Publication.annotation_column(figure)
        # Others may be blank in a shown cell: for their denominator's, or for another amount.
        if column in cells.columns and publication.figures[figure].kind is FigureKind.COUNT:
            codes = np.maximum(codes, cells.integers(column, missing=0))
    figures = {
        figure: values
        for figure in linked
        if figure != people and publication.figures[figure].kind is FigureKind.COUNT
        if (values := cells.whole(figure)) is not None
        and bool(
            np.all(values[(values >= 0) & (known >= 0)] >= known[(values >= 0) & (known >= 0)])
        )
    }
    layout = cells.layout_for(known if true is None else true)
    table = PublishedTable(
        layout=layout,
        people=known,
        codes=np.where(known < 0, np.maximum(codes, SMALL), codes),
        figures={name: values for name, values in figures.items() if _adds_up(layout, values)},
        limit=_limit(cells, publication, people, known if true is None else true),
    )
    return with_statistics(cells, publication, people, table)


def masking_table(
    cells: MaskingCells,
    publication: Publication,
    people: str,
    policy: DdgPolicy,
    *,
    gate_all: bool,
    elsewhere: Elsewhere | None = None,
) -> MaskingTable:
    """The table of one people column before masking.

    ``gate_all`` covers every cell; otherwise only those of high-risk subjects are covered.
    ``elsewhere`` says which cells other tables show and hide.
    """
    counts = cells.integers(people)
    layout = cells.layout_for(counts)
    figures = {}
    for figure in linked_figures(publication, people):
        if figure == people or publication.figures[figure].kind not in _ADDITIVE:
            continue
        values = cells.floats(figure)
        if np.isnan(values).any():
            continue
        if publication.exact_totals or _adds_up(layout, values):
            figures[figure] = values
    amounts = {n for n in figures if publication.figures[n].kind is FigureKind.AMOUNT}
    choice = publication.masking
    keep = named_cells(cells, "must_publish", choice.must_publish)
    table = MaskingTable(
        layout=layout,
        people=counts,
        gated=np.full(len(counts), gate_all) | _high_risk(cells, publication, policy),
        figures={name: values for name, values in figures.items() if name not in amounts},
        amounts={name: figures[name] for name in sorted(amounts)},
        limit=_limit(cells, publication, people, counts),
        must_publish=keep | elsewhere.shown if elsewhere else keep,
        must_hide=elsewhere.hidden if elsewhere else None,
        prefer_hide=named_cells(cells, "prefer_hide", choice.prefer_hide),
        price=prices(cells, counts, choice),
    )
    check_must_publish(table, rules_of(policy), keep)
    return table


def _high_risk(cells: MaskingCells, publication: Publication, policy: DdgPolicy) -> Column:
    """Cells of a high-risk subject, declared or named by their label (A-17)."""
    return cells.labelled(
        {
            column: high_risk_labels(
                publication.name, publication, column, cells.labels[column][0].tolist(), policy
            )
            for column in publication.dimension_columns
        }
    )


def linked_figures(publication: Publication, people: str) -> list[str]:
    """The figures that these people stand behind: they are hidden with their cell (M-5)."""
    return [name for name, figure in publication.figures.items() if figure.people == people]


def _limit(
    cells: MaskingCells, publication: Publication, people: str, counts: Column
) -> Column | None:
    """The public upper bound that the denominators give, where shown counts respect it."""
    bound = None
    for figure in linked_figures(publication, people):
        column = publication.figures[figure].denominator
        if column is None or column not in cells.columns:
            continue
        values = cells.integers(column, missing=1 << 40)
        if bool(np.all(values >= counts)):
            bound = values if bound is None else np.minimum(bound, values)
    return bound


def _adds_up(layout: Layout, values: Column) -> bool:
    """Whether every sum whose parts are all shown adds up."""
    groups = layout.groups
    known = values >= 0
    whole = groups.sums((~known).astype(np.int64)) + ~known[groups.total] == 0
    apart = np.abs(groups.sums(values) - values[groups.total])
    return bool(np.all(apart[whole] <= 1e-6 * np.maximum(1, np.abs(values[groups.total][whole]))))
