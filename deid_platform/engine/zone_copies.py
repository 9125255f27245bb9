"""What copying whole zone files rests on: copies that equal their source, one change at a time."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from deid_platform.core.errors import ZoneError
from deid_platform.core.zones import Zone
from deid_platform.engine.catalog import row_count, tables
from deid_platform.engine.database import attach_copy
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.durable_files import sync
from deid_platform.engine.fingerprint import fingerprint
from deid_platform.engine.sql import identifier, qualified

_COPY = "copied"
_KEY_ID = b"deid-key-id-1\0"


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a database file holds: rows by table, and a digest of tables and definitions."""

    rows: Mapping[str, int]
    digest: str


def copy_zone(
    con: duckdb.DuckDBPyConnection,
    catalog: str,
    target: Path,
    write_key: str | None,
    read_key: str | None,
) -> Contents:
    """Copy an attached database into a new file, and read it back from disk.

    Schemas, tables, constraints, indexes, views and comments are copied with their content, in
    storage order; content that is still in a write-ahead log is copied too.

    Args:
        con: a session of `hold_zones`.
        catalog: the name under which the database is attached.
        target: the file to make.
        write_key: encrypts the copy; None for a zone that is not encrypted.
        read_key: the same key as whoever opens the copy later will find it.

    Raises:
        ZoneError: the copy cannot be written, or differs.
    """
    for left in (target, wal_of(target)):
        left.unlink(missing_ok=True)
    attach_copy(con, target, _COPY, write_key, read_only=False)
    con.execute(f"copy from database {identifier(catalog)} to {identifier(_COPY)}")
    con.execute(f"checkpoint {identifier(_COPY)}")
    con.execute(f"detach {identifier(_COPY)}")
    check_no_wal(target)
    sync(target)
    attach_copy(con, target, _COPY, read_key, read_only=True)
    try:
        found = contents(con, _COPY)
        if found != contents(con, catalog):
            raise ZoneError(
                catalog, "the copy differs from its source", "nothing was replaced; run it again"
            )
    finally:
        con.execute(f"detach {identifier(_COPY)}")
    return found


def contents(con: duckdb.DuckDBPyConnection, catalog: str) -> Contents:
    """What an attached database holds."""
    digest = hashlib.sha256()
    for definition in _definitions(con, catalog):
        digest.update(f"{len(definition)}:{definition};".encode())
    rows = {}
    for schema, name in tables(con, catalog):
        table = qualified(catalog, schema, name)
        rows[f"{schema}.{name}"] = row_count(con, table)
        digest.update(fingerprint(con, table).encode())
    return Contents(rows=rows, digest=f"sha256:{digest.hexdigest()}")


def _definitions(con: duckdb.DuckDBPyConnection, catalog: str) -> list[str]:
    """Everything but content, as text without the catalog's name."""
    kinds = {
        "duckdb_schemas()": "schema_name, '', '', comment",
        "duckdb_tables()": "schema_name, table_name, sql, comment",
        "duckdb_views()": "schema_name, view_name, sql, comment",
        "duckdb_indexes()": "schema_name, index_name, sql, comment",
        "duckdb_sequences()": "schema_name, sequence_name, sql, comment",
        "duckdb_columns()": "schema_name, table_name, column_name, comment",
    }
    found = []
    for kind, columns in kinds.items():
        shown = "" if kind in ("duckdb_indexes()", "duckdb_sequences()") else "and not internal"
        rows = con.execute(
            f"select {columns} from {kind} where database_name = ? {shown} order by all", [catalog]
        ).fetchall()
        found += [repr((kind, *row)) for row in rows]
    return found


def key_id(key: str) -> str:
    """What tells a key from another and gives neither away: a key is 32 random bytes."""
    return f"sha256:{hashlib.sha256(_KEY_ID + base64.b64decode(key)).hexdigest()[:32]}"


def wal_of(file: Path) -> Path:
    """Where DuckDB keeps what is not yet in a database file itself."""
    return file.with_name(file.name + ".wal")


def check_no_wal(file: Path) -> None:
    """Refuse a database file part of which is elsewhere.

    Raises:
        ZoneError: it has a write-ahead log.
    """
    if wal_of(file).exists():
        raise ZoneError(
            str(file),
            "it has a write-ahead log that could not be taken in",
            "see that no process uses the zone, and that the disk is not full, then run it again",
        )


@contextlib.contextmanager
def upkeep(deployment: Deployment) -> Iterator[None]:
    """One backup, restoration or key change at a time.

    Raises:
        ZoneError: another is going on, or the home cannot be written.
    """
    try:
        deployment.scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        held = os.open(deployment.scratch, os.O_RDONLY)
    except OSError:
        raise ZoneError(
            str(deployment.scratch), "the folder cannot be made", "check its owner and mode"
        ) from None
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ZoneError(
                str(deployment.home),
                "another backup, restoration or key change is going on",
                "wait for it to end",
            ) from None
        yield
    finally:
        os.close(held)


def existing(deployment: Deployment) -> tuple[Zone, ...]:
    """The zones that have a file."""
    return tuple(zone for zone in Zone if deployment.zone_file(zone).exists())
