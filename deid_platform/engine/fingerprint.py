"""One digest for the content of a table, whatever the order of its rows."""

from __future__ import annotations

import hashlib

import duckdb

from deid_platform.core.errors import ZoneError
from deid_platform.engine.sql import identifier

_FORMAT = "deid-fingerprint-1"


def fingerprint(con: duckdb.DuckDBPyConnection, table: str) -> str:
    """SHA-256 over the columns' names and types and the multiset of rows.

    Each row is hashed by itself: every value as its length and its text, so that no two rows write
    alike, and null apart from an empty text. The row hashes are sorted within 256 buckets by their
    first byte, each bucket is hashed, and the bucket hashes are hashed in order. Unlike a sum or
    an exclusive or of hashes, this leaves nothing to cancel out, and a repeated row counts twice.

    Args:
        con: a session with the table's zone attached.
        table: three-part, quoted (`engine.sql.qualified`).

    Raises:
        ZoneError: there is no such table.
    """
    try:
        columns = con.execute(f"describe {table}").fetchall()
    except duckdb.CatalogException:
        raise ZoneError(table, "there is no such table", "run the asset that makes it") from None
    digest = hashlib.sha256(_FORMAT.encode())
    for name, type_, *_ in columns:
        for part in (name, type_):
            digest.update(f"{len(part)}:{part};".encode())
    # concat() skips nulls: a null value writes the bare separator, an empty text "0:;".
    fields = ", ".join(
        f"length({text}), case when {name} is not null then ':' end, {text}, ';'"
        for name in (identifier(column[0]) for column in columns)
        for text in [f"cast({name} as varchar)"]
    )
    buckets = con.execute(
        f"""
        with hashed as (select sha256(concat({fields})) as row_hash from {table})
        select left(row_hash, 2) as bucket, sha256(string_agg(row_hash, '' order by row_hash))
        from hashed
        group by bucket
        order by bucket
        """
    ).fetchall()
    for bucket, content in buckets:
        digest.update(f"{bucket}:{content};".encode())
    return f"sha256:{digest.hexdigest()}"
