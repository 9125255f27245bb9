"""Ingestion killed at any moment: the old state or the new one, and the next run repairs."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.fingerprint import fingerprint
from deid_platform.engine.ingest import ingest
from tests.support.deployments import land, temporary_deployment
from tests.support.tables import visits_contract

FILE = "hospital/visits-2024-03.csv"
TABLES = ("raw.main.visits", "raw.quarantine.visits", "raw.ingest.deliveries")

PROGRAM = """
import sys
from pathlib import Path
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.ingest import ingest
from tests.support.tables import visits_contract
home = Path(sys.argv[1])
deployment = Deployment(project=home, home=home, environment={})
print("ready", flush=True)
with open_zone(deployment, Zone.RAW, files=[deployment.landing]) as con:
    ingest(con, deployment, visits_contract(), "2024-03")
"""


def write_visits(deployment: Deployment, rows: int) -> None:
    path = land(deployment, FILE, "")
    duckdb.connect().execute(
        f"""
        copy (
            select 'v' || i as visit_id, 'm' || i % 5000 as mrn,
                date '2024-03-01' + (i % 31)::int as visit_date, i % 121 as age,
                if(i % 97 = 0, 'X', 'F') as sex, i / 7 as charge, 'plain' as note
            from range({rows}) as r(i)
        ) to '{path}' (header)
        """
    )


def take(deployment: Deployment) -> None:
    with open_zone(deployment, Zone.RAW, files=[deployment.landing]) as con:
        ingest(con, deployment, visits_contract(), "2024-03")


def state(deployment: Deployment) -> tuple[str, ...]:
    with open_zone(deployment, None, reading=[Zone.RAW]) as con:
        return tuple(fingerprint(con, table) for table in TABLES)


@dataclass(frozen=True, kw_only=True)
class Undisturbed:
    """The states before and after an ingestion that nothing disturbs, and how long it takes."""

    old: tuple[str, ...]
    new: tuple[str, ...]
    seconds: float


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    deployment = temporary_deployment(tmp_path_factory.mktemp("undisturbed"))
    write_visits(deployment, 20_000)
    take(deployment)
    old = state(deployment)
    write_visits(deployment, 60_000)
    started = time.monotonic()
    take(deployment)
    return Undisturbed(old=old, new=state(deployment), seconds=time.monotonic() - started)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.7, 0.9])
def test_ingestion_killed_at_any_moment_leaves_the_old_state_or_the_new(
    tmp_path: Path, undisturbed: Undisturbed, share: float
) -> None:
    deployment = temporary_deployment(tmp_path)
    write_visits(deployment, 20_000)
    take(deployment)
    write_visits(deployment, 60_000)
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(deployment.home)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == b"ready\n"
        time.sleep(undisturbed.seconds * share)
        killed.send_signal(signal.SIGKILL)

    assert state(deployment) in (undisturbed.old, undisturbed.new)
    take(deployment)
    assert state(deployment) == undisturbed.new
    assert list(deployment.scratch.iterdir()) == []
