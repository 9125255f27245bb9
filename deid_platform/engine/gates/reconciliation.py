"""Every row and person of the source is accounted for on the way down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid_platform.core.errors import GateError
from deid_platform.engine.gates.base import Finding, as_record, gate
from deid_platform.engine.gates.subjects import (
    CandidateSubject,
    RecordSubject,
    Stage,
    Subject,
    TableName,
)
from deid_platform.engine.sql import identifier

if TYPE_CHECKING:
    import duckdb

_DELIVERIES = TableName(catalog="raw", schema="ingest", name="deliveries")


@gate(
    "reconciliation",
    source="HICP 7.3, reconciliation of counts from source to release",
    on=(Stage.LIMITED, Stage.DEIDENTIFIED, Stage.CANDIDATE),
)
def reconciliation(con: duckdb.DuckDBPyConnection, subject: Subject) -> Finding:
    """Rows delivered are loaded or quarantined; rows and people equal those of the table above.

    A limited table is compared partition by partition, a de-identified one by calendar year, an
    aggregate by its margin. `candidate_matches` accounts for the rest of the way.

    Raises:
        GateError: no raw table is declared to reconcile with.
    """
    if isinstance(subject, CandidateSubject):
        return _aggregate(con, subject)
    record = as_record(subject)
    if record.raw is None:
        raise GateError(record.asset, "no raw table to reconcile with", "declare its contract")
    violations = _deliveries(con, record, record.raw)
    violations |= _groups(con, record, record.raw)
    violations |= _people(con, record, record.raw)
    return Finding(violations=violations, seen={"rows": _one(con, record.table.sql)})


def _deliveries(
    con: duckdb.DuckDBPyConnection, record: RecordSubject, raw: TableName
) -> dict[str, int]:
    row = con.execute(
        f"""
        select count(*) filter (where rows_in <> rows_loaded + rows_quarantined),
               coalesce(sum(rows_loaded), 0)
        from {_rows(record, _DELIVERIES)} where table_name = $table
        """,
        {"table": raw.name, **_partitions(record)},
    ).fetchone()
    unbalanced, loaded = row if row else (1, 0)
    held = _one(con, _rows(record, raw), _partitions(record))
    return {
        "deliveries_unbalanced": int(unbalanced),
        "raw_rows_unaccounted": abs(int(loaded) - held),
    }


def _groups(
    con: duckdb.DuckDBPyConnection, record: RecordSubject, raw: TableName
) -> dict[str, int]:
    """Rows that one side has more of than the other, in groups both sides can form."""
    if record.stage is Stage.LIMITED:
        above, below = "_partition", "_partition"
    elif record.raw_date is not None and record.year is not None:
        above, below = f"year({identifier(record.raw_date)})", identifier(record.year)
    else:
        above, below = "true", "true"
    row = con.execute(
        f"""
        with above as (
            select {above} as part, count(*) as n from {_rows(record, raw)} group by all
        ),
        below as (select {below} as part, count(*) as n from {record.table.sql} group by all)
        select coalesce(sum(abs(coalesce(above.n, 0) - coalesce(below.n, 0))), 0)
        from above full join below on above.part is not distinct from below.part
        """,
        _partitions(record),
    ).fetchone()
    return {"rows_unaccounted": int(row[0]) if row else 1}


def _people(
    con: duckdb.DuckDBPyConnection, record: RecordSubject, raw: TableName
) -> dict[str, int]:
    if record.person is None or record.raw_person is None:
        return {}
    distinct = "count(distinct {})".format
    above = _one(
        con, _rows(record, raw), _partitions(record), distinct(identifier(record.raw_person))
    )
    below = _one(con, record.table.sql, what=distinct(identifier(record.person)))
    return {"people_unaccounted": abs(above - below)}


def _rows(record: RecordSubject, table: TableName) -> str:
    """SQL for the rows of a raw table that the table under test was made from."""
    if record.partitions is None:
        return table.sql
    return f"(from {table.sql} where list_contains($partitions::varchar[], _partition))"


def _partitions(record: RecordSubject) -> dict[str, object]:
    return {} if record.partitions is None else {"partitions": list(record.partitions)}


def _aggregate(con: duckdb.DuckDBPyConnection, candidate: CandidateSubject) -> Finding:
    publication = candidate.publication
    cells = _one(con, candidate.aggregate.sql)
    if candidate.source is None or candidate.rows_figure is None:
        return Finding(violations={"aggregate_empty": int(cells == 0)}, seen={"cells": cells})
    totals = {
        name: dimension.total
        for name, dimension in publication.dimensions.items()
        if dimension.total is not None
    }
    margin = " and ".join(f"{identifier(name)}::varchar = ?" for name in totals) or "true"
    row = con.execute(
        f"select coalesce(sum({identifier(candidate.rows_figure)}), 0) "
        f"from {candidate.aggregate.sql} where {margin}",
        list(totals.values()),
    ).fetchone()
    counted = int(row[0]) if row else -1
    return Finding(
        violations={
            "aggregate_empty": int(cells == 0),
            "source_rows_unaccounted": abs(counted - _one(con, candidate.source.sql)),
        },
        seen={"cells": cells},
    )


def _one(
    con: duckdb.DuckDBPyConnection,
    rows: str,
    parameters: dict[str, object] | None = None,
    what: str = "count(*)",
) -> int:
    row = con.execute(f"select {what} from {rows}", parameters or {}).fetchone()
    return int(row[0]) if row else 0
