"""`python -m benchmarks.ledger`: many processes append to one ledger, beside plain inserts.

The peer writes rows of the same size into a plain table of the same database, one transaction each,
as durably; it has no chain, so its writers need not wait for each other's entries.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

import sqlalchemy as sa

from deid_platform.governance.events import TablePromoted
from deid_platform.governance.ledger import Ledger

_SECONDS = 900
_Writer = Callable[[str, int, int, Barrier], None]


def main() -> None:
    """Time both on each database, and check that the ledger lost nothing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ledger", description=__doc__)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--events", type=int, default=500, help="of each process (500)")
    parser.add_argument("--url", help="an empty PostgreSQL database; by default a new SQLite file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        url = given.url or f"sqlite:///{Path(folder) / 'ledger.db'}"
        found = _compared(url, given.processes, given.events)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


def _compared(url: str, processes: int, events: int) -> dict[str, object]:
    total = processes * events
    ledger = Ledger.open(url)
    before = ledger.head().sequence
    ours = _timed(_append, url, processes, events)
    began = time.perf_counter()
    head = ledger.verify()
    verified = time.perf_counter() - began
    if head.sequence - before != total:
        raise RuntimeError(f"{head.sequence - before} entries, not {total}")
    _make_plain(url)
    theirs = _timed(_insert, url, processes, events)
    return {
        "database": sa.make_url(url).get_backend_name(),
        "processes": processes,
        "events": total,
        "ledger_seconds": round(ours, 2),
        "ledger_events_per_second": round(total / ours),
        "plain_seconds": round(theirs, 2),
        "plain_inserts_per_second": round(total / theirs),
        "ratio": round(ours / theirs, 2),
        "verify_events_per_second": round(head.sequence / verified),
    }


def _timed(writer: _Writer, url: str, processes: int, events: int) -> float:
    """Seconds from when every process is ready until the last is done."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(processes + 1)
    workers = [
        context.Process(target=writer, args=(url, number, events, ready))
        for number in range(processes)
    ]
    for worker in workers:
        worker.start()
    ready.wait(_SECONDS)
    began = time.perf_counter()
    for worker in workers:
        worker.join(_SECONDS)
    taken = time.perf_counter() - began
    if any(worker.exitcode for worker in workers):
        raise RuntimeError("a process did not finish its work")
    return taken


def _append(url: str, number: int, events: int, ready: Barrier) -> None:
    ledger = Ledger.open(url)
    ready.wait(_SECONDS)
    for rows in range(events):
        ledger.append(_event(number, rows))


def _event(number: int, rows: int) -> TablePromoted:
    return TablePromoted(
        table=f"worker-{number}", zone="limited", fingerprint=f"{rows:064x}", rows=rows
    )


def _make_plain(url: str) -> None:
    with _engine(url).begin() as con:
        con.exec_driver_sql(
            "create table plain (worker integer, number integer, kind text, subject text, "
            "payload text, previous text, hash text)"
        )


def _insert(url: str, number: int, events: int, ready: Barrier) -> None:
    engine = _engine(url)
    statement = sa.text(
        "insert into plain values (:worker, :number, :kind, :subject, :payload, :hash, :hash)"
    )
    ready.wait(_SECONDS)
    for rows in range(events):
        event = _event(number, rows)
        with engine.begin() as con:
            con.execute(
                statement,
                {
                    "worker": number,
                    "number": rows,
                    "kind": event.kind,
                    "subject": event.subject,
                    "payload": json.dumps(event.payload()),
                    "hash": f"{rows:064x}",
                },
            )


def _engine(url: str) -> sa.Engine:
    """An engine that is as durable as the ledger's, and waits as long for its turn."""
    if not url.startswith("sqlite"):
        return sa.create_engine(url, pool_size=1)
    engine = sa.create_engine(url, connect_args={"timeout": _SECONDS})

    @sa.event.listens_for(engine, "connect")
    def _connected(raw: sqlite3.Connection, _record: object) -> None:
        raw.isolation_level = None
        raw.execute("pragma synchronous = full")

    @sa.event.listens_for(engine, "begin")
    def _begun(con: sa.Connection) -> None:
        con.exec_driver_sql("begin immediate")

    return engine


if __name__ == "__main__":
    main()
