"""`deid synth`: emergency-department visits of people who do not exist."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from deid_platform.cli import AsJson, console, print_json, progress_console
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.synthetic import FileFormat, Generated, Scenario, generate


def register(app: typer.Typer) -> None:
    """Add `deid synth`."""
    app.command("synth")(synth)


def synth(
    people: Annotated[int, typer.Option(help="Patients; each visits at least once.")],
    months: Annotated[int, typer.Option(help="Months, one file each.")],
    out: Annotated[Path, typer.Option(help="Folder to write to; files go to ed_visits/ in it.")],
    visits: Annotated[
        int | None, typer.Option(help="Visits in all. [default: a realistic number]")
    ] = None,
    file_format: Annotated[
        FileFormat, typer.Option("--format", help="How the files are written.")
    ] = FileFormat.CSV,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    start: Annotated[str, typer.Option(help="First month, as YYYY-MM.")] = "2024-01",
    canaries: Annotated[
        int, typer.Option(help="People whose every direct identifier is a unique marker.")
    ] = 0,
    canary_file: Annotated[
        Path | None,
        typer.Option(help="Where to list the markers. [default: canaries.json in the folder]"),
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace files of the same months.")] = False,
    as_json: AsJson = False,
) -> None:
    """Generate emergency-department visits of a California health department.

    Example: `deid synth --people 60000 --months 12 --visits 100000 --out var/landing`
    """
    scenario = Scenario.of(
        people=people, months=months, visits=visits, start=start, seed=seed, canaries=canaries
    )
    population = Deployment.from_environment().dbt_project / "seeds" / "county_population.csv"
    began = time.monotonic()
    with Progress(console=progress_console, transient=True, disable=as_json) as progress:
        task = progress.add_task("Writing visits", total=scenario.visits)
        generated = generate(
            scenario,
            out,
            population=population,
            file_format=file_format,
            canary_file=canary_file,
            force=force,
            progress=lambda count: progress.advance(task, count),
        )
    seconds = time.monotonic() - began
    if as_json:
        print_json(_as_json(generated, seconds))
        return
    files = len(generated.files)
    console.print(
        f"{generated.visits:,} visits of {generated.people:,} people in "
        f"{files} file{'' if files == 1 else 's'} under {out} ({seconds:.1f} s)",
        soft_wrap=True,
    )
    if generated.canary_file:
        console.print(
            f"{generated.canaries} canaries, listed in {generated.canary_file}", soft_wrap=True
        )


def _as_json(generated: Generated, seconds: float) -> dict[str, object]:
    return {
        "people": generated.people,
        "visits": generated.visits,
        "canaries": generated.canaries,
        "canary_file": generated.canary_file,
        "files": list(generated.files),
        "seconds": round(seconds, 3),
    }
