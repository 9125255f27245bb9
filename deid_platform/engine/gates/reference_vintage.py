"""Denominators come from reference data whose source and year are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid_platform.engine.gates.base import Finding, as_candidate, gate
from deid_platform.engine.gates.subjects import Stage, Subject
from deid_platform.engine.gates.table_columns import column_types, exists, text_columns
from deid_platform.engine.sql import identifier

if TYPE_CHECKING:
    import duckdb

    from deid_platform.core.publication import Publication

_YEAR = "((?:19|20)[0-9]{2})[^0-9]*$"


@gate(
    "reference_vintage",
    source="CalHHS DDG 2.0, 4.2 (R-206, A-04)",
    on=(Stage.CANDIDATE,),
)
def reference_vintage(con: duckdb.DuckDBPyConnection, subject: Subject) -> Finding:
    """Each denominator names its source, and each row of reference data its source and year.

    Where the deployment sets a limit, reference data older than that counts against the candidate.
    """
    candidate = as_candidate(subject)
    publication = candidate.publication
    violations = {
        "denominators_without_source": _unsourced(publication),
        "references_unknown_to_policy": _unknown(publication, set(candidate.policy.references)),
        "reference_tables_absent": 0,
        "reference_rows_without_source": 0,
        "reference_rows_without_vintage": 0,
        "reference_rows_too_old": 0,
    }
    limit = candidate.oldest_reference_years
    for table in candidate.reference:
        if not exists(con, table):
            violations["reference_tables_absent"] += 1
            continue
        there = column_types(con, table)
        if not set(there) - set(text_columns(there)):
            continue  # A list of labels holds no number whose age could matter.
        source = f"trim({identifier('source')}::varchar)" if "source" in there else "null"
        vintage = f"{identifier('vintage')}::varchar" if "vintage" in there else "null"
        row = con.execute(
            f"""
            with stated as (
                select {source} as source,
                    nullif(regexp_extract({vintage}, '{_YEAR}', 1), '')::integer as year
                from {table.sql}
            )
            select count(*) filter (where coalesce(source, '') = ''),
                   count(*) filter (where year is null),
                   count(*) filter (where year < ?)
            from stated
            """,
            [candidate.as_of.year - limit if limit is not None else 0],
        ).fetchone()
        unsourced, undated, old = row if row else (1, 1, 1)
        violations["reference_rows_without_source"] += int(unsourced)
        violations["reference_rows_without_vintage"] += int(undated)
        violations["reference_rows_too_old"] += int(old)
    return Finding(violations=violations, seen={"reference_tables": len(candidate.reference)})


def _unsourced(publication: Publication) -> int:
    """Figures whose denominator comes from outside the table and says not from where."""
    return sum(
        bool(figure.denominator or figure.denominator_population)
        and not (figure.denominator_source or "").strip()
        for figure in publication.figures.values()
    )


def _unknown(publication: Publication, known: set[str]) -> int:
    groups = (publication.dimensions, publication.filters, publication.inferred)
    named = {held.reference for group in groups for held in group.values() if held.reference}
    return len(named - known)
