"""A backup is one moment's state, whole and unaltered, and comes back whole or not at all."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deid_platform.core.errors import DeidError, LedgerError, ZoneError, ZoneKeyError
from deid_platform.core.zones import Zone
from deid_platform.engine import backup as backups
from deid_platform.engine.analyst_query import ask
from deid_platform.engine.backup import Backup, make_backup
from deid_platform.engine.database import open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.restore import interrupted, restore_backup
from deid_platform.engine.rotation import rotate_key
from deid_platform.governance.ledger import Ledger
from tests.engine.upkeep_state import (
    SECRET,
    bundles,
    deployment_with_state,
    head_of,
    killed_at,
    stage,
    state,
    write_state,
)
from tests.support.deployments import temporary_deployment

NOW = datetime(2026, 11, 20, tzinfo=UTC)
PROGRAM = """
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.restore import restore_backup
from tests.engine.upkeep_state import head_of
home = Path(sys.argv[2])
deployment = Deployment(project=home, home=home, environment={})
restore_backup(deployment, Path(sys.argv[3]), ledger_head=head_of, force=True)
"""


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return deployment_with_state(tmp_path)


def make(deployment: Deployment, folder: Path) -> Backup:
    return make_backup(deployment, folder, now=NOW, ledger_head=head_of)


def restore(deployment: Deployment, folder: Path, *, force: bool = False):
    return restore_backup(deployment, folder, ledger_head=head_of, force=force)


def seen(deployment: Deployment) -> tuple[object, ...]:
    """All that a restore replaces."""
    return (
        state(deployment),
        bundles(deployment),
        head_of(deployment.home / "ledger.db"),
        ask(deployment, "marts", "select max(value) from counts", 1).rows,
    )


def test_a_state_comes_back_after_everything_was_lost(
    deployment: Deployment, tmp_path: Path
) -> None:
    before = seen(deployment)
    make(deployment, tmp_path / "backup")
    for name in ("zones", "staging", "snapshots", "outbox"):
        shutil.rmtree(deployment.home / name)
    (deployment.home / "ledger.db").unlink()
    assert not restore(deployment, tmp_path / "backup").is_resumed
    assert seen(deployment) == before
    with open_zone(deployment, Zone.RAW) as con:
        con.execute("create table raw.main.goes_on as select 1 as one")


def test_a_later_state_is_replaced_as_a_whole(deployment: Deployment, tmp_path: Path) -> None:
    before = seen(deployment)
    make(deployment, tmp_path / "backup")
    with open_zone(deployment, Zone.RAW) as con:
        con.execute("drop schema raw.crosswalk cascade")
    write_state(deployment, 2)
    stage(deployment, Zone.LIMITED)
    with pytest.raises(ZoneError, match="--force"):
        restore(deployment, tmp_path / "backup")
    restore(deployment, tmp_path / "backup", force=True)
    assert seen(deployment) == before
    assert not deployment.staging_file(Zone.LIMITED).exists()
    assert not list(deployment.home.glob("restore*"))


def test_what_a_killed_writer_left_in_a_log_is_in_the_backup(
    deployment: Deployment, tmp_path: Path
) -> None:
    program = """
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.deployment import Deployment
home = Path(sys.argv[2])
with open_zone(Deployment(project=home, home=home, environment={}), Zone.RAW) as con:
    con.execute("create table raw.main.logged as select 7 as seven")
    os._exit(9)
