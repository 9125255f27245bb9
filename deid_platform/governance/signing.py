"""Signs with a person's own key, by ``ssh-keygen``: no private key or passphrase comes here."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from deid_platform.core.errors import ToolError
from deid_platform.core.register import NAMESPACE

_SECONDS = 180


def sign(payload: bytes, key: Path, *, namespace: str = NAMESPACE) -> str:
    """The armored signature of these bytes.

    Args:
        key: a private key file; or a public one (``.pub``), whose private key an agent
            (``SSH_AUTH_SOCK``) or the file beside it has. Of a security key likewise.

    Raises:
        ToolError: ``ssh-keygen`` is missing or did not sign.
    """
    program = ssh_keygen()
    if not key.is_file():
        raise ToolError(str(key), "there is no such key file", "name your key with --key")
    # A prompt for a touch or a passphrase goes to the terminal; without one it must not wait.
    told = None if sys.stderr.isatty() else subprocess.PIPE
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, no shell
            [program, "-Y", "sign", "-q", "-n", namespace, "-f", str(key)],
            input=payload,
            stdout=subprocess.PIPE,
            stderr=told,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        raise _failed(key) from None
    signature = done.stdout.decode("ascii", "replace")
    if done.returncode != 0 or "BEGIN SSH SIGNATURE" not in signature:
        raise _failed(key)
    return signature


def ssh_keygen() -> str:
    """The path of ``ssh-keygen``.

    Raises:
        ToolError: it is not installed.
    """
    found = shutil.which("ssh-keygen")
    if found is None:
        raise ToolError(
            "ssh-keygen",
            "the program that signs decisions is not installed",
            "install OpenSSH's client (openssh-client)",
        )
    return found


def _failed(key: Path) -> ToolError:
    return ToolError(
        str(key),
        "ssh-keygen did not sign with this key",
        "check that the key file is yours alone (chmod 600), that an agent holds a key with a "
        "passphrase (ssh-add), or that the security key is plugged in and touched",
    )
