"""The search that other privacy tests rest on finds a text in whatever it is wrapped in."""

import gzip
import json
import sqlite3
import tarfile
import zipfile

import duckdb
import pytest

from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from tests.support.canaries import Unreadable, sightings
from tests.support.deployments import temporary_deployment

MARKER = "Zyxwinkle-Ångström & Söhne"
PLAIN = "Quuxberry4711"
MARKERS = ["Nobody-Is-Called-This", PLAIN, MARKER]


def places(folder, **options):
    return {(s.place, s.marker) for s in sightings([folder], MARKERS, **options)}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-16"])
def test_a_text_file_in_any_encoding(tmp_path, encoding):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "a.log").write_text(f"seen {PLAIN.upper()} today", encoding)
    read_as = "UTF-8" if encoding == "utf-8" else "UTF-16"
    assert places(tmp_path) == {(f"bytes in {read_as}", 1)}


@pytest.mark.parametrize("write", [json.dumps, "{}".format])
def test_a_text_that_json_escapes(tmp_path, write):
    (tmp_path / "a.json").write_text(write(MARKER), "utf-8")
    assert places(tmp_path) == {("bytes in UTF-8", 2)}


def test_a_text_across_the_border_of_two_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.support.canaries._CHUNK", 64)
    (tmp_path / "a.bin").write_bytes(b"x" * 60 + PLAIN.encode() + b"x" * 60)
    assert places(tmp_path) == {("bytes in UTF-8", 1)}


def test_a_duckdb_file_whose_bytes_are_compressed(tmp_path):
    with duckdb.connect(str(tmp_path / "a.duckdb")) as con:
        con.execute(
            "create table visits as select 'note ' || (i % 50) || case when i = 77777 then $1 "
            "else '' end as note, [$1] as listed from range(100000) t(i)",
            [PLAIN],
        )
    assert {("table main.visits.note", 1), ("table main.visits.listed", 1)} <= places(tmp_path)


def test_an_encrypted_zone_with_its_key_and_not_without(tmp_path):
    deployment = temporary_deployment(tmp_path)
    with open_zone(deployment, Zone.RAW) as con:
        con.execute("create table people as select ? as name", [PLAIN])
    folder = deployment.home / "zones"
    keys = {"raw.duckdb": deployment.key(Zone.RAW)}
    assert places(folder, keys=keys) == {("table main.people.name", 1)}
    with pytest.raises(Unreadable):
        places(folder)


def test_a_duckdb_log_that_is_not_yet_folded_in(tmp_path):
    file = tmp_path / "a.duckdb"
    con = duckdb.connect(str(file))
    con.execute("pragma disable_checkpoint_on_shutdown")
    con.execute("create table visits as select ? as note", [PLAIN])
    con.close()
    assert ("table main.visits.note", 1) in places(tmp_path)


def test_a_sqlite_file(tmp_path):
    con = sqlite3.connect(tmp_path / "a.db")
    con.execute("create table runs (body blob)")
    con.execute("insert into runs values (?)", [PLAIN.encode()])
    con.commit()
    con.close()
    assert ("table runs", 1) in places(tmp_path)


def test_a_parquet_file(tmp_path):
    query = "select ? as note from range(1000)"
    duckdb.sql(query, params=[PLAIN]).write_parquet(str(tmp_path / "a.parquet"), compression="zstd")
    assert ("column note", 1) in places(tmp_path)


def test_archives_and_archives_within_them(tmp_path):
    inner = tmp_path / "inner.gz"
    inner.write_bytes(gzip.compress(PLAIN.encode()))
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(inner, "inner.gz")
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as packed:
        packed.add(inner, "inner.gz")
    inner.unlink()
    files = {sighting.file for sighting in sightings([tmp_path], MARKERS)}
    assert any("a.zip!" in file for file in files)
    assert any("b.tar.gz!" in file for file in files)


def test_nothing_is_seen_where_nothing_is(tmp_path):
    (tmp_path / "a.txt").write_text("Acute viral pharyngitis")
    assert sightings([tmp_path], MARKERS) == []


def test_a_sighting_tells_the_number_of_the_marker_and_not_its_text(tmp_path):
    (tmp_path / "a.txt").write_text(PLAIN)
    assert PLAIN not in repr(sightings([tmp_path], MARKERS))


def test_a_place_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(Unreadable):
        sightings([tmp_path / "gone"], MARKERS)


def test_short_markers_are_refused():
    with pytest.raises(ValueError, match="four characters"):
        sightings([], ["Al"])
