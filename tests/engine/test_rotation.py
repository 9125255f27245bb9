"""A zone under a new key: the same content, and one key that opens it whatever happens."""

from __future__ import annotations

import base64
import dataclasses
import secrets
import stat
from pathlib import Path

import duckdb
import pytest

from deid_platform.core.errors import ZoneError, ZoneKeyError
from deid_platform.core.zones import Zone
from deid_platform.engine.database import hold_zones, open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.rotation import rotate_key, unfinished
from deid_platform.engine.zone_copies import contents, key_id
from tests.engine.upkeep_state import deployment_with_state, killed_at, stage, state

PROGRAM = """
from deid_platform.core.zones import Zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.rotation import rotate_key
home = Path(sys.argv[2])
rotate_key(Deployment(project=home, home=home, environment={}), Zone.LIMITED)
"""


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    deployment = deployment_with_state(tmp_path)
    stage(deployment, Zone.LIMITED)
    return deployment


def a_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def staged(deployment: Deployment) -> object:
    with hold_zones(deployment, [], read_only=True, staging=Zone.LIMITED) as con:
        return contents(con, "staging")


def files(deployment: Deployment) -> list[str]:
    return sorted(
        f"{folder}/{file.name}"
        for folder in ("zones", "staging", "keys")
        for file in (deployment.home / folder).iterdir()
    )


@pytest.mark.parametrize("zone", [Zone.RAW, Zone.LIMITED])
def test_a_zone_holds_the_same_under_another_key(deployment: Deployment, zone: Zone) -> None:
    before, old, there = state(deployment), deployment.key(zone), files(deployment)
    rotation = rotate_key(deployment, zone)
    assert deployment.key(zone) != old
    assert state(deployment) == before
    assert files(deployment) == there
    assert (rotation.old_key, rotation.new_key) == (key_id(old), key_id(deployment.key(zone)))
    assert rotation.rows == sum(before[zone].rows.values()) + (zone is Zone.LIMITED)
    assert stat.S_IMODE((deployment.home / "keys" / f"{zone.value}.key").stat().st_mode) == 0o600


def test_the_old_key_opens_nothing_any_more(deployment: Deployment) -> None:
    old = dataclasses.replace(
        deployment,
        environment={f"DEID_{zone.name}_KEY": deployment.key(zone) for zone in (Zone.LIMITED,)},
    )
    rotate_key(deployment, Zone.LIMITED)
    with pytest.raises(ZoneKeyError):
        with open_zone(old, None, reading=[Zone.LIMITED]):
            pass
    with pytest.raises(ZoneKeyError):
        staged(old)


def test_the_staging_file_goes_with_its_zone(deployment: Deployment) -> None:
    before = staged(deployment)
    assert rotate_key(deployment, Zone.LIMITED).files == (
        "zones/limited.duckdb",
        "staging/limited.duckdb",
    )
    assert staged(deployment) == before


def test_a_crosswalk_still_refuses_a_value_twice(deployment: Deployment) -> None:
    rotate_key(deployment, Zone.RAW)
    with pytest.raises(ZoneError, match="ConstraintException"):
        with open_zone(deployment, Zone.RAW) as con:
            con.execute(
                "insert into raw.crosswalk.hospital__person select source_value, 1, 1 "
                "from raw.crosswalk.hospital__person limit 1"
            )


def test_rows_keep_their_storage_order(deployment: Deployment) -> None:
    question = "select limited_key from raw.crosswalk.hospital__person"
    with open_zone(deployment, None, reading=[Zone.RAW]) as con:
        before = con.execute(question).fetchall()
    rotate_key(deployment, Zone.RAW)
    with open_zone(deployment, None, reading=[Zone.RAW]) as con:
        assert con.execute(question).fetchall() == before


@pytest.mark.parametrize("step", range(5))
def test_a_killed_rotation_leaves_a_key_for_everything_and_is_finished_or_undone(
    deployment: Deployment, step: int
) -> None:
    before, built, old = state(deployment), staged(deployment), deployment.key(Zone.LIMITED)
    # The fourth rename puts the new key file in place: without it, all is done.
    assert killed_at(step, PROGRAM, str(deployment.home)) == (step < 4)
    assert bool(unfinished(deployment, Zone.LIMITED)) == (0 < step < 4)
    rotation = rotate_key(deployment, Zone.LIMITED)
    assert rotation.is_resumed == (1 < step < 4)
    assert deployment.key(Zone.LIMITED) != old
    assert (state(deployment), staged(deployment)) == (before, built)
    assert unfinished(deployment, Zone.LIMITED) == ()


