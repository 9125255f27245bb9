"""Which processes hold a file: DuckDB's lock says that there is one, the system says which."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

_LOCKS = Path("/proc/locks")


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A process with a lock on a file; its name is the program's, without arguments."""

    pid: int
    name: str
    is_writing: bool


def holders(file: Path) -> tuple[Holder, ...]:
    """Who holds a lock on a file; nobody where the system does not tell."""
    found = []
    with contextlib.suppress(OSError):
        inode = file.stat().st_ino
        for line in _LOCKS.read_text("ascii").splitlines():
            # "1: POSIX  ADVISORY  WRITE 4711 08:01:131 0 EOF"; with an arrow, one that waits.
            words = line.split()
            if len(words) < 8 or words[1] != "POSIX" or not words[4].isdigit():
                continue
            if words[5].rpartition(":")[2] == str(inode) and _has_open(int(words[4]), file):
                found.append(
                    Holder(
                        pid=int(words[4]), name=_name(int(words[4])), is_writing=words[3] == "WRITE"
                    )
                )
    return tuple(found)


def _has_open(pid: int, file: Path) -> bool:
    """Whether a process has this very file open: inodes repeat from disk to disk."""
    try:
        return any(
            descriptor.resolve() == file.resolve()
            for descriptor in Path(f"/proc/{pid}/fd").iterdir()
        )
    except PermissionError:
        return True
    except OSError:
        return False


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text("utf-8", "replace").strip()
    except OSError:
        return "a process"
