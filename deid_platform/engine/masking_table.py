"""Reads a publication's table as columns of cells, with its dimensions as numbered levels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np

from deid_platform.core.errors import DeclarationError, MaskingError
from deid_platform.core.masking import Axis, Layout
from deid_platform.core.publication import Dimension, Publication
from deid_platform.engine.sql import identifier

Column = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskingCells:
    """A table in the order of its dimensions: where each cell lies, and its other columns."""

    name: str
    layout: Layout
    columns: tuple[str, ...]
    labels: Mapping[str, tuple[Column, Column]]
    values: Mapping[str, Column]

    def floats(self, column: str) -> Column:
        """A figure as floating numbers, NaN where null."""
        return self.values[column]

    def integers(self, column: str, *, missing: int | None = None) -> Column:
        """A column of whole numbers.

        Raises:
            MaskingError: a value is missing (and may not be), or is not whole.
        """
        values = self.values[column]
        empty = np.isnan(values)
        if missing is None and bool(empty.any()):
            raise MaskingError(
                f"{self.name}: {column}",
                f"{int(empty.sum())} cells have no value",
                "give every cell a count, 0 where nobody is in it",
            )
        filled = np.where(empty, 0 if missing is None else missing, values)
        if not bool(np.all(filled == np.round(filled))):
            raise MaskingError(
                f"{self.name}: {column}", "some counts are not whole numbers", "count people"
            )
        return filled.astype(np.int64)

    def whole(self, column: str) -> Column | None:
        """A figure of whole numbers, -1 where null; None when it is not whole."""
        values = self.values[column]
        filled = np.where(np.isnan(values), -1, values)
        return filled.astype(np.int64) if bool(np.all(filled == np.round(filled))) else None

    def labelled(self, labels: Mapping[str, Iterable[str]]) -> Column:
        """Which cells carry one of these labels, per dimension column."""
        found = np.zeros(self.layout.cells, dtype=bool)
        for column, named in labels.items():
            texts, level = self.labels[column]
            found |= np.isin(texts, list(named))[level]
        return found

    def label_of(self, cell: int) -> dict[str, str]:
        """The labels of one cell."""
        return {column: str(texts[level[cell]]) for column, (texts, level) in self.labels.items()}

    def layout_for(self, people: Column) -> Layout:
        """The layout, with the axes along which these people are not counted once marked.

        Where every sum whose parts are known (0 or more) adds up, a reader may take it that all do.
        """
        groups = self.layout.groups
        known = (people >= 0).astype(np.int64)
        whole = (groups.sums(1 - known) == 0) & (known[groups.total] == 1)
        apart = whole & (groups.sums(people) != people[groups.total])
        return replace(
            self.layout,
            axes=tuple(
                replace(axis, exact=not bool(apart[groups.axis == number].any()))
                for number, axis in enumerate(self.layout.axes)
            ),
        )


def read_cells(
    con: duckdb.DuckDBPyConnection, table: str, publication: Publication
) -> MaskingCells:
    """Read a table, given as quoted SQL, in the order of its dimensions.

    In a text column, what is not a number is a withheld value.

    Raises:
        DeclarationError: a declared column is missing, an undeclared one is there, a label is
            null or a hierarchy names a label that does not nest.
        MaskingError: two rows describe one cell.
    """
    described = con.execute(f"describe {table}").fetchall()
    columns = tuple(row[0] for row in described)
    texts_of = {row[0] for row in described if row[1] == "VARCHAR"}
    _check_columns(publication, columns)
    dimensions = publication.dimension_columns
    numbers = [c for c in columns if c not in dimensions]
    order = ", ".join(map(identifier, dimensions))
    selected = [
        f"dense_rank() over (order by {identifier(c)}) - 1 as level_{k}"
        for k, c in enumerate(dimensions)
    ]
    selected += [f"{_number(c, is_text=c in texts_of)} as value_{k}" for k, c in enumerate(numbers)]
    nulls = " or ".join(f"{identifier(c)} is null" for c in dimensions)
    empty = con.execute(f"select count(*) from {table} where {nulls}").fetchone()
    if empty is not None and empty[0]:
        raise DeclarationError(
            publication.name, "a dimension has null labels", "give every row a label"
        )
    found = con.execute(f"select {', '.join(selected)} from {table} order by {order}").fetchnumpy()
    levels = {c: _filled(found[f"level_{k}"]).astype(np.int64) for k, c in enumerate(dimensions)}
    texts = {
        c: np.array(
            [
                row[0]
                for row in con.execute(
                    f"select distinct {identifier(c)} as label, label::varchar from {table} "
                    "order by label"
                ).fetchall()
            ],
            dtype=object,
        ).astype(str)
        for c in dimensions
    }
    return MaskingCells(
        name=publication.name,
        layout=_layout(publication, levels, texts),
        columns=columns,
        labels={c: (texts[c], levels[c]) for c in dimensions},
        values={c: _filled(found[f"value_{k}"]) for k, c in enumerate(numbers)},
    )


def _number(column: str, *, is_text: bool) -> str:
    name = identifier(column)
    if not is_text:
        return f"{name}::double"
    return f"try_cast(rtrim(replace(trim({name}), ',', ''), '% ') as double)"


def _filled(values: Any) -> Column:
    return np.asarray(np.ma.filled(values, np.nan) if np.ma.isMaskedArray(values) else values)


def _check_columns(publication: Publication, columns: tuple[str, ...]) -> None:
    annotations = map(Publication.annotation_column, publication.figure_columns)
    allowed = {*publication.table_columns, *annotations}
    needed = {
        *publication.dimension_columns,
        *publication.figure_columns,
        *publication.people_columns,
    }
    if missing := sorted(needed - set(columns)):
        raise DeclarationError(
            publication.name, f"columns {', '.join(missing)} are missing", "correct the table"
        )
    if extra := sorted(set(columns) - allowed):
        raise DeclarationError(
            publication.name, f"columns {', '.join(extra)} are not declared", "declare them"
        )


def _layout(
    publication: Publication, levels: Mapping[str, Column], texts: Mapping[str, Column]
) -> Layout:
    """One axis per dimension; a dimension and the coarser one it nests in make one axis."""
    nested = {c for c, d in publication.dimensions.items() if d.parent is not None}
    parents = {d.parent for d in publication.dimensions.values() if d.parent is not None}
    axes, coordinates = [], []
    for column, dimension in publication.dimensions.items():
        if column in parents and column not in nested:
            continue
        chain = _chain(publication, column)
        if len(chain) == 1:
            axes.append(_axis(publication.name, column, dimension, texts[column]))
            coordinates.append(levels[column])
        else:
            axis, at = _nested_axis(publication, chain, levels, texts)
            axes.append(axis)
            coordinates.append(at)
    return Layout(name=publication.name, axes=tuple(axes), coordinates=np.stack(coordinates, 1))


def _chain(publication: Publication, column: str) -> tuple[str, ...]:
    """The column and those it nests in, coarsest first."""
    chain = [column]
    while (parent := publication.dimensions[chain[0]].parent) is not None:
        if parent not in publication.dimensions or parent in chain:
            raise DeclarationError(
                f"{publication.name}: {column}", "its parent is not a dimension", "correct it"
            )
        chain.insert(0, parent)
    return tuple(chain)


def _axis(name: str, column: str, dimension: Dimension, texts: Column) -> Axis:
    number = {text: level for level, text in enumerate(texts.tolist())}
    total = number.get(dimension.total, -1) if dimension.total is not None else -1
    parents = [total] * len(texts)
    if total >= 0:
        parents[total] = -1
    for parent, children in dimension.hierarchy.items():
        for child in children:
            if child in number and parent in number:
                parents[number[child]] = number[parent]
    _check_tree(name, column, parents)
    return Axis(
        name=column,
        parents=tuple(parents),
        strategy=dimension.strategy,
        least_interesting=frozenset(
            number[label] for label in dimension.least_interesting if label in number
        ),
    )


def _nested_axis(
    publication: Publication,
    chain: tuple[str, ...],
    levels: Mapping[str, Column],
    texts: Mapping[str, Column],
) -> tuple[Axis, Column]:
    """Levels are the combinations that occur; the parent has the finest label at its total."""
    stacked = np.stack([levels[c] for c in chain], axis=1)
    combinations, at = np.unique(stacked, axis=0, return_inverse=True)
    number = {tuple(row): level for level, row in enumerate(combinations.tolist())}
    totals = [
        int(np.flatnonzero(texts[c] == publication.dimensions[c].total)[0])
        if (texts[c] == publication.dimensions[c].total).any()
        else -1
        for c in chain
    ]
    parents = []
    for row in combinations.tolist():
        above = list(row)
        for place in range(len(chain) - 1, -1, -1):
            if above[place] != totals[place]:
                above[place] = totals[place]
                break
        parents.append(number.get(tuple(above), -1) if above != row else -1)
    finest = publication.dimensions[chain[-1]]
    least = [
        any(
            texts[c][level] in publication.dimensions[c].least_interesting
            for c, level in zip(chain, row, strict=True)
        )
        for row in combinations.tolist()
    ]
    axis = Axis(
        name="/".join(chain),
        parents=tuple(parents),
        strategy=finest.strategy,
        least_interesting=frozenset(np.flatnonzero(least).tolist()),
    )
    return axis, at.reshape(-1)


def _check_tree(name: str, column: str, parents: list[int]) -> None:
    for start in range(len(parents)):
        seen, level = {start}, parents[start]
        while level >= 0:
            if level in seen:
                raise DeclarationError(
                    f"{name}: {column}", "its hierarchy runs in a circle", "nest each label once"
                )
            seen.add(level)
            level = parents[level]
