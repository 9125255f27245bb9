"""Encrypts a zone anew under another key, so that at every moment one key opens all of it.

The copies under the new key are made and read back first, beside the files; only then does each
take its file's place, and the new key file that of the old one. Whoever is killed in between leaves
either nothing changed, or the new key beside the old one: running it again undoes or finishes it.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deid_platform.core.errors import ZoneError, ZoneKeyError
from deid_platform.core.zones import ENCRYPTED, Zone
from deid_platform.engine.database import STAGING, attach_copy, hold_zones
from deid_platform.engine.deployment import KEY_BYTES, Deployment
from deid_platform.engine.durable_files import sync, write_durably
from deid_platform.engine.sql import identifier
from deid_platform.engine.zone_copies import (
    Contents,
    check_no_wal,
    contents,
    copy_zone,
    key_id,
    upkeep,
    wal_of,
)


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """A zone under its new key.

    ``is_resumed``: an interrupted change was finished, no other was begun. ``switch``: the
    environment variable that must be given the new key; None where a key file was replaced.
    """

    zone: Zone
    files: tuple[str, ...]
    tables: int
    rows: int
    content: str
    old_key: str
    new_key: str
    is_resumed: bool
    switch: str | None


@dataclass(frozen=True, kw_only=True)
class _Change:
    """One zone, its files, and both its keys."""

    deployment: Deployment
    zone: Zone
    old: str
    files: dict[str, Path]
    key_file: Path | None
    given: str | None

    @property
    def new_key_file(self) -> Path | None:
        """Where a new key waits; None where the environment gives it."""
        if self.key_file is None or self.given is not None:
            return None
        return new_key_file(self.key_file)

    def new(self) -> str:
        """The new key, as it will be found: in the environment, or in its file."""
        place = self.given if self.new_key_file is None else str(self.new_key_file)
        named = {_variable(self.zone): place or ""}
        return dataclasses.replace(self.deployment, environment=named).key(self.zone)


def new_key_file(key_file: Path) -> Path:
    """Where a new key waits while its zone is being encrypted."""
    return key_file.with_name(key_file.name + ".new")


def new_zone_file(file: Path) -> Path:
    """Where a zone file under a new key is made."""
    return file.with_name(file.name + ".new")


def unfinished(deployment: Deployment, zone: Zone) -> tuple[Path, ...]:
    """What an interrupted change of the zone's key left behind."""
    key_file = deployment.key_file(zone)
    left = [new_zone_file(file) for file in _files(deployment, zone).values()]
    if key_file is not None:
        left.append(new_key_file(key_file))
    return tuple(path for path in left if path.exists())


