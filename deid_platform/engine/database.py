"""Opens, locks down and closes zone files: the only module that opens a DuckDB file.

Each session is an in-memory DuckDB with the zone files attached under their zone names, so that
``raw.main.ed_visits`` is the same name everywhere. Keys are bound parameters: they appear in no
SQL text, plan or log. Once the files are attached, external access is closed (except for the
landing folder where a caller asks for it) and the configuration is locked.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import duckdb

from deid_platform.core.errors import DeidError, ZoneError, ZoneKeyError
from deid_platform.core.zones import ENCRYPTED, READS, Zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.durable_files import make_private
from deid_platform.engine.sql import identifier, literal

STAGING = "staging"
"""Catalog name of an attached staging file."""
SNAPSHOT = "snapshot"
"""Catalog name of a snapshot while it is being written."""

_SPILL = "deid-spill-"


@contextlib.contextmanager
def open_zone(
    deployment: Deployment,
    writing: Zone | None,
    *,
    reading: Sequence[Zone] = (),
    staging: Zone | None = None,
    snapshot: Path | None = None,
    files: Sequence[Path] = (),
) -> Iterator[duckdb.DuckDBPyConnection]:
    """One session over zone files; DuckDB errors leave it as ours, without their text.

    Args:
        deployment: where the files and keys are.
        writing: the zone attached read-write and made current; None for a read-only session.
        reading: zones attached read-only. A writer may read only what `core.zones.READS` lets it.
        staging: attach, read-only, the staging file whose tables go into this zone.
        snapshot: a new file for readers, attached read-write as ``snapshot``; nothing encrypted is
            readable in such a session.
        files: folders that DuckDB's readers and `COPY` may reach.

    Raises:
        ZoneKeyError: a key is missing or wrong.
        ZoneError: a file is locked, missing for reading, or not writable; or a query failed.
    """
    if writing is not None and not set(reading) <= READS[writing] | {writing}:
        raise ZoneError(writing.value, "may not read from that zone", "see core/zones.py")
    if snapshot is not None and any(z in ENCRYPTED for z in (*reading, writing, staging)):
        raise ZoneError("snapshot", "a zone that holds PHI has no snapshots", "publish another")
    make_private(deployment.scratch)
    with _session(deployment.scratch) as con:
        if writing is not None:
            make_private(deployment.zone_file(writing).parent)
            _attach(con, deployment, writing, deployment.zone_file(writing), writing.value, "rw")
        for zone in reading:
            _attach(con, deployment, zone, deployment.zone_file(zone), zone.value, "ro")
        if staging is not None:
            _attach(con, deployment, staging, deployment.staging_file(staging), STAGING, "ro")
        if snapshot is not None:
            _attach_plain(con, snapshot, SNAPSHOT, "rw")
        if writing is not None:
            con.execute(f"use {identifier(writing.value)}")
        lock_down(con, files)
        try:
            yield con
        except duckdb.Error as error:
            raise translated(writing or (reading[0] if reading else None), error) from None


@contextlib.contextmanager
def open_snapshot(file: Path, name: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only session over one published snapshot, current under ``name``.

    It writes nothing below the deployment's home, where analysts have no business. DuckDB's errors
    leave it as they are: the caller, who serves the reader of the snapshot, knows which of them
    may be shown.

    Raises:
        ZoneError: the file cannot be opened.
    """
    with _session(Path(tempfile.gettempdir())) as con:
        _attach_plain(con, file, name, "ro")
        con.execute(f"use {identifier(name)}")
        lock_down(con)
        yield con


