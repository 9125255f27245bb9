"""`deid audit egress`: what stops somebody from taking data out."""

from __future__ import annotations

import stat
from typing import Any

import typer

from deid_platform.cli import AsJson, console, print_json
from deid_platform.cli.audit import FINDING
from deid_platform.core.register import Permission, Register
from deid_platform.core.zones import ENCRYPTED, READS, Zone
from deid_platform.engine.deployment import Deployment
from deid_platform.governance.events import ActionRefused
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.register import register_in_force

_PRIVATE = (Zone.RAW, Zone.LIMITED, Zone.DEIDENTIFIED)


def register(group: typer.Typer) -> None:
    """Add ``egress``."""
    group.command("egress")(egress)


def egress(as_json: AsJson = False) -> None:
    """Show the access matrix of the zones, the destinations there are, and what was refused.

    The exit code is 25 if a zone's file can be read by others than its owner.

    Example: `deid audit egress`
    """
    deployment = Deployment.from_environment()
    ledger = Ledger.open(deployment.ledger_url)
    found = register_in_force(ledger)
    zones = [_zone(deployment, found, zone) for zone in Zone]
    places = [
        {
            "destination": name,
            "exposure": one.exposure.value,
            "zone": one.zone.value,
            "location": one.location,
            "encryption": one.encryption.model_dump(),
            "readers": list(one.readers),
        }
        for name, one in found.destinations.items()
    ]
    refused: list[dict[str, Any]] = [
        {
            "entry": entry.sequence,
            "at": entry.at,
            "by": entry.payload["by"],
            "action": entry.payload["action"],
            "reasons": entry.payload["reasons"],
        }
        for entry in ledger.entries(kinds=[ActionRefused])
    ]
    exposed = [one for one in zones if one["exposed"]]
    if as_json:
        print_json(
            {"register": found.digest, "zones": zones, "destinations": places, "refused": refused}
        )
    else:
        for zone in zones:
            console.print(
                f"{zone['zone']}: read by {', '.join(zone['readers']) or 'nobody'}; written by "
                f"{', '.join(zone['writers']) or 'nobody'}; "
                f"{'encrypted' if zone['encrypted'] else 'not encrypted'}; {zone['file']}",
                style="red" if zone["exposed"] else None,
                highlight=False,
                soft_wrap=True,
            )
        for place in places:
            console.print(
                f"to {place['destination']} ({place['exposure']}): {place['zone']} data only, "
                f"{place['location']}",
                highlight=False,
                soft_wrap=True,
            )
        console.print("to anywhere else: refused", highlight=False)
        console.print(f"{len(refused)} attempts were refused and recorded", highlight=False)
        for row in refused[-5:]:
            told = f"    ledger entry {row['entry']}: {row['action']} by {row['by']}"
            console.print(told, highlight=False, soft_wrap=True)
    if exposed:
        raise typer.Exit(FINDING)


def _zone(deployment: Deployment, found: Register, zone: Zone) -> dict[str, Any]:
    mode = _mode(deployment, zone)
    exposed = zone in _PRIVATE and mode is not None and bool(mode & 0o077)
    reads, writes = f"read_{zone.value}", f"write_{zone.value}"
    return {
        "zone": zone.value,
        "encrypted": zone in ENCRYPTED,
        "reads": sorted(one.value for one in READS[zone]),
        "readers": _services(found, reads),
        "writers": _services(found, writes),
        "file": "no file yet" if mode is None else f"mode {mode:04o}",
        "exposed": exposed,
    }


def _services(found: Register, permission: str) -> list[str]:
    if permission not in set(Permission):
        return []
    wanted = Permission(permission)
    return sorted({f"service:{p.service}" for p in found.code_paths.values() if wanted in p.may})


def _mode(deployment: Deployment, zone: Zone) -> int | None:
    try:
        return stat.S_IMODE(deployment.zone_file(zone).stat().st_mode)
    except OSError:
        return None
