"""``deid key``: the keys of the encrypted zones."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from deid_platform.cli import AsJson, console, print_json, progress_console
from deid_platform.core.errors import ZoneKeyError
from deid_platform.core.zones import ENCRYPTED, Zone
from deid_platform.engine.deployment import Deployment


def register(app: typer.Typer) -> None:
    """Add ``key``."""
    group = typer.Typer(no_args_is_help=True, help="The keys of the encrypted zones.")
    group.callback()(_group)
    group.command("rotate")(rotate)
    app.add_typer(group, name="key")


def _group() -> None:
    """The keys of the encrypted zones."""


def rotate(
    zone: Annotated[str, typer.Argument(help="`raw` or `limited`.")],
    as_json: AsJson = False,
) -> None:
    """Encrypt a zone anew under a new key, which is never printed.

    The copy under the new key is compared table by table before it takes the file's place. A key
    file is replaced by a new one. Where the environment holds the key, set `DEID_RAW_KEY_NEW` (or
    `DEID_LIMITED_KEY_NEW`) to the new one, and `DEID_RAW_KEY` to it afterwards. Killed meanwhile,
    it is finished or undone by running it again.

    Example: `deid key rotate raw`
    """
    from deid_platform.engine.rotation import rotate_key
    from deid_platform.governance.events import KeyRotated
    from deid_platform.governance.ledger import Ledger

    if zone not in {one.value for one in ENCRYPTED}:
        raise ZoneKeyError(zone, "this zone has no key", "name raw or limited")
    deployment = Deployment.from_environment()
    # Opened first: a change that cannot be recorded is not begun.
    ledger = Ledger.open(deployment.ledger_url)
    with progress_console.status("Encrypting anew and comparing"):
        done = rotate_key(deployment, Zone(zone))
    ledger.append(
        KeyRotated(
            zone=zone,
            files=done.files,
            tables=done.tables,
            rows=done.rows,
            content=done.content,
            old_key=done.old_key,
            new_key=done.new_key,
        )
    )
    if as_json:
        print_json(asdict(done))
        return
    told = "An interrupted change was finished: the" if done.is_resumed else "The"
    console.print(
        f"{told} {zone} zone is under a new key: {done.tables} tables, {done.rows:,} rows, "
        "the same as before.",
        highlight=False,
        soft_wrap=True,
    )
    if done.switch is not None:
        console.print(
            f"Now set {done.switch} to the new key and unset {done.switch}_NEW: until then the "
            "zone cannot be opened.",
            highlight=False,
            soft_wrap=True,
        )
    console.print(
        "Copy the new key apart from the backups. Backups made before need the old key.",
        soft_wrap=True,
    )
