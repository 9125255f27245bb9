"""What the ledger records of the scheduler's runs for a request."""

from __future__ import annotations

from dataclasses import dataclass

from deid_platform.governance.events import Event


@dataclass(frozen=True, kw_only=True)
class RequestRunStarted(Event, kind="run.started", subject="publication"):
    """A run of the scheduler begins one step of a request."""

    request: str
    publication: str
    action: str
    run: str


@dataclass(frozen=True, kw_only=True)
class RequestRunFinished(Event, kind="run.finished", subject="publication"):
    """A run ended one step of a request; what it did is in the step's own events."""

    request: str
    publication: str
    action: str
    run: str


@dataclass(frozen=True, kw_only=True)
class RequestRunFailed(Event, kind="run.failed", subject="publication"):
    """A run did not end its step: ``reason`` is the kind of error, without its text."""

    request: str
    publication: str
    action: str
    run: str
    reason: str
