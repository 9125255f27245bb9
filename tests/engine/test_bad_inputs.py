"""What a deployment is given by mistake: each ends in a clear error or a counted quarantine.

In every case the last good state is intact, and the canary that stands in the bad file is in no
error and no log.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from deid_platform.core.contract import Contract
from deid_platform.core.errors import DeidError, DeliveryError, ZoneError, ZoneKeyError
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.fingerprint import fingerprint
from deid_platform.engine.ingest import IngestResult, ingest
from tests.support.deployments import land, temporary_deployment
from tests.support.tables import HEADER, visits_contract, visits_csv

CANARY = "Zebulon Quaverly"
GOOD = visits_csv("g1,m1,2024-03-01,34,F,1.5,well", 'g2,m2,2024-03-02,,M,,"two\nlines"')
EARLIER = visits_csv("e1,m1,2024-02-01,34,F,1.5,well")
ROW = f"v1,m1,2024-03-05,40,F,2.5,{CANARY}"
FILE = "hospital/visits-2024-03"
TABLES = ("raw.main.visits", "raw.quarantine.visits", "raw.ingest.deliveries")


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    """A deployment that has taken two good months of visits."""
    made = temporary_deployment(tmp_path)
    land(made, "hospital/visits-2024-02.csv", EARLIER)
    land(made, f"{FILE}.csv", GOOD)
    take(made, visits_contract(), "2024-02")
    take(made, visits_contract())
    (made.landing / f"{FILE}.csv").unlink()
    return made


@pytest.fixture(autouse=True)
def _no_canary_in_logs(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    printed = capfd.readouterr()
    assert CANARY not in caplog.text + printed.out + printed.err


def take(deployment: Deployment, contract: Contract, partition: str = "2024-03") -> IngestResult:
    with open_zone(deployment, Zone.RAW, files=[deployment.landing]) as con:
        return ingest(con, deployment, contract, partition)


def state(deployment: Deployment, partition: str | None = None) -> list[str]:
    with open_zone(deployment, None, reading=[Zone.RAW]) as con:
        prints = []
        for table in TABLES:
            where = f"where _partition = '{partition}'" if partition else ""
            con.execute(f"create or replace temp view part as from {table} {where}")
            prints.append(fingerprint(con, "temp.main.part"))
        return prints


def check_refused(deployment: Deployment, contract: Contract, says: str) -> DeidError:
    before = state(deployment)
    with pytest.raises(DeliveryError, match=says) as caught:
        take(deployment, contract)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert state(deployment) == before
    assert not list(deployment.scratch.iterdir())
    return caught.value


def parquet(select: str) -> Callable[[Path], None]:
    return lambda path: duckdb.connect().sql(select).write_parquet(str(path))


def parquet_of(rows: str = ROW, **replaced: str) -> Callable[[Path], None]:
    columns = dict(zip(HEADER.split(","), (f"'{v}'" for v in rows.split(",")), strict=True))
    columns.update(replaced)
    return parquet("select " + ", ".join(f"{v} as {k}" for k, v in columns.items()))


def truncated(write: Callable[[Path], None]) -> Callable[[Path], None]:
    def written(path: Path) -> None:
        write(path)
        path.write_bytes(path.read_bytes()[:-20])

    return written


def json_line(**changes: str) -> str:
    fields = {
        "visit_id": '"v1"', "mrn": '"m1"', "visit_date": '"2024-03-05"', "age": "40",
        "sex": '"F"', "charge": "2.5", "note": f'"{CANARY}"', **changes,
    }  # fmt: skip
    return "{" + ", ".join(f'"{key}": {value}' for key, value in fields.items()) + "}\n"


@dataclass(frozen=True)
class Bad:
    name: str
    content: str | bytes | Callable[[Path], None]
    says: str
    ending: str = "csv"


WHOLE_FILES = [
    Bad("zero bytes", "", "is empty \\(0 bytes\\)"),
    Bad("a header and no rows", HEADER + "\n", "holds no rows"),
    Bad("a NUL byte", visits_csv(ROW) + "\x00", "binary"),
    Bad("a picture", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9, "offset 0 is not utf-8"),
    Bad(
        "Latin-1 where UTF-8 is declared",
        visits_csv(ROW, f"v2,m1,2024-03-05,1,F,1,Mu\u00f1oz {CANARY}").encode("latin-1"),
        r"the byte at offset \d+ is not utf-8",
    ),
    Bad("UTF-16 where UTF-8 is declared", visits_csv(ROW).encode("utf-16"), "mark of UTF-16"),
    Bad(
        "an undeclared column",
        visits_csv(f"{ROW},123-45-6789", header=f"{HEADER},ssn"),
        "undeclared columns: ssn; classify",
    ),
    Bad(
        "a dropped column",
        visits_csv(f"v1,m1,2024-03-05,40,{CANARY}", header="visit_id,mrn,visit_date,age,note"),
        "declared columns are missing: sex, charge",
    ),
    Bad(
        "a column named twice",
        visits_csv(ROW, header=HEADER.replace("charge", "sex")),
        "occur twice: sex",
    ),
    Bad(
        "a header in another case",
        visits_csv(ROW, header=HEADER.replace("mrn", "MRN")),
        "differ in case or spaces: mrn is written otherwise",
    ),
    Bad("semicolons", visits_csv(ROW, header=HEADER).replace(",", ";"), "likely a semicolon"),
    Bad("tabs", visits_csv(ROW, header=HEADER).replace(",", "\t"), "likely a tab"),
    Bad("no header", f"{ROW}\n{ROW}\n", "it has no header"),
    Bad("an undeclared name that could be a person's", visits_csv(
        f"{ROW},x", header=f"{HEADER},{CANARY} 1950-01-02"), "undeclared columns: number 8"),
    Bad("an unclosed quote", visits_csv(ROW, f'v2,m1,2024-03-05,1,F,1,"{CANARY}'), "never closed"),
    Bad(
        "a huge field",
        visits_csv(ROW, f'v2,m1,2024-03-05,1,F,1,"{CANARY * 100_000}"'),
        "record 3 is longer than 1048576 bytes",
    ),
    Bad("two kinds of line ends", visits_csv(ROW) + ROW + "\r\n", "mixes kinds of line ends"),
    Bad("a truncated Parquet file", truncated(parquet_of()), "not a whole Parquet file", "parquet"),
    Bad("a CSV named Parquet", visits_csv(ROW), "not a whole Parquet file", "parquet"),
    Bad(
        "a Parquet column of bytes",
        parquet_of(note=f"'{CANARY}'::blob"),
        "note is of the Parquet type BLOB",
        "parquet",
    ),
    Bad("a nested Parquet column", parquet_of(note=f"['{CANARY}']"), "note is of the", "parquet"),
    Bad("an undeclared Parquet column", parquet_of(ssn="'1'"), "columns: ssn", "parquet"),
    Bad("a Parquet file without rows", parquet(
        "select '' visit_id, '' mrn, '' visit_date, 1 age, '' sex, 1 charge, '' note limit 0"),
        "holds no rows", "parquet"),
    Bad("a JSON array", f"[{json_line()}]", "not one JSON object each", "ndjson"),
    Bad("a truncated object", json_line() + json_line()[:60], "1 lines are not one", "ndjson"),
    Bad("an undeclared key", json_line(ssn='"1"'), "undeclared columns: ssn", "ndjson"),
    Bad("a nested value", json_line(note=f'{{"t": "{CANARY}"}}'), "values in note", "ndjson"),
    Bad("a key given twice", json_line()[:-2] + f', "sex": "{CANARY}"}}', "twice: sex", "ndjson"),
    Bad("an undeclared format", visits_csv(ROW), "is not csv or parquet or ndjson", "txt"),
    Bad("an unfinished transfer", visits_csv(ROW), "is not csv or parquet", "csv.part"),
    Bad(
        "rows that are all wrong where none was before",
        visits_csv(f"v1,m1,03/05/2024,40,F,2.5,{CANARY}", f"v2,m1,03/06/2024,40,F,2.5,{CANARY}"),
        "every row breaks a rule \\(cast:visit_date 2\\)",
    ),
]  # fmt: skip


@pytest.mark.parametrize("bad", WHOLE_FILES, ids=lambda bad: bad.name)
def test_a_file_that_cannot_be_taken_is_refused_and_changes_nothing(
    deployment: Deployment, bad: Bad
) -> None:
    path = deployment.landing / f"{FILE}.{bad.ending}"
    if callable(bad.content):
        bad.content(path)
    else:
        land(deployment, f"{FILE}.{bad.ending}", bad.content)
    check_refused(deployment, visits_contract(), bad.says)


def test_a_missing_file_is_refused_by_name(deployment: Deployment) -> None:
    assert f"{FILE}.*" in str(check_refused(deployment, visits_contract(), "no file of that name"))


def test_two_formats_of_one_month_are_refused(deployment: Deployment) -> None:
    land(deployment, f"{FILE}.csv", visits_csv(ROW))
    land(deployment, f"{FILE}.ndjson", json_line())
    check_refused(deployment, visits_contract(), "2 files claim to be this delivery")


@pytest.mark.parametrize("said", [CANARY, f"{CANARY.replace(' ', '_')}", "MRN00177"])
def test_a_file_name_that_says_more_is_refused_and_not_repeated(
    deployment: Deployment, said: str
) -> None:
    land(deployment, f"{FILE}.{said}.csv", GOOD)
    told = check_refused(deployment, visits_contract(), "have more in their names")
    assert said not in str(told)


def test_a_link_that_leaves_the_landing_folder_is_refused(
    deployment: Deployment, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text(visits_csv(ROW))
    (deployment.landing / f"{FILE}.csv").symlink_to(outside)
    check_refused(deployment, visits_contract(), "leads out of the landing folder")


def test_a_link_to_nothing_is_refused(deployment: Deployment) -> None:
    (deployment.landing / f"{FILE}.csv").symlink_to(deployment.landing / "gone.csv")
    check_refused(deployment, visits_contract(), "cannot be read")


def test_a_folder_with_the_name_of_a_file_is_refused(deployment: Deployment) -> None:
    (deployment.landing / f"{FILE}.csv").mkdir()
    check_refused(deployment, visits_contract(), "not a regular file")


def test_a_pipe_with_the_name_of_a_file_is_refused_without_waiting(deployment: Deployment) -> None:
    os.mkfifo(deployment.landing / f"{FILE}.csv")
    check_refused(deployment, visits_contract(), "not a regular file")


@pytest.mark.parametrize(
    ("encoding", "content", "says"),
    [
        ("utf-16", visits_csv(ROW).encode("utf-8-sig"), "mark of UTF-8"),
        ("utf-16", b"\xfe\xff" + visits_csv(ROW).encode("utf-16-be"), "big-endian"),
        ("utf-16", visits_csv(ROW).encode("utf-16") + b"x", "is not utf-16"),
        ("latin-1", visits_csv(ROW).encode("utf-8-sig"), "mark of UTF-8"),
    ],
)
def test_an_encoding_other_than_the_declared_one_is_refused(
    deployment: Deployment, encoding: str, content: bytes, says: str
) -> None:
    land(deployment, f"{FILE}.csv", content)
    check_refused(deployment, visits_contract(source={"encoding": encoding}), says)


def test_a_parent_table_that_was_never_delivered_stops_its_children(deployment: Deployment) -> None:
    land(deployment, f"{FILE}.csv", visits_csv(ROW))
    contract = referring_contract("patients.mrn")
    check_refused(deployment, contract, "refers to patients, which holds no delivery yet")


@pytest.mark.parametrize("partition", ["2024-13", "2024-3", "all", "2024-03-01", "../../etc"])
def test_a_partition_that_is_no_month_is_refused(deployment: Deployment, partition: str) -> None:
    with pytest.raises(DeliveryError, match="a partition is a month"):
        take(deployment, visits_contract(), partition)


def referring_contract(references: str) -> Contract:
    mrn = visits_contract().columns["mrn"].canonical()
    return visits_contract(columns={"mrn": {**mrn, "references": references}})


ROWS = [
    ("too few fields", f"v2,{CANARY}", "fields:too_few"),
    ("too many fields", f"{ROW.replace('v1', 'v2')},more,and more", "fields:too_many"),
    ("text after a quote", 'v2,m1,2024-03-05,1,F,1,"x"' + CANARY, "quotes:malformed"),
    ("a word for a number", f"v2,m1,2024-03-05,{CANARY},F,1,", "cast:age"),
    ("a fraction for a whole number", f"v2,m1,2024-03-05,40.5,F,1,{CANARY}", "cast:age"),
    ("a hexadecimal number", f"v2,m1,2024-03-05,0x1F,F,1,{CANARY}", "cast:age"),
    ("a number over its type", f"v2,m1,2024-03-05,99999999999,F,1,{CANARY}", "cast:age"),
    ("not a number", f"v2,m1,2024-03-05,40,F,NaN,{CANARY}", "cast:charge"),
    ("infinity", f"v2,m1,2024-03-05,40,F,1e999,{CANARY}", "cast:charge"),
    ("an American date", f"v2,m1,03/05/2024,40,F,1,{CANARY}", "cast:visit_date"),
    ("a day that does not exist", f"v2,m1,2024-02-30,40,F,1,{CANARY}", "cast:visit_date"),
    ("a date in words", f"v2,m1,epoch,40,F,1,{CANARY}", "cast:visit_date"),
    ("a time where a date is declared", f"v2,m1,2024-03-05 10:11:12,4,F,1,{CANARY}",
     "cast:visit_date"),
    ("no key", f",m1,2024-03-05,40,F,1,{CANARY}", "required:visit_id"),
    ("no person", f'v2,"",2024-03-05,40,F,1,{CANARY}', "required:mrn"),
    ("a value outside the list", f"v2,m1,2024-03-05,40,{CANARY},1,", "values:sex"),
    ("a number out of range", f"v2,m1,2024-03-05,130,F,1,{CANARY}", "range:age"),
    ("a date out of range", f"v2,m1,1889-03-05,30,F,1,{CANARY}", "range:visit_date"),
    ("a date of another month", f"v2,m1,2024-04-01,30,F,1,{CANARY}", "partition:visit_date"),
    ("the same row again", ROW, "repeated_row:visit_id"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "reason"), [row[1:] for row in ROWS], ids=[r[0] for r in ROWS])
def test_a_bad_row_is_quarantined_with_its_reason_and_the_others_are_loaded(
    deployment: Deployment, row: str, reason: str
) -> None:
    before = state(deployment, "2024-02")
    land(deployment, f"{FILE}.csv", visits_csv(ROW, row, "v3,m3,2024-03-31,1,M,,"))
    result = take(deployment, visits_contract())
    assert (result.rows_in, result.rows_loaded, result.rows_quarantined) == (3, 2, 1)
    assert result.quarantined_by_reason == {reason: 1}
    assert CANARY not in str(result.metadata())
    assert state(deployment, "2024-02") == before
    with open_zone(deployment, None, reading=[Zone.RAW]) as con:
        loaded = con.execute(
            "select visit_id, _row from raw.main.visits where _partition = '2024-03' order by all"
        ).fetchall()
        kept = con.execute("select _row, reason, record from raw.quarantine.visits").fetchall()
    assert loaded == [("v1", 1), ("v3", 3)]
    assert [(place, why) for place, why, _ in kept] == [(2, reason)]
    assert CANARY in kept[0][2]


def test_rows_that_contradict_each_other_under_one_key_are_all_set_aside(
    deployment: Deployment,
) -> None:
    land(
        deployment,
        f"{FILE}.csv",
        visits_csv(ROW, ROW.replace("40", "41"), ROW, "v3,m3,2024-03-31,1,M,,"),
    )
    result = take(deployment, visits_contract())
    assert result.quarantined_by_reason == {"conflicting_key:visit_id": 3}
    assert result.rows_loaded == 1


def test_rows_that_refer_to_nobody_are_set_aside(deployment: Deployment) -> None:
    land(deployment, "hospital/patients.csv", "mrn\nm1\nm2\n")
    patients = visits_contract(
        name="patients",
        key=["mrn"],
        partition=None,
        source={"files": "hospital/patients.csv", "formats": ["csv"]},
        columns=dict.fromkeys(set(HEADER.split(",")) - {"mrn"}),
    )
    take(deployment, patients, "all")
    land(deployment, f"{FILE}.csv", visits_csv(ROW, f"v2,nobody,2024-03-05,40,F,1,{CANARY}"))
    result = take(deployment, referring_contract("patients.mrn"))
    assert result.quarantined_by_reason == {"orphan:mrn": 1}

    land(deployment, "hospital/patients.csv", "mrn\nm1\nm2\nnobody\n")
    take(deployment, patients, "all")
    assert take(deployment, referring_contract("patients.mrn")).rows_quarantined == 0


def with_environment(deployment: Deployment, **environment: str) -> Deployment:
    return Deployment(project=deployment.project, home=deployment.home, environment=environment)


def check_zone_refused(
    deployment: Deployment, error: type[DeidError], says: str, broken: Deployment | None = None
) -> None:
    land(deployment, f"{FILE}.csv", visits_csv(ROW))
    with pytest.raises(error, match=says) as caught:
        take(broken or deployment, visits_contract())
    assert CANARY not in str(caught.value)


def test_a_wrong_key_is_told_and_changes_nothing(deployment: Deployment) -> None:
    before = state(deployment)
    other = "A" * 43 + "="
    broken = with_environment(deployment, DEID_RAW_KEY=other)
    check_zone_refused(deployment, ZoneKeyError, "does not open this zone file", broken)
    assert state(deployment) == before


def test_no_key_at_all_is_told_and_changes_nothing(deployment: Deployment) -> None:
    before = state(deployment)
    broken = with_environment(deployment, DEID_RAW_KEY="/nowhere/raw.key")
    check_zone_refused(deployment, ZoneKeyError, "no key for the raw zone", broken)
    assert state(deployment) == before


def test_a_key_that_is_not_one_is_told_without_its_text(deployment: Deployment) -> None:
    broken = with_environment(deployment, DEID_RAW_KEY=CANARY)
    check_zone_refused(deployment, ZoneKeyError, "not a base64 key of 32 bytes", broken)


def test_a_key_file_that_others_can_read_is_refused(deployment: Deployment) -> None:
    before = state(deployment)
    key = deployment.home / "keys" / "raw.key"
    key.chmod(0o644)
    check_zone_refused(deployment, ZoneKeyError, "can be read by others; chmod 600")
    key.chmod(0o600)
    assert state(deployment) == before


def test_a_zone_folder_that_cannot_be_made_is_told(deployment: Deployment, tmp_path: Path) -> None:
    before = state(deployment)
    zones, aside = deployment.home / "zones", tmp_path / "aside"
    zones.rename(aside)
    zones.write_text("a file where the folder should be")
    check_zone_refused(deployment, ZoneError, "check its owner, mode and free space")
    zones.unlink()
    aside.rename(zones)
    assert state(deployment) == before


def test_a_zone_that_another_process_is_writing_is_told(deployment: Deployment) -> None:
    before = state(deployment)
    hold = (
        "import sys\n"
        "from pathlib import Path\n"
        "from deid_platform.core.zones import Zone\n"
        "from deid_platform.engine.database import open_zone\n"
        "from deid_platform.engine.deployment import Deployment\n"
        "home = Path(sys.argv[1])\n"
        "with open_zone(Deployment(project=home, home=home, environment={}), Zone.RAW):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(deployment.home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        check_zone_refused(deployment, ZoneError, "another process is writing this zone")
        holder.communicate()
    assert state(deployment) == before


@pytest.mark.parametrize(
    ("damage", "error", "says"),
    [
        (lambda content: b"not a database " + content, ZoneError, "not a usable zone file"),
        (lambda content: content[:5000], ZoneError, "not a usable zone file"),
        (lambda content: b"", ZoneError, "not a usable zone file"),
        (lambda content: content[:4096] + b"x" * 9000 + content[13096:], ZoneError, "backup"),
    ],
)
def test_a_damaged_zone_file_is_told_and_left_as_it_is(
    deployment: Deployment,
    damage: Callable[[bytes], bytes],
    error: type[DeidError],
    says: str,
) -> None:
    file = deployment.zone_file(Zone.RAW)
    damaged = damage(file.read_bytes())
    file.write_bytes(damaged)
    check_zone_refused(deployment, error, says)
    assert file.read_bytes() == damaged


def test_a_raw_zone_that_is_not_encrypted_is_refused(deployment: Deployment) -> None:
    file = deployment.zone_file(Zone.RAW)
    file.unlink()
    with duckdb.connect(str(file)) as plain:
        plain.execute("create table t as select 1 as a")
    check_zone_refused(deployment, ZoneError, "must be encrypted, and this file is not")
