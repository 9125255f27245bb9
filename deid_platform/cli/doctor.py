"""``deid doctor``: examine a deployment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from deid_platform.cli import AsJson, console, print_json, progress_console
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.doctor import Finding, Level

_STYLES = {
    Level.OK: "green",
    Level.NOTE: "dim",
    Level.WARNING: "yellow",
    Level.FAILURE: "bold red",
}


def register(app: typer.Typer) -> None:
    """Add ``doctor``."""
    app.command("doctor")(doctor)


def doctor(
    fix: Annotated[
        bool, typer.Option("--fix", help="End runs whose process is gone; free what they hold.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Examine a deployment: versions, modes, keys, zones, disk, Dagster, ledger, declarations.

    Each failure says what to do, and makes the exit code 1; notes and warnings do not. No zone is
    changed. Example: `deid doctor --json`
    """
    deployment = Deployment.from_environment()
    findings = []
    with progress_console.status("Examining"):
        for finding in _findings(deployment, fix=fix):
            findings.append(finding)
            if not as_json:
                _print(finding)
    failed = any(finding.level is Level.FAILURE for finding in findings)
    if as_json:
        print_json({"ok": not failed, "findings": [asdict(finding) for finding in findings]})
    else:
        counts = Counter(finding.level for finding in findings)
        console.print(
            ", ".join(f"{counts[level]} {level.value}" for level in Level), highlight=False
        )
    if failed:
        raise typer.Exit(1)


def _findings(deployment: Deployment, *, fix: bool) -> Iterator[Finding]:
    from deid_platform.engine.doctor import examine, ok
    from deid_platform.governance.ledger_health import examine_ledger

    yield from examine(deployment)
    yield from examine_ledger(deployment, datetime.now(UTC))
    from assets.instance_health import examine_instance, free_lost_places

    if fix and (freed := free_lost_places(deployment)):
        yield ok("dagster", f"{freed} lost runs were ended")
    yield from examine_instance(deployment)


def _print(finding: Finding) -> None:
    console.print(f"{finding.level.value:<8}", style=_STYLES[finding.level], end="")
    told = f"{finding.area}: {finding.what}" + (f"; {finding.do}" if finding.do else "")
    console.print(told, markup=False, highlight=False, soft_wrap=True)
