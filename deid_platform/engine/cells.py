"""Turns a table into checked cells: one normal form, whatever it was read from.

The normal form is a temporary table: `d0..` dimension labels as text, `t0..` whether the label is
the total, `p0..` distinct people, `n0..` the denominator of each figure, `m0..` members per
label, and the design columns of a survey. Every check is one set-based query; a fault names
columns and counts rows, and never quotes a cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from deid_platform.core.faults import AssessmentFault, Fault
from deid_platform.core.publication import Figure, FigureKind, Publication
from deid_platform.engine.sql import identifier

CELLS = "temp.main.assessed_cells"
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")


@dataclass(frozen=True, kw_only=True)
class Cells:
    """The normal form of a table, and where its columns stand."""

    publication: Publication
    count: int

    @property
    def name(self) -> str:
        """The table's name, for messages."""
        return self.publication.name

    def label(self, column: str) -> str:
        """The column that holds a dimension's labels."""
        return f"d{self.publication.dimension_columns.index(column)}"

    def is_total(self, column: str) -> str:
        """The column that says whether a dimension's label is its total."""
        return f"t{self.publication.dimension_columns.index(column)}"

    @property
    def labels(self) -> list[str]:
        """All label columns."""
        return [self.label(column) for column in self.publication.dimension_columns]

    @property
    def people(self) -> list[str]:
        """All columns of distinct people."""
        return [f"p{number}" for number in range(len(self.publication.people_columns))]

    @property
    def denominators(self) -> list[str]:
        """The denominator of each figure; null throughout where none is recorded."""
        return [f"n{number}" for number in range(len(self.publication.figures))]


def normal_form(con: duckdb.DuckDBPyConnection, source: str, publication: Publication) -> Cells:
    """Check a table and build its normal form.

    Args:
        con: a session that can read the table.
        source: the table as SQL text made by `engine.sql` or by this engine.
        publication: what the table declares.

    Raises:
        AssessmentFault: the table is not what its declaration says.
    """
    types = _columns(con, source, publication)
    count = int(_one(con, f"select count(*) from {source}")[0])
    if count == 0:
        raise AssessmentFault(
            Fault.EMPTY_TABLE, publication.name, "no rows", "assess a table with cells"
        )
    _check_numbers(con, source, publication, types)
    _build(con, source, publication)
    cells = Cells(publication=publication, count=count)
    _check_labels(con, cells)
    _check_duplicates(con, cells)
    _check_denominators(con, cells)
    _check_margins(con, cells)
    _check_parents(con, cells)
    return cells


def _columns(
    con: duckdb.DuckDBPyConnection, source: str, publication: Publication
) -> dict[str, str]:
    described = con.execute(f"describe select * from {source}").fetchall()
    types = {str(row[0]): str(row[1]) for row in described}
    undeclared = sorted(set(types) - set(publication.table_columns))
    if undeclared:
        raise AssessmentFault(
            Fault.UNDECLARED_COLUMN,
            f"{publication.name}: {undeclared[0]}",
            f"{len(undeclared)} columns of the table are not declared",
            "declare them, or take them out of the table",
        )
    missing = sorted(set(publication.table_columns) - set(types))
    if missing:
        raise AssessmentFault(
            Fault.MISSING_COLUMN,
            f"{publication.name}: {missing[0]}",
            f"{len(missing)} declared columns are not in the table",
            "add them, or correct the declaration",
        )
    return types


def _check_numbers(
    con: duckdb.DuckDBPyConnection, source: str, publication: Publication, types: dict[str, str]
) -> None:
    whole = [
        *((column, Fault.MISSING_PEOPLE) for column in publication.people_columns),
        *((column, Fault.MISSING_POPULATION) for column in publication.denominator_columns),
        *(
            (dimension.population_column, Fault.MISSING_POPULATION)
            for dimension in publication.dimensions.values()
            if dimension.population_column
        ),
    ]
    survey = publication.survey
    if survey:
        whole += [
            (column, Fault.SURVEY_DESIGN)
            for column in (survey.sample_column, survey.numerator_column)
            if column
        ]
    known = {column for column, _ in whole}
    figures = [(name, figure) for name, figure in publication.figures.items() if name not in known]
    checks: list[tuple[str, Fault, str, str]] = []
    for column, absent in dict(whole).items():
        checks.append((column, absent, _blank(column), "a value is missing"))
        checks += _number_checks(column, types[column], counted=True)
    for name, figure in figures:
        checks += _number_checks(name, types[name], counted=figure.kind is FigureKind.COUNT)
    if survey and survey.rse_column and survey.rse_column not in known:
        checks += _number_checks(survey.rse_column, types[survey.rse_column], counted=False)
    if not checks:
        return
    counts = ", ".join(f"count(*) filter (where {test})" for _, _, test, _ in checks)
    found = _one(con, f"select {counts} from {source}")
    for (column, fault, _, what), number in zip(checks, found, strict=True):
        if number:
            raise AssessmentFault(
                fault,
                f"{publication.name}: {column}",
                f"{what}, in {number} rows",
                "correct the table; an already masked table cannot be assessed",
            )


