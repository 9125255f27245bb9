"""Read-only questions to a published snapshot."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import duckdb

from deid_platform.core.errors import QueryError
from deid_platform.engine.database import open_snapshot
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.snapshots import snapshot_file

_SPOKEN = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)
"""Errors about the SQL text alone. All others may quote cells, and are told without their text."""

_READING = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Columns and rows; ``is_cut`` if there are more rows than were asked for."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    is_cut: bool


def ask(deployment: Deployment, snapshot: str, sql: str, limit: int) -> Answer:
    """The first ``limit`` rows of one select statement.

    Raises:
        ZoneError: no such snapshot.
        QueryError: more or other than one select statement, or wrong SQL.
    """
    with asking(deployment, snapshot) as answer:
        return answer(sql, limit)


@contextlib.contextmanager
def asking(deployment: Deployment, snapshot: str) -> Iterator[Callable[[str, int], Answer]]:
    """A session that answers several questions from one version of a snapshot, as `ask` does one.

    Raises:
        ZoneError: no such snapshot.
    """
    file = snapshot_file(deployment, snapshot)
    with open_snapshot(file, snapshot) as con:
        yield partial(_answer, con, f"query on {snapshot}")


def _answer(con: duckdb.DuckDBPyConnection, where: str, sql: str, limit: int) -> Answer:
    if not _is_text(sql):
        raise QueryError(where, "the statement is not valid UTF-8", "correct its encoding")
    try:
        statements = con.extract_statements(sql)
        if len(statements) != 1 or statements[0].type not in _READING:
            raise QueryError(
                where, "it is not one select statement", "a snapshot is read, one query a time"
            )
        result = con.execute(statements[0])
        columns = [str(column[0]) for column in result.description or ()]
        rows = result.fetchmany(limit + 1)
    except _SPOKEN as error:
        raise QueryError(where, _first_paragraph(error), "correct the SQL") from None
    except duckdb.PermissionException:
        raise QueryError(
            where, "it reaches outside the snapshot", "read the snapshot's own tables"
        ) from None
    except duckdb.Error as error:
        raise QueryError(
            where,
            f"the statement failed on the data ({type(error).__name__})",
            "look for a cast or an overflow; try_cast() gives null where a cast fails",
        ) from None
    return Answer(columns=columns, rows=rows[:limit], is_cut=len(rows) > limit)


def _is_text(sql: str) -> bool:
    try:
        sql.encode()
    except UnicodeEncodeError:
        return False
    return True


def _first_paragraph(error: duckdb.Error) -> str:
    """What is wrong and which names come near, without the echo of the statement."""
    return " ".join(str(error).split("\n\nLINE")[0].split())
