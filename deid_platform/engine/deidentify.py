"""Raw rows into the LIMITED and DEIDENTIFIED zones: build, let gates look, promote.

`deidentify` builds a table where nobody reads it and commits; nothing that is read elsewhere has
changed. `promote` moves what was built into ``main`` in one transaction. A run that fails before it
leaves the last good table as it was.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from deid_platform.core.attestation import SafeHarborAttestation, attest
from deid_platform.core.contract import Contract
from deid_platform.core.errors import DeclarationError, ZoneError
from deid_platform.core.safe_harbor import SafeHarborPolicy
from deid_platform.core.transforms.surrogate import Surrogate
from deid_platform.core.zones import Zone
from deid_platform.engine import builds
from deid_platform.engine.builds import Build
from deid_platform.engine.catalog import table_exists
from deid_platform.engine.crosswalk import SCHEMA as CROSSWALK
from deid_platform.engine.database import translated
from deid_platform.engine.reference_year import reference_year
from deid_platform.engine.sql import identifier, qualified
from deid_platform.engine.treatment import PARTITION, WHOLE, treatment_sql, zone_columns


@dataclass(frozen=True, kw_only=True)
class DeidentifyResult:
    """What one table's de-identification did: names, counts, rules; no value.

    ``partitions`` are those rebuilt: in DEIDENTIFIED every month of the years concerned.
    ``nulled`` counts, per output column, values that were present and are now absent.
    """

    contract: str
    contract_digest: str
    zone: Zone
    partitions: tuple[str, ...]
    rows_read: int
    rows_written: int
    nulled: dict[str, int]
    lineage: dict[str, tuple[str, ...]]
    policy: str
    policy_version: int
    policy_digest: str
    reference_year: int | None
    sql: str
    attestation: SafeHarborAttestation | None


def deidentify(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    zone: Zone,
    partitions: Sequence[str],
    policy: SafeHarborPolicy,
    *,
    system: Sequence[Contract],
    in_session: bool = False,
) -> DeidentifyResult:
    """Build a table of a zone, or the partitions of it concerned, where it waits for its gates.

    Args:
        con: a session that writes ``zone`` and reads the raw zone.
        contract: the table.
        zone: LIMITED or DEIDENTIFIED.
        partitions: months to rebuild; ``["all"]`` for a table without partitions. The whole table
            is rebuilt where the contract, the policy or its year of reference changed.
        policy: the contract's policy.
        system: all contracts of the contract's system, whose event years a birth year is held
            against.
        in_session: see `builds.waiting_place`; then this session promotes it, or nobody does.

    Raises:
        ZoneError: raw values without a surrogate, rows outside their partition, or rows lost.
        DeclarationError: the policy is not the contract's, or a partition is none of it.
    """
    _check_arguments(contract, zone, partitions, policy, system)
    with _one_transaction(con, zone):
        _check_ingested(con, contract)
        ensure_tables(con, contract, zone)
        year = reference_year(con, system) if zone is Zone.DEIDENTIFIED else None
        build = _planned(con, contract, zone, partitions, policy, year)
        # Without a date in the system there is no year to judge, nor one to judge against.
        sql = treatment_sql(contract, zone, policy.rules(year or 0), build.partitions)
        staged = qualified(*builds.waiting_place(contract.name, zone, in_session=in_session))
        columns = _declared(contract, zone)
        if in_session:  # an earlier version left its builds in the zone's file
            left = qualified(*builds.waiting_place(contract.name, zone, in_session=False))
            con.execute(f"drop table if exists {left}")
        kind = "temp table" if in_session else "table"
        con.execute(f"create or replace {kind} {staged} ({columns})")
        con.execute(f"insert into {staged} {sql}")
        read = _raw_counts(con, contract, build)
        written = _counts(con, staged, [o.name for o in contract.outputs(zone)])
        _check_nothing_lost(contract, zone, read, written)
        _check_years(con, contract, build, staged)
        builds.record_pending(con, build)
    sources = {o.name: o.sources for o in contract.outputs(zone)}
    return DeidentifyResult(
        contract=contract.name,
        contract_digest=contract.digest,
        zone=zone,
        partitions=build.partitions or (WHOLE,),
        rows_read=read[PARTITION],
        rows_written=written[PARTITION],
        nulled={name: read[of[0]] - written[name] for name, of in sources.items()},
        lineage=sources,
        policy=policy.name,
        policy_version=policy.version,
        policy_digest=policy.digest,
        reference_year=year,
        sql=sql,
        attestation=attest(contract, policy, year) if zone is Zone.DEIDENTIFIED else None,
    )


def promote(
    con: duckdb.DuckDBPyConnection, contract: Contract, zone: Zone, *, in_session: bool = False
) -> int:
    """Move what `deidentify` built into the zone's ``main`` schema, in one transaction.

    Years and ages of the whole system are capped at this build's year of reference with it.
    Returns the number of rows moved.

    Args:
        in_session: as it was built.

    Raises:
        ZoneError: nothing is built, or it was built under another contract.
    """
    with _one_transaction(con, zone):
        builds.ensure(con, zone)
        build = builds.pending(con, contract.name, zone)
        if build is None or build.contract_digest != contract.digest:
            raise ZoneError(
                f"{zone}.{contract.name}",
                "nothing is built for promotion under this contract",
                "de-identify the table first",
            )
        staged = qualified(*builds.waiting_place(contract.name, zone, in_session=in_session))
        table = qualified(zone, "main", contract.name)
        if build.partitions is None:
            con.execute(f"drop table if exists {table}")
            ensure_tables(con, contract, zone)
        else:
            _delete(con, contract, build, table)
        columns = ", ".join(map(identifier, zone_columns(contract, zone)))
        moved = con.execute(f"insert into {table} ({columns}) select {columns} from {staged}")
        rows = moved.fetchone()
        con.execute(f"drop table {staged}")
        builds.raise_reference_year(con, build)
        builds.record_promoted(con, build)
    return int(rows[0]) if rows else 0


def ensure_tables(con: duckdb.DuckDBPyConnection, contract: Contract, zone: Zone) -> None:
    """Create a contract's table in a zone, empty, where it does not exist."""
    builds.ensure(con, zone)
    table = qualified(zone, "main", contract.name)
    con.execute(f"create table if not exists {table} ({_declared(contract, zone)})")


