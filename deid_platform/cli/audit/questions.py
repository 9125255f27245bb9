"""`deid audit coverage`, `approvals`, `scans` and `drift`: questions with one answer each."""

from __future__ import annotations

from typing import Annotated

import typer

from deid_platform.cli import AsJson, console, print_json, progress_console
from deid_platform.core.zones import Zone
from deid_platform.engine.dbt_manifest import ensure_manifest
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.publications import find_publication, load_policy, load_publications
from deid_platform.governance.answers import Answer
from deid_platform.governance.answers import approvals as of_approvals
from deid_platform.governance.answers import coverage as of_coverage
from deid_platform.governance.answers import drift as of_drift
from deid_platform.governance.answers import scans as of_scans
from deid_platform.governance.ledger import Ledger


def register(group: typer.Typer) -> None:
    """Add the questions."""
    group.command("coverage")(coverage)
    group.command("approvals")(approvals)
    group.command("scans")(scans)
    group.command("drift")(drift)


def coverage(as_json: AsJson = False) -> None:
    """Hold every dataset that has left the PHI zones against the ledger; name the orphans.

    De-identified tables, marts, released tables, snapshots, bundles and evidence packets. The exit
    code is 31 if one is not accounted for.

    Example: `deid audit coverage --json`
    """
    deployment = Deployment.from_environment()
    with progress_console.status("Comparing zones, snapshots and bundles with the ledger"):
        answer = of_coverage.coverage(deployment, Ledger.open(deployment.ledger_url))
    _tell(answer, "coverage", as_json)


def approvals(
    release: Annotated[str | None, typer.Argument(help="Id of a release; all by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show who did what for each release, in which role, and check separation of duties.

    Example: `deid audit approvals rel-0123456789abcdef`
    """
    ledger = Ledger.open(Deployment.from_environment().ledger_url)
    _tell(of_approvals.approvals(ledger, release), release or "approvals", as_json)


def scans(as_json: AsJson = False) -> None:
    """Show what is scanned for, where, and the latest result for every table.

    Example: `deid audit scans --json`
    """
    ledger = Ledger.open(Deployment.from_environment().ledger_url)
    _tell(of_scans.scans(ledger), "scans", as_json)


def drift(
    dataset: Annotated[str, typer.Argument(help="A publication, or deidentified/TABLE.")],
    as_json: AsJson = False,
) -> None:
    """Show what changed in a dataset since it was last determined.

    Examples: `deid audit drift ed_visits_by_county_year`, `deid audit drift deidentified/ed_visits`
    """
    deployment = Deployment.from_environment()
    ledger = Ledger.open(deployment.ledger_url)
    if dataset.startswith(f"{Zone.DEIDENTIFIED.value}/"):
        answer = of_drift.table_drift(deployment, ledger, dataset)
    else:
        publication = find_publication(dataset, load_publications(ensure_manifest(deployment)))
        policy = load_policy(publication.policy, deployment)
        answer = of_drift.publication_drift(deployment, ledger, publication, policy)
    _tell(answer, dataset, as_json)


def _tell(answer: Answer, what: str, as_json: bool) -> None:
    if as_json:
        print_json(answer.document())
    else:
        console.print(answer.question, highlight=False)
        for line in answer.lines:
            rests = f"  [{', '.join(line.evidence[:4])}]" if line.evidence else ""
            console.print(f"  {line.subject}: {line.says}{rests}", highlight=False, soft_wrap=True)
        for problem in answer.problems:
            console.print(f"  MISSING  {problem}", highlight=False, soft_wrap=True)
    answer.check(what)
