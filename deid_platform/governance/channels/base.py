"""What a channel is given, what it must do, and how one is found."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import pkgutil
import re
import stat
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Protocol

from deid_platform.core.errors import DeclarationError, TransferError

CHUNK = 1 << 20
"""Bytes read at a time, here and at the other side."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a destination of the register is, and how it is reached.

    ``settings`` are public; ``parameters`` name the environment variables that hold what must not
    be written down, and ``environment`` is what these are looked up in. It is never printed.
    """

    name: str
    channel: str
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(repr=False)

    def setting(self, name: str, form: str | None = None) -> str:
        """One setting, of the form of a regular expression where one is given.

        Raises:
            DeclarationError: the register does not give it, or in another form.
        """
        value = self.settings.get(name, "").strip()
        if value and form is not None and not re.fullmatch(form, value):
            raise DeclarationError(
                f"destination {self.name}",
                f"the setting {name} is not of the form that the channel {self.channel} takes",
                "correct it in the register",
            )
        if not value:
            raise DeclarationError(
                f"destination {self.name}",
                f"the channel {self.channel} needs the setting {name}",
                "add it to the register",
            )
        return value

    def secret(self, parameter: str) -> str:
        """What the environment variable of a parameter holds.

        Raises:
            DeclarationError: the register names no variable.
            TransferError: the variable is not set.
        """
        variable = self.parameters.get(parameter)
        if variable is None:
            raise DeclarationError(
                f"destination {self.name}",
                f"the channel {self.channel} needs the parameter {parameter}",
                "name in the register the environment variable that holds it",
            )
        value = self.environment.get(variable, "")
        if not value:
            raise TransferError(
                f"destination {self.name}",
                f"the environment variable {variable} is not set",
                "set it for the account that sends",
            )
        return value


class Carrier(Protocol):
    """An open way to one place. Names are relative, of plain parts separated by slashes."""

    encryption: str
    """How bytes are protected on the way, as the transfer's record says it."""

    def digest(self, name: str) -> str | None:
        """SHA-256 of what the other side holds under a name, read back; None if nothing."""
        ...

    def put(self, file: Path, name: str, sha256: str) -> None:
        """Put a file there under a name that is free, whole or not at all.

        Raises:
            TransferError: the other side refused, or holds other bytes than were sent.
        """
        ...


Open = Callable[[Place], AbstractContextManager[Carrier]]


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A named way of carrying."""

    name: str
    description: str
    open: Open


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """One file to carry: where it is, how it is called at the other side, and its digest."""

    file: Path
    name: str
    sha256: str


_CHANNELS: dict[str, Channel] = {}


def channel(name: str) -> Callable[[Open], Open]:
    """Register a function of this folder; its docstring's first line describes it.

    Raises:
        DeclarationError: two channels of one name.
    """

    def register(opened: Open) -> Open:
        known = _CHANNELS.get(name)
        if known is not None and known.open.__module__ != opened.__module__:
            raise DeclarationError(name, "two channels have this name", "rename one")
        _CHANNELS[name] = Channel(
            name=name,
            description=(opened.__doc__ or name).strip().splitlines()[0],
            open=opened,
        )
        return opened

    return register


def channel_names() -> tuple[str, ...]:
    """Every channel, in order of name."""
    _load()
    return tuple(sorted(_CHANNELS))


def channel_named(name: str) -> Channel:
    """The channel of that name.

    Raises:
        DeclarationError: there is none.
    """
    if name not in channel_names():
        raise DeclarationError(
            "channel", "there is none of that name", "use " + " or ".join(channel_names())
        )
    return _CHANNELS[name]


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What the other side holds: the digest of the last file, and how bytes went there."""

    digest: str
    encryption: str


def carry(place: Place, parcels: Sequence[Parcel], known: Collection[str] = frozenset()) -> Receipt:
    """Carry files in order, and read each back.

    A file that is there with the same bytes stays, so an interrupted transfer goes on where it
    stopped. The last file tells a receiver that the others are complete.

    Args:
        known: digests under which the last file was sent before: an archive that arrived, of
            which nobody could note it, is not sent a second time as another.

    Raises:
        TransferError: the place cannot be reached, refuses, or holds other bytes under a name.
        DeclarationError: the register does not say all that the channel needs.
    """
    with channel_named(place.channel).open(place) as carrier:
        there: str | None = None
        for parcel in parcels:
            there = carrier.digest(parcel.name)
            if there is None:
                carrier.put(parcel.file, parcel.name, parcel.sha256)
                there = carrier.digest(parcel.name)
            expected = {parcel.sha256} | (set(known) if parcel is parcels[-1] else set())
            if there not in expected:
                raise TransferError(
                    f"destination {place.name}",
                    "it holds another file under a name of this release",
                    "nothing is replaced: find out who put it there, and have it removed",
                )
        return Receipt(digest=there or "", encryption=carrier.encryption)


def sha256_of_chunks(chunks: Iterator[bytes]) -> str:
    """Digest of what a place gives back."""
    sha = hashlib.sha256()
    for chunk in chunks:
        sha.update(chunk)
    return sha.hexdigest()


def private_file(place: Place, parameter: str) -> Path:
    """The key file whose path the environment variable of a parameter holds.

    Raises:
        TransferError: there is none, or others can read it.
    """
    file = Path(place.secret(parameter)).expanduser()
    try:
        mode = file.stat().st_mode
    except OSError:
        mode = 0
    if not stat.S_ISREG(mode) or stat.S_IMODE(mode) & 0o077:
        raise TransferError(
            f"destination {place.name}",
            f"the key file named by {place.parameters[parameter]} is missing or readable by others",
            "name a file of mode 0600",
        )
    return file


@contextlib.contextmanager
def refusals_of(place: Place, *kinds: type[Exception]) -> Iterator[None]:
    """Tell of an error of a library by its kind: its text may quote what it was given."""
    try:
        yield
    except TransferError:
        raise
    except kinds as error:
        raise TransferError(
            f"destination {place.name}",
            f"the transfer did not go through ({type(error).__name__})",
            "check the place and its credentials, and send it again: it goes on where it stopped",
        ) from None


@cache
def _load() -> None:
    package = importlib.import_module("deid_platform.governance.channels")
    for module in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"{package.__name__}.{module}")
