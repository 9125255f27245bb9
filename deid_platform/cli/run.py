"""``deid run`` and ``deid ui``: take deliveries through the path, and look at it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deid_platform.cli import AsJson, console, print_json, progress_console
from deid_platform.core.errors import DeidError, DeliveryError, GateError, ToolError
from deid_platform.engine.deployment import Deployment

if TYPE_CHECKING:
    from assets.runs import RunOutcome

_STOPPED = "DagsterAssetCheckFailedError"
"""How Dagster calls a step whose blocking check failed."""


def register(app: typer.Typer) -> None:
    """Add ``run`` and ``ui``."""
    app.command("run")(run)
    app.command("ui")(ui)


def run(
    job: Annotated[
        str,
        typer.Option(
            help="raw_zone, limited_zone, deidentified_zone, marts, candidates, whole_path "
            "or release."
        ),
    ] = "whole_path",
    first: Annotated[
        str | None, typer.Option("--from", help="First month, YYYY-MM; default: all delivered.")
    ] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last month, YYYY-MM.")] = None,
    as_json: AsJson = False,
) -> None:
    """Take what is in the landing folder through the path, up to gated candidates.

    Nothing is released: that takes `deid request`, `deid approve` and `deid release`.

    Examples: `deid run`, `deid run --from 2024-03 --to 2024-03`, `deid run --job raw_zone`
    """
    deployment = Deployment.from_environment()
    outcomes = run_job(deployment, job, first=first, last=last)
    if as_json:
        print_json([asdict(outcome) for outcome in outcomes])
    else:
        for outcome in outcomes:
            print_outcome(outcome)
    if not all(outcome.succeeded for outcome in outcomes):
        raise typer.Exit(exit_code(outcomes))


def ui(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Open the Dagster UI on this deployment's state. Example: `deid ui --port 3001`."""
    from assets.instance import instance_of

    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError:
            raise ToolError(
                f"{host}:{port}", "this address cannot be listened on", "choose another --port"
            ) from None
    deployment = Deployment.from_environment()
    deployment.check_initialised()
    instance_of(deployment)
    os.environ["DEID_HOME"] = str(deployment.home)
    dagster = Path(sys.executable).with_name("dagster")
    workspace = deployment.project / "workspace.yaml"
    os.chdir(deployment.project)
    command = [str(dagster), "dev", "-w", str(workspace), "-h", host, "-p", str(port)]
    os.execv(command[0], command)  # noqa: S606  # the UI takes this process's place


def run_job(
    deployment: Deployment, job: str, *, first: str | None = None, last: str | None = None
) -> list[RunOutcome]:
    """Run a job once per gapless range of delivered months.

    Raises:
        ToolError: there is no such job.
        DeliveryError: no month was delivered in the range asked for.
    """
    from assets.location import JOBS, build_definitions
    from assets.runs import contiguous, execute

    if job not in JOBS:
        raise ToolError(job, "there is no such job", f"choose one of {', '.join(sorted(JOBS))}")
    deployment.check_initialised()
    definitions = build_definitions(deployment)
    ranges: Sequence[tuple[str, str] | None] = contiguous(
        _months(deployment, first=first, last=last)
    )
    if not ranges:
        raise DeliveryError(
            str(deployment.landing),
            "no month is delivered that this asks for",
            "drop files in as the contracts name them, or make some with `deid synth`",
        )
    outcomes = []
    for months in ranges:
        span = " to ".join(dict.fromkeys(months or ()))
        progress_console.print(job, style="bold", end=" ")
        progress_console.print(span, highlight=False)
        outcomes.append(execute(definitions, deployment, job, months=months, progress=_print_step))
    return outcomes


def print_outcome(outcome: RunOutcome) -> None:
    """Failed checks and errors of a run, then one line."""
    for check in outcome.checks:
        if not check.passed:
            console.print(
                f"stopped: {check.asset}: {check.description or check.check}",
                style="red",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
    for step, error in outcome.errors.items():
        if not error.startswith(_STOPPED):
            console.print(
                f"failed: {step}: {error}",
                style="red",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
    passed = sum(check.passed for check in outcome.checks)
    console.print(
        f"{outcome.job} {' to '.join(dict.fromkeys(outcome.partitions))}: "
        f"{'succeeded' if outcome.succeeded else 'FAILED'}, "
        f"{passed} of {len(outcome.checks)} checks passed, run {outcome.run_id}",
        highlight=False,
        soft_wrap=True,
    )


def exit_code(outcomes: Sequence[RunOutcome]) -> int:
    """The exit code of failed runs: that of the first error of ours, or of a stopped gate."""
    codes = {one.__name__: one.exit_code for one in _kinds_of(DeidError)}
    codes[_STOPPED] = GateError.exit_code
    for outcome in outcomes:
        for error in outcome.errors.values():
            code = codes.get(error.partition(":")[0])
            if code is not None:
                return code
    return ToolError.exit_code


def _kinds_of(base: type[DeidError]) -> list[type[DeidError]]:
    return [one for known in base.__subclasses__() for one in (known, *_kinds_of(known))]


def _months(deployment: Deployment, *, first: str | None, last: str | None) -> list[str]:
    from deid_platform.engine.declarations import load_contracts
    from deid_platform.engine.delivery import available_partitions

    return [
        month
        for contract in load_contracts(deployment).values()
        if contract.partition is not None
        for month in available_partitions(deployment, contract)
        if (first or month) <= month <= (last or month)
    ]


def _print_step(step: str, state: str) -> None:
    if state != "started" or step.startswith("dbt_"):
        colour = {"failed": "red", "skipped": "yellow"}.get(state, "green")
        progress_console.print(f"  {state:>8}", style=colour, end=" ", highlight=False)
        progress_console.print(step, highlight=False)
