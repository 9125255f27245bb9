"""Describes a released table: every column in words, what period it covers, how many rows.

Source: CalHHS Open Data Handbook 1.2, data dictionary: description and technical notes for every
field, annotation columns included.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from deid_platform.core.errors import GateError
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Dimension, Figure, Kind, Publication
from deid_platform.engine.sql import identifier
from deid_platform.governance.authority import Authority
from deid_platform.governance.targets import Field, Release

if TYPE_CHECKING:
    import duckdb

_WHOLE = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER)")
_FRACTION = re.compile(r"(DOUBLE|FLOAT|DECIMAL\(.*\))")
_TYPES = ((_WHOLE, "integer"), (_FRACTION, "number"), (re.compile("DATE"), "date"))


def describe(
    con: duckdb.DuckDBPyConnection,
    table: str,
    publication: Publication,
    policy: DdgPolicy,
    authority: Authority,
) -> Release:
    """The description of a released table.

    Raises:
        GateError: a column that nobody declared, or of a type that a CSV file cannot hold.
    """
    return described(
        con,
        table,
        publication,
        policy,
        release=authority.release_id,
        request=authority.request.id,
        fingerprint=authority.binding.fingerprint,
        score_sheet_digest=authority.binding.score_sheet_digest,
    )


def described(
    con: duckdb.DuckDBPyConnection,
    table: str,
    publication: Publication,
    policy: DdgPolicy,
    *,
    release: str,
    request: str,
    fingerprint: str,
    score_sheet_digest: str | None,
) -> Release:
    """The description of a table that was released, or is made again as it was.

    Raises:
        GateError: a column that nobody declared, or of a type that a CSV file cannot hold.
    """
    columns = con.execute(f"describe {table}").fetchall()
    rows = con.execute(f"select count(*) from {table}").fetchone() or (0,)
    return Release(
        id=release,
        request=request,
        publication=publication,
        policy=policy,
        fingerprint=fingerprint,
        score_sheet_digest=score_sheet_digest,
        fields=tuple(_field(publication, row[0], row[1]) for row in columns),
        rows=rows[0],
        period=_period(con, table, publication),
    )


def _field(publication: Publication, name: str, database_type: str) -> Field:
    description, notes = _words(publication, name)
    declared = publication.columns.get(name)
    return Field(
        name=name,
        type=_type(publication, name, database_type),
        database_type=database_type,
        description=(declared.description if declared else "") or description,
        notes=notes,
    )


def _type(publication: Publication, name: str, database_type: str) -> str:
    if database_type == "VARCHAR":
        return "text"
    for pattern, word in _TYPES:
        if pattern.fullmatch(database_type):
            return word
    raise GateError(
        f"release of {publication.name}: column {name}",
        f"a column of type {database_type} has no place in a public table",
        "cast it to text, a number or a date in the model",
    )


def _words(publication: Publication, name: str) -> tuple[str, str]:
    """Description and technical notes; a declared description takes the first one's place."""
    annotated = {publication.annotation_column(one): one for one in publication.figure_columns}
    if name in annotated:
        figure = annotated[name]
        return (
            f"Says whether {figure} is shown, and why it is blank where it is.",
            "0 or blank: shown; 1: suppressed, small number; 2: suppressed, complementary; "
            "3: no data; 4: statistically unstable; 5: incomplete data. CalHHS DDG Edition 2.0.",
        )
    if name in publication.dimensions:
        return _dimension(name, publication.dimensions[name])
    if name in publication.figures:
        return _figure(publication, name, publication.figures[name])
    if name in publication.people_columns:
        served = [one for one, figure in publication.figures.items() if figure.people == name]
        return (
            "Distinct people behind " + " and ".join(served) + ".",
            "Blank where suppressed; a true zero is written 0.",
        )
    if name in publication.table_columns:
        return "Population that the figures are compared with.", "Reference data."
    raise GateError(
        f"release of {publication.name}: column {name}",
        "a column that the publication does not declare",
        "declare it, or leave it out of the model",
    )


def _dimension(name: str, dimension: Dimension) -> tuple[str, str]:
    kind = dimension.kind.value.replace("_", " ")
    total = (
        f"The row labelled {dimension.total} is the total."
        if dimension.total
        else "There is no total over it."
    )
    return dimension.description or f"{name.replace('_', ' ').capitalize()} ({kind}).", (
        f"Dimension, {kind}. {total}"
    )


def _figure(publication: Publication, name: str, figure: Figure) -> tuple[str, str]:
    notes = [
        f"{figure.kind.value.capitalize()}{f' in {figure.unit}' if figure.unit else ''}.",
        f"Blank where suppressed, see {publication.annotation_column(name)}; "
        "a true zero is written 0.",
        f"Judged on {figure.people}.",
    ]
    if figure.denominator:
        notes.append(f"Denominator: {figure.denominator}.")
    return figure.description or f"{name.replace('_', ' ').capitalize()}.", " ".join(notes)


def _period(con: duckdb.DuckDBPyConnection, table: str, publication: Publication) -> str | None:
    for name, dimension in publication.dimensions.items():
        if dimension.kind is not Kind.TIME:
            continue
        column = f"cast({identifier(name)} as varchar)"
        first, last = con.execute(
            f"select min({column}), max({column}) from {table} where {column} is distinct from ?",
            [dimension.total],
        ).fetchone() or (None, None)
        if first is None:
            return None
        bounds = [re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") for text in (first, last)]
        return "_".join(dict.fromkeys(bounds))
    return None
