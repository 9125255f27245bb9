"""``deid init``: make a deployment's folders and keys."""

from __future__ import annotations

import typer

from deid_platform.cli import AsJson, console, print_json
from deid_platform.engine.deployment import Deployment


def register(app: typer.Typer) -> None:
    """Add ``init``."""
    app.command("init")(init)


def init(as_json: AsJson = False) -> None:
    """Make the folders of DEID_HOME and a key for each encrypted zone.

    Nothing that exists is changed. Example: `DEID_HOME=/srv/deid deid init`
    """
    from deid_platform.engine.initialise import initialise

    deployment = Deployment.from_environment()
    made = initialise(deployment)
    if as_json:
        print_json(
            {
                "home": str(deployment.home),
                "folders": [str(folder) for folder in made.folders],
                "keys": [str(key) for key in made.keys],
            }
        )
        return
    if not made.folders and not made.keys:
        console.print(f"{deployment.home} is complete; nothing was changed.", highlight=False)
        return
    for path in (*made.folders, *made.keys):
        console.print(f"made {path}", highlight=False, soft_wrap=True)
    if made.keys:
        console.print(
            "Keep a copy of the key files where the zones' backups are not: "
            "without them the zones cannot be read.",
            soft_wrap=True,
        )
