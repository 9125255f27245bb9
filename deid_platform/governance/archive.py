"""Encrypted archives: a bundle in one file that only its recipients can open.

The format is tar inside age (age-encryption.org/v1), which `age` and `rage` open. An archive is
not an export target: encryption takes randomness, so one bundle gives other bytes each time, and
what a target writes must be the same for the same release.
"""

from __future__ import annotations

import contextlib
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deid_platform.core.errors import DeclarationError, TransferError
from deid_platform.engine.durable_files import sync

if TYPE_CHECKING:
    import pyrage

SUFFIX = ".tar.age"
"""How an archive is named."""


def pack(bundle: Path, archive: Path, keys: Sequence[str], where: str) -> None:
    """Write the files of a folder as one archive, whole or not at all.

    Args:
        keys: the recipients' public keys: ``age1...``, or an SSH key (ed25519 or RSA).
        where: whose keys these are, for messages.

    Raises:
        DeclarationError: a key is not one.
        TransferError: the archive cannot be written.
    """
    import pyrage

    recipients = read_keys(keys, where)
    plain = archive.with_name(f".{archive.name}.tar")
    draft = archive.with_name(f".{archive.name}.part")
    try:
        _tar(plain, bundle.name, sorted(file for file in bundle.iterdir() if file.is_file()))
        pyrage.encrypt_file(str(plain), str(draft), list(recipients))
        sync(draft)
        draft.replace(archive)
        sync(archive.parent)
    except (OSError, pyrage.EncryptError):
        raise TransferError(
            where, "the archive cannot be written", "check the free space of tmp/ and send again"
        ) from None
    finally:
        plain.unlink(missing_ok=True)
        draft.unlink(missing_ok=True)


def read_keys(
    keys: Iterable[str], where: str
) -> list[pyrage.x25519.Recipient | pyrage.ssh.Recipient]:
    """Public keys as `pyrage` takes them.

    Raises:
        DeclarationError: one is not a public key of a known kind, or there is none.
    """
    import pyrage

    found: list[pyrage.x25519.Recipient | pyrage.ssh.Recipient] = []
    for key in keys:
        kinds = pyrage.x25519 if key.startswith("age1") else pyrage.ssh
        with contextlib.suppress(pyrage.RecipientError):
            found.append(kinds.Recipient.from_str(key.strip()))
            continue
        raise DeclarationError(
            where,
            "a recipient's key is neither an age key nor an SSH key of kind ed25519 or RSA",
            "correct it in the register",
        )
    if not found:
        raise DeclarationError(where, "no recipient's key is registered", "add one")
    return found


def _tar(file: Path, folder: str, members: Sequence[Path]) -> None:
    """No owner, mode or time of this machine goes along."""
    with tarfile.open(file, "w", format=tarfile.USTAR_FORMAT) as tar:
        for member in members:
            info = tarfile.TarInfo(f"{folder}/{member.name}")
            info.size = member.stat().st_size
            info.mode = 0o644
            with member.open("rb") as content:
                tar.addfile(info, content)
