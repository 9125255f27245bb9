"""Takes a delivery into the raw zone: the whole of it accounted for, or nothing changed.

Everything doubtful happens in temporary tables. The partition, its quarantine, the crosswalks and
the record of the delivery then change in one transaction, so a refused file leaves the last good
state, and so does a crash.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb

from deid_platform.core.contract import Contract
from deid_platform.core.errors import DeliveryError
from deid_platform.engine import crosswalk
from deid_platform.engine.delivery import Delivery, check_partition, find_delivery
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.raw_tables import (
    DELIVERIES,
    RAW,
    Recorded,
    prepare_raw,
    quarantine,
    record,
    recorded,
    table,
)
from deid_platform.engine.reading import REFUSED, STAGED, Reading, read_delivery
from deid_platform.engine.sql import identifier, literal, qualified


@dataclass(frozen=True, kw_only=True)
class IngestResult:
    """What became of a delivery. ``rows_in = rows_loaded + rows_quarantined``, always.

    ``is_unchanged``: the partition already held this very file under this contract.
    ``note`` says why there was no file, for a system that delivers none.
    """

    table: str
    partition: str
    rows_in: int
    rows_loaded: int
    rows_quarantined: int
    quarantined_by_reason: Mapping[str, int] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    contract_digest: str
    absent_columns: tuple[str, ...] = ()
    is_unchanged: bool = False
    note: str = ""

    def metadata(self) -> dict[str, Any]:
        """Plain values for run metadata and ``--json``: names, rules, counts and digests."""
        return {
            "table": self.table,
            "partition": self.partition,
            "rows_in": self.rows_in,
            "rows_loaded": self.rows_loaded,
            "rows_quarantined": self.rows_quarantined,
            "quarantined_by_reason": dict(self.quarantined_by_reason),
            "digests": dict(self.digests),
            "contract_digest": self.contract_digest,
            "absent_columns": list(self.absent_columns),
            "is_unchanged": self.is_unchanged,
            "note": self.note,
        }


def ingest(
    con: duckdb.DuckDBPyConnection, deployment: Deployment, contract: Contract, partition: str
) -> IngestResult:
    """Load the landing file of a contract and a partition into the raw zone.

    Args:
        con: a session writing RAW that may reach ``deployment.landing``.
        deployment: where the landing folder is.
        contract: what the file must hold.
        partition: a month, ``2024-03``, or ``all`` for a contract without partitions.

    Raises:
        DeliveryError: the file cannot be taken; the partition keeps its last good state.
    """
    check_partition(contract, partition)
    delivery = find_delivery(deployment, contract, partition)
    prepare_raw(con, [contract])
    held = recorded(con, contract, partition)
    if delivery is None:
        return _idle(contract, partition, held)
    digest = delivery.digest()
    reference_digest = _reference_digest(con, contract)
    if held is not None and (held.sha256, held.contract_digest, held.reference_digest) == (
        digest,
        contract.digest,
        reference_digest,
    ):
        return _result(contract, partition, held, is_unchanged=True)
    try:
        reading = read_delivery(con, contract, partition, delivery)
        _set_aside_duplicates(con, contract, reading)
        _set_aside_orphans(con, contract, delivery, reading)
        reasons = _reasons(con)
        quarantined = sum(reasons.values())
        loaded = reading.rows_in - quarantined
        if held is not None and held.rows_loaded and not loaded and reading.rows_in:
            raise delivery.refusal(
                f"every row breaks a rule ({_spoken(reasons)}), and the last delivery did not",
                "correct the delivery, or the contract; the last delivery stays",
            )
        delivery.check_unchanged()
        now = Recorded(
            file=delivery.name,
            sha256=digest,
            contract_digest=contract.digest,
            reference_digest=reference_digest,
            rows_in=reading.rows_in,
            rows_loaded=loaded,
            rows_quarantined=quarantined,
            quarantined_by_reason=reasons,
            absent_columns=tuple(c for c in contract.columns if c not in reading.columns),
        )
        _replace_partition(con, contract, partition, reading, now)
    finally:
        for name in ("staged", "refused", "shifts", "duplicated", "orphans"):
            with contextlib.suppress(duckdb.Error):  # else it would hide what went wrong
                con.execute(f"drop table if exists temp.main.{name}")
    return _result(contract, partition, now)


def _replace_partition(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    partition: str,
    reading: Reading,
    now: Recorded,
) -> None:
    """Change the table, its quarantine, crosswalks and record together, or not at all."""
    columns = ", ".join(map(identifier, reading.columns))
    values = ", ".join(f"t{n}" for n in range(len(reading.columns)))
    con.execute("begin")
    try:
        for name in (table(contract), quarantine(contract)):
            con.execute(f"delete from {name} where _partition = ?", [partition])
        con.execute(
            f"insert into {table(contract)} ({columns}, _partition, _row) "
            f"select {values}, ?, _row from {reading.rows} where reason is null",
            [partition],
        )
        con.execute(
            f"insert into {quarantine(contract)} "
            f"select ?, _row, reason, record from {reading.rows} where reason is not null "
            f"union all select ?, _row, reason, record from {REFUSED} order by _row",
            [partition, partition],
        )
        _check_stored(con, contract, partition, now)
        crosswalk.extend(con, contract, partition)
        record(con, contract, partition, now)
        con.execute("commit")
    except BaseException:
        with contextlib.suppress(duckdb.Error):  # after a fatal error there is none left
            con.execute("rollback")
        raise


def _check_stored(
    con: duckdb.DuckDBPyConnection, contract: Contract, partition: str, now: Recorded
) -> None:
    """Count what the zone holds now; the promise is about that, not about what was staged."""
    counts = con.execute(
        f"select (select count(*) from {table(contract)} where _partition = $1), "
        f"(select count(*) from {quarantine(contract)} where _partition = $1)",
        [partition],
    ).fetchone()
    if counts != (now.rows_loaded, now.rows_quarantined):
        raise DeliveryError(
            now.file,
            f"{now.rows_in} rows came in and {sum(counts or ())} would be stored",
            "nothing was changed; report this with the contract",
        )


def _set_aside_duplicates(
    con: duckdb.DuckDBPyConnection, contract: Contract, reading: Reading
) -> None:
    """Of rows that repeat a key word for word the first stays; of rows that contradict, none."""
    if not contract.key:
        return
    keys = ", ".join(f"t{reading.columns.index(name)}" for name in contract.key)
    row = f"row({', '.join(f't{n}' for n in range(len(reading.columns)))})"
    con.execute(
        f"create or replace temp table duplicated as select {keys} from {STAGED} "
        f"where reason is null group by {keys} having count(*) > 1"
    )
    if not _count(con, "select count(*) from temp.main.duplicated"):
        return
    con.execute(
        f"""
        create or replace temp table duplicated as
        select place, case when is_conflict then 'conflicting_key:' else 'repeated_row:' end as rule
        from (
            select place, place = min(place) over by_key as is_first,
                max(content) over by_key <> min(content) over by_key as is_conflict
            from (
                select rowid as place, {keys}, cast({row} as varchar) as content
                from {STAGED} semi join temp.main.duplicated using ({keys})
                where reason is null
            )
            window by_key as (partition by {keys})
        )
        where is_conflict or not is_first
        """
    )
    _set_aside(
        con,
        reading,
        f"places.rule || {literal('+'.join(contract.key))}",
        "duplicated",
    )


def _set_aside_orphans(
    con: duckdb.DuckDBPyConnection, contract: Contract, delivery: Delivery, reading: Reading
) -> None:
    """Rows that refer to what is not there. The table referred to is ingested before."""
    for n, name in enumerate(reading.columns):
        references = contract.columns[name].references
        if references is None:
            continue
        if not _count(con, f"select count(t{n}) from {STAGED} where reason is null"):
            continue
        parent, _, column = references.partition(".")
        if parent == contract.name:
            known = f"select t{reading.columns.index(column)} from {STAGED} where reason is null"
        elif _count(con, f"select count(*) from {DELIVERIES} where table_name = ?", parent):
            known = f"select {identifier(column)} from {qualified(RAW, 'main', parent)}"
        else:
            raise delivery.refusal(
                f"column {name} refers to {parent}, which holds no delivery yet",
                f"ingest {parent} first",
            )
        con.execute(
            f"create or replace temp table orphans as select s.rowid as place from {STAGED} as s "
            f"anti join ({known}) as p(known) on s.t{n} = p.known "
            f"where s.reason is null and s.t{n} is not null"
        )
        _set_aside(con, reading, literal(f"orphan:{name}"), "orphans")


def _set_aside(con: duckdb.DuckDBPyConnection, reading: Reading, reason: str, places: str) -> None:
    """Give the staged rows at ``places`` a reason, and keep their fields as the record."""
    fields = ", ".join(f"{identifier(name)} := t{n}" for n, name in enumerate(reading.columns))
    con.execute(
        f"update {STAGED} as staged set reason = {reason}, "
        f"record = cast(to_json(struct_pack({fields})) as varchar) "
        f"from temp.main.{places} as places where staged.rowid = places.place"
    )


def _reasons(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows set aside, by reason, in the order of the reasons' names."""
    return dict(
        con.execute(
            f"select reason, count(*) from (select reason from {STAGED} where reason is not null "
            f"union all select reason from {REFUSED}) group by reason order by reason"
        ).fetchall()
    )


