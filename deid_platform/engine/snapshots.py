"""Publishes immutable files that analysts and portals read while the zones are being written.

A snapshot is copied within one transaction into a file of another name, flushed to disk and moved
over the old one in one step: a reader has the old file or the new one, whole. Its manifest, beside
it, carries the file's digest, so that whoever reads both can tell that they belong together.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deid_platform.core.errors import ZoneError
from deid_platform.core.zones import ENCRYPTED, Zone
from deid_platform.engine.catalog import row_count, tables
from deid_platform.engine.database import SNAPSHOT, open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.durable_files import make_private, sha256_of, sync
from deid_platform.engine.fingerprint import fingerprint
from deid_platform.engine.sql import qualified

_FILE_MODE = 0o440
_FOLDER_MODE = 0o750


@dataclass(frozen=True, kw_only=True)
class SnapshotTable:
    """One table of a snapshot."""

    rows: int
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A published file, its digest and what is in it."""

    name: str
    file: Path
    sha256: str
    tables: Mapping[str, SnapshotTable]

    def metadata(self) -> dict[str, Any]:
        """Plain values: what the manifest says."""
        return {
            "name": self.name,
            "file": self.file.name,
            "sha256": self.sha256,
            "tables": {
                name: {"rows": table.rows, "fingerprint": table.fingerprint}
                for name, table in sorted(self.tables.items())
            },
        }


def publish_snapshot(
    deployment: Deployment, zone: Zone, *, schema: str = "main", name: str
) -> Snapshot:
    """Copy the tables of one schema of a zone into ``snapshots/<name>.duckdb``, schema ``main``.

    Args:
        deployment: where the zone and the snapshots are.
        zone: DEIDENTIFIED or RELEASE; a zone with PHI has no snapshots.
        schema: the schema whose tables are meant for readers, such as ``marts``.
        name: what readers know the file by.

    Raises:
        ZoneError: the zone holds PHI, is being written, has no such tables, or the snapshot
            cannot be written. The last snapshot stays.
    """
    if zone in ENCRYPTED:
        raise ZoneError(zone.value, "a zone that holds PHI has no snapshots", "publish another")
    target = _file(deployment, name)
    make_private(target.parent, _FOLDER_MODE)
    draft = target.with_name(f".{name}.{secrets.token_hex(8)}.duckdb")
    try:
        copied = _copy(deployment, zone, schema, draft)
        digest = _sealed(draft)
        snapshot = Snapshot(name=name, file=target, sha256=digest, tables=copied)
        manifest = json.dumps(snapshot.metadata(), indent=2, sort_keys=True) + "\n"
        draft_manifest = draft.with_suffix(".json")
        draft_manifest.write_text(manifest, "utf-8")
        _sealed(draft_manifest)
        draft.replace(target)
        draft_manifest.replace(target.with_suffix(".json"))
        sync(target.parent)
    except OSError:
        raise ZoneError(
            str(target), "the snapshot cannot be written", "check the folder and its free space"
        ) from None
    finally:
        for left in (draft, draft.with_suffix(".json"), draft.with_name(draft.name + ".wal")):
            with contextlib.suppress(OSError):
                left.unlink()
    return snapshot


def snapshot_file(deployment: Deployment, name: str) -> Path:
    """The published file of that name.

    Raises:
        ZoneError: none has been published.
    """
    file = _file(deployment, name)
    if not file.is_file():
        raise ZoneError(
            str(file), "no snapshot of that name has been published", "run the whole path once"
        )
    return file


def _file(deployment: Deployment, name: str) -> Path:
    if not name.isidentifier():
        raise ZoneError("snapshot", "its name is not an identifier", "name it like marts")
    return deployment.snapshots / f"{name}.duckdb"


def _copy(deployment: Deployment, zone: Zone, schema: str, draft: Path) -> dict[str, SnapshotTable]:
    with open_zone(deployment, None, reading=[zone], snapshot=draft) as con:
        names = [name for held, name in tables(con, zone.value) if held == schema]
        if not names:
            raise ZoneError(
                f"{zone.value}.{schema}", "it holds no tables yet", "run the assets that make them"
            )
        copied = {}
        con.execute("begin")
        for name in names:
            copy = qualified(SNAPSHOT, "main", name)
            source = qualified(zone.value, schema, name)
            con.execute(f"create table {copy} as from {source}")
            copied[name] = SnapshotTable(
                rows=row_count(con, copy), fingerprint=fingerprint(con, copy)
            )
            if copied[name].fingerprint != fingerprint(con, source):
                raise ZoneError(source, "the copy differs from the table", "publish it again")
        con.execute("commit")
        con.execute(f"checkpoint {SNAPSHOT}")
    return copied


def _sealed(file: Path) -> str:
    """Make a file readable only, force it to disk, and give its digest."""
    file.chmod(_FILE_MODE)
    sync(file)
    return sha256_of(file)
