"""``deid assess``: what a table may show, clause by clause."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.table import Table

from deid_platform.cli import AsJson, columns_of, console, print_json
from deid_platform.core.errors import DeidError
from deid_platform.core.faults import AssessmentFault, DeclarationFault
from deid_platform.core.risk.score_sheet import ScoreSheet
from deid_platform.core.risk.suggestions import Suggestion
from deid_platform.engine.deployment import Deployment


def register(app: typer.Typer) -> None:
    """Add ``assess``."""
    app.command("assess")(assess)


def assess(
    table: Annotated[str, typer.Argument(help="A publication of this deployment, or a file.")],
    declare: Annotated[
        Path | None, typer.Option("--declare", help="YAML that declares the file's columns.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option("--policy", help="Assess under this policy instead.")
    ] = None,
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Also search designs that score lower.")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    as_json: AsJson = False,
) -> None:
    """Score a table under the DDG and say what must happen before it may be shown.

    Nothing is written. Exit code: 0 releasable, 20 masking required, 21 expert review required,
    22 coarser table or documented mitigation required, 10 wrong declaration, 17 the table cannot
    be assessed, 2 wrong usage.

    Example: `deid assess visits.csv --declare visits.yaml --json`
    """
    try:
        sheet, designs = _assessed(table, declare, policy, suggest)
    except (DeclarationFault, AssessmentFault) as fault:
        if as_json:
            print_json(error_report(fault, fault.fault.code))
        raise
    except DeidError as error:
        if as_json:
            print_json(error_report(error, None))
        raise
    if as_json:
        report = {**sheet.to_dict(), "sheet_digest": sheet.digest}
        print_json({**report, "suggestions": _plain(designs)} if suggest else report)
    elif markdown:
        typer.echo(sheet.markdown())
    else:
        console.print(sheet_view(sheet))
        if suggest:
            console.print(suggestions_table(designs))
    raise typer.Exit(sheet.outcome.exit_code)


def error_report(error: DeidError, code: str | None) -> dict[str, Any]:
    """An error as JSON: its documented code, where, what and what to do; never a value."""
    return {
        "outcome": "cannot_assess",
        "exit_code": error.exit_code,
        "error": {
            "type": type(error).__name__,
            "code": code,
            "where": error.where,
            "what": error.what,
            "do": error.do,
        },
    }


def _assessed(
    table: str, declare: Path | None, policy_name: str | None, suggest: bool
) -> tuple[ScoreSheet, list[Suggestion]]:
    from deid_platform.engine.assess import FileTable, assess_relation
    from deid_platform.engine.publications import load_declaration, load_policy
    from deid_platform.engine.suggest import suggest as search

    deployment = Deployment.from_environment()
    if declare is None and (table.endswith(_FILES) or Path(table).is_file()):
        raise typer.BadParameter("a file needs --declare FILE.yaml", param_hint="TABLE")
    if declare is None:
        return _assessed_publication(deployment, table, policy_name, suggest)
    publication = load_declaration(declare)
    policy = load_policy(policy_name or publication.policy, deployment)
    with FileTable(Path(table)) as opened:
        sheet = assess_relation(opened.con, opened.source, publication, policy)
        designs = search(opened.con, opened.source, publication, policy) if suggest else []
    return sheet, designs


_FILES = (".csv", ".tsv", ".txt", ".parquet", ".json", ".ndjson", ".jsonl")


def _assessed_publication(
    deployment: Deployment, name: str, policy_name: str | None, suggest: bool
) -> tuple[ScoreSheet, list[Suggestion]]:
    from deid_platform.core.zones import Zone
    from deid_platform.engine.assess import assess_publication
    from deid_platform.engine.database import open_zone
    from deid_platform.engine.dbt_manifest import ensure_manifest
    from deid_platform.engine.publications import find_publication, load_policy, load_publications
    from deid_platform.engine.sql import qualified
    from deid_platform.engine.suggest import suggest as search

    publication = find_publication(name, load_publications(ensure_manifest(deployment)))
    policy = load_policy(policy_name or publication.policy, deployment)
    with open_zone(deployment, None, reading=(Zone.LIMITED,)) as con:
        sheet = assess_publication(con, publication, policy, record=False)
        source = qualified(Zone.LIMITED.value, "main", name)
        designs = search(con, source, publication, policy) if suggest else []
    return sheet, designs


def sheet_view(sheet: ScoreSheet) -> Group:
    """The score sheet for a terminal."""
    parts: list[Any] = []
    for part in sheet.parts:
        view = columns_of("variable", "matched row", "points", "rules", "source")
        view.title = "Part: " + ", ".join(part.dimensions)
        for one in part.components:
            points = "–" if one.points is None else f"{one.points:+d}"
            rules = ", ".join((*one.rules, *one.readings))
            view.add_row(one.name, one.row_label, points, rules, one.source)
        total = "not scored" if part.total is None else str(part.total)
        view.add_row("total", f"threshold {sheet.threshold}", total, "T-1", "4.3.1", style="bold")
        parts.append(view)
    lines = [
        f"{sheet.publication}: {sheet.outcome.value.replace('_', ' ')} ({sheet.policy})",
        f"Action: {sheet.action}.",
        *(f"Because {reason}" for reason in sheet.reasons),
        *(f"To confirm: {condition}" for condition in sheet.conditions),
        *(f"Expert review: {one}" for one in sheet.expert_review),
        *(f"Note: {flag}" for flag in sheet.flags),
        f"Readings used: {', '.join(sheet.readings) or 'none'}",
    ]
    return Group(*parts, *lines)


def suggestions_table(designs: list[Suggestion]) -> Table:
    """The designs that no other beats."""
    view = columns_of("score", "blank cells", "cells", "loss", "what an analyst loses")
    view.title = "Designs that no other beats"
    for one in designs:
        view.add_row(
            "–" if one.score is None else str(one.score),
            str(one.blanks),
            str(one.cells),
            f"{one.loss:.0%}",
            "; ".join(one.changes) or "nothing: the table as it is",
        )
    return view


def _plain(designs: list[Suggestion]) -> list[dict[str, Any]]:
    return [
        {
            "changes": list(one.changes),
            "score": one.score,
            "blanks": one.blanks,
            "cells": one.cells,
            "loss": one.loss,
            "expert_review": one.expert_review,
        }
        for one in designs
    ]
