"""Small zones as the contracts shape them, and dbt run on them as a program."""

from __future__ import annotations

import base64
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deid_platform.core.zones import ENCRYPTED, Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.declarations import load_contracts
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.sql import identifier, qualified

Rows = Sequence[Mapping[str, Any]]

CHECKOUT = Path(__file__).resolve().parents[2]
DBT = Path(sys.executable).with_name("dbt")
CONTRACTS = load_contracts(Deployment.from_environment({}))


def new_deployment(home: Path) -> Deployment:
    """A deployment of this checkout with fresh keys and no zones."""
    keys = home / "keys"
    keys.mkdir(parents=True)
    for zone in ENCRYPTED:
        file = keys / f"{zone.value}.key"
        file.write_text(base64.b64encode(secrets.token_bytes(32)).decode(), "ascii")
        file.chmod(0o600)
    return Deployment.from_environment({"DEID_HOME": str(home)})


def write_zone(deployment: Deployment, zone: Zone, tables: Mapping[str, Rows]) -> None:
    """Make every contract's table in a zone; those not given are empty."""
    with open_zone(deployment, zone) as con:
        for name, contract in CONTRACTS.items():
            table = qualified(zone.value, "main", name)
            columns = {o.name: o.type.value for o in contract.outputs(zone)}
            if zone is Zone.LIMITED:
                columns["_partition"] = "varchar"
            shape = ", ".join(f"{identifier(c)} {t}" for c, t in columns.items())
            con.execute(f"create or replace table {table} ({shape})")
            for row in tables.get(name, ()):
                names = ", ".join(map(identifier, row))
                marks = ", ".join("?" * len(row))
                con.execute(f"insert into {table} ({names}) values ({marks})", [*row.values()])


def run_dbt(
    deployment: Deployment, target: str, *arguments: str, project: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run dbt as the platform does; its artefacts go to ``<home>/dbt``."""
    folder = project or CHECKOUT / "dbt_project"
    command = [
        str(DBT),
        *arguments,
        *("--target", target, "--no-use-colors"),
        *("--project-dir", str(folder), "--profiles-dir", str(folder)),
        *("--target-path", str(deployment.home / "dbt")),
        *("--log-path", str(deployment.home / "logs")),
    ]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "DEID_"))
    }
    environment["DEID_HOME"] = str(deployment.home)
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def built(deployment: Deployment, zone: Zone, sql: str) -> list[tuple[Any, ...]]:
    """What a query finds in the staging file of a zone."""
    with open_zone(deployment, None, staging=zone) as con:
        return con.execute(sql).fetchall()


def everything_written(folder: Path) -> bytes:
    """The bytes of every file below a folder."""
    return b"\n".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())
