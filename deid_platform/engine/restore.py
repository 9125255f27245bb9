"""Puts a backup in the place of a deployment's state, all of it or nothing.

The set is copied beside the state and verified there: digests, keys, tables, the ledger's chain.
Then, piece by piece, the old state is moved aside and the new one in. A journal lets whoever is
killed meanwhile finish by running it again; until then no zone is opened (`engine.database`), so
that nothing is written into half of one state and half of the other.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deid_platform.core.errors import LedgerError, ZoneError, ZoneKeyError
from deid_platform.core.zones import ENCRYPTED
from deid_platform.engine.backup import (
    LEDGER,
    MANIFEST,
    HeadOf,
    Manifest,
    check_files,
    ledger_file,
    read_manifest,
)
from deid_platform.engine.catalog import row_count, tables
from deid_platform.engine.database import hold_zones
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.durable_files import sha256_of, sync, write_durably
from deid_platform.engine.sql import qualified
from deid_platform.engine.zone_copies import (
    existing,
    key_id,
    upkeep,
)

_PREFIX = "restore-"
_OLD, _NEW = "old", "new"
_PIECES = ("zones", "staging", "snapshots", "outbox", "evidence", LEDGER)


@dataclass(frozen=True, kw_only=True)
class Restored:
    """A deployment's state after a restore; ``is_resumed``: an interrupted one was finished."""

    manifest: Manifest
    ledger_head: str
    is_resumed: bool


def restore_backup(
    deployment: Deployment,
    folder: Path,
    *,
    ledger_head: HeadOf,
    force: bool = False,
    digest: str | None = None,
) -> Restored:
    """Replace zones, ledger, snapshots, bundles and evidence of a deployment by a backup's.

    Keys, landing files and Dagster's history stay as they are; staging files are emptied, since
    dbt builds them anew.

    Args:
        deployment: whose state is replaced, and whose keys must open the backup.
        folder: the backup.
        ledger_head: verifies a ledger.
        force: replace a state that is there.
        digest: of the backup's manifest, as noted when it was made.

    Raises:
        ZoneError: the backup is not whole or was altered, the home holds a state, or a zone is in
            use.
        ZoneKeyError: the backup needs other keys.
        LedgerError: the ledger's chain does not hold, or the ledger is not kept in the home.
    """
    folder = folder.expanduser().resolve()
    ledger = _ledger_in_home(deployment)
    try:
        manifest = read_manifest(folder, digest)
        with upkeep(deployment):
            is_resumed = _is_interrupted(deployment, folder)
            if is_resumed:
                staged = _staged(deployment)
            else:
                _check_may_replace(deployment, force=force)
                _check_keys(deployment, manifest)
                check_files(folder, manifest)
                staged = deployment.home / f"{_PREFIX}{secrets.token_hex(8)}"
                try:
                    _stage(deployment, folder, manifest, staged)
                    _verify(deployment, staged / _NEW, manifest, ledger_head)
                except BaseException:
                    shutil.rmtree(staged, ignore_errors=True)
                    raise
            with _unused(deployment):
                if not is_resumed:
                    _announce(deployment, folder, staged)
                _swap(deployment, staged)
            head = _verify(deployment, deployment.home, manifest, ledger_head, at=ledger)
            shutil.rmtree(staged)
    except OSError:
        raise ZoneError(
            str(deployment.home),
            "the backup cannot be put in place",
            "check the folder's owner, mode and free space, and run it again",
        ) from None
    return Restored(manifest=manifest, ledger_head=head, is_resumed=is_resumed)


def interrupted(deployment: Deployment) -> bool:
    """Whether a restore was killed while it replaced the old state."""
    return deployment.restore_journal.exists()


def _ledger_in_home(deployment: Deployment) -> Path:
    file = ledger_file(deployment)
    if file != deployment.home / LEDGER:
        raise LedgerError(
            "DEID_LEDGER_URL",
            "it names a ledger outside DEID_HOME, which is not restored with it",
            "unset it, or put the files of the backup in place by hand",
        )
    return file


def _check_may_replace(deployment: Deployment, *, force: bool) -> None:
    holds = existing(deployment) or (deployment.home / LEDGER).exists()
    holds = holds or any(
        path.is_dir() and any(path.iterdir())
        for path in (deployment.snapshots, deployment.outbox, deployment.evidence)
    )
    if holds and not force:
        raise ZoneError(
            str(deployment.home),
            "it holds zones, a ledger, snapshots, bundles or evidence",
            "restore into an empty home, or give --force to replace them",
        )


def _check_keys(deployment: Deployment, manifest: Manifest) -> None:
    for zone, backed_up in manifest.zones.items():
        if zone in ENCRYPTED and key_id(deployment.key(zone)) != backed_up.key_id:
            raise ZoneKeyError(
                zone.value,
                f"the backup was made under another key, {backed_up.key_id}",
                "give that key, of which a copy was kept apart from the backups; "
                "nothing was changed",
            )


