"""`deid scan`: find files that hold identifiers outside their zone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deid_platform.cli import AsJson, console, print_json, progress_console
from deid_platform.engine.dbt_manifest import ensure_manifest
from deid_platform.engine.declarations import load_contracts
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.publications import load_publications
from deid_platform.engine.scanning import (
    ALARM,
    FileReport,
    Reading,
    Scan,
    scan_paths,
    vocabulary_of_deployment,
)


def register(app: typer.Typer) -> None:
    """Add `deid scan`."""
    app.command("scan")(scan)


def scan(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders to look through.")],
    as_json: AsJson = False,
) -> None:
    """Find files that hold identifiers of the raw zone, or texts written like identifiers.

    Reads CSV, Parquet, JSON, DuckDB, gzip, zip and text. Tells each file's classes and how many
    texts, never a text. A file that cannot be looked into is an alarm too; an age archive is not.
    Moves and changes nothing. With an alarm, the exit code is 22.

    Example: `deid scan outbox/ shared/reports.zip`
    """
    deployment = Deployment.from_environment()
    contracts = load_contracts(deployment)
    publications = load_publications(ensure_manifest(deployment))
    with progress_console.status("Scanning") as status:
        done = scan_paths(
            deployment,
            paths,
            contracts,
            vocabulary_of_deployment(deployment, contracts, publications),
            progress=lambda path: status.update(f"Scanning {path.name}"),
        )
    if as_json:
        print_json(_document(done))
    else:
        _print(done)
    if done.alarms:
        raise typer.Exit(ALARM)


def _print(done: Scan) -> None:
    for one in done.alarms:
        console.print(str(one.path), highlight=False, soft_wrap=True)
        for kind, texts in one.findings.items():
            console.print(f"    {kind}: {texts:,} texts", highlight=False)
        if one.reading is Reading.UNREADABLE:
            console.print("    cannot be looked into", highlight=False)
    if not done.source_columns:
        console.print(
            "no raw zone here: compared with patterns only, not with the people of the source",
            highlight=False,
            soft_wrap=True,
        )
    console.print(
        f"{len(done.files):,} files, {len(done.alarms):,} alarms; compared with {done.forms:,} "
        f"identifiers of {done.source_columns} columns",
        highlight=False,
        soft_wrap=True,
    )


def _document(done: Scan) -> dict[str, object]:
    return {
        "files": [_file(one) for one in done.files],
        "alarms": len(done.alarms),
        "counts": done.counts,
        "source_columns": done.source_columns,
        "identifiers": done.forms,
    }


def _file(one: FileReport) -> dict[str, object]:
    return {
        "path": str(one.path),
        "reading": one.reading.value,
        "texts": one.texts,
        "findings": dict(one.findings),
        "clear": one.clear,
    }
