"""The ledger: append-only, hash-chained events in SQLite or PostgreSQL.

Each entry's hash covers its content and the hash before it, so that changing, removing, inserting
or reordering entries breaks the chain at a nameable link. Database triggers refuse changes, but
whoever owns the database can drop them: `Ledger.verify` finds what they then changed, and a head
pinned elsewhere (`deid audit head`) finds a chain rewritten from some point on.

Writers are serialised by the database (SQLite: one immediate transaction; PostgreSQL: the row of
the head), so that many processes append without a fork or a loss.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

from deid_platform.core.errors import LedgerError
from deid_platform.governance.chain import (
    GENESIS,
    Entry,
    Head,
    Records,
    broken,
    checked_link,
    linked,
    payload_of,
)
from deid_platform.governance.events import Event
from deid_platform.governance.plain import canonical_json

SCHEMA = "0001"
"""The newest migration; a test holds it to the migrations folder."""

_BUSY_SECONDS = 120
_MIGRATING = 0x64656964  # "deid": the advisory lock of a migration on PostgreSQL

_metadata = sa.MetaData()
_events = sa.Table(
    "ledger_events",
    _metadata,
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", sa.String(27)),
    sa.Column("kind", sa.String(64)),
    sa.Column("subject", sa.String(200)),
    sa.Column("payload", sa.Text),
    sa.Column("previous", sa.String(64)),
    sa.Column("hash", sa.String(64)),
)
_head = sa.Table(
    "ledger_head",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("sequence", sa.BigInteger),
    sa.Column("hash", sa.String(64)),
)


def system_clock() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


class Ledger:
    """An open ledger. Safe to use from many processes; open one in each.

    Args:
        url: SQLAlchemy URL, ``sqlite:///path`` or ``postgresql+psycopg://...``.
        clock: where the time of entries comes from.

    Raises:
        LedgerError: the database cannot be reached, read, written or brought up to date.
    """

    def __init__(self, url: str, *, clock: Callable[[], datetime] = system_clock) -> None:
        self._clock = clock
        with _translated():
            self._url = sa.make_url(url)
            dialect = self._url.get_backend_name()
            if dialect not in ("sqlite", "postgresql"):
                raise LedgerError(
                    "ledger", "only SQLite and PostgreSQL are known", "see DEID_LEDGER_URL"
                )
            self._sqlite = dialect == "sqlite"
            self._engine = self._sqlite_engine() if self._sqlite else self._server_engine()
            self._prepare()

    @classmethod
    def open(cls, url: str) -> Ledger:
        """The ledger at a URL, made and brought up to date where needed."""
        return cls(url)

    def now(self) -> datetime:
        """The time that the next entry would carry."""
        return self._clock()

    def append(self, event: Event) -> Entry:
        """Append one event."""
        return self.decide(lambda _: [event])[0]

    def append_all(self, events: Iterable[Event]) -> tuple[Entry, ...]:
        """Append several events in one transaction: all or none."""
        fixed = tuple(events)
        return self.decide(lambda _: fixed)

    def decide(self, command: Callable[[Records], Iterable[Event]]) -> tuple[Entry, ...]:
        """Append what ``command`` returns, with nobody writing between its reading and that.

        A command that raises appends nothing.

        Raises:
            LedgerError: the ledger cannot be written.
        """
        with _translated(), self._writing() as con:
            head = self._locked_head(con)
            added = []
            for event in command(_Inside(con)):
                entry = linked(head, event, self._clock())
                con.execute(
                    sa.insert(_events).values(
                        sequence=entry.sequence,
                        at=entry.at,
                        kind=entry.kind,
                        subject=entry.subject,
                        payload=canonical_json(entry.payload),
                        previous=entry.previous,
                        hash=entry.hash,
                    )
                )
                con.execute(
                    sa.update(_head)
                    .where(_head.c.id == 1)
                    .values(sequence=entry.sequence, hash=entry.hash)
                )
                head = Head(sequence=entry.sequence, hash=entry.hash)
                added.append(entry)
        return tuple(added)

    def entries(
        self,
        *,
        kinds: Sequence[type[Event]] = (),
        subject: str | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> Iterator[Entry]:
        """Entries in order, of the given kinds and subject, after a sequence number."""
        with _translated(), self._engine.connect() as con:
            yield from _Inside(con).entries(kinds=kinds, subject=subject, after=after, limit=limit)

    def head(self) -> Head:
        """The last link: sequence 0 and `GENESIS` while the ledger is empty."""
        with _translated(), self._engine.connect() as con:
            return _read_head(con)

    def verify(self, pinned: Head | None = None) -> Head:
        """Recompute the whole chain and return its head.

        Args:
            pinned: a head noted earlier, which the chain must still contain.

        Raises:
            LedgerError: naming the first bad link and what is wrong with it.
        """
        with _translated(), self._engine.connect() as con:
            if not self._sqlite:
                con = con.execution_options(isolation_level="REPEATABLE READ")
            last = Head(sequence=0, hash=GENESIS)
            if pinned is not None and pinned.sequence == 0:
                pinned = None
            rows = con.execution_options(yield_per=1_000).execute(
                sa.select(_events).order_by(_events.c.sequence)
            )
            for row in rows:
                last = checked_link(last, row)
                if pinned is not None and last.sequence == pinned.sequence and last != pinned:
                    raise broken(last.sequence, "it is not the entry of the pinned head")
            head = _read_head(con)
        if head.sequence > last.sequence:
            raise broken(last.sequence + 1, "the head lies beyond it, but it is not there")
        if head != last:
            raise broken(max(head.sequence, 1), "the head does not name the last entry")
        if pinned is not None and pinned.sequence > last.sequence:
            raise broken(last.sequence + 1, "the chain ends before the pinned head")
        return head

    def close(self) -> None:
        """Close pooled connections."""
        self._engine.dispose()

    def _server_engine(self) -> Engine:
        try:
            return sa.create_engine(self._url, pool_size=1, pool_pre_ping=True)
        except ImportError:
            raise LedgerError(
                "ledger",
                "the driver of PostgreSQL is not installed",
                "install psycopg, and write the URL as postgresql+psycopg://...",
            ) from None

    def _sqlite_engine(self) -> Engine:
        engine = sa.create_engine(
            self._url, poolclass=NullPool, connect_args={"timeout": _BUSY_SECONDS}
        )

        @sa.event.listens_for(engine, "connect")
        def _connected(raw: Any, _record: Any) -> None:
            # The driver would begin transactions by itself, and not as immediate ones.
            raw.isolation_level = None
            raw.execute("pragma synchronous = full")
            raw.execute("pragma recursive_triggers = on")
            raw.execute("pragma trusted_schema = off")

        @sa.event.listens_for(engine, "begin")
        def _begun(con: Connection) -> None:
            writing = con.get_execution_options().get("deid_writing", False)
            con.exec_driver_sql("begin immediate" if writing else "begin")

        return engine

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._engine.execution_options(deid_writing=True).begin() as con:
            yield con

    def _locked_head(self, con: Connection) -> Head:
        # FOR UPDATE is the writers' queue on PostgreSQL; SQLite's is the immediate transaction.
        row = con.execute(
            sa.select(_head.c.sequence, _head.c.hash).where(_head.c.id == 1).with_for_update()
        ).one_or_none()
        if row is None:
            raise broken(0, "the head is missing")
        return Head(sequence=row.sequence, hash=row.hash)

    def _prepare(self) -> None:
        """Make and migrate the database if it is new or behind; one process at a time."""
        if self._sqlite:
            self._prepare_sqlite(_file_of(self._url))
            return
        if self._version() != SCHEMA:
            with self._writing() as con:
                con.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATING)))
                _migrate(con)

    def _prepare_sqlite(self, file: Path) -> None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if file.exists():
                _tighten(file)
                if self._version() == SCHEMA:
                    return
            # The folder is locked, not the file: closing a second handle on an SQLite file would
            # drop the locks of the first.
            folder = os.open(file.parent, os.O_RDONLY)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX)
                if not file.exists():
                    os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                with self._engine.connect() as con:
                    con.connection.driver_connection.execute(  # type: ignore[union-attr]
                        "pragma journal_mode = wal"
                    )
                with self._writing() as con:
                    _migrate(con)
            finally:
                os.close(folder)
        except OSError:
            raise LedgerError(
                str(file),
                "the ledger cannot be made or opened",
                "check its folder's owner and mode",
            ) from None

    def _version(self) -> str | None:
        with self._engine.connect() as con:
            if not sa.inspect(con).has_table("alembic_version"):
                return None
            return con.execute(sa.text("select version_num from alembic_version")).scalar()


class _Inside:
    """Reads entries over one connection."""

    def __init__(self, con: Connection) -> None:
        self._con = con

    def entries(
        self,
        *,
        kinds: Sequence[type[Event]] = (),
        subject: str | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> Iterator[Entry]:
        query = sa.select(_events).where(_events.c.sequence > after).order_by(_events.c.sequence)
        if kinds:
            query = query.where(_events.c.kind.in_([one.kind for one in kinds]))
        if subject is not None:
            query = query.where(_events.c.subject == subject)
        if limit is not None:
            query = query.limit(limit)
        for row in self._con.execute(query):
            yield Entry(
                sequence=row.sequence,
                at=row.at,
                kind=row.kind,
                subject=row.subject,
                payload=payload_of(row.sequence, row.payload),
                previous=row.previous,
                hash=row.hash,
            )


def _read_head(con: Connection) -> Head:
    row = con.execute(sa.select(_head.c.sequence, _head.c.hash)).one_or_none()
    if row is None:
        raise broken(0, "the head is missing")
    return Head(sequence=row.sequence, hash=row.hash)


def _migrate(con: Connection) -> None:
    # Imported here: only a new or outdated ledger needs it.
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option(
        "script_location", str(Path(__file__).parent / "migrations").replace("%", "%%")
    )
    config.attributes["connection"] = con
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise LedgerError(
            "ledger",
            "it was made by a newer version of the platform",
            "use that version; nothing was changed",
        ) from None


def _file_of(url: sa.URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise LedgerError("ledger", "a ledger in memory is none", "name a file")
    return Path(url.database)


def _tighten(file: Path) -> None:
    if file.stat().st_mode & 0o077:
        with contextlib.suppress(PermissionError):
            file.chmod(0o600)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        # The text of a database error may quote the statement's values.
        cause = getattr(error, "orig", None) or error
        raise LedgerError(
            "ledger",
            f"the database refused ({type(cause).__name__})",
            "check that the file or server exists, is a ledger, and can be written; "
            "nothing was recorded",
        ) from None
