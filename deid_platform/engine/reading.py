"""Reads one delivery into a temporary table, typed, each row with the first rule it breaks.

Set-based throughout: DuckDB's readers give text, one statement types it. Rows that the CSV reader
itself cannot split into fields go to a second temporary table, with their place in the file.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb

from deid_platform.core.contract import Contract
from deid_platform.core.errors import DeliveryError
from deid_platform.engine.delivery import Delivery
from deid_platform.engine.header import check_columns, csv_columns
from deid_platform.engine.record_count import (
    MAX_RECORD_BYTES,
    RecordCount,
    count_csv_records,
    count_lines,
)
from deid_platform.engine.sql import identifier, literal
from deid_platform.engine.typing_rules import (
    as_text,
    first_broken_rule,
    is_castable,
    native,
    typed,
)

STAGED = "temp.main.staged"
"""Columns ``t<n>`` in declared types, ``reason`` and, where there is one, ``record``."""
REFUSED = "temp.main.refused"
"""``_row, reason, record`` of what the reader could not split into fields."""

_REJECTS = "temp.main.reject_errors"
_SCANS = "temp.main.reject_scans"
_REASONS = {
    "MISSING COLUMNS": "fields:too_few",
    "TOO MANY COLUMNS": "fields:too_many",
    "UNQUOTED VALUE": "quotes:malformed",
    "LINE SIZE OVER MAXIMUM": "record:too_long",
}
_NESTED = ("OBJECT", "ARRAY")


_NUMBERED = f"(select *, rowid + 1 as _row from {STAGED})"
_NUMBERED_AROUND_REFUSED = f"""(
    select staged.* replace (_row + coalesce(shift, 0) as _row)
    from {_NUMBERED} as staged asof left join temp.main.shifts on _row >= accepted
    order by _row
)"""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What was read: ``columns[n]`` is ``t<n>``; ``rows_in`` was counted without DuckDB.

    ``rows`` is the staged table with ``_row``, each row's place among the records of the file.
    """

    columns: tuple[str, ...]
    rows_in: int
    rows: str = _NUMBERED


def read_delivery(
    con: duckdb.DuckDBPyConnection, contract: Contract, partition: str, delivery: Delivery
) -> Reading:
    """Fill `STAGED` and `REFUSED` from a delivery.

    Raises:
        DeliveryError: the file as a whole cannot be taken, or its rows do not add up.
    """
    reader = {"csv": _read_csv, "parquet": _read_parquet, "ndjson": _read_ndjson}
    con.execute("create or replace temp table refused (_row bigint, reason text, record text)")
    try:
        reading = reader[delivery.format](con, contract, partition, delivery)
    except duckdb.Error as error:
        raise _reader_refusal(delivery, error) from None
    if reading.rows_in == 0 and not contract.source.allow_empty:
        raise delivery.refusal(
            "the file holds no rows",
            "deliver it again; a table that may be empty needs source.allow_empty",
        )
    found = _rows_found(con)
    if found != reading.rows_in:
        raise delivery.refusal(
            f"its bytes hold {reading.rows_in} records and the reader found {found}",
            "look for stray quotes and line ends, and deliver it again; nothing was loaded",
        )
    return reading


def _read_csv(
    con: duckdb.DuckDBPyConnection, contract: Contract, partition: str, delivery: Delivery
) -> Reading:
    source = contract.source
    count = count_csv_records(delivery, source.encoding, source.delimiter)
    columns = csv_columns(contract, delivery)
    reading = Reading(columns=tuple(columns), rows_in=count.records - 1)
    options = ", ".join(
        [
            f"{literal(str(delivery.path))}, auto_detect = false, header = true",
            f"delim = {literal(source.delimiter)}, quote = '\"', escape = '\"', nullstr = ''",
            f"encoding = {literal(source.encoding)}, compression = 'none'",
            f"hive_partitioning = false, max_line_size = {MAX_RECORD_BYTES + 2}",
            f"columns = {{{', '.join(f'd{n}: varchar' for n in range(len(columns)))}}}",
        ]
    )
    with contextlib.suppress(duckdb.Error):  # a malformed record; the next pass tells which
        _stage(con, contract, partition, columns, f"select * from read_csv({options})")
        if _rows_found(con) == reading.rows_in:
            return reading
    con.execute(f"drop table if exists {_REJECTS}")
    con.execute(f"drop table if exists {_SCANS}")
    options += ", store_rejects = true, parallel = false"
    _stage(con, contract, partition, columns, f"select * from read_csv({options})")
    _keep_rejects(con, count)
    return replace(reading, rows=_NUMBERED_AROUND_REFUSED)


def _keep_rejects(con: duckdb.DuckDBPyConnection, count: RecordCount) -> None:
    """Move the reader's rejects to `REFUSED`, and number the accepted rows around them."""
    reasons = " ".join(f"when '{error}' then '{reason}'" for error, reason in _REASONS.items())
    con.execute(
        f"""
        insert into {REFUSED}
        with rejected as (
            select line, arg_min(error_type::varchar, coalesce(column_idx, 0)) as error,
                any_value(csv_line) as record
            from {_REJECTS} group by line
        )
        select line - 1 - len(list_filter(?::bigint[], lambda blank: blank < line)),
            case error {reasons} else 'record:unreadable' end, trim(record, chr(10) || chr(13))
        from rejected
        """,
        [list(count.blank_lines)],
    )
    con.execute(f"drop table {_REJECTS}")
    con.execute(f"drop table {_SCANS}")
    con.execute(
        f"""
        create or replace temp table shifts as
        with places as (
            select _row - row_number() over (order by _row) + 1 as accepted,
                row_number() over (order by _row) as refused
            from {REFUSED}
        )
        select accepted, max(refused) as shift from places group by accepted
        """
    )


