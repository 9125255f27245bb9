"""``deid demo``: the whole path on generated visits, to a released table."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table

from deid_platform.cli import AsJson, columns_of, console, print_json, progress_console
from deid_platform.cli.run import print_outcome, run_job
from deid_platform.cli.status import zones_table
from deid_platform.core.errors import DeliveryError, GateError, ToolError
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.initialise import initialise
from deid_platform.engine.inventory import inventory
from deid_platform.engine.synthetic import Scenario, generate
from deid_platform.governance.demonstration import KEYS, act_out, appoint
from deid_platform.governance.events import CandidateBuilt
from deid_platform.governance.ledger import Ledger

if TYPE_CHECKING:
    from assets.runs import RunOutcome

_PUBLICATION = "ed_visits_by_county_year"
_VISITS_PER_PERSON = 0.6
_MONTHS = 12


@dataclass(frozen=True, kw_only=True)
class _Summary:
    """What the demo did, for people and for ``--json``."""

    seconds: float
    gates: dict[str, dict[str, int]]
    blanks: dict[str, dict[str, int]]
    release: str
    folder: str
    files: tuple[str, ...]


def register(app: typer.Typer) -> None:
    """Add ``demo``."""
    app.command("demo")(demo)


def demo(
    visits: Annotated[
        int, typer.Option(min=1, help="Emergency-department visits to generate, the first time.")
    ] = 100_000,
    synthea: Annotated[
        Path | None, typer.Option(help="Folder of a Synthea CSV export to take along.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same visits.")] = 0,
    people: Annotated[
        bool, typer.Option("--people", help="Only make the people, their keys and the register.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Generate visits, take them through the whole path, and release one table.

    Everything stays under DEID_HOME. Made-up people request, review, validate, determine and
    approve the release, each signing with a throw-away key under DEID_HOME/demo. What is in the
    landing folder is left as it is, so that the demo can be run again.

    Examples: `deid demo`, `deid demo --visits 20000 --synthea ~/synthea/csv`, `deid demo --people`
    """
    began = time.monotonic()
    deployment = Deployment.from_environment()
    initialise(deployment)
    ledger = Ledger.open(deployment.ledger_url)
    appointed = appoint(deployment, ledger)
    if people:
        _print_people(deployment, appointed, as_json)
        return
    _deliver_visits(deployment, visits, seed)
    if synthea is not None:
        _deliver_synthea(deployment, synthea)
    outcomes = run_job(deployment, "whole_path")
    if not all(outcome.succeeded for outcome in outcomes):
        for outcome in outcomes:
            print_outcome(outcome)
        raise GateError("demo", "the path was stopped before a candidate was ready", "see above")
    act_out(deployment, ledger, _PUBLICATION)
    released = _release(deployment)
    folder = _newest_bundle(deployment)
    summary = _Summary(
        seconds=round(time.monotonic() - began, 1),
        gates=_gates([*outcomes, released]),
        blanks=_blanks(deployment),
        release=folder.name,
        folder=str(folder),
        files=tuple(sorted(file.name for file in folder.iterdir())),
    )
    zones = inventory(deployment)
    if as_json:
        rows = {zone.zone.value: zone.rows for zone in zones}
        print_json({**asdict(summary), "zones": rows})
        return
    console.print(zones_table(zones, every_table=False))
    console.print(_gates_table(summary))
    console.print(_blanks_table(summary))
    csv = next(name for name in summary.files if name.endswith(".csv") and "dictionary" not in name)
    console.print(f"Released: {folder / csv}", soft_wrap=True, highlight=False)
    console.print(f"Took {summary.seconds:.0f} s. Other candidates wait: deid request --help")
    console.print("Open the Dagster UI on this state:", end="  ")
    console.print("make dev", style="bold")


def _print_people(deployment: Deployment, appointed: Mapping[str, str], as_json: bool) -> None:
    folder = deployment.home / KEYS
    if as_json:
        print_json({"people": dict(appointed), "keys": str(folder)})
        return
    table = Table("person", "roles", title="People of the demonstration, who do not exist")
    for name, roles in appointed.items():
        table.add_row(name, roles)
    console.print(table)
    console.print(f"Their keys: export DEID_SIGNING_KEY={folder}", soft_wrap=True)


def _deliver_visits(deployment: Deployment, visits: int, seed: int) -> None:
    there = len(list((deployment.landing / "ed_visits").glob("ed_visits-*")))
    if there:
        progress_console.print(f"Using the {there} files that are in the landing folder already.")
        return
    scenario = Scenario.of(
        people=max(1, int(visits * _VISITS_PER_PERSON)), months=_MONTHS, visits=visits, seed=seed
    )
    population = deployment.dbt_project / "seeds" / "county_population.csv"
    with Progress(console=progress_console, transient=True) as progress:
        task = progress.add_task("Generating visits", total=scenario.visits)
        generate(
            scenario,
            deployment.landing,
            population=population,
            progress=lambda count: progress.advance(task, count),
        )


def _deliver_synthea(deployment: Deployment, folder: Path) -> None:
    """Copy an export into the landing folder.

    Raises:
        DeliveryError: the folder holds no CSV file.
    """
    files = sorted(folder.expanduser().glob("*.csv"))
    if not files:
        raise DeliveryError(
            str(folder), "there is no CSV file in it", "name the folder of a Synthea CSV export"
        )
    target = deployment.landing / "synthea"
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    for file in files:
        shutil.copyfile(file, target / file.name)


def _release(deployment: Deployment) -> RunOutcome:
    from assets import keys
    from assets.location import build_definitions
    from assets.runs import execute

    outcome = execute(
        build_definitions(deployment),
        deployment,
        "release",
        assets=[keys.release(_PUBLICATION), keys.snapshot("release")],
    )
    if not outcome.succeeded:
        print_outcome(outcome)
        raise ToolError("release", "the release did not succeed", "see above")
    return outcome


def _newest_bundle(deployment: Deployment) -> Path:
    bundles = (deployment.outbox / _PUBLICATION).iterdir()
    return max(bundles, key=lambda folder: folder.stat().st_mtime)


def _gates(outcomes: Sequence[RunOutcome]) -> dict[str, dict[str, int]]:
    passed: Counter[str] = Counter()
    stopped: Counter[str] = Counter()
    for outcome in outcomes:
        for check in outcome.checks:
            name = (
                "dbt tests" if check.asset.startswith(("staging/", "reference/")) else check.check
            )
            (passed if check.passed else stopped)[name] += 1
    names = sorted(passed.keys() | stopped.keys())
    return {name: {"passed": passed[name], "stopped": stopped[name]} for name in names}


def _blanks(deployment: Deployment) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for entry in Ledger.open(deployment.ledger_url).entries(kinds=[CandidateBuilt]):
        event: Any = entry.event
        found[event.publication] = {"cells": event.rows, **event.blanks}
    return found


def _gates_table(summary: _Summary) -> Table:
    table = columns_of("gate", "tables passed", "tables stopped", title="Gates")
    for name, counts in summary.gates.items():
        table.add_row(name, str(counts["passed"]), str(counts["stopped"]))
    return table


def _blanks_table(summary: _Summary) -> Table:
    table = columns_of(
        "publication", "cells", "blank: small", "blank: complement", title="Candidates"
    )
    for name, counts in sorted(summary.blanks.items()):
        table.add_row(
            name, f"{counts['cells']:,}", f"{counts['small']:,}", f"{counts['complementary']:,}"
        )
    return table
