from __future__ import annotations

import multiprocessing
import os
import re
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from deid_platform.core.errors import AuthorisationError, LedgerError
from deid_platform.governance import ledger as ledger_module
from deid_platform.governance.chain import GENESIS, Head, linked
from deid_platform.governance.events import TablePromoted
from deid_platform.governance.ledger import SCHEMA, Ledger
from deid_platform.governance.plain import canonical_json


def promoted(rows: int, table: str = "visits") -> TablePromoted:
    return TablePromoted(table=table, zone="limited", fingerprint="f" * 64, rows=rows)


def filled(url: str, count: int = 5) -> Ledger:
    ledger = Ledger.open(url)
    ledger.append_all(promoted(rows) for rows in range(count))
    return ledger


def tamper(url: str, *statements: str) -> None:
    """Change the database as its owner can: without the triggers."""
    engine = sa.create_engine(url)
    with engine.begin() as con:
        if engine.dialect.name == "sqlite":
            names = con.execute(sa.text("select name from sqlite_master where type = 'trigger'"))
            for (name,) in names.fetchall():
                con.execute(sa.text(f"drop trigger {name}"))
        else:
            con.execute(sa.text("alter table ledger_events disable trigger all"))
            con.execute(sa.text("alter table ledger_head disable trigger all"))
        for statement in statements:
            con.execute(sa.text(statement))
    engine.dispose()


def append_some(url: str, worker: int, count: int) -> None:
    ledger = Ledger.open(url)
    for rows in range(count):
        ledger.append(promoted(rows, table=f"worker-{worker}"))


def test_an_empty_ledger_verifies_and_its_head_is_the_genesis(ledger_url):
    ledger = Ledger.open(ledger_url)
    assert ledger.verify() == ledger.head() == Head(sequence=0, hash=GENESIS)


def test_entries_come_back_in_order_with_kind_and_subject(ledger_url):
    ledger = filled(ledger_url, 3)
    ledger.append(promoted(9, table="other"))
    assert [entry.sequence for entry in ledger.entries()] == [1, 2, 3, 4]
    assert [entry.event for entry in ledger.entries(subject="other")] == [promoted(9, "other")]
    assert [entry.sequence for entry in ledger.entries(kinds=[TablePromoted], after=2)] == [3, 4]
    assert ledger.verify() == ledger.head()


def test_time_comes_from_the_clock_that_was_given(tmp_path):
    now = datetime(2026, 3, 4, 5, 6, 7, 8, tzinfo=UTC)
    ledger = Ledger(f"sqlite:///{tmp_path / 'l.db'}", clock=lambda: now)
    assert ledger.append(promoted(1)).at == "2026-03-04T05:06:07.000008Z"


def test_the_same_events_at_the_same_times_give_the_same_chain_on_both_databases(
    tmp_path, postgres_url
):
    def head(url: str) -> Head:
        times = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n) for n in range(9))
        ledger = Ledger(url, clock=lambda: next(times))
        ledger.append_all(promoted(rows) for rows in range(4))
        return ledger.head()

    assert head(f"sqlite:///{tmp_path / 'l.db'}") == head(postgres_url)


def test_several_events_are_all_recorded_or_none(ledger_url):
    ledger = filled(ledger_url, 2)

    def half(_):
        yield promoted(7)
        raise AuthorisationError("here", "stopped half way", "nothing")

    with pytest.raises(AuthorisationError):
        ledger.decide(half)
    assert ledger.verify().sequence == 2


def test_a_decision_sees_what_was_recorded_before_it(ledger_url):
    ledger = filled(ledger_url, 2)
    ledger.decide(lambda records: [promoted(len(list(records.entries())))])
    assert list(ledger.entries())[-1].payload["rows"] == 2


