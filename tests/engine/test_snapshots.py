"""Snapshots: immutable, whole, and of nothing that holds PHI."""

from __future__ import annotations

import hashlib
import json
import stat
import threading
from pathlib import Path

import pytest

from deid_platform.core.errors import ZoneError
from deid_platform.core.zones import Zone
from deid_platform.engine.analyst_query import ask
from deid_platform.engine.database import open_snapshot, open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.snapshots import publish_snapshot, snapshot_file
from tests.support.deployments import temporary_deployment


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return temporary_deployment(tmp_path)


def write_mart(deployment: Deployment, value: int, rows: int = 1000) -> None:
    """Two tables that always hold the same value; a mix of two states would show."""
    with open_zone(deployment, Zone.DEIDENTIFIED) as con:
        con.execute("create schema if not exists deidentified.marts")
        con.execute("create schema if not exists deidentified.main")
        con.execute("create or replace table deidentified.main.records as select 'record' as text")
        for name in ("one", "two"):
            con.execute(
                f"create or replace table deidentified.marts.{name} as "
                f"select {value} as value from range({rows})"
            )


def publish(deployment: Deployment):
    return publish_snapshot(deployment, Zone.DEIDENTIFIED, schema="marts", name="marts")


def test_a_snapshot_holds_the_tables_of_its_schema_and_no_others(deployment: Deployment) -> None:
    write_mart(deployment, 7)
    snapshot = publish(deployment)
    assert {name: table.rows for name, table in snapshot.tables.items()} == {
        "one": 1000,
        "two": 1000,
    }
    assert ask(deployment, "marts", "select sum(value) from one", 10).rows == [(7000,)]
    assert ask(deployment, "marts", "show tables", 10).rows == [("one",), ("two",)]


def test_the_manifest_names_the_digest_of_the_file_beside_it(deployment: Deployment) -> None:
    write_mart(deployment, 7)
    snapshot = publish(deployment)
    manifest = json.loads(snapshot.file.with_suffix(".json").read_text())
    digest = hashlib.sha256(snapshot.file.read_bytes()).hexdigest()
    assert manifest == snapshot.metadata()
    assert manifest["sha256"] == f"sha256:{digest}"


def test_published_files_can_be_read_and_not_written(deployment: Deployment) -> None:
    write_mart(deployment, 7)
    file = publish(deployment).file
    assert stat.S_IMODE(file.stat().st_mode) == 0o440
    assert sorted(path.name for path in file.parent.iterdir()) == ["marts.duckdb", "marts.json"]


def test_an_open_reader_keeps_the_snapshot_it_opened(deployment: Deployment) -> None:
    write_mart(deployment, 1)
    file = publish(deployment).file
    with open_snapshot(file, "marts") as con:
        assert con.execute("select max(value) from one").fetchall() == [(1,)]
        write_mart(deployment, 2)
        publish(deployment)
        assert con.execute("select max(value) from one").fetchall() == [(1,)]
    assert ask(deployment, "marts", "select max(value) from one", 1).rows == [(2,)]


def test_readers_never_see_half_a_publication(deployment: Deployment) -> None:
    write_mart(deployment, 0)
    publish(deployment)
    torn: list[object] = []
    is_done = threading.Event()

    def read() -> None:
        question = "select count(*), min(value) = max(value) from (from one union all from two)"
        while not is_done.is_set():
            try:
                rows = ask(deployment, "marts", question, 1).rows
            except Exception as error:
                rows = [(type(error).__name__, str(error))]
            if rows != [(2000, True)]:
                torn.append(rows)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for value in range(1, 8):
        write_mart(deployment, value)
        publish(deployment)
    is_done.set()
    for reader in readers:
        reader.join()
    assert torn == []


@pytest.mark.parametrize("zone", [Zone.RAW, Zone.LIMITED])
def test_a_zone_with_phi_has_no_snapshots(deployment: Deployment, zone: Zone) -> None:
    with pytest.raises(ZoneError, match="holds PHI"):
        publish_snapshot(deployment, zone, name="marts")
    with pytest.raises(ZoneError, match="holds PHI"):
        with open_zone(deployment, None, reading=[zone], snapshot=deployment.snapshots / "x"):
            pass


def test_without_tables_the_last_snapshot_stays(deployment: Deployment) -> None:
    write_mart(deployment, 1)
    before = publish(deployment).file.read_bytes()
    with open_zone(deployment, Zone.DEIDENTIFIED) as con:
        con.execute("drop schema deidentified.marts cascade")
    with pytest.raises(ZoneError, match="holds no tables yet"):
        publish(deployment)
    assert snapshot_file(deployment, "marts").read_bytes() == before


def test_a_folder_that_cannot_be_written_is_told(deployment: Deployment) -> None:
    write_mart(deployment, 1)
    deployment.snapshots.rmdir()
    deployment.snapshots.write_text("a file where the folder should be")
    with pytest.raises(ZoneError, match="the folder cannot be made"):
        publish(deployment)


@pytest.mark.parametrize("name", ["../marts", "", "a b", "marts.duckdb"])
def test_a_snapshot_is_named_by_an_identifier(deployment: Deployment, name: str) -> None:
    with pytest.raises(ZoneError, match="not an identifier"):
        publish_snapshot(deployment, Zone.DEIDENTIFIED, name=name)
