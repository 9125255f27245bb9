"""`deid audit policy`: which releases used a version of a policy, list, contract or rule."""

from __future__ import annotations

from typing import Annotated

import typer

from deid_platform.cli import AsJson, console, print_json
from deid_platform.engine.deployment import Deployment
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.usage import usage_of


def register(group: typer.Typer) -> None:
    """Add ``policy``."""
    group.command("policy")(policy)


def policy(
    digest: Annotated[str, typer.Argument(help="A SHA-256, or its first characters.")],
    as_json: AsJson = False,
) -> None:
    """Show every use of a digest in the ledger, and the releases that rest on it.

    Example: `deid audit policy 1c4b8cc0`
    """
    found = usage_of(Ledger.open(Deployment.from_environment().ledger_url), digest)
    releases = [
        {
            "release": one.payload["release"],
            "publication": one.payload["publication"],
            "request": one.payload["request"],
            "entry": one.sequence,
            "at": one.at,
        }
        for one in found.releases
    ]
    if as_json:
        print_json(
            {
                "digest": found.digest,
                "standards": found.standards,
                "entries": [
                    {"kind": kind, "field": field, "entries": count}
                    for (kind, field), count in found.entries.items()
                ],
                "releases": releases,
            }
        )
        return
    console.print(found.digest, highlight=False, soft_wrap=True)
    if found.standards:
        console.print(f"permitted by the standard {', '.join(found.standards)}", highlight=False)
    for (kind, field), count in found.entries.items():
        console.print(f"{count:>6} entries {kind}, {field}", highlight=False, soft_wrap=True)
    for row in releases:
        told = f"{row['release']}: {row['publication']}, ledger entry {row['entry']}, {row['at']}"
        console.print(told, highlight=False, soft_wrap=True)
    console.print(f"{len(releases)} releases rest on it", highlight=False)