@pytest.mark.parametrize(
    "statement",
    [
        "update ledger_events set payload = '{}' where sequence = 2",
        "delete from ledger_events where sequence = 2",
        "delete from ledger_events",
        "insert into ledger_events select 99, at, kind, subject, payload, 'x', 'y' "
        "from ledger_events where sequence = 1",
        "update ledger_head set sequence = 1",
        "update ledger_head set hash = 'x'",
        "delete from ledger_head",
        "insert into ledger_head values (2, 0, 'x')",
    ],
)
def test_the_database_refuses_to_change_the_past(ledger_url, statement):
    ledger = filled(ledger_url)
    engine = sa.create_engine(ledger_url)
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as con:
        con.execute(sa.text(statement))
    engine.dispose()
    assert ledger.verify().sequence == 5


def test_sqlite_refuses_to_replace_an_entry(tmp_path):
    url = f"sqlite:///{tmp_path / 'l.db'}"
    ledger = filled(url)
    engine = sa.create_engine(url)
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as con:
        con.execute(
            sa.text(
                "insert or replace into ledger_events select sequence, at, kind, subject, '{}', "
                "previous, hash from ledger_events where sequence = 2"
            )
        )
    assert ledger.verify().sequence == 5


def test_postgresql_refuses_to_empty_the_tables(postgres_url):
    ledger = filled(postgres_url)
    engine = sa.create_engine(postgres_url)
    for table in ("ledger_events", "ledger_head"):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as con:
            con.execute(sa.text(f"truncate {table}"))
    assert ledger.verify().sequence == 5


SET = "update ledger_events set"
TAMPERED = {
    "edited payload": (3, [f"{SET} payload = replace(payload, '2', '3') where sequence = 3"]),
    "edited payload, same meaning": (
        3,
        [f"{SET} payload = replace(payload, ',', ', ') where sequence = 3"],
    ),
    "payload that is no JSON": (3, [f"{SET} payload = 'x' where sequence = 3"]),
    "edited time": (2, [f"{SET} at = '2020-01-01T00:00:00.000000Z' where sequence = 2"]),
    "edited kind": (4, [f"{SET} kind = 'request.approved' where sequence = 4"]),
    "edited subject": (1, [f"{SET} subject = 'other' where sequence = 1"]),
    "edited hash": (5, [f"{SET} hash = 'x' where sequence = 5"]),
    "deleted first": (1, ["delete from ledger_events where sequence = 1"]),
    "deleted in the middle": (3, ["delete from ledger_events where sequence = 3"]),
    "deleted last": (5, ["delete from ledger_events where sequence = 5"]),
    "deleted all": (1, ["delete from ledger_events"]),
    "deleted and renumbered": (
        3,
        [
            "delete from ledger_events where sequence = 3",
            f"{SET} sequence = 3 where sequence = 4",
            f"{SET} sequence = 4 where sequence = 5",
        ],
    ),
    "reordered": (
        2,
        [
            f"{SET} sequence = 99 where sequence = 2",
            f"{SET} sequence = 2 where sequence = 3",
            f"{SET} sequence = 3 where sequence = 99",
        ],
    ),
    "inserted at the end": (
        6,
        [
            "insert into ledger_events select 6, at, kind, subject, payload, hash, 'x' "
            "from ledger_events where sequence = 5"
        ],
    ),
    "head moved back": (3, ["update ledger_head set sequence = 3"]),
    "head with another hash": (5, ["update ledger_head set hash = 'x'"]),
    "head removed": (0, ["delete from ledger_head"]),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_verify_names_the_first_bad_link(ledger_url, name):
    ledger = filled(ledger_url)
    link, statements = TAMPERED[name]
    tamper(ledger_url, *statements)
    with pytest.raises(LedgerError) as raised:
        ledger.verify()
    assert raised.value.where == f"ledger entry {link}"


def test_an_entry_forged_with_a_hash_of_its_own_breaks_the_link_after_it(ledger_url):
    ledger = filled(ledger_url)
    second = list(ledger.entries())[1]
    forged = linked(
        Head(sequence=2, hash=second.hash), promoted(99), datetime(2026, 1, 1, tzinfo=UTC)
    )
    tamper(
        ledger_url,
        f"{SET} payload = '{canonical_json(forged.payload)}'".replace(":", "\\:")
        + f", at = '{forged.at}', hash = '{forged.hash}' where sequence = 3".replace(":", "\\:"),
    )
    with pytest.raises(LedgerError, match="ledger entry 4: it does not follow"):
        ledger.verify()


def test_a_chain_rewritten_from_some_point_fails_against_a_pinned_head(ledger_url, tmp_path):
    ledger = filled(ledger_url)
    pinned = ledger.head()
    ledger.append(promoted(6))
    assert ledger.verify(pinned).sequence == 6
    assert Head.parse(str(pinned)) == pinned
    forged = filled(f"sqlite:///{tmp_path / 'forged.db'}", 6)
    with pytest.raises(LedgerError, match=r"ledger entry 5: it is not the entry of the pinned"):
        forged.verify(pinned)
    shorter = filled(f"sqlite:///{tmp_path / 'shorter.db'}", 2)
    with pytest.raises(LedgerError, match="ends before the pinned head"):
        shorter.verify(pinned)
    with pytest.raises(LedgerError, match="SEQUENCE:HASH"):
        Head.parse("12")


def test_many_processes_that_open_and_write_at_once_lose_nothing(ledger_url):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=append_some, args=(ledger_url, n, 60)) for n in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=240)
    assert [worker.exitcode for worker in workers] == [0] * 8
    ledger = Ledger.open(ledger_url)
    assert ledger.verify().sequence == 480
    for n in range(8):
        rows = [one.payload["rows"] for one in ledger.entries(subject=f"worker-{n}")]
        assert rows == list(range(60))


