"""The table has the columns its declaration promises, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid_platform.engine.gates.base import Finding, gate
from deid_platform.engine.gates.subjects import Stage, Subject
from deid_platform.engine.gates.table_columns import column_types

if TYPE_CHECKING:
    import duckdb


@gate(
    "columns",
    source="HICP 7.3, schema contract: a new column fails (SHR-1)",
    on=(Stage.LIMITED, Stage.DEIDENTIFIED, Stage.MART, Stage.CANDIDATE),
)
def columns(con: duckdb.DuckDBPyConnection, subject: Subject) -> Finding:
    """Exactly the declared columns, with the declared types."""
    actual = column_types(con, subject.table)
    declared = subject.columns
    mistyped = [
        name
        for name, kind in declared.items()
        if kind is not None and name in actual and actual[name] != kind
    ]
    return Finding(
        violations={
            "undeclared": len(actual.keys() - declared.keys()),
            "missing": len(declared.keys() - actual.keys()),
            "of_another_type": len(mistyped),
        },
        seen={"columns": len(actual)},
    )