"""
    assert killed_at(99, program, str(deployment.home))
    assert deployment.zone_file(Zone.RAW).with_suffix(".duckdb.wal").exists()
    made = make(deployment, tmp_path / "backup")
    assert made.manifest.zones[Zone.RAW].rows["main.logged"] == 1
    restore(deployment, tmp_path / "backup", force=True)
    assert state(deployment)["raw"].rows["main.logged"] == 1


def test_a_backup_holds_no_key_and_no_readable_phi(deployment: Deployment, tmp_path: Path) -> None:
    made = make(deployment, tmp_path / "backup")
    for zone in (Zone.RAW, Zone.LIMITED):
        content = (made.folder / "zones" / f"{zone.value}.duckdb").read_bytes()
        assert SECRET.encode() not in content
    keys = [deployment.key(zone).encode() for zone in (Zone.RAW, Zone.LIMITED)]
    for file in made.folder.rglob("*"):
        if file.is_file():
            assert not any(key in file.read_bytes() for key in keys)
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not (made.folder / "keys").exists()


def test_modes_come_back(deployment: Deployment, tmp_path: Path) -> None:
    make(deployment, tmp_path / "backup")
    restore(deployment, tmp_path / "backup", force=True)
    snapshot = deployment.snapshots / "marts.duckdb"
    assert stat.S_IMODE(snapshot.stat().st_mode) == 0o440
    assert stat.S_IMODE(deployment.zone_file(Zone.RAW).stat().st_mode) == 0o600
    assert stat.S_IMODE((deployment.home / "zones").stat().st_mode) == 0o700


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def edit(file: Path, **change: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))


TAMPERED = {
    "a zone": lambda folder: flip(folder / "zones" / "raw.duckdb"),
    "the ledger": lambda folder: flip(folder / "ledger.db"),
    "a bundle": lambda folder: (folder / "outbox/counts/r1/counts.csv").write_text("value\n9\n"),
    "a file lost": lambda folder: (folder / "zones" / "limited.duckdb").unlink(),
    "a file more": lambda folder: (folder / "outbox" / "more.csv").write_text("value\n9\n"),
    "a link": lambda folder: (folder / "outbox" / "link").symlink_to("/etc/passwd"),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "another manifest": lambda folder: edit(folder / "manifest.json", format="other"),
    "other counts": lambda folder: edit(
        folder / "manifest.json",
        zones={"raw": {**json.loads((folder / "manifest.json").read_text())["zones"]["raw"]}},
        files={},
    ),
    "another head": lambda folder: edit(folder / "manifest.json", ledger_head=f"1:{'0' * 64}"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_an_altered_backup_is_refused_and_nothing_is_changed(
    deployment: Deployment, tmp_path: Path, what: str
) -> None:
    make(deployment, tmp_path / "backup")
    before = seen(deployment)
    TAMPERED[what](tmp_path / "backup")
    with pytest.raises(DeidError):
        restore(deployment, tmp_path / "backup", force=True)
    assert seen(deployment) == before
    assert not list(deployment.home.glob("restor*"))


def test_the_state_before_an_earlier_restore_is_not_deleted_unseen(
    deployment: Deployment, tmp_path: Path
) -> None:
    folder = make(deployment, tmp_path / "backup").folder
    kept = deployment.home / "restore-1" / "old" / "zones"
    kept.mkdir(parents=True)
    with pytest.raises(ZoneError, match="the state before an earlier restore"):
        restore(deployment, folder, force=True)
    assert kept.is_dir()
    (kept.parents[1] / "old" / "zones").rmdir()
    restore(deployment, folder, force=True)
    assert not kept.parents[1].exists()


def test_a_manifest_cannot_lead_outside(deployment: Deployment, tmp_path: Path) -> None:
    made = make(deployment, tmp_path / "backup")
    (tmp_path / "outside").write_text("x")
    files = json.loads((made.folder / "manifest.json").read_text())["files"]
    files["../outside"] = {"sha256": "sha256:x", "bytes": 1, "mode": 384}
    edit(made.folder / "manifest.json", files=files)
    with pytest.raises(ZoneError, match="not a file of the backup"):
        restore(deployment, made.folder, force=True)


def test_a_noted_digest_finds_a_manifest_made_to_fit(
    deployment: Deployment, tmp_path: Path
) -> None:
    made = make(deployment, tmp_path / "backup")
    edit(made.folder / "manifest.json", made_at="2030-01-01T00:00:00+00:00")
    with pytest.raises(ZoneError, match="not the manifest that was noted"):
        restore_backup(deployment, made.folder, ledger_head=head_of, force=True, digest=made.digest)


def test_a_backup_needs_the_key_it_was_made_under(deployment: Deployment, tmp_path: Path) -> None:
    made = make(deployment, tmp_path / "backup")
    old = (deployment.home / "keys" / "raw.key").read_bytes()
    rotate_key(deployment, Zone.RAW)
    before = seen(deployment)
    with pytest.raises(ZoneKeyError, match="made under another key"):
        restore(deployment, made.folder, force=True)
    assert seen(deployment) == before
    (deployment.home / "keys" / "raw.key").write_bytes(old)
    restore(deployment, made.folder, force=True)


def test_another_home_with_the_keys_takes_a_backup(deployment: Deployment, tmp_path: Path) -> None:
    made = make(deployment, tmp_path / "backup")
    other = temporary_deployment(tmp_path / "elsewhere")
    shutil.copytree(deployment.home / "keys", other.home / "keys", dirs_exist_ok=True)
    restore(other, made.folder)
    assert seen(other) == seen(deployment)


@pytest.mark.parametrize("step", [0, 1, 2, 3, 6, 9, 10, 11, 99])
def test_a_killed_restore_is_finished_by_running_it_again(
    deployment: Deployment, tmp_path: Path, step: int
) -> None:
    wanted = seen(deployment)
    folder = make(deployment, tmp_path / "backup").folder
    with open_zone(deployment, Zone.RAW) as con:
        con.execute("drop schema raw.crosswalk cascade")
    write_state(deployment, 2)
    later = seen(deployment)
    was_killed = killed_at(step, PROGRAM, str(deployment.home), str(folder))
    if interrupted(deployment):
        assert was_killed
        with pytest.raises(ZoneError, match="a restore was interrupted here"):
            with open_zone(deployment, Zone.RAW):
                pass
    else:
        assert seen(deployment) == (later if step == 0 else wanted)
    restored = restore(deployment, folder, force=True)
    assert restored.is_resumed == (was_killed and step > 0)
    assert seen(deployment) == wanted
    assert not list(deployment.home.glob("restor*"))


def test_an_interrupted_restore_wants_the_same_backup(
    deployment: Deployment, tmp_path: Path
) -> None:
    first = make(deployment, tmp_path / "first").folder
    write_state_to = tmp_path / "second"
    Ledger.open(deployment.ledger_url)
    shutil.copytree(first, write_state_to)
    edit(write_state_to / "manifest.json", made_at="2026-11-21T00:00:00+00:00")
    assert killed_at(4, PROGRAM, str(deployment.home), str(first))
    with pytest.raises(ZoneError, match="another backup was interrupted"):
        restore(deployment, write_state_to, force=True)
    restore(deployment, first)


@pytest.mark.parametrize("step", [0, 1])
def test_a_killed_backup_is_none(deployment: Deployment, tmp_path: Path, step: int) -> None:
    program = """
