"""After a whole path, identifiers are in the raw zone and the landing folder and nowhere else."""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Sequence

from deid_platform.core.zones import ENCRYPTED, Zone
from tests.support.canaries import Sighting, sightings
from tests.support.path import Finished


def by_place(found: Sequence[Sighting]) -> dict[tuple[str, str], int]:
    return Counter((one.file, one.place) for one in found)


def in_raw(finished: Finished, markers: Sequence[str]) -> set[int]:
    deployment = finished.site.deployment
    file = deployment.zone_file(Zone.RAW)
    return {s.marker for s in sightings([file], markers, {file.name: deployment.key(Zone.RAW)})}


def test_no_planted_person_is_in_any_file_outside_the_raw_zone(finished: Finished) -> None:
    assert by_place(finished.site.sightings_outside_raw(finished.canaries)) == {}


def test_the_search_sees_the_planted_people_in_the_raw_zone(finished: Finished) -> None:
    marked = [m for m in finished.canaries if not m.lower().startswith(("zqkin", "zqnote"))]
    missed = [marked[n] for n in set(range(len(marked))) - in_raw(finished, marked)]
    assert missed == []


def test_no_identifier_of_the_sample_is_in_any_file_outside_the_raw_zone(
    with_sample: Finished,
) -> None:
    assert by_place(with_sample.site.sightings_outside_raw(with_sample.identifiers)) == {}


def test_the_search_sees_every_identifier_of_the_sample_in_the_raw_zone(
    with_sample: Finished,
) -> None:
    markers = [m for m in with_sample.identifiers if "." not in m]  # text of a number may differ
    assert len(markers) > 150
    assert in_raw(with_sample, markers) == set(range(len(markers)))


def test_no_key_is_in_any_file_but_its_own(finished: Finished) -> None:
    deployment = finished.site.deployment
    keys = [deployment.key(zone) for zone in sorted(ENCRYPTED)]
    places = [p for p in deployment.home.iterdir() if p.name not in ("keys", "zones", "staging")]
    assert by_place(sightings(places, keys)) == {}
    assert len(sightings([deployment.home / "keys"], keys)) >= len(keys)


def test_zone_files_are_their_owners_alone_and_encrypted_where_they_hold_phi(
    finished: Finished,
) -> None:
    deployment = finished.site.deployment
    files = [deployment.zone_file(zone) for zone in Zone if deployment.zone_file(zone).exists()]
    files += [deployment.staging_file(zone) for zone in (Zone.LIMITED, Zone.DEIDENTIFIED)]
    assert [f.name for f in files if stat.S_IMODE(f.stat().st_mode) & 0o077] == []
    counties = ["Los Angeles", "San Bernardino"]
    encrypted = [deployment.zone_file(zone) for zone in ENCRYPTED]
    encrypted.append(deployment.staging_file(Zone.LIMITED))
    for file in encrypted:
        assert all(name.encode() not in file.read_bytes() for name in counties)


def test_no_spill_or_half_written_file_is_left(finished: Finished) -> None:
    home = finished.site.home
    assert [p.name for p in (home / "tmp").iterdir()] == []
    assert [p.name for p in (home / "snapshots").iterdir() if p.name.startswith(".")] == []
    assert sorted(p.name for p in (home / "dbt").iterdir()) == ["manifest.json"]
