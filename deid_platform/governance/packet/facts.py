"""What the ledger holds about one release: the entries that led to it, in order.

Entries are taken by what they name (the request, the content, the tables), not by kind, so that a
step added to the workflow is in the packet without a line here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from deid_platform.governance.authority import Authority
from deid_platform.governance.chain import Entry, Records
from deid_platform.governance.events import (
    AssessmentRecorded,
    CandidateBuilt,
    DeliveryIngested,
    GateEvaluated,
    TableDeidentified,
    TablePromoted,
)
from deid_platform.governance.facts import candidate_asset

RESTRICTED_FIELDS = frozenset(
    {
        *("counts", "blanks", "rows", "rows_in", "rows_loaded", "rows_quarantined"),
        *("content", "os_user"),
    }
)
"""Fields of events that only the annex shows: counts and findings may be of few people, accounts
are the host's."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The entries about one release, by what they tell; each tuple in order of the ledger."""

    request: tuple[Entry, ...]
    candidate: tuple[Entry, ...]
    gates: tuple[Entry, ...]
    aggregate: tuple[Entry, ...]
    deliveries: tuple[Entry, ...]
    tables: tuple[Entry, ...]

    @property
    def all(self) -> tuple[Entry, ...]:
        """Every entry once, in order."""
        parts = (
            self.request,
            self.candidate,
            self.gates,
            self.aggregate,
            self.deliveries,
            self.tables,
        )
        found = {entry.sequence: entry for part in parts for entry in part}
        return tuple(found[sequence] for sequence in sorted(found))


def facts_of(records: Records, authority: Authority, sources: Iterable[str]) -> Facts:
    """Everything the ledger says that this release rests on."""
    binding = authority.binding
    name = binding.publication
    candidate = _last(
        entry
        for entry in records.entries(kinds=[CandidateBuilt], subject=name)
        if entry.payload["fingerprint"] == binding.fingerprint
    )
    source = candidate[0].payload.get("source_fingerprint") if candidate else None
    assessed = _last(
        entry
        for entry in records.entries(kinds=[AssessmentRecorded], subject=name)
        if entry.payload["score_sheet_digest"] == binding.score_sheet_digest
    )
    sources = tuple(sources)
    return Facts(
        request=about_request(records, name, authority.request.id),
        candidate=(*assessed, *candidate),
        gates=_latest(
            records.entries(kinds=[GateEvaluated], subject=candidate_asset(name)),
            lambda entry: entry.payload["gate"],
            fingerprint=binding.fingerprint,
        ),
        aggregate=tuple(
            entry
            for subject in (f"staging/{name}", f"limited/{name}")
            for entry in _latest(
                records.entries(kinds=[GateEvaluated, TablePromoted], subject=subject),
                lambda entry: (entry.kind, entry.payload.get("gate")),
                fingerprint=source,
            )
        ),
        deliveries=tuple(
            entry
            for table in sources
            for entry in _latest(
                records.entries(kinds=[DeliveryIngested], subject=table),
                lambda entry: entry.payload["partition"],
            )
        ),
        tables=tuple(
            entry
            for table in sources
            for entry in _latest(
                records.entries(kinds=[TableDeidentified], subject=f"limited/{table}"),
                lambda entry: tuple(entry.payload["partitions"]),
            )
        ),
    )


def about_request(records: Records, publication: str, request: str) -> tuple[Entry, ...]:
    """Every entry that names a request, whatever it is about."""
    found = {
        entry.sequence: entry
        for subject in (publication, request)
        for entry in records.entries(subject=subject)
        if entry.payload.get("request") == request
    }
    return tuple(found[sequence] for sequence in sorted(found))


def shown(entry: Entry) -> dict[str, Any]:
    """An entry without its restricted fields."""
    return {
        **full(entry),
        "payload": {
            name: value for name, value in entry.payload.items() if name not in RESTRICTED_FIELDS
        },
    }


def full(entry: Entry) -> dict[str, Any]:
    """An entry as the ledger holds it."""
    return {
        "sequence": entry.sequence,
        "at": entry.at,
        "kind": entry.kind,
        "subject": entry.subject,
        "payload": entry.payload,
        "previous": entry.previous,
        "hash": entry.hash,
    }


def _last(entries: Iterator[Entry]) -> tuple[Entry, ...]:
    return tuple(deque(entries, maxlen=1))


def _latest(
    entries: Iterator[Entry], key: Any, *, fingerprint: str | None = None
) -> tuple[Entry, ...]:
    latest: dict[Any, Entry] = {}
    for entry in entries:
        if fingerprint is None or entry.payload.get("fingerprint") == fingerprint:
            latest[key(entry)] = entry
    return tuple(sorted(latest.values(), key=lambda entry: entry.sequence))
