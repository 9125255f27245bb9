"""Hands out a packet: its public part, and the sealed annex where that is asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

from deid_platform.core.errors import EvidenceError
from deid_platform.governance.packet.folder import ANNEX


def export_packet(folder: Path, destination: Path, *, with_annex: bool = False) -> None:
    """Copy a packet into a folder that does not exist yet.

    Raises:
        EvidenceError: the folder exists or cannot be written.
    """
    destination = destination.expanduser()
    if destination.exists():
        raise EvidenceError(
            str(destination), "it exists already", "name a folder that does not exist yet"
        )
    left_out = () if with_annex else (ANNEX,)
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(folder, destination, ignore=shutil.ignore_patterns(*left_out))
    except OSError:
        raise EvidenceError(
            str(destination), "it cannot be written", "check its owner, mode and free space"
        ) from None
