"""`deid audit map`: where de-identified data are, who can read them, and how they got there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from deid_platform.cli import AsJson, console, print_json
from deid_platform.core.register.flow_map import mermaid, svg
from deid_platform.engine.deployment import Deployment
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.register import register_in_force


def register(group: typer.Typer) -> None:
    """Add ``map``."""
    group.command("map")(data_flow_map)


def data_flow_map(
    as_mermaid: Annotated[
        bool, typer.Option("--mermaid", help="Print the map as a Mermaid flow chart.")
    ] = False,
    svg_file: Annotated[
        Path | None, typer.Option("--svg", help="Write the map as an SVG image to this file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show every data flow with its destination, readers, owners and dates of review.

    Examples: `deid audit map`, `deid audit map --svg flows.svg`, `deid audit map --mermaid`
    """
    found = register_in_force(Ledger.open(Deployment.from_environment().ledger_url))
    if svg_file is not None:
        svg_file.write_text(svg(found), "utf-8")
    if as_mermaid:
        typer.echo(mermaid(found), nl=False)
        return
    flows: list[dict[str, Any]] = []
    for name, flow in found.data_flows.items():
        place = found.destination(flow.destination)
        flows.append(
            {
                "flow": name,
                "source": flow.source,
                "datasets": list(flow.datasets),
                "method": flow.method.value,
                "purpose": flow.purpose.value,
                "destination": flow.destination,
                "location": place.location,
                "zone": place.zone.value,
                "exposure": place.exposure.value,
                "encryption": place.encryption.model_dump(),
                "readers": list(place.readers),
                "recipients": list(flow.recipients),
                "owners": flow.owners.model_dump(),
                "third_party": flow.third_party,
                "last_reviewed": flow.last_reviewed,
                "next_review": flow.next_review,
                "status": flow.status.value,
            }
        )
    if as_json:
        print_json({"register": found.digest, "flows": flows})
        return
    for row in flows:
        console.print(
            f"{row['flow']} ({row['status']}): {row['source']} -> {row['destination']}, "
            f"{row['location']}, by {row['method']} for {row['purpose']}",
            highlight=False,
            soft_wrap=True,
        )
        console.print(f"    datasets: {', '.join(row['datasets'])}", highlight=False)
        console.print(f"    read by: {', '.join(row['readers'])}", highlight=False, soft_wrap=True)
        console.print(
            f"    owners: {row['owners']['data_steward']} (data), "
            f"{row['owners']['system_owner']} (system); review due {row['next_review']}",
            highlight=False,
            soft_wrap=True,
        )
    if svg_file is not None:
        console.print(f"wrote {svg_file}", highlight=False, soft_wrap=True)