def _reference_digest(con: duckdb.DuckDBPyConnection, contract: Contract) -> str:
    """A digest of the deliveries that decide which rows are orphans."""
    parents = sorted(
        {c.references.partition(".")[0] for c in contract.columns.values() if c.references}
        - {contract.name}
    )
    rows = con.execute(
        f"select table_name, _partition, sha256, contract_digest from {DELIVERIES} "
        "where list_contains(?::varchar[], table_name) order by all",
        [parents],
    ).fetchall()
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def _idle(contract: Contract, partition: str, held: Recorded | None) -> IngestResult:
    """The result for a system that delivers nothing here."""
    if held is not None:
        note = "the system's folder is gone; the last delivery stays"
        return _result(contract, partition, held, is_unchanged=True, note=note)
    return IngestResult(
        table=contract.name,
        partition=partition,
        rows_in=0,
        rows_loaded=0,
        rows_quarantined=0,
        contract_digest=contract.digest,
        is_unchanged=True,
        note=f"the system {contract.system} delivers nothing here; the table is empty",
    )


def _result(
    contract: Contract,
    partition: str,
    delivery: Recorded,
    *,
    is_unchanged: bool = False,
    note: str = "",
) -> IngestResult:
    return IngestResult(
        table=contract.name,
        partition=partition,
        rows_in=delivery.rows_in,
        rows_loaded=delivery.rows_loaded,
        rows_quarantined=delivery.rows_quarantined,
        quarantined_by_reason=delivery.quarantined_by_reason,
        digests={delivery.file: delivery.sha256},
        contract_digest=delivery.contract_digest,
        absent_columns=delivery.absent_columns,
        is_unchanged=is_unchanged,
        note=note,
    )


def _spoken(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in reasons.items())


def _count(con: duckdb.DuckDBPyConnection, query: str, *values: object) -> int:
    row = con.execute(query, list(values)).fetchone()
    return int(row[0]) if row else 0
