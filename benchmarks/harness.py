"""Times steps in fresh processes, turn by turn with the peers they are compared with."""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_UNITS_PER_MB = 1024 if sys.platform == "linux" else 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """Where a run keeps its files, and how many visits it is about."""

    folder: Path
    visits: int


@dataclass(frozen=True, kw_only=True)
class Step:
    """A function of this package that is timed, and what is done before it, untimed.

    ``run`` returns the number of rows it made, so that a step that did nothing is noticed.
    """

    name: str
    run: Callable[[Workspace], int]
    prepare: Callable[[Workspace], None] | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A step of the platform, beside the bare copy of the same table."""

    step: Step
    peer: Step


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One measurement of one step."""

    seconds: float
    peak_mb: float
    rows: int


def compare(comparison: Comparison, workspace: Workspace, repeats: int) -> dict[str, Any]:
    """Take turns: step, peer, step, peer, so that a slow minute slows both.

    Raises:
        RuntimeError: the step and its peer, or two turns, made different numbers of rows.
    """
    turns: dict[str, list[Turn]] = {comparison.step.name: [], comparison.peer.name: []}
    for _ in range(repeats):
        for step in (comparison.step, comparison.peer):
            turns[step.name].append(run_once(step, workspace))
    rows = {turn.rows for taken in turns.values() for turn in taken}
    if len(rows) != 1:
        raise RuntimeError(f"{comparison.step.name}: step and peer made {sorted(rows)} rows")
    ours, theirs = (_summary(turns[step.name]) for step in (comparison.step, comparison.peer))
    return {
        "step": comparison.step.name,
        "peer": comparison.peer.name,
        "rows": rows.pop(),
        "repeats": repeats,
        "ours": ours,
        "theirs": theirs,
        "ratio": round(ours["median_seconds"] / theirs["median_seconds"], 2),
    }


def run_once(step: Step, workspace: Workspace) -> Turn:
    """Prepare and run a step in a process of its own, in which nothing is warm."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        if step.prepare:
            # In another process, so that preparing does not count towards the peak.
            with ProcessPoolExecutor(max_workers=1, mp_context=context) as preparing:
                preparing.submit(step.prepare, workspace).result()
        return pool.submit(_measured, step, workspace).result()


def _measured(step: Step, workspace: Workspace) -> Turn:
    began = time.perf_counter()
    rows = step.run(workspace)
    seconds = time.perf_counter() - began
    # A step may drive another program (dbt): the larger of the two counts.
    peak = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return Turn(seconds=seconds, peak_mb=peak / _UNITS_PER_MB, rows=rows)


def _summary(turns: Sequence[Turn]) -> dict[str, float]:
    seconds = [turn.seconds for turn in turns]
    return {
        "median_seconds": round(statistics.median(seconds), 3),
        "min_seconds": round(min(seconds), 3),
        "max_seconds": round(max(seconds), 3),
        "peak_mb": round(max(turn.peak_mb for turn in turns), 1),
    }
