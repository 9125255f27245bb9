"""``deid backup`` and ``deid restore``: one consistent set, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from deid_platform.cli import AsJson, console, print_json, progress_console
from deid_platform.engine.deployment import Deployment


def register(app: typer.Typer) -> None:
    """Add ``backup`` and ``restore``."""
    app.command("backup")(backup)
    app.command("restore")(restore)


def backup(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    as_json: AsJson = False,
) -> None:
    """Back up zones, ledger, snapshots and bundles as one set of one moment.

    Encrypted zones stay encrypted. Keys are not in the set: keep their copies elsewhere. While
    the zones are copied, writers are refused and readers are not.

    Example: `deid backup /mnt/backups/2026-11-20`
    """
    from deid_platform.engine.backup import make_backup

    deployment = Deployment.from_environment()
    with progress_console.status("Copying and comparing"):
        made = make_backup(deployment, folder, now=datetime.now(UTC), ledger_head=_head)
    zones = made.manifest.zones
    rows = {zone.value: sum(one.rows.values()) for zone, one in zones.items()}
    if as_json:
        print_json(
            {
                "folder": str(made.folder),
                "digest": made.digest,
                "ledger_head": made.manifest.ledger_head,
                "rows": rows,
                "keys": {z.value: one.key_id for z, one in zones.items() if one.key_id},
                "files": len(made.manifest.files),
                "bytes": sum(file.bytes for file in made.manifest.files.values()),
            }
        )
        return
    for zone, count in rows.items():
        console.print(f"{zone:<14}{count:>14,} rows", highlight=False)
    console.print(f"{made.folder}: {len(made.manifest.files)} files", highlight=False)
    console.print(f"digest {made.digest}", highlight=False, soft_wrap=True)
    console.print(
        "Note the digest elsewhere: `deid restore --digest` compares it. The keys are not in the "
        "backup; without their copies RAW and LIMITED cannot be read.",
        soft_wrap=True,
        highlight=False,
    )


def restore(
    folder: Annotated[Path, typer.Argument(help="A folder made by `deid backup`.")],
    force: Annotated[
        bool, typer.Option("--force", help="Replace the state that DEID_HOME holds.")
    ] = False,
    digest: Annotated[
        str | None, typer.Option(help="What `deid backup` printed: refuse any other set.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put a backup in the place of the zones, the ledger, snapshots and bundles.

    It is verified before anything is replaced, and the old state is kept until the new one has
    been opened. Killed meanwhile, it is finished by running it again. Stop runs and the UI first.

    Example: `deid restore /mnt/backups/2026-11-20 --force`
    """
    from deid_platform.engine.restore import restore_backup

    deployment = Deployment.from_environment()
    with progress_console.status("Verifying and copying"):
        restored = restore_backup(deployment, folder, ledger_head=_head, force=force, digest=digest)
    manifest = restored.manifest
    if as_json:
        print_json(
            {
                "home": str(deployment.home),
                "made_at": manifest.made_at,
                "ledger_head": restored.ledger_head,
                "zones": [zone.value for zone in manifest.zones],
                "is_resumed": restored.is_resumed,
            }
        )
        return
    if restored.is_resumed:
        console.print("An interrupted restore was finished.")
    console.print(
        f"{deployment.home} is as it was at {manifest.made_at}; every zone opens and the ledger's "
        "chain holds. Run `deid doctor`, then `deid run` for what came later.",
        highlight=False,
        soft_wrap=True,
    )


def _head(file: Path) -> str:
    from deid_platform.governance.ledger import Ledger

    return str(Ledger.open(f"sqlite:///{file}").verify())
