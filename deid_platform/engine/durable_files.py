"""Files that survive a crash: private, forced to disk, told apart by their digest."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from deid_platform.core.errors import ZoneError

_CHUNK = 1 << 22


def sha256_of(file: Path) -> str:
    """Digest of a file's bytes."""
    sha = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(_CHUNK):
            sha.update(chunk)
    return f"sha256:{sha.hexdigest()}"


def sync(path: Path) -> None:
    """Force a file, or the entries of a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(file: Path, content: bytes) -> None:
    """Write a file for the owner only, whole or not at all, and force it to disk."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(file)
        sync(file.parent)
    finally:
        draft.unlink(missing_ok=True)


def make_private(folder: Path, mode: int = 0o700) -> None:
    """Make a folder, if need be, that only its owner (by default) may enter.

    Raises:
        ZoneError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=mode)
    except OSError:
        raise ZoneError(
            str(folder), "the folder cannot be made", "check its owner, mode and free space"
        ) from None