def _blank(column: str) -> str:
    quoted = identifier(column)
    return f"{quoted} is null or trim(cast({quoted} as varchar)) = ''"


def _number_checks(
    column: str, type_name: str, *, counted: bool
) -> list[tuple[str, Fault, str, str]]:
    quoted = identifier(column)
    if type_name in _WHOLE:
        return [(column, Fault.NEGATIVE, f"{quoted} < 0", "a negative number")] if counted else []
    number = f"try_cast(cast({quoted} as varchar) as double)"
    given = f"not ({_blank(column)})"
    checks = [
        (
            column,
            Fault.NOT_A_NUMBER,
            f"{given} and ({number} is null or not isfinite({number}))",
            "something that is not a number",
        )
    ]
    if counted:
        checks.append((column, Fault.NEGATIVE, f"{number} < 0", "a negative number"))
        checks.append(
            (column, Fault.FRACTIONAL, f"{number} <> floor({number})", "a fraction of a person")
        )
    return checks


def _count(column: str) -> str:
    return f"cast(try_cast(cast({identifier(column)} as varchar) as double) as bigint)"


def _build(con: duckdb.DuckDBPyConnection, source: str, publication: Publication) -> None:
    selected: list[str] = []
    values: list[Any] = []
    for number, (column, dimension) in enumerate(publication.dimensions.items()):
        text = f"trim(cast({identifier(column)} as varchar))"
        selected.append(f"{text} as d{number}")
        if dimension.total is None:
            selected.append(f"false as t{number}")
        else:
            selected.append(f"coalesce({text} = ?, false) as t{number}")
            values.append(dimension.total)
        if dimension.population_column:
            selected.append(f"{_count(dimension.population_column)} as m{number}")
    for number, column in enumerate(publication.people_columns):
        selected.append(f"{_count(column)} as p{number}")
    survey = publication.survey
    if survey:
        for name in ("sample", "numerator", "rse"):
            column = getattr(survey, f"{name}_column")
            if column:
                as_double = f"try_cast(cast({identifier(column)} as varchar) as double)"
                selected.append(f"{as_double} as survey_{name}")
    figures = list(publication.figures.values())
    columns = [
        f"{_count(figure.denominator)} as n{number}"
        for number, figure in enumerate(figures)
        if figure.denominator
    ]
    later = [
        f"{_later_denominator(publication, figure)} as n{number}"
        for number, figure in enumerate(figures)
        if not figure.denominator
    ]
    con.execute(
        f"create or replace temp table assessed_cells as "
        f"with base as (select {', '.join([*selected, *columns])} from {source}) "
        f"select *{''.join(', ' + one for one in later)} from base",
        values,
    )


def _later_denominator(publication: Publication, figure: Figure) -> str:
    """A fixed population, or the people of the margin over the named dimensions (A-04)."""
    if figure.denominator_population is not None:
        return f"cast({int(figure.denominator_population)} as bigint)"
    if not figure.denominator_total:
        return "cast(null as bigint)"
    columns = publication.dimension_columns
    over = [columns.index(column) for column in figure.denominator_total]
    same = [f"d{number}" for number in range(len(columns)) if number not in over]
    total = " and ".join(f"t{number}" for number in over)
    people = f"p{publication.people_columns.index(figure.people)}"
    partition = f"partition by {', '.join(same)}" if same else ""
    return f"max({people}) filter (where {total}) over ({partition})"


