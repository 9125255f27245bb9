"""A Safe Harbor table holds nothing finer than the rule allows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from deid_platform.core.transforms.date_to_year import LATEST_YEAR
from deid_platform.core.transforms.zip3 import WITHHELD
from deid_platform.engine.gates.base import Finding, as_record, gate
from deid_platform.engine.gates.subjects import RecordSubject, SourceColumn, Stage, Subject
from deid_platform.engine.gates.table_columns import column_types, exists
from deid_platform.engine.sql import identifier

if TYPE_CHECKING:
    import duckdb

_FINER_THAN_A_YEAR = ("DATE", "TIME", "INTERVAL")
_NOT_TABULAR = ("BLOB", "BIT", "STRUCT", "MAP", "UNION", "JSON", "GEOMETRY")
_ZIP3 = "^[0-9]{3}$"


@gate(
    "safe_harbor_shape",
    source="45 CFR 164.514(b)(2)(i)(B), (C), (P), (Q)",
    on=(Stage.DEIDENTIFIED, Stage.MART),
)
def safe_harbor_shape(con: duckdb.DuckDBPyConnection, subject: Subject) -> Finding:
    """No dates, binaries or lists; ZIP areas of three digits and 20,001 people; no age over 89.

    Ages above the policy's oldest are one category. Neither a year of birth, nor an age and the
    year it is counted to, shows an age in it: not even by the latest year of the data (SH-06).
    """
    record = as_record(subject)
    types = column_types(con, record.table)
    violations = {
        "dates_or_times": sum(kind.startswith(_FINER_THAN_A_YEAR) for kind in types.values()),
        "binary_or_nested": sum(
            kind.startswith(_NOT_TABULAR) or kind.endswith("]") for kind in types.values()
        ),
        "partition_columns": sum(name.startswith("_") for name in types),
    }
    for column in sorted(record.shape.zip3 & types.keys()):
        violations |= _zip3(con, record, column)
    ages = {name: year for name, year in record.shape.ages.items() if name in types}
    birth_years = sorted(record.shape.birth_years & types.keys())
    latest = _latest_year(con, record.shape.event_dates) if ages or birth_years else None
    for column, year in sorted(ages.items()):
        violations |= _age(con, record, column, year if year in types else None, latest)
    for column in birth_years:
        violations |= _birth_year(con, record, column, latest)
    return Finding(violations=violations, seen={"columns": len(types)})


def _zip3(con: duckdb.DuckDBPyConnection, record: RecordSubject, column: str) -> dict[str, int]:
    text = f"{identifier(column)}::varchar"
    found = {
        f"{column}/not_three_digits": _count(
            con, record, f"not regexp_full_match({text}, ?)", _ZIP3
        ),
        f"{column}/restricted_area": _count(
            con,
            record,
            f"list_contains(?::varchar[], {text})",
            sorted(record.shape.restricted_zip3),
        ),
    }
    if record.shape.allowed_zip3 is not None:
        found[f"{column}/area_not_allowed"] = _count(
            con,
            record,
            f"not list_contains(?::varchar[], {text})",
            sorted(record.shape.allowed_zip3 | {WITHHELD}),
        )
    return found


def _age(
    con: duckdb.DuckDBPyConnection,
    record: RecordSubject,
    column: str,
    year: str | None,
    latest: int | None,
) -> dict[str, int]:
    """An age, and the year of birth that it gives away together with the year it is counted to."""
    oldest, age = record.shape.oldest_age, identifier(column)
    found = {f"{column}/over_oldest": _count(con, record, f"{age} > ?", oldest + 1)}
    if year is not None and latest is not None:
        dated = f"{age} <= {oldest} and {identifier(year)} - {age} <= ?"
        found[f"{column}/over_oldest_by_latest_year"] = _count(
            con, record, dated, latest - oldest - 1
        )
    return found


def _birth_year(
    con: duckdb.DuckDBPyConnection, record: RecordSubject, column: str, latest: int | None
) -> dict[str, int]:
    if latest is None:
        # Without a year to reckon from, no year of birth can be shown to be safe.
        known = _count(con, record, f"{identifier(column)} is not null and ?", True)
        return {f"{column}/no_event_year": known}
    # Everybody older is shown with one bound year, which stands for "and earlier".
    bound = latest - record.shape.oldest_age - 1
    return {f"{column}/before_bound": _count(con, record, f"{identifier(column)} < ?", bound)}


def _latest_year(con: duckdb.DuckDBPyConnection, sources: Iterable[SourceColumn]) -> int | None:
    """The latest year of any event in the raw zone, which is what a reader may know."""
    years = []
    for source in sources:
        if exists(con, source.table):
            year = f"year({identifier(source.column)})"
            row = con.execute(
                f"select max({year}) filter (where {year} <= ?) from {source.table.sql}",
                [LATEST_YEAR],
            ).fetchone()
            years.append(row[0] if row else None)
    return max((int(year) for year in years if year is not None), default=None)


def _count(
    con: duckdb.DuckDBPyConnection, record: RecordSubject, condition: str, value: object
) -> int:
    row = con.execute(
        f"select count(*) from {record.table.sql} where {condition}", [value]
    ).fetchone()
    return int(row[0]) if row else 0