def test_until_files_are_replaced_a_killed_rotation_changes_nothing(deployment: Deployment) -> None:
    before = state(deployment)
    assert killed_at(1, PROGRAM, str(deployment.home))
    assert state(deployment) == before


def test_a_key_in_the_environment_is_changed_by_whoever_set_it(deployment: Deployment) -> None:
    before, new = state(deployment), a_key()
    given = {f"DEID_{zone.name}_KEY": deployment.key(zone) for zone in (Zone.RAW, Zone.LIMITED)}
    theirs = dataclasses.replace(deployment, environment=given)
    with pytest.raises(ZoneKeyError, match="DEID_RAW_KEY_NEW"):
        rotate_key(theirs, Zone.RAW)
    changing = dataclasses.replace(deployment, environment={**given, "DEID_RAW_KEY_NEW": new})
    assert rotate_key(changing, Zone.RAW).switch == "DEID_RAW_KEY"
    assert rotate_key(changing, Zone.RAW).is_resumed
    switched = dataclasses.replace(deployment, environment={**given, "DEID_RAW_KEY": new})
    assert state(switched) == before
    with pytest.raises(ZoneKeyError, match="the new key is the one in use"):
        rotate_key(
            dataclasses.replace(
                switched, environment={**changing.environment, "DEID_RAW_KEY": new}
            ),
            Zone.RAW,
        )


def test_a_new_key_file_may_be_named_and_the_old_one_is_left(deployment: Deployment) -> None:
    old, place = deployment.key(Zone.RAW), deployment.home / "mounted"
    place.write_text(a_key())
    place.chmod(0o600)
    given = dataclasses.replace(deployment, environment={"DEID_RAW_KEY_NEW": str(place)})
    rotate_key(given, Zone.RAW)
    assert deployment.key(Zone.RAW) == old
    switched = dataclasses.replace(deployment, environment={"DEID_RAW_KEY": str(place)})
    assert state(switched)["raw"].rows == {"crosswalk.hospital__person": 500}


def test_a_zone_in_use_keeps_its_key(deployment: Deployment) -> None:
    old = deployment.key(Zone.RAW)
    with open_zone(deployment, None, reading=[Zone.RAW]):
        assert killed_or_refused(deployment)
    assert deployment.key(Zone.RAW) == old
    assert unfinished(deployment, Zone.RAW) == ()


def killed_or_refused(deployment: Deployment) -> bool:
    try:
        killed_at(99, PROGRAM.replace("LIMITED", "RAW"), str(deployment.home))
    except RuntimeError as error:
        return "another process is writing this zone" in str(error)
    return False


def test_a_wrong_key_changes_nothing(deployment: Deployment) -> None:
    wrong = dataclasses.replace(
        deployment, environment={"DEID_RAW_KEY": a_key(), "DEID_RAW_KEY_NEW": a_key()}
    )
    content = deployment.zone_file(Zone.RAW).read_bytes()
    with pytest.raises(ZoneKeyError, match="the key does not open this zone file"):
        rotate_key(wrong, Zone.RAW)
    assert deployment.zone_file(Zone.RAW).read_bytes() == content
    assert unfinished(deployment, Zone.RAW) == ()


def test_a_full_key_folder_changes_nothing(deployment: Deployment) -> None:
    before = state(deployment)
    (deployment.home / "keys" / "raw.key.new").mkdir()
    with pytest.raises((ZoneError, OSError)):
        rotate_key(deployment, Zone.RAW)
    assert state(deployment) == before


@pytest.mark.parametrize("zone", [Zone.DEIDENTIFIED, Zone.RELEASE])
def test_a_zone_without_phi_has_no_key_to_change(deployment: Deployment, zone: Zone) -> None:
    with pytest.raises(ZoneKeyError, match="has no key"):
        rotate_key(deployment, zone)


def test_nothing_is_readable_without_the_key(deployment: Deployment) -> None:
    rotate_key(deployment, Zone.RAW)
    content = deployment.zone_file(Zone.RAW).read_bytes()
    assert b"Quackenbush" not in content
    with pytest.raises(duckdb.Error):
        duckdb.connect(str(deployment.zone_file(Zone.RAW)), read_only=True)