def _declared(contract: Contract, zone: Zone) -> str:
    return ", ".join(f"{identifier(n)} {t}" for n, t in zone_columns(contract, zone).items())


def _check_arguments(
    contract: Contract,
    zone: Zone,
    partitions: Sequence[str],
    policy: SafeHarborPolicy,
    system: Sequence[Contract],
) -> None:
    if zone not in (Zone.LIMITED, Zone.DEIDENTIFIED):
        raise DeclarationError(zone.value, "no contract feeds this zone", "name another")
    if policy.name != contract.policy:
        raise DeclarationError(contract.name, "this is not its policy", f"load {contract.policy}")
    if contract not in system or any(other.system != contract.system for other in system):
        raise DeclarationError(
            contract.name, "its system's contracts were not given", "give all of one system"
        )
    months = contract.partition is not None
    if not partitions or any((partition == WHOLE) == months for partition in partitions):
        raise DeclarationError(
            contract.name,
            "these are no partitions of it",
            "name months as YYYY-MM" if months else f"name {WHOLE}",
        )


def _check_ingested(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    needed = [("main", contract.name)]
    needed += [(CROSSWALK, contract.crosswalk(d)) for d in sorted({*contract.surrogates.values()})]
    for schema, table in needed:
        if not table_exists(con, Zone.RAW.value, schema, table):
            raise ZoneError(f"raw.{schema}.{table}", "there is no such table", "ingest it first")


def _planned(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    zone: Zone,
    partitions: Sequence[str],
    policy: SafeHarborPolicy,
    year: int | None,
) -> Build:
    """What to rebuild: the partitions asked for, or all where the last build had other rules."""
    build = Build(
        table=contract.name,
        system=contract.system,
        zone=zone,
        contract_digest=contract.digest,
        policy_digest=policy.digest,
        reference_year=year,
        oldest_age=policy.oldest_age,
        capped_years=contract.capped_years,
        capped_ages=contract.capped_ages,
        partitions=None,
    )
    before = builds.promoted(con, contract.name, zone)
    if contract.partition is None or before is None or not before.same_rules(build):
        return build
    if zone is Zone.LIMITED:
        return build.of(sorted(set(partitions)))
    if contract.output_of(contract.partition, zone) is None:
        return build
    years = {partition[:4] for partition in partitions}
    if year is not None and any(int(of) < year - policy.oldest_age for of in years):
        return build  # rows of these years are stored under the earliest year shown
    raw = qualified(Zone.RAW, "main", contract.name)
    stored = con.execute(f"select distinct {PARTITION} from {raw}").fetchall()
    return build.of(sorted({p for (p,) in stored if p[:4] in years} | set(partitions)))


def _raw_counts(con: duckdb.DuckDBPyConnection, contract: Contract, build: Build) -> dict[str, int]:
    raw = qualified(Zone.RAW, "main", contract.name)
    if build.partitions is None:
        return _counts(con, raw, list(contract.columns))
    marks = ", ".join("?" * len(build.partitions))
    return _counts(
        con, raw, list(contract.columns), f"where {PARTITION} in ({marks})", build.partitions
    )


def _counts(
    con: duckdb.DuckDBPyConnection,
    table: str,
    columns: Sequence[str],
    where: str = "",
    bound: Sequence[str] = (),
) -> dict[str, int]:
    """Values present per column; all rows under the name of the partition column."""
    present = ", ".join(["count(*)", *(f"count({identifier(c)})" for c in columns)])
    row: Any = con.execute(f"select {present} from {table} {where}", list(bound)).fetchone()
    return dict(zip([PARTITION, *columns], map(int, row), strict=True))


def _check_nothing_lost(
    contract: Contract, zone: Zone, read: dict[str, int], written: dict[str, int]
) -> None:
    if read[PARTITION] != written[PARTITION]:
        raise ZoneError(
            f"{zone}.{contract.name}",
            f"{read[PARTITION]} rows were read and {written[PARTITION]} would be written",
            "nothing was changed; a crosswalk holds a value twice, or the raw zone changed",
        )
    for output in contract.outputs(zone):
        if isinstance(output.transform, Surrogate):
            without = read[output.sources[0]] - written[output.name]
            if without:
                raise ZoneError(
                    f"{zone}.{contract.name}.{output.name}",
                    f"{without} values have no surrogate in the crosswalk",
                    "nothing was changed; ingest the raw table again",
                )


def _check_years(
    con: duckdb.DuckDBPyConnection, contract: Contract, build: Build, staged: str
) -> None:
    """Rows are replaced by year: one of another year would stay, or be there twice."""
    year = _year_column(contract)
    if build.zone is not Zone.DEIDENTIFIED or build.partitions is None or year is None:
        return
    row: Any = con.execute(
        f"select count(*) from {staged} where {identifier(year)} is null "
        f"or {identifier(year)} not in ({_marks(build.years)})",
        build.years,
    ).fetchone()
    if row[0]:
        raise ZoneError(
            f"{build.zone}.{contract.name}",
            f"{row[0]} rows are not of their partition's year",
            "nothing was changed; ingest these partitions again",
        )


def _delete(con: duckdb.DuckDBPyConnection, contract: Contract, build: Build, table: str) -> None:
    if build.zone is Zone.LIMITED:
        bound: list[Any] = list(build.partitions or ())
        con.execute(f"delete from {table} where {PARTITION} in ({_marks(bound)})", bound)
        return
    year = identifier(_year_column(contract) or "")
    con.execute(f"delete from {table} where {year} in ({_marks(build.years)})", build.years)


def _year_column(contract: Contract) -> str | None:
    output = contract.output_of(contract.partition or "", Zone.DEIDENTIFIED)
    return output.name if output else None


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


@contextlib.contextmanager
def _one_transaction(con: duckdb.DuckDBPyConnection, zone: Zone) -> Iterator[None]:
    con.execute("begin")
    try:
        yield
        con.execute("commit")
    except BaseException as error:
        with contextlib.suppress(duckdb.Error):
            con.execute("rollback")
        if isinstance(error, duckdb.Error):
            raise translated(zone, error) from None
        raise
