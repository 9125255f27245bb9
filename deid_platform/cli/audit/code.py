"""`deid audit code`: which code may touch data, who owns it, and what nobody owns."""

from __future__ import annotations

from typing import Any

import typer

from deid_platform.cli import AsJson, console, print_json
from deid_platform.cli.audit import FINDING
from deid_platform.engine.code_files import code_files
from deid_platform.engine.deployment import Deployment
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.register import register_in_force


def register(group: typer.Typer) -> None:
    """Add ``code``."""
    group.command("code")(code)


def code(as_json: AsJson = False) -> None:
    """List the code paths of the register, and every file of the project that none covers.

    The exit code is 25 if there is such a file: a script that nobody owns.

    Example: `deid audit code`
    """
    deployment = Deployment.from_environment()
    found = register_in_force(Ledger.open(deployment.ledger_url))
    files = code_files(deployment.project)
    covered = [path for path in files if found.covers(path)]
    paths: list[dict[str, Any]] = [
        {
            "path": pattern,
            "title": one.title,
            "owner": one.owner,
            "service": one.service,
            "may": [permission.value for permission in one.may],
            "reviewed_by": one.reviewed_by,
        }
        for pattern, one in found.code_paths.items()
    ]
    unowned = sorted(set(files) - set(covered))
    if as_json:
        print_json({"register": found.digest, "paths": paths, "unowned": unowned})
    else:
        for row in paths:
            told = f"{row['path']}: {row['title']}; owner {row['owner']}, runs as {row['service']}"
            console.print(told, highlight=False, soft_wrap=True)
            console.print(f"    may {', '.join(row['may'])}", highlight=False, soft_wrap=True)
        console.print(f"{len(covered)} files covered, {len(unowned)} unowned", highlight=False)
        for path in unowned:
            console.print(f"unowned: {path}", style="red", highlight=False, soft_wrap=True)
    if unowned:
        raise typer.Exit(FINDING)
