"""What the rates, percentages and means of a published table say of its hidden counts.

A declaration may name a statistic's numerator, factor and decimals. What it leaves out is told
from the cells that show everything, as a reader would: the first formula that gives every one of
them back.

Source: DDG 2.0, 7.3 (statistic leak), M-5 and A-23.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from deid_platform.core.masking import COMPLEMENTARY, SHOWN, PublishedTable
from deid_platform.core.masking.model import UNBOUNDED, Floats, Ints
from deid_platform.core.masking.ratios import PEOPLE, Intervals, Ratio, between
from deid_platform.core.publication import Figure, FigureKind, Publication
from deid_platform.engine.masking_table import Column, MaskingCells

_DECIMALS = 9
"""A statistic with more decimals than this was not rounded."""
_NEAR = 1e-9
_PER = {
    FigureKind.RATE: (1, 100, 1_000, 10_000, 100_000, 1_000_000),
    FigureKind.PERCENTAGE: (100, 1),
    FigureKind.MEAN: (1,),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class _Formula:
    """One reading of a statistic: ``per`` x numerator / denominator.

    A side is a column, or (the denominator only) a fixed population; ``over`` is the cell in which
    the denominator stands, -1 where there is none.
    """

    numerator: str
    denominator: str | float
    per: int
    over: Ints


def with_statistics(
    cells: MaskingCells, publication: Publication, people: str, table: PublishedTable
) -> PublishedTable:
    """The published table, with what its shown statistics say of people and figures."""
    told: Intervals = {}
    ratios: list[Ratio] = []
    for name, figure in publication.figures.items():
        if not figure.kind.is_statistic:
            continue
        formula = _formula(cells, publication, name, figure)
        if formula is not None:
            _tell(cells, people, table, _bounds(cells, name, figure), formula, told, ratios)
    return replace(table, told=told, ratios=tuple(ratios))


def figure_codes(
    cells: MaskingCells, publication: Publication, codes: Mapping[str, Column]
) -> dict[str, Column]:
    """The code of every figure: that of its people, unless its denominator's cell is hidden.

    A share of a hidden total would give the total away where its own count is shown (A-23).
    ``codes`` are those of each column that counts people.
    """
    found = {}
    for name, figure in publication.figures.items():
        found[name] = own = codes[figure.people]
        under = _denominator_cells(cells, publication, figure)
        if under is not None:
            people, over = under
            hidden = (over >= 0) & (codes[people][over] != SHOWN)
            telling = hidden & (own == SHOWN) & (cells.floats(figure.people) > 0)
            found[name] = np.where(telling, COMPLEMENTARY, own)
    return found


def _denominator_cells(
    cells: MaskingCells, publication: Publication, figure: Figure
) -> tuple[str, Ints] | None:
    """The people and the cell behind a statistic's denominator, where it stands in the table.

    The cell is -1 where the table does not show that margin.
    """
    if not figure.kind.is_statistic:
        return None
    if figure.denominator_total:
        return figure.people, _margin(cells, publication, figure.denominator_total)
    other = publication.figures.get(figure.denominator or "")
    if other is not None:
        return other.people, np.arange(cells.layout.cells)
    return None


def _bounds(cells: MaskingCells, name: str, figure: Figure) -> tuple[Floats, Floats]:
    """The shown statistic less and more half a unit of its last decimal; NaN where blank."""
    shown = cells.floats(name)
    decimals = figure.decimals
    if decimals is None:
        known = shown[~np.isnan(shown)]
        fits = (
            d
            for d in range(_DECIMALS)
            if bool(np.all(np.abs(known * 10**d - np.round(known * 10**d)) < 1e-6))
        )
        decimals = next(fits, None)
    half = 0.0 if decimals is None else 0.5 * 10.0**-decimals
    slack = half + _NEAR * np.maximum(1.0, np.abs(shown))
    return np.maximum(shown - slack, 0.0), shown + slack


def _formula(
    cells: MaskingCells, publication: Publication, name: str, figure: Figure
) -> _Formula | None:
    low, high = _bounds(cells, name, figure)
    first = None
    for formula in _formulas(cells, publication, figure):
        value = formula.per * _side(cells, formula.numerator)
        under = _under(cells, formula)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = value / under
        known = ~np.isnan(value) & np.isfinite(value) & ~np.isnan(low)
        agree = (value >= low) & (value <= high)
        if not bool(agree[known].all()):
            continue
        if bool((known & (value > 0)).any()):
            return formula
        first = first or formula
    declared = figure.per is not None or figure.kind is not FigureKind.RATE
    return first if declared else None


def _formulas(cells: MaskingCells, publication: Publication, figure: Figure) -> Iterator[_Formula]:
    here = np.arange(cells.layout.cells)
    others = [
        other
        for other, one in publication.figures.items()
        if one.people == figure.people and not one.kind.is_statistic and other != figure.people
    ]
    people = () if figure.kind is FigureKind.MEAN else (figure.people,)
    numerators = (figure.numerator,) if figure.numerator else (*people, *others)
    for per in (figure.per,) if figure.per else _PER[figure.kind]:
        for numerator in numerators:
            if numerator not in cells.values:
                continue
            for denominator, over in _denominators(cells, publication, figure, here):
                columns = [denominator]
                if denominator == figure.people and figure.denominator_total:
                    columns = [numerator, figure.people]
                for column in dict.fromkeys(columns):
                    yield _Formula(numerator=numerator, denominator=column, per=per, over=over)


def _denominators(
    cells: MaskingCells, publication: Publication, figure: Figure, here: Ints
) -> Iterator[tuple[str | float, Ints]]:
    if figure.denominator is not None:
        if figure.denominator in cells.values:
            yield figure.denominator, here
    elif figure.denominator_total:
        yield figure.people, _margin(cells, publication, figure.denominator_total)
    elif figure.denominator_population is not None:
        yield float(figure.denominator_population), here
    elif figure.kind is FigureKind.MEAN:
        yield figure.people, here
    elif figure.kind is FigureKind.PERCENTAGE:
        margins = [c for c, d in publication.dimensions.items() if d.total is not None]
        for columns in ((margin,) for margin in margins):
            yield figure.people, _margin(cells, publication, columns)
        if len(margins) > 1:
            yield figure.people, _margin(cells, publication, margins)


def _margin(cells: MaskingCells, publication: Publication, columns: Iterable[str]) -> Ints:
    """The cell with these dimensions at their total, for every cell; -1 where there is none."""
    at, sizes = [], []
    for column in publication.dimension_columns:
        texts, level = cells.labels[column]
        total = np.flatnonzero(texts == publication.dimensions[column].total)
        if column in columns and not len(total):
            return np.full(cells.layout.cells, -1, dtype=np.int64)
        at.append(np.full(len(level), total[0]) if column in columns else level)
        sizes.append(len(texts))
    own = [cells.labels[column][1] for column in publication.dimension_columns]
    keys, wanted = np.ravel_multi_index(own, sizes), np.ravel_multi_index(at, sizes)
    order = np.argsort(keys)
    place = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)
    found = order[place]
    return np.where(keys[found] == wanted, found, -1)


def _side(cells: MaskingCells, column: str) -> Column:
    return cells.floats(column)


def _under(cells: MaskingCells, formula: _Formula) -> Column:
    """The denominator of every cell, NaN where it is blank or not in the table."""
    if isinstance(formula.denominator, float):
        return np.full(cells.layout.cells, formula.denominator)
    return np.where(formula.over >= 0, _side(cells, formula.denominator)[formula.over], np.nan)


def _tell(
    cells: MaskingCells,
    people: str,
    table: PublishedTable,
    bounds: tuple[Floats, Floats],
    formula: _Formula,
    told: Intervals,
    ratios: list[Ratio],
) -> None:
    """Turn one statistic into intervals where one side is known, into ratios where none is."""
    low, high = (bound / formula.per for bound in bounds)
    value, under = _side(cells, formula.numerator), _under(cells, formula)
    here = np.arange(cells.layout.cells)
    shown = ~np.isnan(low)
    of, over = (_variable(side, people, table) for side in (formula.numerator, formula.denominator))
    if of is not None:
        ask = shown & np.isnan(value) & ~np.isnan(under)
        _narrow(told, of, here[ask], low[ask] * under[ask], high[ask] * under[ask], len(here))
    if over is not None:
        ask = shown & np.isnan(under) & ~np.isnan(value) & (formula.over >= 0) & (value > 0)
        with np.errstate(divide="ignore"):
            most = np.where(low[ask] > 0, value[ask] / low[ask], np.inf)
        _narrow(told, over, formula.over[ask], value[ask] / high[ask], most, len(here))
    if of is not None and over is not None:
        ask = shown & np.isnan(under) & np.isnan(value) & (formula.over >= 0)
        if bool(ask.any()):
            ratios.append(
                Ratio(
                    numerator=of,
                    denominator=over,
                    of=here[ask],
                    over=formula.over[ask],
                    low=low[ask],
                    high=high[ask],
                )
            )


def _variable(side: str | float, people: str, table: PublishedTable) -> str | None:
    """What a side is to the attacker: people, a figure, or nothing he looks for."""
    if side == people:
        return PEOPLE
    return side if isinstance(side, str) and side in table.figures else None


def _narrow(told: Intervals, name: str, cells: Ints, low: Floats, high: Floats, count: int) -> None:
    if name not in told:
        told[name] = (
            np.zeros(count, dtype=np.int64),
            np.full(count, UNBOUNDED, dtype=np.int64),
        )
    least, most = between(low, high)
    np.maximum.at(told[name][0], cells, least)
    np.minimum.at(told[name][1], cells, most)