def _stage(deployment: Deployment, folder: Path, manifest: Manifest, staged: Path) -> None:
    """Copy the set onto the home's disk; what comes out of the copying is compared again."""
    for left in deployment.home.glob(f"{_PREFIX}*"):
        if any(left.glob(f"{_OLD}/*")):
            raise ZoneError(
                str(left),
                "it holds the state before an earlier restore",
                "delete it once you are sure that nothing in it is needed",
            )
        shutil.rmtree(left)
    for name in (_OLD, _NEW):
        (staged / name).mkdir(parents=True, mode=0o700)
    for name in _PIECES:
        if name != LEDGER:
            (staged / _NEW / name).mkdir(mode=0o700)
    for name, listed in manifest.files.items():
        target = staged / _NEW / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / name, target)
        sync(target)
        target.chmod(listed.mode & 0o777)
        if sha256_of(target) != listed.sha256:
            raise ZoneError(str(target), "the copy differs from the backup", "check the disk")
    if deployment.snapshots.is_dir():
        (staged / _NEW / "snapshots").chmod(deployment.snapshots.stat().st_mode & 0o777)


def _verify(
    deployment: Deployment,
    home: Path,
    manifest: Manifest,
    ledger_head: HeadOf,
    *,
    at: Path | None = None,
) -> str:
    """Open every zone with the deployment's keys, count its rows, and verify the ledger."""
    keys = {
        f"DEID_{zone.name}_KEY": deployment.key(zone)
        for zone in manifest.zones
        if zone in ENCRYPTED
    }
    copy = dataclasses.replace(deployment, home=home, environment=keys)
    with hold_zones(copy, list(manifest.zones), read_only=True) as con:
        for zone, backed_up in manifest.zones.items():
            rows = {}
            for schema, name in tables(con, zone.value):
                table = qualified(zone.value, schema, name)
                rows[f"{schema}.{name}"] = row_count(con, table)
            if rows != dict(backed_up.rows):
                raise ZoneError(
                    zone.value,
                    "it does not hold the rows that were backed up",
                    "use another backup",
                )
    # An open zone leaves a scratch folder, which is no part of the set.
    if copy.scratch != deployment.scratch:
        shutil.rmtree(copy.scratch, ignore_errors=True)
    head = ledger_head(at or home / LEDGER)
    if head != manifest.ledger_head:
        raise LedgerError(
            LEDGER, "its head is not the one that was backed up", "use another backup"
        )
    return head


def _announce(deployment: Deployment, folder: Path, staged: Path) -> None:
    """From here on, the restore is finished rather than undone."""
    for path in (*(one for one in staged.rglob("*") if one.is_dir()), staged):
        sync(path)
    journal = {"staged": staged.name, "manifest": sha256_of(folder / MANIFEST)}
    write_durably(deployment.restore_journal, json.dumps(journal).encode())


def _is_interrupted(deployment: Deployment, folder: Path) -> bool:
    if not interrupted(deployment):
        return False
    if _journal(deployment)["manifest"] != sha256_of(folder / MANIFEST):
        raise ZoneError(
            str(deployment.home),
            "a restore of another backup was interrupted",
            "run `deid restore` with that backup first; it finishes",
        )
    return True


def _journal(deployment: Deployment) -> dict[str, str]:
    journal = deployment.restore_journal
    try:
        return dict(json.loads(journal.read_text("utf-8")))
    except (OSError, ValueError):
        raise ZoneError(
            str(journal), "it cannot be read", "restore into an empty home instead"
        ) from None


def _staged(deployment: Deployment) -> Path:
    return deployment.home / _journal(deployment)["staged"]


def _swap(deployment: Deployment, staged: Path) -> None:
    """Move the old state aside and the new one in; begun again, it goes on where it was."""
    home, old, new = deployment.home, staged / _OLD, staged / _NEW
    for name in _PIECES:
        if (new / name).exists():
            # What is in a write-ahead log belongs to the ledger beside it, and to no other.
            for suffix in ("", "-wal", "-shm") if name == LEDGER else ("",):
                part = f"{name}{suffix}"
                if (home / part).exists():
                    _move(home / part, old / part)
            _move(new / name, home / name)
    deployment.restore_journal.unlink(missing_ok=True)
    sync(home)


def _move(source: Path, target: Path) -> None:
    if target.exists():
        # Whoever tried to open a zone meanwhile was refused, but may have made its folder.
        if source.is_dir() and not any(source.iterdir()):
            source.rmdir()
            return
        raise ZoneError(
            str(source),
            "something was written while the restore was interrupted",
            f"move it away, then run `deid restore` again; the state before is in {target.parent}",
        )
    source.rename(target)
    sync(target.parent)
    sync(source.parent)


@contextlib.contextmanager
def _unused(deployment: Deployment) -> Iterator[None]:
    """Hold the old zone files, in DuckDB's own way; they may not be openable any more.

    Raises:
        ZoneError: a process uses one.
    """
    with contextlib.ExitStack() as held:
        for zone in existing(deployment):
            descriptor = os.open(deployment.zone_file(zone), os.O_RDWR)
            held.callback(os.close, descriptor)
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ZoneError(
                    zone.value,
                    "another process uses the zone",
                    "stop runs and the UI, then run `deid restore` again",
                ) from None
        yield
