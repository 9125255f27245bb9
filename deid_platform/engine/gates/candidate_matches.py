"""A candidate is its aggregate with some cells blank, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid_platform.engine.gates.base import Finding, as_candidate, gate
from deid_platform.engine.gates.subjects import Stage, Subject
from deid_platform.engine.sql import identifier

if TYPE_CHECKING:
    import duckdb


@gate(
    "candidate_matches",
    source="CalHHS DDG 2.0, 4.4.1 (M-3) and 7.5; reconciliation of suppressed mass",
    on=(Stage.CANDIDATE,),
)
def candidate_matches(con: duckdb.DuckDBPyConnection, subject: Subject) -> Finding:
    """Each cell of the aggregate is there once, and each value shown is the aggregate's own.

    So whatever is missing from the candidate's totals is exactly what its blanks hold. Zeros and
    denominators are never blank. How much the blanks hold is not counted: of a single blank, the
    sum would be its value.
    """
    candidate = as_candidate(subject)
    publication = candidate.publication
    keys = [identifier(name) for name in publication.dimension_columns]
    hideable = dict.fromkeys((*publication.figures, *publication.people_columns))
    fixed = [name for name in publication.table_columns if name not in {*hideable}]
    fixed = [name for name in fixed if name not in publication.dimensions]
    same = " and ".join(f"shown.{key} is not distinct from true_cells.{key}" for key in keys)
    changed = [
        f"shown.{c} is not null and shown.{c} is distinct from true_cells.{c}"
        for c in map(identifier, hideable)
    ]
    zero_hidden = [f"shown.{c} is null and true_cells.{c} = 0" for c in map(identifier, hideable)]
    restated = [f"shown.{c} is distinct from true_cells.{c}" for c in map(identifier, fixed)]

    def counted(conditions: list[str]) -> str:
        within = "shown.here and true_cells.here"
        return f"count(*) filter (where {within} and ({' or '.join(conditions) or 'false'}))"

    row = con.execute(
        f"""
        select
            count(*) filter (where shown.here is null) as lost,
            count(*) filter (where true_cells.here is null) as added,
            {counted(changed)} as changed,
            {counted(zero_hidden)} as zeros_hidden,
            {counted(restated)} as denominators_changed,
            count(*) as cells
        from (select *, true as here from {candidate.table.sql}) as shown
        full join (select *, true as here from {candidate.aggregate.sql}) as true_cells on {same}
        """
    ).fetchone()
    lost, added, values, zeros, denominators, cells = (int(n) for n in row or (1,) * 6)
    repeated = con.execute(
        f"""
        select coalesce(sum(copies - 1), 0) from (
            select count(*) as copies from {candidate.table.sql} group by {", ".join(keys)}
        )
        """
    ).fetchone()
    return Finding(
        violations={
            "cells_lost": lost,
            "cells_added": added,
            "cells_repeated": int(repeated[0]) if repeated else 1,
            "values_changed": values,
            "zeros_hidden": zeros,
            "denominators_changed": denominators,
        },
        seen={"cells": cells},
    )