def _read_parquet(
    con: duckdb.DuckDBPyConnection, contract: Contract, partition: str, delivery: Delivery
) -> Reading:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows_in = pq.read_metadata(delivery.path).num_rows
    except (pa.ArrowException, OSError):
        raise delivery.refusal(
            "this is not a whole Parquet file", "deliver it again; it may be truncated"
        ) from None
    scan = f"read_parquet({literal(str(delivery.path))}, hive_partitioning = false)"
    types = {name: type_ for name, type_, *_ in con.execute(f"describe from {scan}").fetchall()}
    columns = list(types)
    check_columns(contract, delivery, columns)
    for name, type_ in types.items():
        declared = contract.columns[name].type
        if not is_castable(type_, declared):
            shown = type_.partition("(")[0]
            raise delivery.refusal(
                f"column {name} is of the Parquet type {shown}, which is no {declared.value}",
                "correct the contract or the delivery",
            )
    is_native = [types[name].lower() == contract.columns[name].type.sql for name in columns]
    texts = [
        identifier(name) if same and types[name] != "VARCHAR" else as_text(name, types[name])
        for name, same in zip(columns, is_native, strict=True)
    ]
    query = f"select {', '.join(f'{text} as d{n}' for n, text in enumerate(texts))} from {scan}"
    _stage(con, contract, partition, columns, query, is_native)
    return Reading(columns=tuple(columns), rows_in=rows_in)


def _read_ndjson(
    con: duckdb.DuckDBPyConnection, contract: Contract, partition: str, delivery: Delivery
) -> Reading:
    rows_in = count_lines(delivery).records
    scan = (
        f"read_ndjson_objects({literal(str(delivery.path))}, compression = 'uncompressed', "
        f"ignore_errors = true, hive_partitioning = false, "
        f"maximum_object_size = {MAX_RECORD_BYTES + 2})"
    )
    names = _check_objects(con, contract, delivery, scan)
    columns = [name for name in contract.columns if name in names or not names]
    shape = literal(json.dumps(dict.fromkeys(columns, "VARCHAR")))
    fields = ", ".join(
        f"nullif(object[{literal(name)}], '') as d{n}" for n, name in enumerate(columns)
    )
    query = f"select {fields} from (select from_json(json, {shape}) as object from {scan})"
    _stage(con, contract, partition, columns, query)
    return Reading(columns=tuple(columns), rows_in=rows_in)


def _check_objects(
    con: duckdb.DuckDBPyConnection, contract: Contract, delivery: Delivery, scan: str
) -> set[str]:
    """The keys in use; every line is one flat object of declared keys, each once."""
    declared = list(contract.columns)
    shapes = con.execute(
        "select json_type(json) as kind, json_keys(json) as keys, "
        f"json_type(json, $1::varchar[]) as kinds, count(*) from {scan} group by all",
        [[f"$.{identifier(name)}" for name in declared]],
    ).fetchall()
    wrong = sum(count for kind, _, _, count in shapes if kind != "OBJECT")
    if wrong:
        raise delivery.refusal(
            f"{wrong} lines are not one JSON object each", "deliver one object per line"
        )
    repeated = sorted({key for _, keys, *_ in shapes for key in keys if keys.count(key) > 1})
    names = sorted({key for _, keys, *_ in shapes for key in keys})
    if shapes:
        check_columns(contract, delivery, [*names, *repeated])
    nested = [
        name
        for n, name in enumerate(declared)
        if any(kinds[n] in _NESTED for _, _, kinds, _ in shapes)
    ]
    if nested:
        raise delivery.refusal(
            f"nested values in {', '.join(nested)}",
            "deliver one text, number, true, false or null per key",
        )
    return set(names)


def _stage(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    partition: str,
    columns: Sequence[str],
    source: str,
    is_native: Sequence[bool] | None = None,
) -> None:
    types = [contract.columns[name].type for name in columns]
    same = is_native or [False] * len(columns)
    values = [
        f"{native(f'd{n}', type_) if same[n] else typed(f'd{n}', type_)} as t{n}"
        for n, type_ in enumerate(types)
    ]
    rule = first_broken_rule(contract, partition, columns)
    record = ", ".join(f"{identifier(name)} := d{n}" for n, name in enumerate(columns))
    con.execute(
        f"""
        create or replace temp table staged as
        select {", ".join(f"t{n}" for n in range(len(columns)))}, reason,
            case when reason is not null
                then cast(to_json(struct_pack({record})) as varchar) end as record
        from (
            select *, {rule.sql} as reason
            from (select *, {", ".join(values)} from ({source}))
        )
        """,
        list(rule.values),
    )


def _rows_found(con: duckdb.DuckDBPyConnection) -> int:
    row = con.execute(
        f"select (select count(*) from {STAGED}) + (select count(*) from {REFUSED})"
    ).fetchone()
    return int(row[0]) if row else 0


def _reader_refusal(delivery: Delivery, error: duckdb.Error) -> DeliveryError:
    return delivery.refusal(
        f"DuckDB's {delivery.format} reader refuses the file ({type(error).__name__})",
        "check that it is whole and in the format its name says, and deliver it again",
    )
