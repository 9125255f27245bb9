"""Zone sessions: encrypted, locked down, and closed behind every error."""

from __future__ import annotations

import base64
import os
import stat
import threading
from pathlib import Path

import duckdb
import pytest

from deid_platform.core.errors import ZoneError, ZoneKeyError
from deid_platform.core.zones import Zone
from deid_platform.engine.database import _spill_folder, _sweep, open_zone, translated
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.initialise import initialise
from tests.support.deployments import temporary_deployment

CANARY = "Zebulon Quaverly"


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return temporary_deployment(tmp_path)


@pytest.mark.parametrize("zone", [Zone.RAW, Zone.LIMITED])
def test_a_zone_with_phi_is_ciphertext_on_disk(deployment: Deployment, zone: Zone) -> None:
    with open_zone(deployment, zone) as con:
        con.execute(f"create table t as select '{CANARY}' as name from range(5000)")
        con.execute(f"checkpoint {zone.value}")
    file = deployment.zone_file(zone)
    assert CANARY.encode() not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_two_zones_with_phi_do_not_share_a_key(deployment: Deployment) -> None:
    assert deployment.key(Zone.RAW) != deployment.key(Zone.LIMITED)


@pytest.mark.parametrize(
    "statement",
    [
        "select * from read_csv('/etc/passwd')",
        "copy (select 1) to '/tmp/leak.csv'",
        "attach '/tmp/leak.duckdb' as leak",
        "set enable_external_access = true",
        "set threads = 1",
        "install spatial",
        "load '/tmp/x.duckdb_extension'",
    ],
)
def test_a_session_reaches_nothing_but_its_zones(deployment: Deployment, statement: str) -> None:
    with pytest.raises(ZoneError), open_zone(deployment, Zone.DEIDENTIFIED) as con:
        con.execute(statement)


def test_a_reader_cannot_write(deployment: Deployment) -> None:
    with open_zone(deployment, Zone.RAW) as con:
        con.execute("create table t as select 1 as a")
    with pytest.raises(ZoneError), open_zone(deployment, None, reading=[Zone.RAW]) as con:
        con.execute("insert into raw.main.t values (2)")


def test_a_writer_reads_only_the_zones_it_may(deployment: Deployment) -> None:
    with pytest.raises(ZoneError, match="may not read"):
        with open_zone(deployment, Zone.RELEASE, reading=[Zone.RAW]):
            pass


def test_an_error_of_the_database_leaves_without_the_cell_it_quotes(
    deployment: Deployment,
) -> None:
    with pytest.raises(ZoneError) as caught, open_zone(deployment, Zone.RAW) as con:
        con.execute(f"select cast(name as integer) from (select '{CANARY}' as name)")
    assert CANARY not in str(caught.value)
    assert caught.value.__suppress_context__


def test_spill_folders_are_gone_after_success_and_after_failure(deployment: Deployment) -> None:
    with open_zone(deployment, Zone.RAW):
        assert len(list(deployment.scratch.iterdir())) == 1
    with pytest.raises(ZeroDivisionError), open_zone(deployment, Zone.RAW):
        _ = 1 / 0
    assert list(deployment.scratch.iterdir()) == []


def test_a_zone_opened_twice_in_one_process_is_told(deployment: Deployment) -> None:
    with open_zone(deployment, Zone.RAW):
        with pytest.raises(ZoneError, match="open already"):
            with open_zone(deployment, Zone.RAW):
                pass


def test_no_session_draws_a_progress_bar_into_a_commands_output(deployment: Deployment) -> None:
    with open_zone(deployment, Zone.RAW) as con:
        shown = con.execute("select current_setting('enable_progress_bar')").fetchone()
    assert shown == (False,)


def test_a_zone_that_does_not_exist_cannot_be_read(deployment: Deployment) -> None:
    with pytest.raises(ZoneError, match="does not exist yet"):
        with open_zone(deployment, None, reading=[Zone.RAW]):
            pass


def test_words_of_a_path_are_not_taken_for_the_cause(tmp_path: Path) -> None:
    home = tmp_path / "wrong encryption key" / "conflicting lock"
    deployment = temporary_deployment(home)
    deployment.zone_file(Zone.RAW).write_bytes(b"x" * 9000)
    with pytest.raises(ZoneError, match="not a usable zone file") as caught:
        with open_zone(deployment, Zone.RAW):
            pass
    assert not isinstance(caught.value, ZoneKeyError)


