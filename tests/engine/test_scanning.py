"""What a scan finds in files outside their zone, and what it does not mistake for it."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid_platform.core.errors import DeliveryError
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.scanning import FileReport, Reading, Vocabulary, scan_paths
from deid_platform.engine.scanning import texts as texts_module
from tests.support.contracts import visits_contract
from tests.support.deployments import temporary_deployment

NAMED = visits_contract(
    patient_first={
        "type": "varchar",
        "class": "direct_identifier",
        "identifier": "name",
        "transform": "drop",
    },
    patient_last={
        "type": "varchar",
        "class": "direct_identifier",
        "identifier": "name",
        "transform": "drop",
    },
    ssn={"type": "varchar", "class": "direct_identifier", "identifier": "ssn", "transform": "drop"},
    phone={
        "type": "varchar",
        "class": "direct_identifier",
        "identifier": "telephone",
        "transform": "drop",
    },
    street_address={
        "type": "varchar",
        "class": "direct_identifier",
        "identifier": "geography",
        "transform": "drop",
    },
)
PEOPLE = [
    (
        "V0001",
        "MRN-77100",
        "Marisol",
        "Quintana",
        "512-48-9931",
        "(415) 555-0173",
        "118 Alder Grove Ln",
    ),
    (
        "V0002",
        "MRN-77101",
        "Orange",
        "Okafor",
        "530-11-2847",
        "(213) 555-0148",
        "9 Heron Way Apt 4",
    ),
    ("V0003", "4410072", "Ulrike", "Page", "601-22-8310", "(916) 555-0111", "77 Tulip St"),
]
VOCABULARY = Vocabulary(labels=frozenset({"orange", "alpine"}), measures=frozenset({"visit_count"}))


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    one = temporary_deployment(tmp_path_factory.mktemp("scanned"))
    with open_zone(one, Zone.RAW) as con:
        con.execute(
            "create table visits (visit_id varchar, mrn varchar, patient_first varchar, "
            "patient_last varchar, ssn varchar, phone varchar, street_address varchar)"
        )
        con.executemany("insert into visits values (?, ?, ?, ?, ?, ?, ?)", PEOPLE)
    return one


def scanned(deployment: Deployment, *paths: Path) -> list[FileReport]:
    return list(scan_paths(deployment, paths, {"visits": NAMED}, VOCABULARY).files)


def found(deployment: Deployment, folder: Path, name: str, content: bytes | str) -> dict[str, int]:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    (report,) = scanned(deployment, file)
    assert report.reading is Reading.READ
    return dict(report.findings)


LEAKS = {
    "ssn as it stands": ("512-48-9931", "source ssn"),
    "ssn without separators": ("512489931", "source ssn"),
    "phone written otherwise": ("415.555.0173", "source telephone"),
    "record number in other case": ("mrn 77100", "source medical_record_number"),
    "street": ("118 ALDER GROVE LN", "source geography"),
    "full name": ("Marisol Quintana", "source name"),
    "name turned": ("QUINTANA, Marisol", "source name"),
    "ssn of nobody we know": ("123-45-6789", "pattern ssn"),
    "e-mail": ("somebody@example.org", "pattern email"),
}


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("kind", ["txt", "csv", "json", "parquet", "duckdb", "csv.gz", "zip"])
def test_a_leak_is_found_in_every_kind_of_file(deployment, tmp_path, leak, kind):
    value, expected = LEAKS[leak]
    counts = found(deployment, tmp_path, f"file.{kind}", written(kind, value, tmp_path))
    assert counts[expected] == 1


def written(kind: str, value: str, folder: Path) -> bytes:
    if kind == "txt":
        return f"Reported on Monday: {value} was seen.\nNothing else.\n".encode()
    if kind in ("csv", "csv.gz"):
        text = io.StringIO()
        csv.writer(text).writerows([["a", "b"], ["x", value], ["y", "z"]])
        content = text.getvalue().encode()
        return gzip.compress(content) if kind.endswith("gz") else content
    if kind == "json":
        return json.dumps({"rows": [{"a": 1, "b": value}], "n": 3}).encode()
    if kind == "parquet":
        out = io.BytesIO()
        pq.write_table(pa.table({"a": [1, 2], "b": [value, "z"]}), out)
        return out.getvalue()
    if kind == "zip":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("inner/notes.txt", f"about {value}")
        return out.getvalue()
    file = folder / "made.duckdb"
    with duckdb.connect(str(file)) as con:
        con.execute("create schema s; create table s.t (a integer, b varchar)")
        con.execute("insert into s.t values (1, ?), (2, 'z')", [value])
    content = file.read_bytes()
    file.unlink()
    return content


@pytest.mark.parametrize(
    "content",
    [
        "county,visit_year,visit_count\nOrange,2023,4410072\nAlpine,2023,530112847\n",
        "field_name,type\npage,text\ncounty,text\nvisit_year,integer\n",
        "person_key\n4611686018427387904\n1152921504606846976\n",
        "a,b\nPage one,2\nOrange county,3\n",
        "visit_month\n2023-01\n2023-02\n",
    ],
    ids=["declared labels and counts", "a dictionary", "surrogates", "single words", "months"],
)
def test_what_is_declared_or_meets_by_chance_is_no_finding(deployment, tmp_path, content):
    assert found(deployment, tmp_path, "clear.csv", content) == {}


def test_a_column_of_surnames_or_record_numbers_is_found_though_single_ones_are_not(
    deployment, tmp_path
):
    surnames = "a,b\n1,Quintana\n2,Okafor\n3,Page\n"
    assert found(deployment, tmp_path, "x.csv", surnames) == {"source name": 3}
    numbers = "code,b\n4410072,x\n4410072,y\n9999999,z\n"
    assert found(deployment, tmp_path, "x.csv", numbers) == {"source medical_record_number": 2}


def test_a_name_in_two_columns_of_one_row_is_found(deployment, tmp_path):
    rows = "last,first,n\nx,y,1\nQuintana,Marisol,1\nz,w,2\nv,u,3\n"
    assert found(deployment, tmp_path, "x.csv", rows) == {"source name": 1}


def test_a_ragged_table_is_read_by_line(deployment, tmp_path):
    rows = "a,b\n1,2,3,4\nMarisol Quintana\n"
    assert found(deployment, tmp_path, "x.csv", rows)["source name"] >= 1


def test_json_over_many_lines_is_read(deployment, tmp_path):
    text = json.dumps({"a": {"b": "Marisol Quintana"}, "n": [1, 2]}, indent=2) + "\n"
    assert found(deployment, tmp_path, "x.json", text) == {"source name": 1}


def test_utf_16_is_read(deployment, tmp_path):
    assert found(deployment, tmp_path, "x.txt", "SSN 512-48-9931".encode("utf-16"))["source ssn"]


def test_a_leak_on_the_edge_of_two_chunks_is_found(deployment, tmp_path, monkeypatch):
    monkeypatch.setattr(texts_module, "_CHUNK", 64)
    for shift in range(60, 70):
        text = "x " * (shift // 2) + "y" * (shift % 2) + " 118 Alder Grove Ln then more\n" * 2
        assert found(deployment, tmp_path, "x.txt", text)["source geography"] >= 1


def test_a_very_long_line_is_read_in_parts(deployment, tmp_path, monkeypatch):
    monkeypatch.setattr(texts_module, "_LONGEST", 1_000)
    text = "word " * 199 + "118 Alder Grove Ln " + "word " * 500
    assert found(deployment, tmp_path, "x.txt", text)["source geography"] >= 1


@settings(max_examples=30, deadline=None)
@given(content=st.binary(max_size=300), name=st.sampled_from(["a.csv", "a.json", "a.txt", "a.gz"]))
def test_no_file_stops_a_scan(deployment, tmp_path_factory, content, name):
    file = tmp_path_factory.mktemp("any") / name
    file.write_bytes(content)
    (report,) = scanned(deployment, file)
    assert report.path == file


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.pdf", b"%PDF-1.7\n\0\0\0"),
        ("a.zip", b"PK\x03\x04 not really"),
        ("a.gz", b"\x1f\x8b\x08 broken"),
        ("a.parquet", b"PAR1 not really"),
        ("a.duckdb", b"12345678DUCK not really"),
    ],
)
def test_what_nobody_can_look_into_is_an_alarm(deployment, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    (report,) = scanned(deployment, tmp_path / name)
    assert (report.reading, report.clear) == (Reading.UNREADABLE, False)


def test_an_age_archive_is_sealed_and_no_alarm(deployment, tmp_path):
    import pyrage

    sealed = pyrage.encrypt(b"x", [pyrage.x25519.Identity.generate().to_public()])
    (tmp_path / "a.tar.age").write_bytes(sealed)
    (report,) = scanned(deployment, tmp_path)
    assert (report.reading, report.clear) == (Reading.SEALED, True)


def test_a_zone_that_holds_phi_is_in_its_place(deployment):
    (report,) = scanned(deployment, deployment.zone_file(Zone.RAW))
    assert (report.reading, report.clear) == (Reading.ZONE, True)


def test_a_copy_of_the_raw_zone_elsewhere_is_an_alarm(deployment, tmp_path):
    copy = tmp_path / "copy.duckdb"
    copy.write_bytes(deployment.zone_file(Zone.RAW).read_bytes())
    (report,) = scanned(deployment, copy)
    assert not report.clear


def test_without_a_raw_zone_patterns_are_still_looked_for(tmp_path):
    bare = temporary_deployment(tmp_path / "bare")
    (tmp_path / "x.txt").write_text("call (415) 555-0173")
    scan = scan_paths(bare, [tmp_path / "x.txt"], {"visits": NAMED}, VOCABULARY)
    assert scan.counts == {"pattern phone": 1}
    assert (scan.source_columns, scan.forms) == (0, 0)


def test_a_path_that_is_not_there_is_refused(deployment, tmp_path):
    with pytest.raises(DeliveryError, match="no such file or folder"):
        scanned(deployment, tmp_path / "missing")


def test_no_report_holds_a_value(deployment, tmp_path):
    for number, (value, _) in enumerate(LEAKS.values()):
        (tmp_path / f"{number}.txt").write_text(value)
    told = repr(scanned(deployment, tmp_path))
    assert not [value for value, _ in LEAKS.values() if value in told]
