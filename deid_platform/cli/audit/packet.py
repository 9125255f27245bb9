"""`deid audit packet`: the evidence of one release, checked and handed out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from deid_platform.cli import AsJson, console, print_json
from deid_platform.core.errors import EvidenceError
from deid_platform.engine.deployment import Deployment
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.packet.export import export_packet
from deid_platform.governance.packet.folder import REPORT, read_manifest
from deid_platform.governance.packet.since import since_release
from deid_platform.governance.packet.verify import Verified, verify_packet


def register(group: typer.Typer) -> None:
    """Add ``packet``."""
    group.command("packet")(packet)


def packet(
    release: Annotated[str, typer.Argument(help="Id of the release.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Check it; exit code 31 if anything was changed.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option(help="Copy the public part into this new folder.")
    ] = None,
    with_annex: Annotated[
        bool, typer.Option("--with-annex", help="Copy the sealed annex too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the evidence packet of a release: artefacts, what is absent, and what came after.

    Without --verify, a packet that is not whole is still shown, and its problems with it.

    Examples: `deid audit packet rel-0123456789abcdef --verify`,
    `deid audit packet rel-0123456789abcdef --export /mnt/auditor/release`
    """
    deployment = Deployment.from_environment()
    ledger = Ledger.open(deployment.ledger_url)
    verified = verify_packet(deployment, ledger, release)
    if export is not None:
        if verified.problems:
            _refuse(verified)
        export_packet(verified.folder, export, with_annex=with_annex)
    manifest = read_manifest(verified.folder)
    events = since_release(ledger, release)
    if as_json:
        print_json(_document(verified, manifest, events, export))
    else:
        _print(verified, manifest, events, export)
    if verify and verified.problems:
        _refuse(verified)


def _refuse(verified: Verified) -> None:
    raise EvidenceError(
        verified.release,
        "; ".join(verified.problems),
        "find out who changed it, and restore it from a backup",
    )


def _document(
    verified: Verified,
    manifest: dict[str, Any],
    events: list[dict[str, Any]],
    export: Path | None,
) -> dict[str, Any]:
    return {
        "release": verified.release,
        "folder": str(verified.folder),
        "report": str(verified.folder / REPORT),
        "whole": not verified.problems,
        "checks": [
            {"check": one.name, "passed": one.passed, "problems": list(one.problems)}
            for one in verified.checks
        ],
        "manifest": manifest,
        "since": events,
        "export": None if export is None else str(export),
    }


def _print(
    verified: Verified,
    manifest: dict[str, Any],
    events: list[dict[str, Any]],
    export: Path | None,
) -> None:
    def line(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    line(f"{verified.release} of {manifest['publication']}, request {manifest['request']}")
    line(f"written {manifest['built_at']}, kept until {manifest['retain_until']}")
    line(str(verified.folder / REPORT))
    for check in verified.checks:
        line(f"  {'ok  ' if check.passed else 'FAIL'}  {check.name}: {check.asks}")
        for problem in check.problems:
            line(f"        {problem}")
    for artefact in manifest["artefacts"]:
        line(f"  {artefact['audience']:<10}  {artefact['sha256'][:16]}  {artefact['name']}")
    for absent in manifest["absent"]:
        line(f"  absent      {absent['name']}: {absent['why']}")
    for event in events:
        line(f"  since       {event['at'][:19]}  {event['kind']}  {event['says']}")
    if export is not None:
        line(f"exported to {export}")
