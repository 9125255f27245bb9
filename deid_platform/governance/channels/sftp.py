"""SSH file transfer, to a server whose key the register pins."""

from __future__ import annotations

import base64
import contextlib
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from deid_platform.core.errors import DeclarationError, TransferError
from deid_platform.governance.channels.base import (
    CHUNK,
    Carrier,
    Place,
    channel,
    private_file,
    refusals_of,
    sha256_of_chunks,
)

if TYPE_CHECKING:
    import paramiko

_SECONDS = 30
_READ_AHEAD = 64


@channel("sftp")
@contextlib.contextmanager
def open_sftp(place: Place) -> Iterator[Carrier]:
    """SFTP to a server known by its host key; its folder must exist.

    Settings: ``host``, ``port`` (22), ``user``, ``folder``, and ``host_key``, the server's public
    key in OpenSSH form: no other is accepted. The parameter ``key_file`` names the variable with
    the path of the private key to log in with.

    Raises:
        DeclarationError: a setting is missing or malformed.
        TransferError: the server is another, refuses, or cannot be reached.
    """
    import paramiko

    host = place.setting("host", r"[A-Za-z0-9.:-]+")
    user = place.setting("user", r"[A-Za-z0-9._-]+")
    folder = place.setting("folder")
    port = int(place.setting("port", r"[0-9]{1,5}")) if "port" in place.settings else 22
    host_key = _host_key(place)
    with refusals_of(place, paramiko.SSHException, OSError, EOFError, ValueError):
        key = paramiko.PKey.from_path(private_file(place, "key_file"))
        with contextlib.closing(paramiko.SSHClient()) as client:
            pinned = host if port == 22 else f"[{host}]:{port}"
            client.get_host_keys().add(pinned, host_key.get_name(), host_key)
            client.set_missing_host_key_policy(paramiko.RejectPolicy())
            try:
                client.connect(
                    host,
                    port,
                    user,
                    pkey=key,
                    allow_agent=False,
                    look_for_keys=False,
                    timeout=_SECONDS,
                    banner_timeout=_SECONDS,
                    auth_timeout=_SECONDS,
                )
            except (paramiko.BadHostKeyException, paramiko.ssh_exception.IncompatiblePeer):
                raise TransferError(
                    f"destination {place.name}",
                    "the server does not show the host key that the register pins",
                    "nothing was sent: ask the receiver whether the key changed",
                ) from None
            with contextlib.closing(client.open_sftp()) as files:
                channel_ = files.get_channel()
                if channel_ is not None:
                    channel_.settimeout(_SECONDS)
                yield _Server(files, folder, place)


def _host_key(place: Place) -> paramiko.PKey:
    import paramiko

    kind, _, text = place.setting("host_key").partition(" ")
    # An OpenSSH public key may end in a comment.
    with contextlib.suppress(paramiko.SSHException, ValueError, IndexError):
        blob = base64.b64decode(text.split()[0], validate=True)
        return paramiko.PKey.from_type_string(kind, blob)
    raise DeclarationError(
        f"destination {place.name}",
        "host_key is not a public key in OpenSSH form",
        "write its type and its base64 text, as ssh-keyscan prints them",
    )


class _Server:
    encryption = "ssh"

    def __init__(self, files: paramiko.SFTPClient, folder: str, place: Place) -> None:
        self._files = files
        self._folder = folder
        self._place = place

    def digest(self, name: str) -> str | None:
        return self._digest(posixpath.join(self._folder, name))

    def put(self, file: Path, name: str, sha256: str) -> None:
        final = posixpath.join(self._folder, name)
        self._make_folders(posixpath.dirname(name))
        draft = posixpath.join(posixpath.dirname(final), f".{posixpath.basename(final)}.part")
        with file.open("rb") as source, self._files.open(draft, "wb") as out:
            out.set_pipelined(True)
            while chunk := source.read(CHUNK):
                out.write(chunk)
        if self._digest(draft) != sha256:
            raise TransferError(
                f"destination {self._place.name}",
                "other bytes arrived than were sent",
                "send it again; the file has not been put in place",
            )
        # SFTP's own rename replaces nothing, unlike OpenSSH's extension of POSIX manners.
        self._files.rename(draft, final)

    def _digest(self, path: str) -> str | None:
        try:
            with self._files.open(path, "rb", bufsize=CHUNK) as content:
                content.prefetch(content.stat().st_size, max_concurrent_requests=_READ_AHEAD)
                return sha256_of_chunks(iter(lambda: content.read(CHUNK), b""))
        except FileNotFoundError:
            return None

    def _make_folders(self, path: str) -> None:
        made = self._folder
        for part in path.split("/"):
            made = posixpath.join(made, part)
            try:
                self._files.stat(made)
            except FileNotFoundError:
                self._files.mkdir(made, 0o750)
