"""Which rules each table of a zone was built under: schema ``build``, beside the data.

Lets a run see that a table is out of date with its contract, policy or year of reference, and
carries what was built, but not yet promoted, from one session to the next.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import duckdb

from deid_platform.core.zones import Zone
from deid_platform.engine.sql import identifier, qualified

STAGING = "staging"
SCHEMA = "build"
_PENDING, _PROMOTED = "pending", "promoted"
_COLUMNS = (
    "table_name varchar primary key, system varchar not null, contract_digest varchar not null, "
    "policy_digest varchar not null, reference_year integer, oldest_age integer not null, "
    "capped_years varchar not null, capped_ages varchar not null, partitions varchar not null"
)


@dataclass(frozen=True, kw_only=True)
class Build:
    """One table as built: under which rules, and which partitions (None: the whole table).

    ``capped_years`` and ``capped_ages`` name the output columns that depend on the year of
    reference; the latter with the year column beside which each age is shown.
    """

    table: str
    system: str
    zone: Zone
    contract_digest: str
    policy_digest: str
    reference_year: int | None
    oldest_age: int
    capped_years: tuple[str, ...]
    capped_ages: dict[str, str]
    partitions: tuple[str, ...] | None

    def of(self, partitions: Sequence[str]) -> Self:
        """The same for some partitions."""
        return dataclasses.replace(self, partitions=tuple(partitions))

    def same_rules(self, other: Build) -> bool:
        """Whether rows of ``other`` may join rows of this one.

        A later year of reference is no hindrance: `raise_reference_year` brings older rows up.
        """
        return (
            self.contract_digest == other.contract_digest
            and self.policy_digest == other.policy_digest
            and (self.reference_year or 0) <= (other.reference_year or 0)
        )

    @property
    def years(self) -> list[int]:
        """The calendar years of the partitions."""
        return sorted({int(partition[:4]) for partition in self.partitions or ()})


def ensure(con: duckdb.DuckDBPyConnection, zone: Zone) -> None:
    """Create the schemas and tables that builds need, where they do not exist."""
    for schema in (STAGING, SCHEMA):
        con.execute(f"create schema if not exists {identifier(zone)}.{identifier(schema)}")
    for name in (_PENDING, _PROMOTED):
        con.execute(f"create table if not exists {qualified(zone, SCHEMA, name)} ({_COLUMNS})")


def waiting_place(table: str, zone: Zone, *, in_session: bool) -> tuple[str, str, str]:
    """Catalog, schema and name under which a built table waits for its gates.

    Args:
        in_session: wait in the session, whose spill files are encrypted, and not in the zone's
            file: what a gate is about to stop may be anything, and must not reach a plain file.
    """
    if in_session:
        return "temp", "main", f"staged_{table}"
    return zone.value, STAGING, table


def pending(con: duckdb.DuckDBPyConnection, table: str, zone: Zone) -> Build | None:
    """What is built and not promoted."""
    return _read(con, _PENDING, table, zone)


def promoted(con: duckdb.DuckDBPyConnection, table: str, zone: Zone) -> Build | None:
    """What was last promoted."""
    return _read(con, _PROMOTED, table, zone)


def record_pending(con: duckdb.DuckDBPyConnection, build: Build) -> None:
    """Note what is built; part of the caller's transaction."""
    _write(con, _PENDING, build)


def record_promoted(con: duckdb.DuckDBPyConnection, build: Build) -> None:
    """Note what is promoted, and that nothing waits; part of the caller's transaction.

    After `raise_reference_year`, which goes by what was noted before.
    """
    _write(con, _PROMOTED, build)
    con.execute(
        f"delete from {qualified(build.zone, SCHEMA, _PENDING)} where table_name = ?",
        [build.table],
    )


def raise_reference_year(con: duckdb.DuckDBPyConnection, build: Build) -> None:
    """Bring tables of the system built for an earlier year of reference up to this build's.

    A capped value only ever moves up with the year, so raising the cap of a stored value gives
    what building it anew would give. Source: 45 CFR 164.514(b)(2)(i)(C).
    """
    if build.reference_year is None:
        return
    table = qualified(build.zone, SCHEMA, _PROMOTED)
    stale = con.execute(
        f"select table_name, capped_years, capped_ages, oldest_age from {table} "
        "where system = ? and reference_year < ?",
        [build.system, build.reference_year],
    ).fetchall()
    for name, capped_years, capped_ages, oldest in stale:
        target = qualified(build.zone, "main", name)
        earliest = build.reference_year - oldest - 1
        for column in map(identifier, json.loads(capped_years)):
            con.execute(f"update {target} set {column} = ? where {column} < ?", [earliest] * 2)
        for age, year in json.loads(capped_ages).items():
            con.execute(
                f"update {target} set {identifier(age)} = ? where {identifier(age)} <= ? "
                f"and {identifier(year)} - {identifier(age)} <= ?",
                [oldest + 1, oldest, earliest],
            )
    con.execute(
        f"update {table} set reference_year = ? where system = ? and reference_year < ?",
        [build.reference_year, build.system, build.reference_year],
    )


def _read(con: duckdb.DuckDBPyConnection, name: str, table: str, zone: Zone) -> Build | None:
    row: Any = con.execute(
        f"from {qualified(zone, SCHEMA, name)} where table_name = ?", [table]
    ).fetchone()
    if row is None:
        return None
    partitions = json.loads(row[8])
    return Build(
        table=row[0],
        system=row[1],
        zone=zone,
        contract_digest=row[2],
        policy_digest=row[3],
        reference_year=row[4],
        oldest_age=row[5],
        capped_years=tuple(json.loads(row[6])),
        capped_ages=json.loads(row[7]),
        partitions=None if partitions is None else tuple(partitions),
    )


def _write(con: duckdb.DuckDBPyConnection, name: str, build: Build) -> None:
    con.execute(
        f"insert or replace into {qualified(build.zone, SCHEMA, name)} "
        "values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            build.table,
            build.system,
            build.contract_digest,
            build.policy_digest,
            build.reference_year,
            build.oldest_age,
            json.dumps(build.capped_years),
            json.dumps(build.capped_ages),
            json.dumps(build.partitions),
        ],
    )
