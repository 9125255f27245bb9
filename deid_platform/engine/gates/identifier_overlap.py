"""No identifier of a person in the source appears in the table."""

from __future__ import annotations

from collections.abc import Iterable
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
from deid_platform.engine.word_forms import form_of, words_of

if TYPE_CHECKING:
    import duckdb

_SHORTEST = 4
"""Shorter values (initials, flags, two-letter states) meet others by chance."""
_SHORTEST_NUMBER = 6
"""Shorter whole numbers are met by years, ages and quantities."""
_LONGEST_RUN = 5
"""Words in a row that are compared inside a longer text: a full name, phone or address."""
_SHORT_NUMBER = "^[0-9]{1,8}$"
"""Numbers in which a running record number and a code of a terminology may meet by chance; those
of SSNs, telephones and provider numbers are longer."""
_CHANCE = 200
"""Codes that meet fewer than one in so many of a source's record numbers met them by chance: the
record numbers themselves would meet all of those of their rows."""
_LAST_WORD = r"'^(.*[^ ,]),? +([^ ]+)$', '\2 \1'"


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

    Not compared: a value that the contract, publication or reference data lists for that very
    column (a county named Orange, a race White), because the declaration put it there and not a
    person; a column of counts, years or amounts; a number in the shape of a SNOMED CT concept.
    Where nearly all values of a column are numbers, a few short ones that are also record numbers
    are taken for codes of a terminology. Surrogate keys are compared: random 63-bit numbers meet no
    identifier by chance, and a key that equals one is the leak this gate is for.

    Raises:
        GateError: none of the raw tables is there to compare with.
    """
    try:
        columns, of_codes = _collect(con, subject)
        checked, absent = _match(con, subject.identifiers, of_codes)
        found = con.execute(
            """
            select column_name, sum(copies) from (
                select distinct column_name, text, copies
                from temp.gate_forms semi join temp.gate_hits using (column_name, form)
            )
            group by column_name
            """
        ).fetchall()
    finally:
        for name in ("gate_forms", "gate_hits", "gate_matches"):
            con.execute(f"drop table if exists temp.{name}")
    if subject.identifiers and not checked:
        raise GateError(
            subject.asset,
            "none of the raw tables it is compared with exists",
            "ingest the source, and attach the raw zone to the session",
        )
    violations = dict.fromkeys(columns, 0)
    violations |= {str(column): int(copies) for column, copies in found}
    return Finding(
        violations=violations or {"columns": 0},
        seen={
            "columns_compared": len(columns),
            "source_columns_compared": checked,
            "source_tables_absent": absent,
        },
    )


def _collect(
    con: duckdb.DuckDBPyConnection, subject: Subject
) -> tuple[tuple[str, ...], frozenset[str]]:
    """Note every distinct form in the table; its columns, and which of them hold numbers."""
    types = column_types(con, subject.table)
    texts = text_columns(types)
    numbers = tuple(c for c in integer_columns(types) if c not in subject.measures)
    con.execute(
        """
        create or replace temp table gate_forms (
            column_name varchar, text varchar, copies bigint, form varchar
        )
        """
    )
    con.execute("create or replace temp table gate_hits (column_name varchar, form varchar)")
    for column in texts + numbers:
        parameters = {
            "column": column,
            "declared": declared_labels(con, subject, column),
            "is_text": column in texts,
        }
        con.execute(_forms_of(subject.table, column), parameters)
    of_codes = {column for column in texts if _holds_numbers(con, subject.table, column)}
    return texts + numbers, frozenset(of_codes.union(numbers))


def _forms_of(table: TableName, column: str) -> str:
    return f"""
        insert into temp.gate_forms
        with texts as (
            select {identifier(column)}::varchar as text, count(*) as copies
            from {table.sql}
            where {identifier(column)} is not null
            group by all
        ),
        worded as (
            select text, copies, {words_of("text")} as words
            from texts
            where not list_contains($declared::varchar[], lower(text))
        ),
        formed as (
            select text, copies, {form_of("words")} as form from worded
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
        select $column, text, copies, form
        from formed
        where length(form) >= {_SHORTEST}
          and not regexp_matches(form, '{SNOMED_CONCEPT}')
          and not regexp_full_match(form, '(18|19|20)[0-9]{{2}}')
          and ($is_text or length(form) >= {_SHORTEST_NUMBER})
        union all
        select distinct $column, text, copies, {form_of("run.words")} as form
        from runs
        where (run.n > 1 or regexp_matches(run.words, '[0-9]'))
          and length(form) >= {_SHORTEST_NUMBER}
    """


def _holds_numbers(con: duckdb.DuckDBPyConnection, table: TableName, column: str) -> bool:
    """Whether nine in ten distinct values of a column are numbers, as in a column of codes."""
    row = con.execute(
        f"""
        select count(*), count(*) filter (where regexp_full_match(text, '[0-9 .-]+'))
        from (select distinct {identifier(column)}::varchar as text from {table.sql})
        where text is not null
        """
    ).fetchone()
    return row is not None and 10 * int(row[1]) >= 9 * int(row[0])


def _match(
    con: duckdb.DuckDBPyConnection, sources: Iterable[SourceColumn], of_codes: frozenset[str]
) -> tuple[int, int]:
    """Note each form that a source column holds; how many columns and absent tables there were."""
    columns: dict[TableName, list[SourceColumn]] = {}
    for source in sources:
        columns.setdefault(source.table, []).append(source)
    present = {table: held for table, held in columns.items() if exists(con, table)}
    for table, held in present.items():
        _note(con, table, _values(held), of_codes)
    return sum(map(len, present.values())), len(columns) - len(present)


def _values(sources: Iterable[SourceColumn]) -> list[str]:
    """SQL for each text to look for in one raw table: its columns, and names put together."""
    sources = tuple(sources)
    names = [f"{identifier(source.column)}::varchar" for source in sources if source.names]
    # A whole name in one column, "First Last", is also looked for as "Last, First".
    turned = [f"regexp_replace(trim({name}), {_LAST_WORD})" for name in names]
    pairs = [f"{first} || ' ' || {second}" for first, second in permutations(names, 2)]
    return [f"{identifier(source.column)}::varchar" for source in sources] + turned + pairs


def _note(
    con: duckdb.DuckDBPyConnection, table: TableName, values: list[str], of_codes: frozenset[str]
) -> None:
    """Note the forms that a raw table holds, without codes met by chance."""
    worded = " union all ".join(
        f"select {number} as source, {words_of(value)} as words from {table.sql}"
        for number, value in enumerate(values)
    )
    con.execute(
        f"""
        create or replace temp table gate_matches as
        select distinct source, column_name, form,
            regexp_matches(form, '{_SHORT_NUMBER}') as is_short
        from temp.gate_forms
        join (select source, {form_of("words")} as form from ({worded})) using (form)
        """
    )
    short = con.execute(
        "select source, column_name, count(*) from temp.gate_matches where is_short group by all"
    ).fetchall()
    for source, column, met in short:
        if column in of_codes and met * _CHANCE < _short_numbers(con, table, values[source]):
            con.execute(
                "delete from temp.gate_matches where is_short and source = ? and column_name = ?",
                [source, column],
            )
    con.execute("insert into temp.gate_hits select column_name, form from temp.gate_matches")


def _short_numbers(con: duckdb.DuckDBPyConnection, table: TableName, value: str) -> int:
    """How many different short numbers a raw column holds."""
    row = con.execute(
        f"""
        select count(distinct words) from (select {words_of(value)} as words from {table.sql})
        where regexp_matches(words, '{_SHORT_NUMBER}')
        """
    ).fetchone()
    return int(row[0]) if row else 0
