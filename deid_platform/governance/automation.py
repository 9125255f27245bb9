"""Steps of requests that the pipeline takes by itself, and the record of the runs that take them.

The scheduler orders work, and the ledger authorises it: a step that is due here is asked for again
by whoever carries it out, under the ledger's lock. So taking one twice, or too early, does nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from deid_platform.core.errors import DeidError
from deid_platform.core.workflow import Action, Role, State
from deid_platform.governance.authority import valid_until
from deid_platform.governance.chain import Records
from deid_platform.governance.decisions import Command, act
from deid_platform.governance.events import Event
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.requests import Actor, Request, request_of, requests
from deid_platform.governance.run_events import (
    RequestRunFailed,
    RequestRunFinished,
    RequestRunStarted,
)

_RUNS: tuple[type[Event], ...] = (RequestRunStarted, RequestRunFinished, RequestRunFailed)
_MOST_ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True)
class Due:
    """One step that the pipeline may take now.

    ``key`` is the same as long as request, content and attempt are, so that a scheduler which
    remembers keys orders each attempt once.
    """

    request: str
    publication: str
    action: Action
    key: str


def due(records: Records, action: Action, today: date) -> tuple[Due, ...]:
    """The requests of which a step is due: recording the execution, the release, or the expiry.

    After three runs that failed, a request waits for people, who see the failures in the ledger.
    """
    failed: dict[tuple[str, str], int] = {}
    for entry in records.entries(kinds=[RequestRunFailed]):
        step = (entry.payload["request"], entry.payload["action"])
        failed[step] = failed.get(step, 0) + 1
    found = []
    for one in requests(records).values():
        attempts = failed.get((one.id, action.value), 0)
        if _is_due(one, action, today) and attempts < _MOST_ATTEMPTS:
            found.append(
                Due(
                    request=one.id,
                    publication=one.publication,
                    action=action,
                    key=_key(one, action, attempts),
                )
            )
    return tuple(found)


def _is_due(request: Request, action: Action, today: date) -> bool:
    match action:
        case Action.RECORD_EXECUTION:
            return request.state is State.APPROVED_FOR_EXECUTION
        case Action.RELEASE:
            return request.state is State.RELEASE_APPROVED
        case Action.EXPIRE:
            until = valid_until(request) if request.state is State.RELEASED else None
            return until is not None and until < today.isoformat()
        case _:
            return False


def _key(request: Request, action: Action, attempts: int) -> str:
    content = hashlib.sha256(request.fingerprint.encode()).hexdigest()[:12]
    return f"{request.id}:{action.value}:{content}:{attempts}"


def take(ledger: Ledger, actor: Actor, request: str, action: Action) -> Request:
    """Take a step that changes no zone: the execution's record, or the expiry. Done once.

    Raises:
        AuthorisationError: the workflow does not allow it now; the refusal is recorded.
    """
    known = request_of(ledger, request)
    after = {Action.RECORD_EXECUTION: State.EXECUTED, Action.EXPIRE: State.EXPIRED}[action]
    if known.state is after:
        return known
    return act(ledger, actor, Command(action=action, request=request, role=Role.DATA_ENGINEER))


@contextlib.contextmanager
def recorded_run(ledger: Ledger, due_: Due, run: str) -> Iterator[None]:
    """Record that a run of the scheduler began a step, and how it ended."""
    told = {
        "request": due_.request,
        "publication": due_.publication,
        "action": due_.action.value,
        "run": run,
    }
    ledger.append(RequestRunStarted(**told))
    try:
        yield
    except Exception as error:
        kind = type(error).__name__ if isinstance(error, DeidError) else "an unforeseen error"
        ledger.append(RequestRunFailed(**told, reason=kind))
        raise
    ledger.append(RequestRunFinished(**told))


def open_runs(records: Records) -> tuple[RequestRunStarted, ...]:
    """Runs that the ledger saw begin and not end: going on, or killed."""
    found: dict[tuple[str, str, str], RequestRunStarted] = {}
    for entry in records.entries(kinds=_RUNS):
        event = entry.event
        if isinstance(event, RequestRunStarted):
            found[event.run, event.request, event.action] = event
        elif isinstance(event, (RequestRunFinished, RequestRunFailed)):
            found.pop((event.run, event.request, event.action), None)
    return tuple(found.values())


def settle(ledger: Ledger, run: RequestRunStarted) -> None:
    """Record that a run is gone without having told its end."""

    def command(records: Records) -> list[Event]:
        if run not in open_runs(records):
            return []
        return [
            RequestRunFailed(
                request=run.request,
                publication=run.publication,
                action=run.action,
                run=run.run,
                reason="the run was ended from outside",
            )
        ]

    ledger.decide(command)
