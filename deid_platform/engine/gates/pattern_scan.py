"""No text of the table is written like an identifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid_platform.core.patterns import HINT, PATTERNS, Pattern
from deid_platform.engine.gates.base import Finding, gate
from deid_platform.engine.gates.subjects import Stage, Subject
from deid_platform.engine.gates.table_columns import column_types, declared_labels, text_columns
from deid_platform.engine.sql import identifier

if TYPE_CHECKING:
    import duckdb

_MONTHS_ALLOWED = frozenset({"date", "date_plain"})


@gate(
    "pattern_scan",
    source="45 CFR 164.514(b)(2)(i)(B)-(O); HICP 7.3, data-loss scans",
    on=(Stage.LIMITED, Stage.DEIDENTIFIED, Stage.MART, Stage.CANDIDATE),
)
def pattern_scan(con: duckdb.DuckDBPyConnection, subject: Subject) -> Finding:
    """No text holds an e-mail, SSN, phone, record number, URL, IP, date or coordinates.

    Each distinct text is looked at once. A value that the contract or publication lists for that
    column comes from the declaration and is not counted. A limited data set keeps dates (45 CFR
    164.514(e)), and so does a dimension of time in a publication.
    """
    violations = dict.fromkeys(PATTERNS, 0)
    seen = {"text_columns": 0, "distinct_texts": 0}
    for column in text_columns(column_types(con, subject.table)):
        dated = subject.stage is Stage.LIMITED or column in subject.timed
        patterns = [
            pattern
            for pattern in PATTERNS.values()
            if not (dated and pattern.name in _MONTHS_ALLOWED)
        ]
        distinct, *found = _counts(con, subject, column, patterns)
        seen["text_columns"] += 1
        seen["distinct_texts"] += distinct
        for pattern, count in zip(patterns, found, strict=True):
            violations[pattern.name] += count
            if count:
                seen[f"{column}/{pattern.name}"] = count
    return Finding(violations=violations, seen=seen)


def _counts(
    con: duckdb.DuckDBPyConnection, subject: Subject, column: str, patterns: list[Pattern]
) -> list[int]:
    declared = declared_labels(con, subject, column)
    parameters: list[object] = []
    sums = []
    for pattern in patterns:
        condition = "regexp_matches(text, ?)"
        parameters.append(pattern.regex)
        if pattern.exempt is not None:
            condition += " and not regexp_matches(text, ?)"
            parameters.append(pattern.exempt)
        sums.append(f"coalesce(sum(copies) filter (where hinted and {condition}), 0)")
    row = con.execute(
        f"""
        with texts as (
            select {identifier(column)}::varchar as text, count(*) as copies
            from {subject.table.sql}
            where {identifier(column)} is not null
            group by all
        ),
        open_texts as (
            select text, copies, regexp_matches(text, ?) as hinted
            from texts
            where not list_contains(?::varchar[], lower(text))
        )
        select count(*), {", ".join(sums)} from open_texts
        """,
        [HINT, declared, *parameters],
    ).fetchone()
    return [int(count) for count in row or ()]