def _check_labels(con: duckdb.DuckDBPyConnection, cells: Cells) -> None:
    publication = cells.publication
    tests = []
    for column in publication.dimension_columns:
        label = cells.label(column)
        tests.append(f"count(*) filter (where {label} is null or {label} = '')")
        tests.append(f"count(*) filter (where {cells.is_total(column)})")
    found = _one(con, f"select {', '.join(tests)} from {CELLS}")
    for number, (column, dimension) in enumerate(publication.dimensions.items()):
        if found[2 * number]:
            raise AssessmentFault(
                Fault.EMPTY_LABEL,
                f"{cells.name}: {column}",
                f"an empty label in {found[2 * number]} rows",
                "name the group, or write Unknown",
            )
        if dimension.total is not None and not found[2 * number + 1]:
            raise AssessmentFault(
                Fault.TOTAL_ABSENT,
                f"{cells.name}: {column}",
                "the declared total label is in no row",
                "correct its spelling, or declare `total: null`",
            )


def _check_duplicates(con: duckdb.DuckDBPyConnection, cells: Cells) -> None:
    keys = ", ".join(cells.labels)
    found = _one(
        con,
        f"select count(*) from (select 1 from {CELLS} group by {keys} having count(*) > 1)",
    )
    if found[0]:
        raise AssessmentFault(
            Fault.DUPLICATE_CELL,
            cells.name,
            f"{found[0]} cells stand in the table more than once",
            "aggregate them, or declare the dimension that tells them apart",
        )


def _check_denominators(con: duckdb.DuckDBPyConnection, cells: Cells) -> None:
    tests: list[str] = []
    checked: list[tuple[str, Fault, str]] = []
    people = cells.publication.people_columns
    for column, (name, figure) in zip(
        cells.denominators, cells.publication.figures.items(), strict=True
    ):
        if figure.denominator or figure.denominator_total or figure.denominator_population:
            tests.append(f"count(*) filter (where {column} is null)")
            checked.append((name, Fault.MISSING_POPULATION, "no denominator"))
            behind = f"p{people.index(figure.people)}"
            tests.append(f"count(*) filter (where {behind} > {column})")
            checked.append((name, Fault.PEOPLE_OVER_DENOMINATOR, "more people than denominator"))
    if not tests:
        return
    found = _one(con, f"select {', '.join(tests)} from {CELLS}")
    for (name, fault, what), number in zip(checked, found, strict=True):
        if number:
            raise AssessmentFault(
                fault, f"{cells.name}: {name}", f"{what}, in {number} cells", "correct the table"
            )


def _check_margins(con: duckdb.DuckDBPyConnection, cells: Cells) -> None:
    """A total has at least as many people as each cell that it sums."""
    for column, dimension in cells.publication.dimensions.items():
        if dimension.total is None:
            continue
        total = cells.is_total(column)
        same = [label for label in cells.labels if label != cells.label(column)]
        join = " and ".join(f"cell.{label} = margin.{label}" for label in same) or "true"
        more = " or ".join(f"cell.{people} > margin.{people}" for people in cells.people)
        found = _one(
            con,
            f"select count(*) from {CELLS} as cell join (select * from {CELLS} where {total}) "
            f"as margin on {join} where not cell.{total} and ({more})",
        )
        if found[0]:
            raise AssessmentFault(
                Fault.MARGIN_MISMATCH,
                f"{cells.name}: {column}",
                f"{found[0]} cells have more people than their total",
                "correct the table, or the declared total label",
            )


def _check_parents(con: duckdb.DuckDBPyConnection, cells: Cells) -> None:
    """Each label of a nested dimension stands under one label of its parent."""
    for column, dimension in cells.publication.dimensions.items():
        if dimension.parent is None:
            continue
        child, parent = cells.label(column), cells.label(dimension.parent)
        found = _one(
            con,
            f"select count(*) from (select 1 from {CELLS} where not {cells.is_total(column)} "
            f"and not {cells.is_total(dimension.parent)} "
            f"group by {child} having count(distinct {parent}) > 1)",
        )
        if found[0]:
            raise AssessmentFault(
                Fault.HIERARCHY_BROKEN,
                f"{cells.name}: {column}",
                f"{found[0]} labels stand under more than one label of {dimension.parent}",
                "correct the table, or the declared parent",
            )


def _one(con: duckdb.DuckDBPyConnection, statement: str) -> tuple[Any, ...]:
    row = con.execute(statement).fetchone()
    return tuple(row) if row is not None else (0,)
