"""Dagster's instance of a deployment: prepared once, and cleared of runs whose process is gone."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from deid_platform.engine.deployment import Deployment

PROCESS_TAG = "deid/process"
"""Tag of a run that lives in a command's own process: ``<host>:<pid>``."""

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
"""Dagster's tags for a run over a range of partitions."""


def prepare_dagster_home(deployment: Deployment) -> Path:
    """Make DAGSTER_HOME with the platform's settings and point this process at it.

    Settings a deployment has changed are left alone.
    """
    home = deployment.dagster_home
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings = home / "dagster.yaml"
    if not settings.exists():
        shutil.copyfile(Path(__file__).with_name("dagster.yaml"), settings)
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    os.environ["DO_NOT_TRACK"] = "1"
    return home


def instance_of(deployment: Deployment) -> dg.DagsterInstance:
    """The deployment's instance, its storage initialised."""
    prepare_dagster_home(deployment)
    instance = dg.DagsterInstance.get()
    end_lost_runs(instance)
    return instance


def process_tag() -> str:
    """This process, as a run's tag names it."""
    return f"{socket.gethostname()}:{os.getpid()}"


def end_lost_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark runs of dead processes as failed and free the pool places they hold.

    Run monitoring watches only runs that a daemon launched; one that was started by a command and
    killed would hold its zone for ever.

    Returns:
        The ids of the runs that were ended.
    """
    lost = lost_runs(instance)
    for run in lost:
        instance.report_run_failed(run, "The process that ran this was ended from outside.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return [run.run_id for run in lost]


def lost_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Runs that a command of this machine started, and whose process is gone."""
    unfinished = instance.get_runs(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING])
    )
    return [run for run in unfinished if _process_is_gone(run.tags.get(PROCESS_TAG))]


def _process_is_gone(tag: str | None) -> bool:
    host, _, pid = (tag or "").rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    with contextlib.suppress(OSError):
        return "deid" not in Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace")
    return False


def recent_runs(deployment: Deployment, limit: int) -> list[dict[str, Any]]:
    """The latest runs, newest first: job, status, partitions, start and id."""
    if not deployment.dagster_home.exists():
        return []
    prepare_dagster_home(deployment)
    records = dg.DagsterInstance.get().get_run_records(limit=limit)
    return [
        {
            "job": record.dagster_run.job_name,
            "status": record.dagster_run.status.value.lower(),
            "partitions": _partitions(record.dagster_run.tags),
            "started": record.create_timestamp.isoformat(timespec="minutes"),
            "run": record.dagster_run.run_id,
        }
        for record in records
    ]


def _partitions(tags: Mapping[str, str]) -> str:
    named = (tags.get(RANGE_START), tags.get(RANGE_END)) if RANGE_START in tags else ()
    return " to ".join(dict.fromkeys(month for month in named if month)) or tags.get(
        "dagster/partition", ""
    )
