"""SQL that reads declared types out of delivered text, and says which rule a row breaks.

DuckDB's casts are generous: ``'1.5'`` becomes the integer 2, ``'0x1F'`` 31, ``'epoch'`` a date, a
time zone is dropped. A value that would change its meaning is a cast failure here. So each type
has a pattern besides its cast, except where a Parquet column is of that type already.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from deid_platform.core.columns import Column
from deid_platform.core.contract import Contract
from deid_platform.core.transforms.base import NUMERIC, TEMPORAL, ColumnType
from deid_platform.engine.sql import identifier, literal

_CLOCK = r"\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?"
_PATTERNS: dict[str, str] = {
    "integer": r"[+-]?\d+(\.0*)?",
    "bigint": r"[+-]?\d+(\.0*)?",
    "double": r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?",
    "decimal": r"[+-]?\d*\.?\d{0,4}0*",
    "boolean": r"(?i)true|false|t|f|yes|no|y|n|1|0",
    "date": r"\d{4}-\d{2}-\d{2}([T ]00:00(:00(\.0+)?)?Z?)?",
    "timestamp": rf"\d{{4}}-\d{{2}}-\d{{2}}([T ]{_CLOCK})?Z?",
}

_FAMILIES = {
    "VARCHAR": frozenset(ColumnType),
    "BOOLEAN": frozenset({ColumnType.BOOLEAN, ColumnType.VARCHAR}),
    "DATE": frozenset({ColumnType.VARCHAR}) | TEMPORAL,
    "TIMESTAMP": frozenset({ColumnType.VARCHAR}) | TEMPORAL,
}
_NUMBERS = re.compile(r"U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\)")


@dataclass(frozen=True, kw_only=True)
class Fragment:
    """A piece of SQL and the values bound to its placeholders, in order."""

    sql: str
    values: tuple[object, ...] = ()


def is_castable(source: str, target: ColumnType) -> bool:
    """Whether a file's own column type may be read as a contract type."""
    if _NUMBERS.fullmatch(source):
        return target is ColumnType.VARCHAR or target in NUMERIC
    is_timestamp = source.startswith("TIMESTAMP") and not source.endswith("]")
    return target in _FAMILIES.get("TIMESTAMP" if is_timestamp else source, frozenset())


def as_text(column: str, source: str) -> str:
    """A file's own column as text; an empty text is an absent value, as it is in CSV."""
    name = identifier(column)
    if source.startswith("TIMESTAMP"):
        return f"cast(cast({name} as timestamp) as varchar)"
    return f"nullif(cast({name} as varchar), '')"


def typed(text: str, declared: ColumnType) -> str:
    """The value of a text expression in its declared type, null where no reading is faithful."""
    if declared is ColumnType.VARCHAR:
        return text
    cast = f"try_cast({text} as {declared.sql})"
    guard = f"regexp_full_match({text}, {literal(_PATTERNS[declared])})"
    if declared is ColumnType.DOUBLE:
        guard += f" and isfinite(try_cast({text} as double))"
    return f"case when {guard} then {cast} end"


def native(value: str, declared: ColumnType) -> str:
    """A value that is of its declared type already; infinite ones are no value."""
    if declared in (ColumnType.DOUBLE, ColumnType.DATE, ColumnType.TIMESTAMP):
        return f"case when isfinite({value}) then {value} end"
    return value


def first_broken_rule(contract: Contract, partition: str, columns: Sequence[str]) -> Fragment:
    """An expression that names the first rule a row breaks, such as ``cast:age_years``.

    Column ``n`` of ``columns`` is read as text from ``d<n>`` and typed from ``t<n>``; null means
    that the row keeps every rule.
    """
    branches: list[str] = []
    bound: list[object] = []
    for number, column in enumerate(columns):
        declared = contract.columns[column]
        for rule, condition, values in _rules(contract, partition, column, declared, number):
            branches.append(f"when {condition} then {literal(f'{rule}:{column}')}")
            bound.extend(values)
    sql = f"case {' '.join(branches)} end" if branches else "cast(null as varchar)"
    return Fragment(sql=sql, values=tuple(bound))


def _rules(
    contract: Contract, partition: str, column: str, declared: Column, number: int
) -> Iterator[tuple[str, str, Sequence[object]]]:
    """The rules of one column: name, condition that breaks it, bound values."""
    text, value = f"d{number}", f"t{number}"
    duckdb_type = declared.type.sql
    if declared.required or column in contract.key or column == contract.partition:
        yield "required", f"{text} is null", ()
    if declared.type is not ColumnType.VARCHAR:
        yield "cast", f"{text} is not null and {value} is null", ()
    if declared.values:
        allowed = ", ".join([f"cast(? as {duckdb_type})"] * len(declared.values))
        yield "values", f"{value} not in ({allowed})", declared.values
    if declared.range:
        bounds = f"cast(? as {duckdb_type}) and cast(? as {duckdb_type})"
        yield "range", f"{value} not between {bounds}", declared.range
    if column == contract.partition:
        year, month = map(int, partition.split("-"))
        following = date(year + month // 12, month % 12 + 1, 1)
        yield "partition", f"{value} < ? or {value} >= ?", (date(year, month, 1), following)
