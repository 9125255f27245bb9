"""A person's SSH public key: its parts, its strength, and when it may sign."""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from datetime import UTC, date, datetime, time
from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

from deid_platform.core.register.vocabulary import Entry, Line, day

ACCEPTED = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
)
"""Key types that may sign. Those beginning with ``sk-`` live in hardware."""

_SHORTEST_RSA = 3072


def key_fields(blob: bytes) -> list[bytes]:
    """The length-prefixed strings of an SSH wire structure.

    Raises:
        ValueError: a length goes beyond the end.
    """
    fields, place = [], 0
    while place < len(blob):
        if len(blob) - place < 4:
            raise ValueError("cut short")
        (length,) = struct.unpack_from(">I", blob, place)
        place += 4
        if length > len(blob) - place:
            raise ValueError("cut short")
        fields.append(blob[place : place + length])
        place += length
    return fields


def _public_key(text: str) -> str:
    """A line of an OpenSSH public key file, without its comment."""
    words = text.split()
    if len(words) < 2 or words[0] not in ACCEPTED:
        raise ValueError("not a line of a .pub file of a key type that may sign")
    try:
        fields = key_fields(base64.b64decode(words[1], validate=True))
    except (binascii.Error, ValueError):
        raise ValueError("the key is cut short or mistyped") from None
    if not fields or fields[0].decode("ascii", "replace") != words[0] or len(fields) < 2:
        raise ValueError("the key is not of the type it names")
    if words[0] == "ssh-rsa" and (
        len(fields) != 3 or int.from_bytes(fields[2]).bit_length() < _SHORTEST_RSA
    ):
        raise ValueError(f"an RSA key needs {_SHORTEST_RSA} bits; better make an ed25519 key")
    return f"{words[0]} {words[1]}"


class SshKey(Entry):
    """A public key, and the days (UTC, both included) on which it may sign.

    ``revoked_at`` is when the key stopped being trusted, which may lie before it was noticed;
    what was signed from then on does not count.
    """

    public: Annotated[str, AfterValidator(_public_key)]
    valid_from: date
    valid_until: date
    revoked_at: AwareDatetime | None = None
    note: Line | None = None

    @cached_property
    def blob(self) -> bytes:
        """The key as it goes over the wire and stands in signatures."""
        return base64.b64decode(self.public.split()[1])

    @property
    def type(self) -> str:
        """The key type, such as ``ssh-ed25519``."""
        return self.public.split()[0]

    @property
    def is_hardware(self) -> bool:
        """Whether the private key lives in a security key."""
        return self.type.startswith("sk-")

    @cached_property
    def fingerprint(self) -> str:
        """What `ssh-keygen -l` prints of it, ``SHA256:...``."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode("ascii")
        return "SHA256:" + digest.rstrip("=")

    @property
    def first_moment(self) -> datetime:
        """From when it may sign."""
        return datetime.combine(self.valid_from, time.min, UTC)

    @property
    def last_moment(self) -> datetime:
        """Until when it may sign."""
        return datetime.combine(self.valid_until, time(23, 59, 59), UTC)

    def is_revoked(self, at: datetime) -> bool:
        """Whether it was not trusted any more at a time."""
        return self.revoked_at is not None and self.revoked_at <= at

    def is_valid(self, at: datetime) -> bool:
        """Whether it could sign at a time."""
        return self.valid_from <= day(at) <= self.valid_until and not self.is_revoked(at)
