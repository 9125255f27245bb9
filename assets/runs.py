"""Runs a job in this process, on the same instance that the UI shows, telling of its progress."""

from __future__ import annotations

import contextlib
import io
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg

from assets.instance import PROCESS_TAG, RANGE_END, RANGE_START, instance_of, process_tag
from deid_platform.engine.deployment import Deployment

Progress = Callable[[str, str], None]
"""Called with a step's name and what became of it: started, done, failed, skipped."""

_POLL_SECONDS = 0.5
_TOLD = {
    dg.DagsterEventType.STEP_START: "started",
    dg.DagsterEventType.STEP_SUCCESS: "done",
    dg.DagsterEventType.STEP_FAILURE: "failed",
    dg.DagsterEventType.STEP_SKIPPED: "skipped",
}


@dataclass(frozen=True, kw_only=True)
class CheckOutcome:
    """One asset check of a run."""

    asset: str
    check: str
    passed: bool
    description: str


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """How a run ended: steps by outcome, checks, and why steps failed.

    An error is told as ``Class: message``, without the module of the class.
    """

    run_id: str
    job: str
    partitions: tuple[str, ...]
    succeeded: bool
    steps: Mapping[str, str]
    checks: tuple[CheckOutcome, ...]
    errors: Mapping[str, str] = field(default_factory=dict)


def contiguous(months: Sequence[str]) -> list[tuple[str, str]]:
    """Ranges of months without a gap, in order: each is one run."""
    ranges: list[tuple[str, str]] = []
    for month in sorted(set(months)):
        if ranges and _next(ranges[-1][1]) == month:
            ranges[-1] = (ranges[-1][0], month)
        else:
            ranges.append((month, month))
    return ranges


def execute(
    definitions: dg.Definitions,
    deployment: Deployment,
    job: str,
    *,
    months: tuple[str, str] | None = None,
    assets: Sequence[dg.AssetKey] | None = None,
    progress: Progress = lambda _step, _state: None,
) -> RunOutcome:
    """Run a job, over a range of months where it has partitions.

    Args:
        definitions: the code location.
        deployment: whose instance keeps the run.
        job: name of the job.
        months: first and last month; None for a job without partitions.
        assets: only these assets of the job.
        progress: told of each step as it starts and ends.
    """
    instance = instance_of(deployment)
    tags = {PROCESS_TAG: process_tag()}
    if months is not None:
        tags |= {RANGE_START: months[0], RANGE_END: months[1]}
    run_id = str(uuid.uuid4())
    # dbt's console text goes to the log of its step; a command's standard output is its own.
    with _telling(instance, run_id, progress), contextlib.redirect_stdout(io.StringIO()):
        result = definitions.resolve_job_def(job).execute_in_process(
            instance=instance,
            run_id=run_id,
            tags=tags,
            asset_selection=list(assets) if assets is not None else None,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    return _outcome(result, job, months)


def _outcome(
    result: dg.ExecuteInProcessResult, job: str, months: tuple[str, str] | None
) -> RunOutcome:
    steps: dict[str, str] = {}
    errors: dict[str, str] = {}
    checks: list[CheckOutcome] = []
    for event in result.all_events:
        if event.event_type in _TOLD and event.step_key:
            steps[event.step_key] = _TOLD[event.event_type]
        if event.event_type is dg.DagsterEventType.STEP_FAILURE and event.step_key:
            errors[event.step_key] = _error(event)
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            checks.append(
                CheckOutcome(
                    asset=evaluation.asset_key.to_user_string(),
                    check=evaluation.check_name,
                    passed=evaluation.passed,
                    description=evaluation.description or "",
                )
            )
    return RunOutcome(
        run_id=result.run_id,
        job=job,
        partitions=months or (),
        succeeded=result.success,
        steps=steps,
        checks=tuple(checks),
        errors=errors,
    )


def _error(event: dg.DagsterEvent) -> str:
    """The innermost cause: our own error says where, what and what to do."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    if error is None:
        return "the step failed"
    message, kind = error.message.strip(), (error.cls_name or "").rpartition(".")[2]
    return message[message.index(f"{kind}:") :] if f"{kind}:" in message else message


def _next(month: str) -> str:
    year, number = map(int, month.split("-"))
    return f"{year + number // 12:04d}-{number % 12 + 1:02d}"


@contextlib.contextmanager
def _telling(instance: dg.DagsterInstance, run_id: str, progress: Progress) -> Iterator[None]:
    """Report the steps of a run while it goes on, from the event log that the UI reads too."""
    done = threading.Event()

    def watch() -> None:
        cursor: str | None = None
        last = False
        while not last:
            last = done.wait(_POLL_SECONDS)
            records = instance.get_records_for_run(run_id, cursor=cursor, of_type=set(_TOLD))
            cursor = records.cursor
            for record in records.records:
                event = record.event_log_entry.dagster_event
                if event is not None and event.step_key:
                    progress(event.step_key, _TOLD[event.event_type])

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join(timeout=10)
