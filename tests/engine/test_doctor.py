"""`deid doctor` sees what is wrong, says what to do, and changes nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from assets.instance import PROCESS_TAG, process_tag
from assets.instance_health import examine_instance, free_lost_places
from deid_platform.core.errors import DeliveryError
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.doctor import Finding, Level, examine, guarded, ok
from deid_platform.engine.lock_holders import holders
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.ledger_health import examine_ledger
from tests.engine.upkeep_state import deployment_with_state, head_of, state

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    made = deployment_with_state(tmp_path)
    return Deployment(project=ROOT, home=made.home, environment={})


def found(deployment: Deployment, area: str, level: Level) -> list[Finding]:
    return [one for one in examine(deployment) if one.area == area and one.level is level]


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    assert finding.do
    return finding


def listing(home: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(home)): (path.stat().st_mode, path.read_bytes())
        for path in sorted(home.rglob("*"))
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


def test_a_deployment_in_order_has_no_failure_and_stays_as_it_is(deployment: Deployment) -> None:
    before = listing(deployment.home)
    findings = [*examine(deployment), *examine_ledger(deployment, datetime.now(UTC))]
    # What is installed is the machine's, not this deployment's.
    ours = [one for one in findings if one.area != "versions"]
    assert [one for one in ours if one.level is Level.FAILURE] == []
    areas = {one.area for one in findings if one.level is Level.OK}
    assert areas >= {"encryption", "folders", "raw", "limited", "deidentified", "ledger", "clock"}
    assert listing(deployment.home) == before


def test_a_new_deployment_lacks_zones_and_that_is_no_failure(tmp_path: Path) -> None:
    from tests.support.deployments import temporary_deployment

    deployment = temporary_deployment(tmp_path, project=ROOT)
    for zone in Zone:
        assert [one.level for one in examine(deployment) if one.area == zone.value] == [Level.NOTE]
    (finding,) = [one for one in examine_ledger(deployment, NOW) if one.area == "ledger"]
    assert finding.level is Level.NOTE
    assert not (deployment.home / "ledger.db").exists()


def test_a_home_that_is_not_there_is_told(tmp_path: Path) -> None:
    deployment = Deployment(project=ROOT, home=tmp_path / "none", environment={})
    assert "deid init" in only(found(deployment, "folders", Level.FAILURE)).do
    assert not deployment.home.exists()


@pytest.mark.parametrize(
    ("place", "mode", "do"),
    [
        ("zones", 0o755, "chmod 700"),
        ("keys", 0o750, "chmod 700"),
        (".", 0o777, "chmod 750"),
        ("zones/raw.duckdb", 0o640, "chmod 600"),
        ("ledger.db", 0o644, "chmod 600"),
        ("snapshots", 0o755, "chmod 750"),
    ],
)
def test_what_others_may_enter_is_told(
    deployment: Deployment, place: str, mode: int, do: str
) -> None:
    (deployment.home / place).chmod(mode)
    finding = only(found(deployment, "folders", Level.FAILURE))
    assert finding.do == f"{do} {deployment.home / place}"
    assert (deployment.home / place).stat().st_mode & 0o777 == mode


def test_a_key_that_others_can_read_is_told(deployment: Deployment) -> None:
    (deployment.home / "keys" / "raw.key").chmod(0o644)
    assert "chmod 600" in only(found(deployment, "raw", Level.FAILURE)).do
    assert found(deployment, "limited", Level.FAILURE) == []


def test_a_wrong_key_is_told_and_the_key_is_not(deployment: Deployment) -> None:
    keys = deployment.home / "keys"
    shutil.copy(keys / "limited.key", keys / "raw.key")
    finding = only(found(deployment, "raw", Level.FAILURE))
    assert "does not open" in finding.what
    assert (keys / "raw.key").read_text().strip() not in str(list(examine(deployment)))


def test_a_damaged_zone_is_told(deployment: Deployment) -> None:
    deployment.zone_file(Zone.DEIDENTIFIED).write_bytes(b"no database")
    assert only(found(deployment, "deidentified", Level.FAILURE))


def test_who_writes_a_zone_is_told(deployment: Deployment) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from deid_platform.core.zones import Zone\n"
        "from deid_platform.engine.database import open_zone\n"
        "from deid_platform.engine.deployment import Deployment\n"
        "home = Path(sys.argv[1])\n"
        "with open_zone(Deployment(project=home, home=home, environment={}), Zone.RAW):\n"
        "    print('open', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(deployment.home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        told = [one for one in examine(deployment) if one.area == "raw"]
        held = [one.pid for one in holders(deployment.zone_file(Zone.RAW)) if one.is_writing]
        assert writer.stdin is not None
        writer.stdin.close()
    if not held and not Path("/proc/locks").exists():
        pytest.skip("this system does not list locks")
    assert held == [writer.pid]
    (finding,) = told
    assert finding.level is Level.WARNING
    assert str(writer.pid) in finding.what


def test_an_interrupted_change_of_key_is_told(deployment: Deployment) -> None:
    (deployment.home / "keys" / "raw.key.new").write_text("x")
    finding = only(found(deployment, "keys", Level.FAILURE))
    assert "deid key rotate raw" in finding.do


def test_an_interrupted_restore_is_told(deployment: Deployment) -> None:
    deployment.restore_journal.write_text("{}")
    assert "deid restore" in only(found(deployment, "restore", Level.FAILURE)).do


def test_what_a_restore_left_is_told(deployment: Deployment) -> None:
    (deployment.home / "restore-1234").mkdir()
    assert only(found(deployment, "restore", Level.WARNING))


def test_spill_folders_of_the_dead_are_told_and_those_in_use_are_not(
    deployment: Deployment,
) -> None:
    with open_zone(deployment, None, reading=[Zone.RAW]):
        assert found(deployment, "spills", Level.NOTE) == []
    (deployment.scratch / "deid-spill-dead").mkdir()
    assert found(deployment, "spills", Level.NOTE)


def test_a_declaration_that_does_not_load_is_told(deployment: Deployment, tmp_path: Path) -> None:
    project = tmp_path / "project"
    skip = shutil.ignore_patterns("__pycache__", "target", "logs")
    for folder in ("assets", "dbt_project"):
        shutil.copytree(ROOT / folder, project / folder, ignore=skip)
    theirs = Deployment(project=project, home=deployment.home, environment={})
    assert found(theirs, "declarations", Level.FAILURE) == []
    (project / "dbt_project" / "models" / "_sources.yml").write_text("version: 2\n")
    assert "dbt_sources" in only(found(theirs, "declarations", Level.FAILURE)).do
    (project / "assets" / "contracts" / "ed_visits.yaml").write_text("name: ed_visits\n")
    assert "ed_visits" in only(found(theirs, "declarations", Level.FAILURE)).what


def test_a_failure_ends_its_own_area_only() -> None:
    def findings():
        yield ok("here", "one")
        raise DeliveryError("file", "is wrong", "mend it")

    assert [(one.level, one.do) for one in guarded("here", findings())] == [
        (Level.OK, ""),
        (Level.FAILURE, "mend it"),
    ]


def test_a_clock_behind_the_ledger_is_told(deployment: Deployment) -> None:
    levels = {
        hours: [
            one.level
            for one in examine_ledger(deployment, datetime.now(UTC) + timedelta(hours=hours))
            if one.area == "clock"
        ]
        for hours in (-1, 1)
    }
    assert levels == {-1: [Level.FAILURE], 1: [Level.OK]}


def test_a_broken_chain_is_told(deployment: Deployment) -> None:
    import sqlite3
    from contextlib import closing

    head_of(deployment.home / "ledger.db")
    with closing(sqlite3.connect(deployment.home / "ledger.db")) as con:
        triggers = con.execute("select name from sqlite_master where type = 'trigger'").fetchall()
        for (name,) in triggers:
            con.execute(f"drop trigger {name}")
        con.execute("update ledger_events set at = '2020'")
        con.commit()
    (finding,) = [one for one in examine_ledger(deployment, NOW) if one.area == "ledger"]
    assert finding.level is Level.FAILURE
    assert "ledger entry 1" in finding.what


@pytest.fixture
def instance(deployment: Deployment):
    shutil.copy(ROOT / "assets" / "dagster.yaml", deployment.dagster_home / "dagster.yaml")
    with dg.DagsterInstance.from_config(str(deployment.dagster_home)) as instance:
        yield instance


def dagster_levels(deployment: Deployment) -> list[Level]:
    return [one.level for one in examine_instance(deployment)]


def a_run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, tag: str) -> dg.DagsterRun:
    @dg.job
    def job() -> None: ...

    return instance.create_run_for_job(job, status=status, tags={PROCESS_TAG: tag})


def dead_process() -> str:
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True
    )
    return process_tag().replace(str(os.getpid()), done.stdout.decode().strip())


def test_an_instance_with_the_platforms_settings_is_well(
    deployment: Deployment, instance: dg.DagsterInstance
) -> None:
    assert dagster_levels(deployment) == [Level.OK]


@pytest.mark.parametrize(
    ("setting", "other"),
    [
        ("enabled: false", "enabled: true"),
        ("default_limit: 1", "default_limit: 4"),
        ("granularity: op", "granularity: run"),
    ],
)
def test_a_setting_that_lets_writers_meet_or_reports_home_is_told(
    deployment: Deployment, setting: str, other: str
) -> None:
    text = (ROOT / "assets" / "dagster.yaml").read_text()
    assert setting in text
    (deployment.dagster_home / "dagster.yaml").write_text(text.replace(setting, other, 1))
    assert dagster_levels(deployment) == [Level.FAILURE]


def test_a_lost_run_is_told_and_ended_where_asked(
    deployment: Deployment, instance: dg.DagsterInstance
) -> None:
    lost = a_run(instance, dg.DagsterRunStatus.STARTED, dead_process())
    (finding,) = examine_instance(deployment)
    assert finding.level is Level.FAILURE
    assert lost.run_id in finding.what
    assert instance.get_run_by_id(lost.run_id).status is dg.DagsterRunStatus.STARTED
    assert free_lost_places(deployment) == 1
    assert dagster_levels(deployment) == [Level.OK]


def test_a_pool_that_an_ended_run_holds_is_told_and_freed_where_asked(
    deployment: Deployment, instance: dg.DagsterInstance
) -> None:
    ended = a_run(instance, dg.DagsterRunStatus.FAILURE, dead_process())
    storage = instance.event_log_storage
    storage.initialize_concurrency_limit_to_default("zone_raw")
    assert storage.claim_concurrency_slot("zone_raw", ended.run_id, "step").is_claimed
    (finding,) = examine_instance(deployment)
    assert (finding.level, ended.run_id in finding.what) == (Level.FAILURE, True)
    assert free_lost_places(deployment) == 1
    assert dagster_levels(deployment) == [Level.OK]


def test_a_pool_for_two_writers_is_told(
    deployment: Deployment, instance: dg.DagsterInstance
) -> None:
    instance.event_log_storage.set_concurrency_slots("zone_raw", 2)
    (finding,) = examine_instance(deployment)
    assert "zone_raw lets in 2 writers" in finding.what


def test_a_run_of_a_living_process_is_left_alone(
    deployment: Deployment, instance: dg.DagsterInstance
) -> None:
    a_run(instance, dg.DagsterRunStatus.STARTED, f"another-machine:{os.getpid()}")
    assert dagster_levels(deployment) == [Level.OK]


def test_examining_does_not_disturb_a_zone(deployment: Deployment) -> None:
    before = state(deployment)
    list(examine(deployment))
    Ledger.open(deployment.ledger_url).close()
    assert state(deployment) == before
