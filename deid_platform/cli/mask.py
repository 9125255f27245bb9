"""``deid mask``: hide the small cells of a table from anywhere, and what would give them away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from deid_platform.cli import AsJson, columns_of, console, print_json, stages
from deid_platform.engine.deployment import Deployment


def register(app: typer.Typer) -> None:
    """Add ``mask``."""
    app.command("mask")(mask)


def mask(
    file: Annotated[Path, typer.Argument(help="One row per cell, margins included.")],
    declare: Annotated[Path, typer.Option("--declare", help="YAML that declares its columns.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The masked CSV.")],
    certificate: Annotated[
        Path | None,
        typer.Option("--certificate", help="Where the proof goes. It holds hidden counts."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="Where a page of pictures goes. It says why cells hide."),
    ] = None,
    policy: Annotated[
        str | None, typer.Option("--policy", help="Mask under this policy instead.")
    ] = None,
    by_score: Annotated[
        bool, typer.Option("--by-score", help="Hide small counts only where the score asks for it.")
    ] = False,
    time_limit: Annotated[
        float | None,
        typer.Option("--time-limit", min=1, help="Seconds for a cheaper pattern and the attack."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Mask a table so that no small cell can be worked out, and prove it.

    Writes nothing unless the result withstood the attack and its certificate was verified.

    Exit code: 0 masked; 10 the declaration does not fit; 11 a file cannot be taken or written;
    18 it is masked already, its margins are no sums, or no safe pattern was found.

    Example: `deid mask visits.csv --declare visits.yaml -o masked.csv --certificate proof.bin`
    """
    from deid_platform.engine.mask_file import mask_file
    from deid_platform.engine.publications import load_declaration, load_policy

    publication = load_declaration(declare)
    rules = load_policy(policy or publication.policy, Deployment.from_environment())
    with stages() as tell:
        result = mask_file(
            file,
            publication,
            rules,
            out,
            certificate=certificate,
            report=report,
            by_score=by_score,
            seconds=time_limit,
            tell=tell,
        )
    if as_json:
        print_json({**result.metadata(), "out": str(out)})
    else:
        console.print(_view(result.metadata()))


def _view(metadata: dict[str, Any]) -> Table:
    table = columns_of(
        "people column", title=f"{metadata['publication']}: masked, attacked and certified"
    )
    shown = ("cells", "zeros", "small_hidden", "complementary_hidden")
    for name in shown:
        table.add_column(name.replace("_", " "), justify="right")
    for people, counts in metadata["people"].items():
        table.add_row(people, *(f"{counts[name]:,}" for name in shown))
    return table
