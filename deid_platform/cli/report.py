"""``deid report``: what masking did to a candidate, as a page of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deid_platform.cli import AsJson, console, print_json
from deid_platform.engine.deployment import Deployment


def register(app: typer.Typer) -> None:
    """Add ``report``."""
    app.command("report")(report)


def report(
    publication: Annotated[str, typer.Argument(help="A publication that has a candidate.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The HTML file to write.")],
    as_json: AsJson = False,
) -> None:
    """Write a candidate's page: where its blanks are, who disappears, what readers cannot rule out.

    It holds no value of a cell, but says why cells are hidden: restricted evidence, as is the zone
    that it comes from. The file is for its owner only.

    Example: `deid report ed_visits_by_county_year -o masking.html`
    """
    from deid_platform.core.errors import DeliveryError
    from deid_platform.core.zones import Zone
    from deid_platform.engine.database import open_zone
    from deid_platform.engine.durable_files import write_durably
    from deid_platform.engine.masking_page import kept_page

    with open_zone(Deployment.from_environment(), None, reading=[Zone.LIMITED]) as con:
        page = kept_page(con, publication)
    try:
        write_durably(out, page)
    except OSError:
        raise DeliveryError(
            str(out), "the file cannot be written", "name a file in a folder that you may write to"
        ) from None
    if as_json:
        print_json({"publication": publication, "out": str(out), "bytes": len(page)})
    else:
        console.print(f"{out}: restricted evidence, not for publication", soft_wrap=True)
