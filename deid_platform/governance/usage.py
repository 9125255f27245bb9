"""Which entries of the ledger, and so which releases, rest on a policy, list or rule version."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deid_platform.core.errors import AuthorisationError
from deid_platform.governance.chain import Entry, Records
from deid_platform.governance.events import CandidateBuilt, RequestReleased
from deid_platform.governance.register_events import RegisterApplied

_SHORTEST = 8


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a digest was found in.

    ``entries`` counts the ledger's entries by the kind and the field that name it; ``releases``
    are those whose candidate was built under it.
    """

    digest: str
    entries: dict[tuple[str, str], int]
    standards: tuple[str, ...]
    releases: tuple[Entry, ...]


def usage_of(records: Records, digest: str) -> Usage:
    """Every use of a digest, given whole or by its first eight characters or more.

    Raises:
        AuthorisationError: the ledger never saw it, or several begin like that.
    """
    wanted = digest.strip().lower()
    found: dict[str, dict[tuple[str, str], int]] = {}
    standards: dict[str, dict[str, None]] = {}
    contents: dict[str, set[tuple[str, str]]] = {}
    released: list[Entry] = []
    for entry in records.entries():
        if entry.kind == RequestReleased.kind:
            released.append(entry)
        for field, value in _digests(entry.payload):
            if len(wanted) < _SHORTEST or not value.startswith(wanted):
                continue
            key = (entry.kind, field)
            counts = found.setdefault(value, {})
            counts[key] = counts.get(key, 0) + 1
            if entry.kind == CandidateBuilt.kind:
                content = (str(entry.payload["publication"]), str(entry.payload["fingerprint"]))
                contents.setdefault(value, set()).add(content)
            if entry.kind == RegisterApplied.kind and ".policies." in field:
                standards.setdefault(value, {})[field.split(".")[2]] = None
    if len(found) != 1:
        raise AuthorisationError(
            "digest",
            "several digests begin like that" if found else "the ledger never saw this digest",
            f"give {_SHORTEST} characters or more, as `deid register policies` or a packet has it",
        )
    ((whole, counts),) = found.items()
    return Usage(
        digest=whole,
        entries=counts,
        standards=tuple(standards.get(whole, ())),
        releases=tuple(
            one
            for one in released
            if (one.payload["publication"], one.payload["fingerprint"])
            in contents.get(whole, set())
            or whole in (value for _, value in _digests(one.payload))
        ),
    )


def _digests(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _digests(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _digests(inner, path)
    elif isinstance(value, str) and len(value) == 64 and not set(value) - set("0123456789abcdef"):
        yield path, value
