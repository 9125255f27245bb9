"""Zones in memory, and tables written as tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import duckdb

from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Publication
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.gates.base import GateResult, evaluate, gates_for
from deid_platform.engine.gates.subjects import (
    CandidateSubject,
    RecordSubject,
    SourceColumn,
    Stage,
    Subject,
    TableName,
)
from deid_platform.engine.publications import load_policy

CANARY = "Zyxwinkle"
"""A value planted in rows that no result may hold."""


@contextmanager
def zones() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the four zones and a staging file, all in memory."""
    con = duckdb.connect()
    try:
        for name in ("raw", "limited", "deidentified", "staging"):
            con.execute(f"attach ':memory:' as {name}")
        con.execute("create schema limited.candidate")
        con.execute("create schema raw.ingest")
        yield con
    finally:
        con.close()


def put(con: duckdb.DuckDBPyConnection, name: str, columns: str, *rows: tuple[Any, ...]) -> None:
    """Create or replace a table with these rows."""
    con.execute(f"create or replace table {name} ({columns})")
    if rows:
        con.executemany(f"insert into {name} values ({', '.join('?' * len(rows[0]))})", rows)


def put_text(con: duckdb.DuckDBPyConnection, name: str, types: str, drawn: str) -> None:
    """Create a table from a drawing: a header, a rule, rows; ``.`` is null."""
    lines = [line.strip() for line in drawn.strip().splitlines()]
    rows = [tuple(cell.strip() for cell in line.split("|")) for line in lines[2:]]
    nulled = [tuple(None if cell == "." else cell for cell in row) for row in rows]
    names = [cell.strip() for cell in lines[0].split("|")]
    columns = ", ".join(
        f"{column} {kind}" for column, kind in zip(names, types.split(), strict=True)
    )
    put(con, name, columns, *nulled)


def run(gate: str, con: duckdb.DuckDBPyConnection, subject: Subject) -> GateResult:
    """The result of one gate, checked to hold no canary."""
    found = {one.name: one for one in gates_for(subject.stage)}[gate]
    result = evaluate(found, con, subject)
    assert CANARY.lower() not in repr(result).lower()
    assert CANARY.lower() not in repr(result.metadata()).lower()
    assert CANARY.lower() not in result.summary().lower()
    return result


def broken(result: GateResult) -> dict[str, int]:
    """The violations that count."""
    return {name: count for name, count in result.violations.items() if count}


def record(table: str = "visits", **facts: Any) -> RecordSubject:
    """A de-identified table with these facts."""
    stage = facts.pop("stage", Stage.DEIDENTIFIED)
    given: dict[str, Any] = {
        "stage": stage,
        "asset": f"{stage.value}/{table}",
        "table": TableName(
            catalog="limited" if stage is Stage.LIMITED else "deidentified", name=table
        ),
        "columns": {},
    }
    return RecordSubject(**(given | facts))


def raw_column(column: str, table: str = "patients", *, names: bool = False) -> SourceColumn:
    """An identifier column of the raw zone."""
    return SourceColumn(table=TableName(catalog="raw", name=table), column=column, names=names)


def ddg() -> DdgPolicy:
    """The shipped disclosure policy."""
    return load_policy("calhhs_ddg_2", Deployment.from_environment({}))


def publication(**changes: Any) -> Publication:
    """Visits by county and year, with both margins declared."""
    source = {"denominator_source": "Department of Finance 2010"}
    declared: dict[str, Any] = {
        "name": "visits_by_county",
        "policy": "calhhs_ddg_2",
        "dimensions": {
            "county": {"kind": "residence_geography", "total": "California"},
            "visit_year": {"kind": "time"},
        },
        "figures": {
            "visit_count": {"people": "person_count", "denominator": "population_count"} | source,
            "person_count": {"people": "person_count", "denominator": "population_count"} | source,
        },
    }
    return Publication.model_validate(declared | changes)


def candidate(**facts: Any) -> CandidateSubject:
    """The candidate of `publication` in ``limited.candidate``."""
    declared = facts.pop("publication", None) or publication()
    given: dict[str, Any] = {
        "stage": Stage.CANDIDATE,
        "asset": f"candidate/{declared.name}",
        "table": TableName(catalog="limited", schema="candidate", name=declared.name),
        "aggregate": TableName(catalog="limited", name=declared.name),
        "columns": {},
        "publication": declared,
        "policy": ddg(),
        "as_of": date(2026, 1, 1),
    }
    return CandidateSubject(**(given | facts))
