"""The platform's own keys: one signs evidence, the other seals what is restricted in it.

Both are files under ``keys/`` of mode 0600, or where ``DEID_PLATFORM_KEY`` and ``DEID_ANNEX_KEY``
point. A release needs the sealing key's public half alone (``annex.pub``), so that the private
half may be kept away from the machine that releases. To rotate the signing key, move it aside and
run `deid init`: each release names in the ledger the key that signed it, so that older packets go
on being verified. To rotate the sealing key, put the new identity above the old ones in
``annex.key`` and its recipient into ``annex.pub``.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from deid_platform.core.errors import ZoneKeyError
from deid_platform.engine.deployment import Deployment

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNING = "platform.key"
SEALING = "annex.key"
RECIPIENT = "annex.pub"

_LONGEST_FILE = 1 << 16


def new_signing_key() -> bytes:
    """A fresh Ed25519 private key, as PKCS#8 PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def new_sealing_key() -> bytes:
    """A fresh age identity (X25519), one line."""
    from pyrage import x25519

    return f"{x25519.Identity.generate()}\n".encode("ascii")


def recipient_of(identities: bytes) -> bytes:
    """The public half of the first identity of a file."""
    from pyrage import x25519

    first = identities.decode("ascii").split()[0]
    return f"{x25519.Identity.from_str(first).to_public()}\n".encode("ascii")


def signing_file(deployment: Deployment) -> Path:
    """Where the key that signs evidence is."""
    return _file(deployment, "DEID_PLATFORM_KEY", SIGNING)


def sealing_file(deployment: Deployment) -> Path:
    """Where the key that opens annexes is."""
    return _file(deployment, "DEID_ANNEX_KEY", SEALING)


def signing_key(deployment: Deployment) -> Ed25519PrivateKey:
    """The key that signs evidence.

    Raises:
        ZoneKeyError: it is missing, readable by others, or no Ed25519 key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    file = signing_file(deployment)
    content = _private(file, "the platform's signing key")
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ZoneKeyError(
            str(file), "this is not an Ed25519 key in PEM", "make one with `deid init`"
        )
    return key


def seal(deployment: Deployment, content: bytes) -> bytes:
    """Encrypt for the holders of the sealing key, in the age format.

    Raises:
        ZoneKeyError: the public half is missing or malformed.
    """
    import pyrage

    file = deployment.home / "keys" / RECIPIENT
    try:
        recipient = pyrage.x25519.Recipient.from_str(file.read_text("ascii").strip())
    except (OSError, UnicodeDecodeError, pyrage.RecipientError):
        raise ZoneKeyError(
            str(file), "there is no age recipient in it", "make one with `deid init`"
        ) from None
    return bytes(pyrage.encrypt(content, [recipient]))


def unseal(deployment: Deployment, sealed: bytes) -> bytes:
    """Decrypt what `seal` made, now or under an earlier key that is still in the file.

    Raises:
        ZoneKeyError: the private half is missing, or is not the one it was sealed for.
    """
    import pyrage

    file = sealing_file(deployment)
    lines = _private(file, "the key of restricted annexes").decode("ascii", "replace").split("\n")
    try:
        identities = [
            pyrage.x25519.Identity.from_str(line.strip())
            for line in lines
            if line.strip() and not line.startswith("#")
        ]
        return bytes(pyrage.decrypt(sealed, identities))
    except (pyrage.IdentityError, pyrage.DecryptError, ValueError):
        raise ZoneKeyError(
            str(file),
            "it does not open the annex",
            "keep earlier identities in the file; or the annex was changed",
        ) from None


def _file(deployment: Deployment, variable: str, name: str) -> Path:
    given = deployment.environment.get(variable, "").strip()
    return Path(given).expanduser() if given else deployment.home / "keys" / name


def _private(file: Path, what: str) -> bytes:
    try:
        with file.open("rb") as content:
            status = os.fstat(content.fileno())
            read = content.read(_LONGEST_FILE)
    except OSError:
        raise ZoneKeyError(
            str(file), f"{what} cannot be read", "run `deid init`, which makes it"
        ) from None
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise ZoneKeyError(str(file), "the key file can be read by others", "chmod 600 it")
    if status.st_uid not in (os.geteuid(), 0):
        raise ZoneKeyError(
            str(file), "the key file belongs to another user", "chown it to the one who runs"
        )
    return read
