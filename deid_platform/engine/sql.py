"""The only place where a name becomes SQL text. Values are always bound, never written."""

from __future__ import annotations

from deid_platform.core.errors import DeclarationError


def identifier(name: str) -> str:
    """Quote one name for DuckDB.

    Raises:
        DeclarationError: the name is empty or holds a NUL, which no quoting makes safe.
    """
    if not name or "\x00" in name:
        raise DeclarationError("name", "empty, or holds a NUL", "give it a printable name")
    return '"' + name.replace('"', '""') + '"'


def qualified(catalog: str, schema: str, table: str) -> str:
    """Quote a three-part table name; two zones may hold tables of the same name."""
    return ".".join(map(identifier, (catalog, schema, table)))


def literal(text: str) -> str:
    """Quote a text that DuckDB accepts only as a literal, such as a path of our own making."""
    return "'" + text.replace("'", "''") + "'"
