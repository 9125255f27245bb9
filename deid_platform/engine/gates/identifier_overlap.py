"""No identifier of a person in the source appears in the table."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import TYPE_CHECKING

from deid_platform.core.errors import GateError
from deid_platform.core.patterns import SNOMED_CONCEPT
from deid_platform.engine.gates.base import Finding, gate
from deid_platform.engine.gates.subjects import SourceColumn, Stage, Subject, TableName
from deid_platform.engine.gates.table_columns import (
    column_types,
    declared_labels,
    exists,
    integer_columns,
    text_columns,
)
from deid_platform.engine.sql import identifier

if TYPE_CHECKING:
    import duckdb

_SHORTEST = 4
"""Shorter values (initials, flags, two-letter states) meet others by chance."""
_SHORTEST_NUMBER = 6
"""Shorter whole numbers are met by years, ages and counts."""
_LAST_WORD = r"'^(.*[^ ,]),? +([^ ]+)$', '\2 \1'"
_LONGEST_RUN = 5
"""Words in a row that are compared inside a longer text: a full name, phone or address."""


@gate(
    "identifier_overlap",
    source="45 CFR 164.514(b)(2)(i); HICP 7.3, source overlap scan (SHR-6)",
    on=(Stage.LIMITED, Stage.DEIDENTIFIED, Stage.MART, Stage.CANDIDATE),
)
def identifier_overlap(con: duckdb.DuckDBPyConnection, subject: Subject) -> Finding:
    """No value of a direct identifier in the raw zone appears in any column of the table.

    Compared are whole cells, and runs of up to five words inside longer texts: a run counts if it
    holds a digit or more than one word, since a single word in prose is a surname too often.
    Letter case and punctuation do not matter; a number or code written with separators equals the
    same one without. Parts of a name are compared alone and in pairs.

    Not compared: a value that the contract or publication lists for that very column (a county
    named Orange, a race White), because the declaration put it there and not a person; a column
    of counts, years or amounts; a whole number shaped like a SNOMED CT concept. Surrogate keys are
    compared: random 63-bit numbers meet no identifier by chance, and a key that equals one is the
    leak this gate is for.
    """
    columns = _collect(con, subject)
    try:
        checked, absent = _match(con, subject.identifiers)
        found = con.execute(
            """
            select column_name, sum(copies) filter (where whole) as whole,
                   sum(copies) filter (where not whole) as within
            from (
                select column_name, text, any_value(copies) as copies, bool_or(whole) as whole
                from temp.gate_forms where form in (from temp.gate_hits) group by all
            )
            group by column_name
            """
        ).fetchall()
    finally:
        con.execute("drop table if exists temp.gate_forms")
        con.execute("drop table if exists temp.gate_hits")
    if subject.identifiers and not checked:
        raise GateError(
            subject.asset,
            "none of the raw tables it is compared with exists",
            "ingest the source, and attach the raw zone to the session",
        )
    violations = dict.fromkeys(columns, 0)
    for column, whole, within in found:
        violations[str(column)] = int(whole or 0) + int(within or 0)
    return Finding(
        violations=violations or {"columns": 0},
        seen={
            "columns_compared": len(columns),
            "source_columns_compared": checked,
            "source_tables_absent": absent,
        },
    )


def _words(text: str) -> str:
    """SQL for the words of a text in lower case, one space apart."""
    return f"trim(regexp_replace(lower({text}), '[^\\p{{L}}\\p{{N}}]+', ' ', 'g'))"


def _form(words: str) -> str:
    """SQL for what is compared: words, joined where one has a digit, as in a number or code."""
    return f"if(regexp_matches({words}, '[0-9]'), replace({words}, ' ', ''), {words})"


def _collect(con: duckdb.DuckDBPyConnection, subject: Subject) -> tuple[str, ...]:
    """Every distinct form in the table under test, with the column it stands in."""
    types = column_types(con, subject.table)
    texts = text_columns(types)
    columns = texts + tuple(c for c in integer_columns(types) if c not in subject.measures)
    con.execute(
        """
        create or replace temp table gate_forms (
            column_name varchar, text varchar, copies bigint, form varchar, whole boolean
        )
        """
    )
    con.execute("create or replace temp table gate_hits (form varchar)")
    for column in columns:
        declared = declared_labels(con, subject, column)
        con.execute(
            f"""
            insert into temp.gate_forms
            with texts as (
                select {identifier(column)}::varchar as text, count(*) as copies
                from {subject.table.sql}
                where {identifier(column)} is not null
                group by all
            ),
            worded as (
                select text, copies, {_words("text")} as words
                from texts
                where not list_contains($declared::varchar[], lower(text))
            ),
            formed as (
                select text, copies, {_form("words")} as form from worded
            ),
            -- A run of words inside a longer text, with how many words it has.
            runs as (
                select text, copies, unnest(flatten(list_transform(
                    range(1, least(len(split), {_LONGEST_RUN}) + 1),
                    lambda n: list_transform(
                        range(1, len(split) - n + 2),
                        lambda i: {{'words': array_to_string(split[i:i + n - 1], ' '), 'n': n}}
                    )
                ))) as run
                from (select text, copies, string_split(words, ' ') as split from worded)
                where $is_text and len(split) > 1
            )
            select $column, text, copies, form, true
            from formed
            where length(form) >= {_SHORTEST}
              and not regexp_matches(form, '{SNOMED_CONCEPT}')
              and not regexp_full_match(form, '(18|19|20)[0-9]{{2}}')
              and ($is_text or length(form) >= {_SHORTEST_NUMBER})
            union all
            select distinct $column, text, copies, {_form("run.words")} as form, false
            from runs
            where (run.n > 1 or regexp_matches(run.words, '[0-9]'))
              and length(form) >= {_SHORTEST_NUMBER}
            """,
            {"column": column, "declared": declared, "is_text": column in texts},
        )
    return columns


def _match(con: duckdb.DuckDBPyConnection, sources: Sequence[SourceColumn]) -> tuple[int, int]:
    """Note each form that a source column holds; how many columns and absent tables there were."""
    tables = {source.table for source in sources}
    present = {table for table in tables if exists(con, table)}
    compared = 0
    for source in sources:
        if source.table in present:
            column = identifier(source.column) + "::varchar"
            _note(con, source.table, column)
            if source.names:
                # A whole name in one column: "First Last" is also looked for as "Last, First".
                _note(con, source.table, f"regexp_replace(trim({column}), {_LAST_WORD})")
            compared += 1
    for first, second in permutations((s for s in sources if s.names and s.table in present), 2):
        if first.table == second.table:
            both = f"{identifier(first.column)} || ' ' || {identifier(second.column)}"
            _note(con, first.table, both)
    return compared, len(tables - present)


def _note(con: duckdb.DuckDBPyConnection, table: TableName, value: str) -> None:
    con.execute(
        f"""
        insert into temp.gate_hits
        select distinct form from temp.gate_forms
        where form in (
            select {_form("words")} from (
                select distinct {_words(value)} as words from {table.sql}
            )
        )
        """
    )
