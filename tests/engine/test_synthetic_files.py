"""The same seed gives the same bytes, in every format; canaries show; nothing is overwritten."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import duckdb
import pytest

from deid_platform.core.errors import DeclarationError, ZoneError
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.declarations import load_contract
from deid_platform.engine.delivery import available_partitions
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.ingest import ingest
from deid_platform.engine.synthetic import FileFormat
from tests.support.deployments import temporary_deployment
from tests.support.synthetic import COLUMNS, synth


def digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.mark.parametrize("file_format", list(FileFormat))
def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_workers(tmp_path, file_format):
    synth(tmp_path / "one", workers=1, canaries=3, file_format=file_format)
    synth(tmp_path / "three", workers=3, canaries=3, file_format=file_format)
    assert digests(tmp_path / "one") == digests(tmp_path / "three")
    synth(tmp_path / "other", seed=1, canaries=3, file_format=file_format)
    assert digests(tmp_path / "one") != digests(tmp_path / "other")


def test_batches_do_not_change_the_bytes(tmp_path, monkeypatch):
    synth(tmp_path / "whole", people=2_000)
    monkeypatch.setattr("deid_platform.engine.synthetic.writing._BATCH", 97)
    monkeypatch.setattr("deid_platform.engine.synthetic.timeline._CHUNK", 101)
    synth(tmp_path / "parts", people=2_000)
    assert digests(tmp_path / "whole") == digests(tmp_path / "parts")


def test_all_formats_hold_the_same_rows(tmp_path):
    for file_format in FileFormat:
        synth(tmp_path / file_format, people=3_000, canaries=2, file_format=file_format)
    readers = {
        "csv": "read_csv('{}/csv/ed_visits/*.csv', all_varchar = true)",
        "parquet": "'{}/parquet/ed_visits/*.parquet'",
        "ndjson": "read_ndjson('{}/ndjson/ed_visits/*.ndjson')",
    }
    columns = ", ".join(f"{name}::varchar as {name}" for name in COLUMNS)
    with duckdb.connect() as con:
        for name, reader in readers.items():
            con.execute(f"create table {name} as select {columns} from {reader.format(tmp_path)}")
        for other in ("csv", "ndjson"):
            missing = con.execute(f"from parquet except all from {other}").fetchall()
            assert missing == []
        assert con.execute("select count(*) from parquet").fetchone()[0] > 3_000


def test_every_marker_of_a_canary_is_in_the_raw_files(tmp_path):
    generated = synth(tmp_path, people=300, canaries=20)
    markers = json.loads((tmp_path / "canaries.json").read_text("utf-8"))
    assert generated.canary_file == tmp_path / "canaries.json"
    assert len(markers) >= 20 * 10
    assert len(markers) == len(set(markers))
    text = "".join(file.read_text("utf-8") for file in generated.files)
    assert [marker for marker in markers if marker not in text] == []


def test_canaries_leave_everyone_else_as_they_were(tmp_path):
    synth(tmp_path / "without", people=300)
    synth(tmp_path / "with", people=300, canaries=5)
    markers = json.loads((tmp_path / "with" / "canaries.json").read_text("utf-8"))

    def lines(folder: str) -> set[str]:
        files = (tmp_path / folder / "ed_visits").glob("*.csv")
        rows = (row for file in files for row in csv.DictReader(file.open(encoding="utf-8")))
        return {
            json.dumps(row) for row in rows if not any(marker in str(row) for marker in markers)
        }

    assert lines("with") == lines("without")
    assert len(lines("with")) > 250


def test_no_file_is_overwritten_unless_forced(tmp_path):
    synth(tmp_path, months=2, canaries=1)
    before = digests(tmp_path)
    with pytest.raises(DeclarationError, match="--force"):
        synth(tmp_path, months=3, seed=4)
    assert digests(tmp_path) == before
    synth(tmp_path, months=3, seed=4, file_format="ndjson", force=True)
    assert [file.name for file in sorted((tmp_path / "ed_visits").iterdir())] == [
        "ed_visits-2024-01.ndjson",
        "ed_visits-2024-02.ndjson",
        "ed_visits-2024-03.ndjson",
    ]


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    synth(tmp_path, months=2)
    before = digests(tmp_path)

    def fail(*arguments: object) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr("deid_platform.engine.synthetic.writing._markers", fail)
    with pytest.raises(ZoneError, match="cannot be written"):
        synth(tmp_path, months=2, canaries=1, force=True, seed=9)
    assert digests(tmp_path) == before
    assert list((tmp_path / "ed_visits").glob(".*")) == []


def test_a_month_without_visits_has_a_file_with_a_header(tmp_path):
    generated = synth(tmp_path, people=1, months=12, visits=1)
    lines = [len(file.read_text("utf-8").splitlines()) for file in generated.files]
    assert sorted(lines) == [1] * 11 + [2]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ZoneError, match="cannot be written"):
        synth(tmp_path / "file")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"people": 0}, "--people"),
        ({"months": 0}, "--months"),
        ({"months": 121}, "--months"),
        ({"visits": 499}, "--visits"),
        ({"seed": -1}, "--seed"),
        ({"canaries": 501}, "--canaries"),
        ({"start": "2024"}, "--start"),
        ({"start": "2024-13"}, "--start"),
        ({"start": "1700-01"}, "--start"),
        ({"start": "2099-12"}, "--start"),
    ],
)
def test_an_argument_out_of_range_is_refused(tmp_path, options, told):
    with pytest.raises(DeclarationError, match=told):
        synth(tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file_format", list(FileFormat))
def test_every_generated_row_is_taken_into_the_raw_zone(tmp_path, file_format):
    deployment = temporary_deployment(tmp_path)
    contracts = Deployment.from_environment({}).contracts
    contract = load_contract(contracts / "ed_visits.yaml")
    generated = synth(deployment.landing, people=2_000, canaries=5, file_format=file_format)
    with open_zone(deployment, Zone.RAW, files=[deployment.landing]) as con:
        results = [
            ingest(con, deployment, contract, partition)
            for partition in available_partitions(deployment, contract)
        ]
        people = con.execute("select count(distinct patient_mrn) from raw.main.ed_visits")
        assert people.fetchone() == (2_000,)
    assert sum(result.rows_loaded for result in results) == generated.visits
    assert sum(result.rows_quarantined for result in results) == 0
