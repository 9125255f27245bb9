"""The chain itself: what a link is, what its hash covers, and how a broken one is told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from deid_platform.core.errors import LedgerError
from deid_platform.governance.events import Event, event_from
from deid_platform.governance.plain import canonical_json

GENESIS = "0" * 64
"""What the first entry names as its predecessor."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """The last link of the chain; pinned elsewhere, it proves all entries up to it."""

    sequence: int
    hash: str

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read what `deid audit head` printed.

        Raises:
            LedgerError: the text is no head.
        """
        sequence, _, digest = text.strip().partition(":")
        if not sequence.isdecimal() or len(digest) != len(GENESIS):
            raise LedgerError("pinned head", "not of the form SEQUENCE:HASH", "copy it whole")
        return cls(sequence=int(sequence), hash=digest)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One link of the chain."""

    sequence: int
    at: str
    kind: str
    subject: str
    payload: dict[str, Any]
    previous: str
    hash: str

    @property
    def event(self) -> Event:
        """The event as its dataclass."""
        return event_from(self.kind, self.payload)


class Records(Protocol):
    """What reads entries: the ledger, or a decision inside its lock."""

    def entries(
        self,
        *,
        kinds: Sequence[type[Event]] = (),
        subject: str | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> Iterator[Entry]:
        """Entries in order, of the given kinds and subject, after a sequence number."""
        ...


def ledger_id(records: Records) -> str:
    """What tells one ledger from every other: the hash of its first entry.

    `GENESIS` while the ledger is empty.
    """
    first = next(iter(records.entries(limit=1)), None)
    return first.hash if first else GENESIS


def linked(head: Head, event: Event, now: datetime) -> Entry:
    """The entry that puts an event after the head."""
    at = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    payload: dict[str, Any] = event.payload()
    sequence = head.sequence + 1
    return Entry(
        sequence=sequence,
        at=at,
        kind=event.kind,
        subject=event.subject,
        payload=payload,
        previous=head.hash,
        hash=_hash(sequence, at, event.kind, event.subject, payload, head.hash),
    )


def _hash(
    sequence: int, at: str, kind: str, subject: str, payload: dict[str, Any], previous: str
) -> str:
    body = canonical_json(
        {
            "sequence": sequence,
            "at": at,
            "kind": kind,
            "subject": subject,
            "payload": payload,
            "previous": previous,
        }
    )
    return hashlib.sha256(body.encode("ascii")).hexdigest()


def checked_link(last: Head, row: Any) -> Head:
    """The head after one stored row.

    Raises:
        LedgerError: the row does not follow, or is not what was recorded.
    """
    expected = last.sequence + 1
    if row.sequence != expected:
        raise broken(expected, "it is missing")
    if row.previous != last.hash:
        raise broken(expected, "it does not follow from the entry before it")
    payload = payload_of(expected, row.payload)
    if canonical_json(payload) != row.payload or row.hash != _hash(
        row.sequence, row.at, row.kind, row.subject, payload, row.previous
    ):
        raise broken(expected, "its content is not what was recorded")
    return Head(sequence=row.sequence, hash=row.hash)


def payload_of(sequence: int, payload: str) -> dict[str, Any]:
    """The payload of a stored row.

    Raises:
        LedgerError: it is not JSON.
    """
    try:
        value = json.loads(payload)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise broken(sequence, "its content is not what was recorded")
    return value


def broken(sequence: int, what: str) -> LedgerError:
    """The error that names a bad link."""
    return LedgerError(
        f"ledger entry {sequence}",
        what,
        "nothing is authorised by a broken chain: restore the ledger from a backup and find out "
        "who changed it",
    )
