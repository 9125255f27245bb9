"""A small deployment with something in every zone, and commands killed at a chosen step."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from deid_platform.core.zones import Zone
from deid_platform.engine.database import hold_zones, open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.snapshots import publish_snapshot
from deid_platform.engine.zone_copies import Contents, contents, existing
from deid_platform.governance.events import RequestReleased, SnapshotPublished
from deid_platform.governance.ledger import Ledger
from tests.support.deployments import temporary_deployment

KILLED = 9
SECRET = "Quackenbush"

# Dies in place of the given rename, as a process does that is killed between two of them.
_KILL = """
import os, sys
from pathlib import Path
left = [int(sys.argv[1])]
def dying(change):
    def counted(*arguments, **options):
        left[0] -= 1
        if left[0] < 0:
            os._exit(9)
        return change(*arguments, **options)
    return counted
os.rename, os.replace = dying(os.rename), dying(os.replace)
"""


def deployment_with_state(folder: Path, value: int = 1) -> Deployment:
    """Tables in all zones and in LIMITED's staging file, a snapshot, a bundle, a ledger."""
    deployment = temporary_deployment(folder)
    write_state(deployment, value)
    return deployment


def write_state(deployment: Deployment, value: int) -> None:
    """The same tables in every zone; ``value`` tells one state from another."""
    with open_zone(deployment, Zone.RAW) as con:
        con.execute("create schema if not exists raw.crosswalk")
        con.execute(
            "create or replace table raw.crosswalk.hospital__person (source_value varchar "
            "primary key, limited_key bigint not null, deidentified_key bigint not null)"
        )
        con.execute(
            "insert into raw.crosswalk.hospital__person "
            f"select '{SECRET}' || i, i * {value}, i from range(500) as r(i)"
        )
    for zone in (Zone.LIMITED, Zone.DEIDENTIFIED, Zone.RELEASE):
        with open_zone(deployment, zone) as con:
            con.execute(f"create schema if not exists {zone.value}.marts")
            con.execute(
                f"create or replace table {zone.value}.marts.counts as "
                f"select {value} as value, '{SECRET}' as county from range(100)"
            )
    publish_snapshot(deployment, Zone.DEIDENTIFIED, schema="marts", name="marts")
    bundle = deployment.outbox / "counts" / "r1" / "counts.csv"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_text(f"value\n{value}\n")
    manifest = bundle.with_name("manifest.json")
    manifest.write_text("{}\n")
    ledger = Ledger.open(deployment.ledger_url)
    ledger.append(
        SnapshotPublished(zone="deidentified", snapshot=f"s{value}", digest="d", tables=1)
    )
    ledger.append(
        RequestReleased(
            request="req-1",
            release="r1",
            publication="counts",
            fingerprint="d",
            target="csv_bundle",
            manifest_digest=hashlib.sha256(manifest.read_bytes()).hexdigest(),
            rows=1,
            by="person:dana.lee",
            os_user="dana",
        )
    )


def stage(deployment: Deployment, zone: Zone) -> None:
    """A table in the staging file of an encrypted zone."""
    staged = Deployment(
        project=deployment.project, home=deployment.home / "other", environment=_keys(deployment)
    )
    with open_zone(staged, zone) as con:
        con.execute(f"create table {zone.value}.main.built as select '{SECRET}' as name")
    deployment.staging_file(zone).parent.mkdir(exist_ok=True)
    staged.zone_file(zone).rename(deployment.staging_file(zone))


def state(deployment: Deployment) -> dict[str, Contents]:
    """Everything in every zone."""
    zones = existing(deployment)
    with hold_zones(deployment, zones, read_only=True) as con:
        return {zone.value: contents(con, zone.value) for zone in zones}


def bundles(deployment: Deployment) -> dict[str, str]:
    """The released files."""
    return {
        str(file.relative_to(deployment.outbox)): file.read_text()
        for file in deployment.outbox.rglob("*")
        if file.is_file()
    }


def head_of(file: Path) -> str:
    """The verified head of a ledger."""
    return str(Ledger.open(f"sqlite:///{file}").verify())


def killed_at(step: int, program: str, *arguments: str) -> bool:
    """Run a program in another process, killed in place of its ``step``-th rename; was it?"""
    done = subprocess.run(
        [sys.executable, "-c", _KILL + program, str(step), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, KILLED):
        raise RuntimeError(done.stderr)
    return done.returncode == KILLED


def _keys(deployment: Deployment) -> dict[str, str]:
    return {f"DEID_{zone.name}_KEY": deployment.key(zone) for zone in (Zone.RAW, Zone.LIMITED)}