@contextlib.contextmanager
def hold_zones(
    deployment: Deployment,
    zones: Sequence[Zone],
    *,
    read_only: bool,
    staging: Zone | None = None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Keep whole zones still while they are copied (`attach_copy`): for upkeep, not for queries.

    Read-only, it shares the zones with readers and holds writers off; otherwise nobody else has
    them. All locks are taken before the session is given, so that the copies are of one moment.
    It is not locked down, since it attaches the files it writes: no statement in it comes from a
    declaration.

    Args:
        deployment: where the files and keys are.
        zones: zones whose files exist.
        read_only: whether the zones are only read.
        staging: hold the staging file of this zone too.

    Raises:
        ZoneKeyError: a key is missing or wrong.
        ZoneError: a file is missing, or somebody is using it.
    """
    make_private(deployment.scratch)
    mode = "ro" if read_only else "rw"
    with _session(deployment.scratch) as con:
        for zone in zones:
            _attach(con, deployment, zone, deployment.zone_file(zone), zone.value, mode)
        if staging is not None:
            file = deployment.staging_file(staging)
            _attach(con, deployment, staging, file, STAGING, mode)
        try:
            yield con
        except duckdb.Error as error:
            raise translated(None, error) from None


def attach_copy(
    con: duckdb.DuckDBPyConnection, file: Path, name: str, key: str | None, *, read_only: bool
) -> None:
    """Attach a copy of a zone, encrypted if a key is given, to a session of `hold_zones`.

    Raises:
        ZoneKeyError: the key does not open the file.
        ZoneError: the file cannot be opened or made.
    """
    if key is None:
        _attach_plain(con, file, name, "ro" if read_only else "rw")
        return
    try:
        attach_encrypted(con, file, name, key, read_only=read_only)
    except duckdb.Error as error:
        raise _attach_error(name, file, error) from None
    if not read_only:
        _owner_only(file)


@contextlib.contextmanager
def _session(scratch: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory DuckDB with a private folder for spill files, gone when it ends."""
    _sweep(scratch)
    try:
        spill, held = _spill_folder(scratch)
    except OSError:
        raise ZoneError(
            str(scratch),
            "no spill folder can be made in it",
            "check its owner, mode and free space",
        ) from None
    try:
        con = connect(spill)
        try:
            yield con
        finally:
            con.close()
    finally:
        shutil.rmtree(spill, ignore_errors=True)
        os.close(held)


def _spill_folder(scratch: Path) -> tuple[Path, int]:
    """A new folder and the descriptor whose lock says that a living process uses it."""
    while True:
        spill = Path(tempfile.mkdtemp(prefix=_SPILL, dir=scratch))
        # Another session's sweep may be quicker than the lock: then begin again.
        try:
            held = os.open(spill, os.O_RDONLY)
        except FileNotFoundError:
            continue
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if spill.exists():
                return spill, held
        os.close(held)


def _sweep(scratch: Path) -> None:
    """Remove the spill folders of processes that were killed: their locks died with them."""
    for spill in scratch.glob(f"{_SPILL}*"):
        with contextlib.suppress(OSError):
            left = os.open(spill, os.O_RDONLY)
            try:
                fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(spill, ignore_errors=True)
            finally:
                os.close(left)


def connect(spill: Path) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB that can write encrypted files and spills encrypted ones to ``spill``.

    Raises:
        ZoneError: the extension that brings OpenSSL is not installed.
    """
    con = duckdb.connect(":memory:")
    configure(con, spill)
    return con


def configure(con: duckdb.DuckDBPyConnection, spill: Path) -> None:
    """Give a fresh in-memory DuckDB OpenSSL and encrypted spilling, and forbid it downloads.

    Raises:
        ZoneError: the extension that brings OpenSSL is not installed.
    """
    con.execute(f"load {literal(str(_openssl_extension()))}")
    # A query of some seconds would draw a bar on standard output, amid a command's JSON.
    con.execute("set enable_progress_bar = false")
    con.execute("set temp_file_encryption = true")
    con.execute(f"set temp_directory = {literal(str(spill))}")
    con.execute("set autoinstall_known_extensions = false")
    con.execute("set autoload_known_extensions = false")
    con.execute("set timezone = 'UTC'")  # else the machine's zone decides the date of an instant


def attach_staging(con: duckdb.DuckDBPyConnection, deployment: Deployment, zone: Zone) -> None:
    """Attach ``zone`` read-only and, read-write, the staging file its next tables are built in.

    Raises:
        ZoneKeyError: the zone's key is missing or wrong.
        ZoneError: the zone does not exist yet, or its staging file is locked or not writable.
    """
    file = deployment.staging_file(zone)
    make_private(file.parent)
    _attach(con, deployment, zone, deployment.zone_file(zone), zone.value, "ro")
    _attach(con, deployment, zone, file, STAGING, "rw")


def lock_down(con: duckdb.DuckDBPyConnection, files: Sequence[Path] = ()) -> None:
    """Close external access, except for the given folders, and lock the configuration."""
    if files:
        folders = ", ".join(literal(f"{folder}/") for folder in files)
        con.execute(f"set allowed_directories = [{folders}]")
    con.execute("set enable_external_access = false")
    con.execute("set lock_configuration = true")


def attach_encrypted(
    con: duckdb.DuckDBPyConnection, file: Path, name: str, key: str, *, read_only: bool
) -> None:
    """Attach an encrypted file under ``name``, its key bound."""
    options = "encryption_key ?" + (", read_only" if read_only else "")
    con.execute(f"attach {literal(str(file))} as {identifier(name)} ({options})", [key])


def translated(zone: Zone | None, error: duckdb.Error) -> ZoneError:
    """Our error for one of DuckDB's, which quotes cell values and must not leave the engine."""
    where = zone.value if zone else "query"
    text = str(error).lower()
    if "aes tag" in text:
        return ZoneError(
            where,
            "stored data fails its integrity check: the file was damaged or altered",
            "restore the zone from a backup; nothing was changed",
        )
    if isinstance(error, duckdb.IOException) and "no space left" in text:
        return ZoneError(
            where, "the disk is full", "free space and run again; the last good state is intact"
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return ZoneError(
            where,
            "the statement needs more memory than DuckDB may use",
            "free memory or disk for spilling and run again; the last good state is intact",
        )
    return ZoneError(
        where,
        f"the database refused the statement ({type(error).__name__})",
        "the zone keeps its last good state; check the declaration the statement came from",
    )


def _attach(
    con: duckdb.DuckDBPyConnection,
    deployment: Deployment,
    zone: Zone,
    file: Path,
    name: str,
    mode: str,
) -> None:
    read_only = mode == "ro"
    if deployment.restore_journal.exists():
        raise ZoneError(
            str(deployment.home),
            "a restore was interrupted here",
            "run `deid restore` with the same backup, which finishes it",
        )
    if read_only and not file.exists():
        raise ZoneError(str(file), "this zone file does not exist yet", "run the assets before it")
    if zone not in ENCRYPTED:
        _attach_plain(con, file, name, mode)
        return
    key = deployment.key(zone)
    try:
        attach_encrypted(con, file, name, key, read_only=read_only)
    except duckdb.Error as error:
        raise _attach_error(name, file, error) from None
    if not read_only:
        _owner_only(file)


def _attach_plain(con: duckdb.DuckDBPyConnection, file: Path, name: str, mode: str) -> None:
    clause = " (read_only)" if mode == "ro" else ""
    try:
        con.execute(f"attach {literal(str(file))} as {identifier(name)}{clause}")
    except duckdb.Error as error:
        raise _attach_error(name, file, error) from None
    if mode == "rw":
        _owner_only(file)


def _owner_only(file: Path) -> None:
    with contextlib.suppress(OSError):
        file.chmod(0o600)


def _attach_error(name: str, file: Path, error: duckdb.Error) -> DeidError:
    text = str(error).replace(str(file), "").lower()  # a path may hold any of these words
    if "wrong encryption key" in text or "without a key" in text:
        return ZoneKeyError(
            name,
            "the key does not open this zone file",
            "give the key it was made with; nothing was changed",
        )
    if "is not encrypted" in text:
        return ZoneError(
            str(file),
            "a zone that holds PHI must be encrypted, and this file is not",
            "move it away and restore the zone from a backup",
        )
    if "already attached" in text:
        return ZoneError(name, "this process has the zone open already", "close that session first")
    if "set lock" in text or "conflicting lock" in text:
        return ZoneError(
            name,
            "another process is writing this zone",
            "wait for it to end, or see `deid status` for the run that holds it",
        )
    if "permission" in text or "cannot open" in text or "read-only" in text:
        return ZoneError(
            str(file), "the file cannot be opened", "check the folder's owner, mode and free space"
        )
    return ZoneError(
        str(file),
        "this is not a usable zone file",
        "restore it from a backup; nothing was changed",
    )


@cache
def _openssl_extension() -> Path:
    """The signed httpfs extension: it brings OpenSSL, without which DuckDB writes no AES."""
    spec = importlib.util.find_spec("duckdb_extension_httpfs")
    found = (
        sorted(Path(spec.submodule_search_locations[0]).rglob("httpfs.duckdb_extension"))
        if spec is not None and spec.submodule_search_locations
        else []
    )
    if not found:
        raise ZoneError(
            "duckdb-extension-httpfs",
            "the extension that brings OpenSSL is not installed",
            "install the version that matches duckdb",
        )
    return found[0]