from datetime import UTC, datetime
from deid_platform.engine.backup import make_backup
from deid_platform.engine.deployment import Deployment
from tests.engine.upkeep_state import head_of
home = Path(sys.argv[2])
deployment = Deployment(project=home, home=home, environment={})
make_backup(deployment, Path(sys.argv[3]), now=datetime.now(UTC), ledger_head=head_of)
"""
    before = seen(deployment)
    assert killed_at(step, program, str(deployment.home), str(tmp_path / "backup"))
    assert not (tmp_path / "backup").exists()
    with pytest.raises(ZoneError, match="not a whole backup"):
        restore(deployment, tmp_path / "backup", force=True)
    assert seen(deployment) == before


def test_a_zone_being_written_is_not_backed_up(deployment: Deployment, tmp_path: Path) -> None:
    program = """
from datetime import UTC, datetime
from deid_platform.engine.backup import make_backup
from deid_platform.engine.deployment import Deployment
from tests.engine.upkeep_state import head_of
home = Path(sys.argv[2])
deployment = Deployment(project=home, home=home, environment={})
make_backup(deployment, Path(sys.argv[3]), now=datetime.now(UTC), ledger_head=head_of)
"""
    with open_zone(deployment, Zone.RELEASE):
        with pytest.raises(RuntimeError, match="another process is writing this zone"):
            killed_at(99, program, str(deployment.home), str(tmp_path / "backup"))
    assert not list(tmp_path.glob("*backup*"))


def test_a_zone_in_use_is_not_replaced(deployment: Deployment, tmp_path: Path) -> None:
    folder = make(deployment, tmp_path / "backup").folder
    with open_zone(deployment, None, reading=[Zone.RAW]):
        with pytest.raises(RuntimeError, match="another process uses the zone"):
            killed_at(99, PROGRAM, str(deployment.home), str(folder))
    assert not interrupted(deployment)


def test_a_link_is_followed_nowhere(deployment: Deployment, tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text("value")
    outside.chmod(0o644)
    (deployment.outbox / "link.csv").symlink_to(outside)
    with pytest.raises(ZoneError, match="a link is not backed up"):
        make(deployment, tmp_path / "backup")
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644


def test_a_broken_ledger_is_not_backed_up(deployment: Deployment, tmp_path: Path) -> None:
    with closing(sqlite3.connect(deployment.home / "ledger.db")) as con:
        for (name,) in con.execute(
            "select name from sqlite_master where type = 'trigger'"
        ).fetchall():
            con.execute(f"drop trigger {name}")
        con.execute("update ledger_events set subject = 'raw'")
        con.commit()
    with pytest.raises(LedgerError):
        make(deployment, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_a_ledger_on_a_server_is_left_to_its_own_tools(
    deployment: Deployment, tmp_path: Path
) -> None:
    served = dataclasses.replace(
        deployment, environment={"DEID_LEDGER_URL": "postgresql+psycopg://ledger"}
    )
    with pytest.raises(LedgerError, match="pg_dump"):
        make(served, tmp_path / "backup")


def test_a_backup_is_not_kept_in_the_home_nor_over_another(
    deployment: Deployment, tmp_path: Path
) -> None:
    with pytest.raises(ZoneError, match="lost with it"):
        make(deployment, deployment.home / "backup")
    make(deployment, tmp_path / "backup")
    with pytest.raises(ZoneError, match="exists already"):
        make(deployment, tmp_path / "backup")


def test_the_manifest_is_understood_by_the_version_that_wrote_it(
    deployment: Deployment, tmp_path: Path
) -> None:
    made = make(deployment, tmp_path / "backup")
    assert backups.read_manifest(made.folder, made.digest) == made.manifest
