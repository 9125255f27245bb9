"""Makes the folders and the keys of a new deployment; changes nothing of an old one."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from deid_platform.core.errors import ZoneError
from deid_platform.core.zones import ENCRYPTED
from deid_platform.engine.deployment import KEY_BYTES, Deployment
from deid_platform.engine.evidence_keys import (
    RECIPIENT,
    new_sealing_key,
    new_signing_key,
    recipient_of,
    sealing_file,
    signing_file,
)


@dataclass(frozen=True, kw_only=True)
class Initialised:
    """What was made: empty tuples when everything was there already."""

    folders: tuple[Path, ...]
    keys: tuple[Path, ...]


def initialise(deployment: Deployment) -> Initialised:
    """Make private folders, a key file for each encrypted zone the environment gives no key, and
    the keys of evidence.

    A key that exists is never replaced: with it would go everything encrypted under it.

    Raises:
        ZoneError: a folder or key file cannot be made.
        ZoneKeyError: a key that is there already is malformed or can be read by others.
    """
    home = deployment.home
    keys_folder = home / "keys"
    wanted = [
        home,
        deployment.landing,
        home / "zones",
        home / "staging",
        deployment.snapshots,
        deployment.outbox,
        deployment.evidence,
        keys_folder,
        deployment.scratch,
        deployment.dagster_home,
    ]
    folders = tuple(folder for folder in wanted if _made_folder(folder))
    # Each zone's own key: who may read LIMITED is not thereby one who may read RAW.
    given = {zone for zone in ENCRYPTED if deployment.environment.get(f"DEID_{zone.name}_KEY")}
    keys = [
        file
        for file in sorted(keys_folder / f"{zone.value}.key" for zone in ENCRYPTED - given)
        if _made_key(file, base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
    ]
    keys += _evidence_keys(deployment)
    for zone in sorted(ENCRYPTED):
        deployment.key(zone)
    return Initialised(folders=folders, keys=tuple(keys))


def _evidence_keys(deployment: Deployment) -> list[Path]:
    signing, sealing = signing_file(deployment), sealing_file(deployment)
    made = [file for file in (signing,) if not file.exists() and _made_key(file, new_signing_key())]
    recipient = deployment.home / "keys" / RECIPIENT
    # With a recipient and no identity, the private half is kept elsewhere.
    if recipient.exists():
        return made
    if not sealing.exists() and _made_key(sealing, new_sealing_key()):
        made.append(sealing)
    return [*made, recipient] if _made_key(recipient, recipient_of(sealing.read_bytes())) else made


def _made_folder(folder: Path) -> bool:
    if folder.is_dir():
        return False
    try:
        folder.mkdir(parents=True, mode=0o700)
        folder.chmod(0o700)
    except OSError:
        raise ZoneError(
            str(folder), "the folder cannot be made", "check its owner, mode and free space"
        ) from None
    return True


def _made_key(file: Path, text: bytes) -> bool:
    """Write a key under a name that does not exist yet, whole or not at all."""
    if file.exists():
        return False
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        # A link, unlike a rename, fails if another process was quicker.
        os.link(draft, file)
    except FileExistsError:
        return False
    except OSError:
        raise ZoneError(
            str(file), "the key file cannot be written", "check the folder's owner and mode"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    return True
