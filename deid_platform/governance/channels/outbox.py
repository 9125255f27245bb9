"""A folder of this machine or of a share that it mounts."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from deid_platform.core.errors import TransferError
from deid_platform.engine.durable_files import sync
from deid_platform.governance.channels.base import (
    CHUNK,
    Carrier,
    Place,
    channel,
    refusals_of,
    sha256_of_chunks,
)


@channel("outbox")
@contextlib.contextmanager
def open_outbox(place: Place) -> Iterator[Carrier]:
    """A local folder or share; the setting ``folder`` is its absolute path, and it must exist.

    Raises:
        DeclarationError: no folder is given, or not by an absolute path.
        TransferError: the folder is not there.
    """
    folder = Path(place.setting("folder", r"/.*"))
    if not folder.is_dir():
        # Not made here: an unmounted share would be filled up beneath its mount point.
        raise TransferError(
            f"destination {place.name}", "the folder is not there", "make or mount it"
        )
    with refusals_of(place, OSError):
        yield _Folder(folder)


class _Folder:
    encryption = "none"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def digest(self, name: str) -> str | None:
        try:
            with (self._folder / name).open("rb") as content:
                return sha256_of_chunks(iter(lambda: content.read(CHUNK), b""))
        except FileNotFoundError:
            return None

    def put(self, file: Path, name: str, sha256: str) -> None:
        final = self._folder / name
        final.parent.mkdir(parents=True, exist_ok=True)
        draft = final.with_name(f".{final.name}.part")
        with file.open("rb") as source, draft.open("wb") as out:
            while chunk := source.read(CHUNK):
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        if self.digest(draft.relative_to(self._folder).as_posix()) != sha256:
            raise TransferError(name, "other bytes arrived than were sent", "send it again")
        # A link, unlike a rename, replaces nothing.
        with contextlib.suppress(FileExistsError):
            final.hardlink_to(draft)
        draft.unlink()
        sync(final.parent)