def test_the_machines_time_zone_decides_no_date(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    with open_zone(deployment, Zone.DEIDENTIFIED) as con:
        instant = "timestamptz '2024-03-01 02:00:00+00'"
        found = con.execute(f"select cast(cast({instant} as timestamp) as varchar)").fetchone()
    assert found == ("2024-03-01 02:00:00",)


def test_a_new_deployment_has_private_folders_and_keys(tmp_path: Path) -> None:
    deployment = Deployment(project=tmp_path, home=tmp_path / "home", environment={})
    made = initialise(deployment)
    names = ["annex.key", "annex.pub", "limited.key", "platform.key", "raw.key"]
    assert sorted(key.name for key in made.keys) == names
    for key in made.keys:
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    for name in ("limited.key", "raw.key"):
        assert len(base64.b64decode((deployment.home / "keys" / name).read_text())) == 32
    for folder in made.folders:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.name for path in (deployment.home / "keys").iterdir()) == names


def test_initialising_again_changes_nothing(deployment: Deployment) -> None:
    before = deployment.key(Zone.RAW)
    made = initialise(deployment)
    assert (made.folders, made.keys) == ((), ())
    assert deployment.key(Zone.RAW) == before


def test_no_key_file_is_made_where_the_environment_gives_the_key(tmp_path: Path) -> None:
    key = base64.b64encode(bytes(32)).decode()
    deployment = Deployment(
        project=tmp_path,
        home=tmp_path / "home",
        environment={"DEID_RAW_KEY": key, "DEID_LIMITED_KEY": key},
    )
    made = {key.name for key in initialise(deployment).keys}
    assert made == {"annex.key", "annex.pub", "platform.key"}
    with open_zone(deployment, Zone.RAW) as con:
        con.execute("create table t as select 1 as a")


def test_a_damaged_block_met_while_reading_is_called_damage(deployment: Deployment) -> None:
    with open_zone(deployment, Zone.RAW) as con:
        con.execute("create table t as select md5(range::text) as a from range(300000)")
        con.execute("checkpoint raw")
    file = deployment.zone_file(Zone.RAW)
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    file.write_bytes(content)
    with pytest.raises(ZoneError, match=r"damaged|not a usable"):
        with open_zone(deployment, None, reading=[Zone.RAW]) as con:
            con.execute("select max(a) from raw.main.t").fetchall()


def test_duckdb_is_a_version_that_encrypts() -> None:
    assert tuple(map(int, duckdb.__version__.split(".")[:2])) >= (1, 5)


def test_a_key_that_begins_like_a_path_is_a_key(tmp_path: Path) -> None:
    key = base64.b64encode(b"\xff" * 32).decode()
    assert key.startswith("/")
    deployment = Deployment(project=tmp_path, home=tmp_path, environment={"DEID_RAW_KEY": key})
    assert deployment.key(Zone.RAW) == key


def test_a_deployment_prints_without_its_keys(tmp_path: Path) -> None:
    environment = {"DEID_RAW_KEY": CANARY}
    assert CANARY not in repr(Deployment(project=tmp_path, home=tmp_path, environment=environment))


def test_a_key_file_of_another_user_is_refused(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = deployment.home / "keys" / "raw.key"
    if key.owner() == "root":
        os.chown(key, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(ZoneKeyError, match="belongs to another user"):
        deployment.key(Zone.RAW)


def test_the_spill_folder_of_a_killed_process_is_swept_and_a_living_ones_is_not(
    deployment: Deployment,
) -> None:
    left = deployment.scratch / "deid-spill-left"
    left.mkdir()
    (left / "duckdb_temp_block-1.block").write_bytes(b"x")
    with open_zone(deployment, Zone.RAW):
        living = set(deployment.scratch.iterdir())
        assert left not in living
        with open_zone(deployment, Zone.DEIDENTIFIED):
            assert living < set(deployment.scratch.iterdir())


def test_a_full_disk_is_told_as_such() -> None:
    error = duckdb.IOException(f'Could not write file "{CANARY}": No space left on device')
    told = str(translated(Zone.RAW, error))
    assert "the disk is full" in told
    assert CANARY not in told


def test_sessions_that_begin_at_once_keep_their_spill_folders(tmp_path: Path) -> None:
    deployment = temporary_deployment(tmp_path)
    failures: list[str] = []

    def open_often() -> None:
        for _ in range(25):
            try:
                folder, held = _spill_folder(deployment.scratch)
                _sweep(deployment.scratch)
                if not folder.exists():
                    failures.append("swept")
                os.close(held)
            except OSError as error:
                failures.append(repr(error))

    threads = [threading.Thread(target=open_often) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