def test_the_sqlite_file_is_private_and_a_readable_one_is_tightened(tmp_path):
    file = tmp_path / "new" / "ledger.db"
    Ledger.open(f"sqlite:///{file}").append(promoted(1))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    file.chmod(0o644)
    Ledger.open(f"sqlite:///{file}")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_opening_again_migrates_nothing_and_keeps_everything(ledger_url, monkeypatch):
    head = filled(ledger_url).head()
    monkeypatch.setattr(ledger_module, "_migrate", lambda con: pytest.fail("migrated again"))
    assert Ledger.open(ledger_url).verify() == head


def test_the_schema_constant_is_the_newest_migration():
    folder = Path(ledger_module.__file__).parent / "migrations"
    config = Config()
    config.set_main_option("script_location", str(folder))
    assert ScriptDirectory.from_config(config).get_current_head() == SCHEMA


def test_a_ledger_of_a_newer_version_is_left_alone(ledger_url):
    head = filled(ledger_url).head()
    tamper(ledger_url, "update alembic_version set version_num = '9999'")
    with pytest.raises(LedgerError, match="newer version"):
        Ledger.open(ledger_url)
    tamper(ledger_url, f"update alembic_version set version_num = '{SCHEMA}'")
    assert Ledger.open(ledger_url).head() == head


def test_a_file_that_is_no_ledger_is_an_error_and_stays_as_it_was(tmp_path):
    file = tmp_path / "ledger.db"
    file.write_bytes(b"not a database " * 500)
    with pytest.raises(LedgerError, match="is a ledger"):
        Ledger.open(f"sqlite:///{file}")
    assert file.read_bytes() == b"not a database " * 500


def test_a_ledger_cut_short_is_an_error(tmp_path):
    file = tmp_path / "ledger.db"
    filled(f"sqlite:///{file}", 200)
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(LedgerError):
        Ledger.open(f"sqlite:///{file}").verify()


def test_a_place_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="owner and mode"):
        Ledger.open(f"sqlite:///{tmp_path / 'file' / 'ledger.db'}")


@pytest.mark.parametrize("url", ["mysql://x/y", "no url", "sqlite://", "sqlite:///:memory:"])
def test_other_databases_are_refused(url):
    with pytest.raises(LedgerError):
        Ledger.open(url)


def test_an_unreachable_server_is_an_error_without_the_password():
    with pytest.raises(LedgerError) as raised:
        Ledger.open("postgresql+psycopg://deid:hunter2@127.0.0.1:1/x")
    assert not re.search("hunter2|127", str(raised.value))


def test_a_missing_driver_is_an_error_that_names_it():
    with pytest.raises(LedgerError, match="install psycopg"):
        Ledger.open("postgresql+pg8000://deid@127.0.0.1/x")
