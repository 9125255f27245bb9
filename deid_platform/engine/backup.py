"""Backs up zones, ledger, snapshots, bundles and evidence as of one moment, without their keys.

All zones are held read-only while they are copied, so that no writer comes between two of them.
The ledger is copied last: what it says of a zone is then in that zone's copy. Encrypted zones stay
encrypted under the key they have. The manifest, written last, holds the digest of every file; its
own digest, noted elsewhere, proves later that the set is the one that was made.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sqlite3
import stat
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import pydantic

from deid_platform.core.errors import LedgerError, ZoneError
from deid_platform.core.zones import ENCRYPTED, Zone
from deid_platform.engine.database import hold_zones
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.durable_files import sha256_of, sync, write_durably
from deid_platform.engine.zone_copies import (
    copy_zone,
    existing,
    key_id,
    upkeep,
)

MANIFEST = "manifest.json"
LEDGER = "ledger.db"

HeadOf = Callable[[Path], str]
"""Verifies the ledger in a file and gives its head; raises if the chain does not hold."""

_SQLITE = "sqlite:///"
_TREES = ("snapshots", "outbox")
_TRIES = 5


class _Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")


class BackedUpFile(_Model):
    """One file of the set."""

    sha256: str
    bytes: int
    mode: int


class BackedUpZone(_Model):
    """One zone of the set: rows by table, and which key opens it (no key, only its digest)."""

    rows: Mapping[str, int]
    content: str
    key_id: str | None


class Manifest(_Model):
    """What a backup holds."""

    format: Literal["deid-backup-1"] = "deid-backup-1"
    made_at: str
    zones: Mapping[Zone, BackedUpZone]
    ledger_head: str
    files: Mapping[str, BackedUpFile]


@dataclass(frozen=True, kw_only=True)
class Backup:
    """A backup that was made."""

    folder: Path
    manifest: Manifest
    digest: str


def make_backup(
    deployment: Deployment, folder: Path, *, now: datetime, ledger_head: HeadOf
) -> Backup:
    """Write a backup into a folder that does not exist yet, whole or not at all.

    Args:
        deployment: what is backed up.
        folder: where to; not inside the deployment's home, whose disk it is to outlive.
        now: the time of the backup.
        ledger_head: verifies the copied ledger.

    Raises:
        ZoneError: a zone is being written, or the folder exists or cannot be written.
        ZoneKeyError: the key of a zone is missing or wrong.
        LedgerError: the ledger is missing, broken, or on a server.
    """
    folder = folder.expanduser().resolve()
    ledger = ledger_file(deployment)
    if not ledger.is_file():
        raise LedgerError(str(ledger), "there is no ledger yet", "there is nothing to back up")
    if folder.is_relative_to(deployment.home):
        raise ZoneError(
            str(folder), "a backup inside DEID_HOME is lost with it", "name another disk"
        )
    if folder.exists():
        raise ZoneError(str(folder), "it exists already", "name a folder that does not exist yet")
    draft = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")
    try:
        with upkeep(deployment):
            draft.mkdir(parents=True, mode=0o700)
            (draft / "zones").mkdir(mode=0o700)
            zones = existing(deployment)
            with hold_zones(deployment, zones, read_only=True) as con:
                copied = {}
                for zone in zones:
                    key = deployment.key(zone) if zone in ENCRYPTED else None
                    found = copy_zone(con, zone.value, _zone_in(draft, zone), key, key)
                    copied[zone] = BackedUpZone(
                        rows=found.rows,
                        content=found.digest,
                        key_id=None if key is None else key_id(key),
                    )
                _copy_snapshots(deployment.snapshots, draft / "snapshots")
                _copy_tree(deployment.outbox, draft / "outbox")
                _copy_tree(deployment.evidence, draft / "evidence")
                _copy_ledger(ledger, draft / LEDGER)
        head = ledger_head(draft / LEDGER)
        files = {
            path.relative_to(draft).as_posix(): _secured(path)
            for path in sorted(draft.rglob("*"))
            if path.is_file()
        }
        manifest = Manifest(
            made_at=now.astimezone(UTC).isoformat(timespec="seconds"),
            zones=copied,
            ledger_head=head,
            files=files,
        )
        text = json.dumps(manifest.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"
        write_durably(draft / MANIFEST, text.encode())
        for one in (*(path for path in draft.rglob("*") if path.is_dir()), draft):
            sync(one)
        draft.rename(folder)
        sync(folder.parent)
    except OSError:
        raise ZoneError(
            str(folder), "the backup cannot be written", "check the folder and its free space"
        ) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Backup(folder=folder, manifest=manifest, digest=sha256_of(folder / MANIFEST))


def read_manifest(folder: Path, digest: str | None = None) -> Manifest:
    """The manifest of a backup.

    Args:
        folder: the backup.
        digest: of the manifest, as it was noted when the backup was made.

    Raises:
        ZoneError: there is none, it is not the one noted, or it cannot be understood.
    """
    file = folder / MANIFEST
    try:
        found = sha256_of(file)
        content: Any = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        raise ZoneError(
            str(folder), "this is not a whole backup: it has no manifest", "name another backup"
        ) from None
    if digest is not None and found != digest:
        raise ZoneError(
            str(file), "it is not the manifest that was noted", "the set was altered: use another"
        )
    try:
        return Manifest.model_validate(content)
    except pydantic.ValidationError:
        raise ZoneError(
            str(file), "this version does not understand it", "use the version that wrote it"
        ) from None


def check_files(folder: Path, manifest: Manifest) -> None:
    """Compare every file of a backup with its digest, before any is used.

    Raises:
        ZoneError: a file is missing, altered, not listed, or lies outside the backup.
    """
    present = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    for name, listed in manifest.files.items():
        path = folder / name
        parts = PurePosixPath(name).parts
        if PurePosixPath(name).is_absolute() or ".." in parts or path.is_symlink():
            raise _altered(path, "it is not a file of the backup")
        if name not in present:
            raise _altered(path, "it is missing")
        if path.stat().st_size != listed.bytes or sha256_of(path) != listed.sha256:
            raise _altered(path, "it is not what was backed up")
    for name in sorted(present - set(manifest.files) - {MANIFEST}):
        raise _altered(folder / name, "it is not in the manifest")
    for name in (LEDGER, *(f"zones/{zone.value}.duckdb" for zone in manifest.zones)):
        if name not in manifest.files:
            raise _altered(folder / name, "the manifest does not list it")


def ledger_file(deployment: Deployment) -> Path:
    """The file of the deployment's ledger.

    Raises:
        LedgerError: it is on a server.
    """
    url = deployment.ledger_url
    if not url.startswith(_SQLITE):
        raise LedgerError(
            "DEID_LEDGER_URL",
            "a ledger on a server is backed up and restored there",
            "stop runs, dump it with pg_dump, and copy the rest of DEID_HOME beside it",
        )
    return Path(url.removeprefix(_SQLITE)).resolve()


def _altered(path: Path, what: str) -> ZoneError:
    return ZoneError(str(path), what, "nothing was restored; use another backup")


def _zone_in(folder: Path, zone: Zone) -> Path:
    return folder / "zones" / f"{zone.value}.duckdb"


def _copy_ledger(source: Path, target: Path) -> None:
    """Copy by SQLite's own backup: a plain copy would miss what is in the write-ahead log."""
    try:
        with (
            closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            live.backup(copy)
    except sqlite3.Error:
        raise LedgerError(
            str(source), "the ledger cannot be copied", "check its mode and the free space"
        ) from None


def _copy_snapshots(source: Path, target: Path) -> None:
    """Copy what readers see. A snapshot can be replaced meanwhile, but never in part."""
    for _ in range(_TRIES):
        shutil.rmtree(target, ignore_errors=True)
        _copy_tree(source, target)
        if all(_is_pair(manifest) for manifest in target.glob("*.json")):
            return
    raise ZoneError(
        str(source), "a snapshot and its manifest do not belong together", "publish it again"
    )


def _is_pair(manifest: Path) -> bool:
    try:
        digest = json.loads(manifest.read_text("utf-8"))["sha256"]
        return bool(digest == sha256_of(manifest.with_suffix(".duckdb")))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _copy_tree(source: Path, target: Path) -> None:
    """Copy files without those still being written, whose names begin with a dot."""
    target.mkdir(mode=0o700)
    for link in (path for path in source.rglob("*") if path.is_symlink()):
        raise ZoneError(
            str(link), "a link is not backed up", "put the file in its place, or move it away"
        )
    if source.is_dir():
        shutil.copytree(
            source, target, ignore=shutil.ignore_patterns(".*"), symlinks=True, dirs_exist_ok=True
        )


def _secured(path: Path) -> BackedUpFile:
    """Note a file's digest and mode, and keep the copy for the owner only."""
    mode = stat.S_IMODE(path.stat().st_mode)
    path.chmod(0o600)
    sync(path)
    return BackedUpFile(sha256=sha256_of(path), bytes=path.stat().st_size, mode=mode)
