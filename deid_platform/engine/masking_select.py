"""The statements that turn a masking, cell by cell, into a candidate and its evidence."""

from __future__ import annotations

from collections.abc import Mapping

from deid_platform.core.publication import Publication
from deid_platform.engine.masking_table import MaskingCells
from deid_platform.engine.sql import identifier

NO_DATA = 3
"""Annotation code of a value that the source does not have (DDG 2.0, 7.5)."""
RESULT = "masking_result"
"""The name under which a session knows the masking, one row per cell."""


def numbered(source: str, publication: Publication) -> str:
    """The source in the order of its dimensions, joined to the result by row number."""
    order = ", ".join(map(identifier, publication.dimension_columns))
    return (
        f"(select *, row_number() over (order by {order}) as _row from {source}) as source "
        f"join {RESULT} as result on source._row = result.row"
    )


def candidate_select(
    publication: Publication, cells: MaskingCells, number: Mapping[str, int]
) -> str:
    """The columns of the source, hidden figures null, and one annotation column per figure."""
    code_of = {people: f"code_{k}" for people, k in number.items()}
    code_of |= {name: f"figure_{k}" for k, name in enumerate(publication.figures)}
    selected = []
    for column in cells.columns:
        name = identifier(column)
        if column in code_of:
            code = code_of[column]
            selected.append(f"case when {code} = 0 then {name} end as {name}")
        else:
            selected.append(name)
    for figure in publication.figures:
        code, name = code_of[figure], identifier(figure)
        annotation = identifier(Publication.annotation_column(figure))
        selected.append(
            f"case when {code} = 0 and {name} is null then {NO_DATA} else {code} end"
            f"::integer as {annotation}"
        )
    return f"select {', '.join(selected)}"


def evidence_select(publication: Publication, number: Mapping[str, int]) -> str:
    """Per cell and column of people: why it is hidden, its code, its block and its interval."""
    selected = list(map(identifier, publication.dimension_columns))
    for people, k in number.items():
        for part in ("reason", "code", "block", "low", "high"):
            selected.append(f"{part}_{k} as {identifier(f'{people}_{part}')}")
    return f"select {', '.join(selected)}"
