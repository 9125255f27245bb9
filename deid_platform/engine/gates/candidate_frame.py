"""A candidate as a data frame: small enough for pandera, whole numbers kept whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid_platform.core.errors import GateError
from deid_platform.engine.gates.subjects import CandidateSubject
from deid_platform.engine.gates.table_columns import column_types
from deid_platform.engine.sql import identifier

if TYPE_CHECKING:
    import duckdb
    import pandas as pd


def candidate_frame(con: duckdb.DuckDBPyConnection, candidate: CandidateSubject) -> pd.DataFrame:
    """Figures, counts of people and annotations of a candidate; a blank annotation is code 0.

    Raises:
        GateError: the candidate lacks a column that its publication promises.
    """
    import pandas as pd

    publication = candidate.publication
    annotations = [publication.annotation_column(figure) for figure in publication.figures]
    numbers = list(dict.fromkeys((*publication.figures, *publication.people_columns)))
    there = column_types(con, candidate.table)
    if not {*numbers, *annotations} <= there.keys():
        raise GateError(
            candidate.asset,
            "a figure, its count of people or its annotation is not in the table",
            "mask the aggregate again; every figure has a column <figure>_annotation",
        )
    chosen = [identifier(name) for name in numbers] + [
        # A blank annotation is code 0; one that is no number is a code nobody knows.
        f"if({code} is null, 0, coalesce(try_cast({code} as bigint), -1)) as {code}"
        for code in map(identifier, annotations)
    ]
    table = con.execute(f"select {', '.join(chosen)} from {candidate.table.sql}").to_arrow_table()
    whole = {*publication.people_columns, *annotations}
    return pd.DataFrame(
        {
            name: pd.array(table.column(name).to_pylist(), dtype="Int64")
            if name in whole
            else pd.array(table.column(name).to_pylist(), dtype="Float64")
            for name in table.column_names
        }
    )