def rotate_key(
    deployment: Deployment,
    zone: Zone,
    *,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> Rotation:
    """Encrypt a zone, and its staging file, under a new key; or finish a change that was killed.

    A key from a file is replaced by one drawn here. Where ``DEID_<ZONE>_KEY_NEW`` holds a key or
    the path of a key file, that is the new key, and whoever set it must then set
    ``DEID_<ZONE>_KEY``: nothing reads the zone until then.

    Raises:
        ZoneKeyError: a key is missing, malformed or wrong, or the new one is the old one.
        ZoneError: the zone does not exist, is in use, or cannot be written; the old key still
            opens it.
    """
    if zone not in ENCRYPTED:
        raise ZoneKeyError(zone.value, "this zone has no key", "name raw or limited")
    with upkeep(deployment):
        change = _change(deployment, zone)
        return _finished(change) or _begun(change, random_bytes)


def _change(deployment: Deployment, zone: Zone) -> _Change:
    files = _files(deployment, zone)
    if zone.value not in files:
        raise ZoneError(
            zone.value,
            "the zone does not exist yet, so that there is nothing to encrypt anew",
            "run the assets first, or delete the key file and run `deid init`",
        )
    given = deployment.environment.get(_new_variable(zone), "").strip() or None
    key_file = deployment.key_file(zone)
    if key_file is None and given is None:
        raise ZoneKeyError(
            _variable(zone),
            "the environment holds the key, which no command can change there",
            f"give the new key, or the path of its file, as {_new_variable(zone)}",
        )
    change = _Change(
        deployment=deployment,
        zone=zone,
        old=deployment.key(zone),
        files=files,
        key_file=key_file,
        given=given,
    )
    if given is not None and change.new() == change.old:
        raise ZoneKeyError(
            _new_variable(zone),
            "the new key is the one in use",
            f"give another key; after a change, unset {_new_variable(zone)}",
        )
    return change


def _finished(change: _Change) -> Rotation | None:
    """Finish a change that had begun to replace files; undo one that had not."""
    waiting = change.new_key_file
    if waiting is not None and not waiting.exists():
        _discard(change)
        return None
    new = change.new()
    done = {name for name, file in change.files.items() if _opens(change.deployment, file, new)}
    if not done:
        _discard(change)
        return None
    # One file is replaced, so every copy had been made and read back.
    missing = [
        name
        for name, file in change.files.items()
        if name not in done and not _opens(change.deployment, new_zone_file(file), new)
    ]
    if missing:
        raise ZoneKeyError(
            change.zone.value,
            f"the new key opens a part of the zone only, and not: {', '.join(missing)}",
            "keep both keys, and restore the zone from a backup",
        )
    found = {}
    with hold_zones(change.deployment, [], read_only=False) as con:
        for name, file in change.files.items():
            source = file if name in done else new_zone_file(file)
            attach_copy(con, source, name, new, read_only=True)
            found[name] = contents(con, name)
            con.execute(f"detach {identifier(name)}")
    _replace(change, [name for name in change.files if name not in done])
    return _rotation(change, found, new, is_resumed=True)


def _begun(change: _Change, random_bytes: Callable[[int], bytes]) -> Rotation:
    has_staging = STAGING in change.files
    is_replacing = False
    try:
        with hold_zones(
            change.deployment,
            [change.zone],
            read_only=False,
            staging=change.zone if has_staging else None,
        ) as con:
            for name, file in change.files.items():
                con.execute(f"checkpoint {identifier(name)}")
                check_no_wal(file)
            if change.new_key_file is not None:
                text = base64.b64encode(random_bytes(KEY_BYTES)) + b"\n"
                write_durably(change.new_key_file, text)
            new = change.new()
            copied = {
                name: copy_zone(con, name, new_zone_file(file), new, change.new())
                for name, file in change.files.items()
            }
            # Still locked, so that nothing can be written into a file that is about to go.
            is_replacing = True
            _replace(change, list(change.files))
    except OSError:
        raise ZoneError(
            change.zone.value,
            "the files under the new key cannot be written",
            "check the folders' owner, mode and free space, and run it again",
        ) from None
    finally:
        if not is_replacing:
            _discard(change)
    return _rotation(change, copied, new, is_resumed=False)


def _replace(change: _Change, names: list[str]) -> None:
    """Put the copies, then the key, in their places; each step can be the last that happens."""
    for name in names:
        file = change.files[name]
        new_zone_file(file).replace(file)
        sync(file.parent)
    if change.new_key_file is not None and change.key_file is not None:
        change.new_key_file.replace(change.key_file)
        sync(change.key_file.parent)


def _discard(change: _Change) -> None:
    """Remove copies under a key that opens nothing else, and that key."""
    for file in change.files.values():
        draft = new_zone_file(file)
        wal_of(draft).unlink(missing_ok=True)
        draft.unlink(missing_ok=True)
    if change.new_key_file is not None:
        change.new_key_file.unlink(missing_ok=True)


def _opens(deployment: Deployment, file: Path, key: str) -> bool:
    if not file.exists():
        return False
    with hold_zones(deployment, [], read_only=True) as con:
        try:
            attach_copy(con, file, "tried", key, read_only=True)
        except ZoneKeyError:
            return False
    return True


def _rotation(
    change: _Change, found: dict[str, Contents], new: str, *, is_resumed: bool
) -> Rotation:
    content = hashlib.sha256("".join(found[name].digest for name in sorted(found)).encode())
    return Rotation(
        zone=change.zone,
        files=tuple(
            file.relative_to(change.deployment.home).as_posix() for file in change.files.values()
        ),
        tables=sum(len(one.rows) for one in found.values()),
        rows=sum(sum(one.rows.values()) for one in found.values()),
        content=f"sha256:{content.hexdigest()}",
        old_key=key_id(change.old),
        new_key=key_id(new),
        is_resumed=is_resumed,
        switch=_variable(change.zone) if change.new_key_file is None else None,
    )


def _files(deployment: Deployment, zone: Zone) -> dict[str, Path]:
    """The files under the zone's key, by the name they are attached under."""
    files = {zone.value: deployment.zone_file(zone), STAGING: deployment.staging_file(zone)}
    return {name: file for name, file in files.items() if file.exists()}


def _variable(zone: Zone) -> str:
    return f"DEID_{zone.name}_KEY"


def _new_variable(zone: Zone) -> str:
    return f"{_variable(zone)}_NEW"
