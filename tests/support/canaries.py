"""Searches files for planted texts, whatever they are wrapped in.

Every file is searched as bytes, and opened too where its bytes would hide a text: DuckDB and
SQLite files, Parquet, zip, tar and gzip. What is found is told by the number of the marker, so
that a failing test prints no identifier of a real sample.
"""

from __future__ import annotations

import gzip
import html
import io
import json
import shutil
import sqlite3
import tarfile
import tempfile
import urllib.parse
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid_platform.engine.database import attach_encrypted, connect
from deid_platform.engine.sql import identifier, literal

_CHUNK = 1 << 24
_SLOT_BITS = 20
_SLOTS = 1 << _SLOT_BITS
_ENCODINGS = {"utf-8": "UTF-8", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16"}


@dataclass(frozen=True, kw_only=True, order=True)
class Sighting:
    """A marker, by its number, and where it was seen."""

    file: str
    place: str
    marker: int


class Unreadable(AssertionError):
    """A database could not be opened, so that a search of it would find nothing, whatever it holds.

    Give its key, or leave its folder out.
    """


def sightings(
    places: Iterable[Path], markers: Sequence[str], keys: Mapping[str, str] | None = None
) -> list[Sighting]:
    """Where any of the markers is, in any letter case, below these files and folders.

    Args:
        places: files, or folders that are searched to the bottom. Each must exist.
        markers: texts to look for; each at least four characters long.
        keys: encryption keys of DuckDB files, by file name.

    Raises:
        Unreadable: a place does not exist, or a database cannot be opened.
    """
    if not markers or min(map(len, markers)) < 4:
        raise ValueError("give markers of at least four characters")
    search = _Search(markers, keys or {})
    found: set[Sighting] = set()
    for place in places:
        if not place.exists():
            raise Unreadable(f"{place} does not exist")
        files = sorted(p for p in place.rglob("*") if p.is_file()) if place.is_dir() else [place]
        for file in files:
            found |= set(search.in_file(file))
    return sorted(found)


class _Search:
    """The markers in each written form, ready to be looked for.

    A form is found by its first four bytes, looked up for every place of a chunk at once; the few
    places that pass are compared in full. So the number of markers hardly matters.
    """

    def __init__(self, markers: Sequence[str], keys: Mapping[str, str]) -> None:
        self.keys = keys
        self.forms: dict[bytes, list[tuple[bytes, str, int]]] = {}
        self.starts = np.zeros(_SLOTS, dtype=bool)
        self.longest = 0
        for number, marker in enumerate(markers):
            for encoding, name in _ENCODINGS.items():
                for form in {written.encode(encoding).lower() for written in _written(marker)}:
                    self.forms.setdefault(form[:4], []).append((form, name, number))
                    self.starts[_slots(form[:4])] = True
                    self.longest = max(self.longest, len(form))

    def in_bytes(self, content: bytes) -> Iterator[tuple[str, int]]:
        """Encoding and number of each marker in a chunk, in any case of ASCII letters."""
        content = content.lower()
        for at in np.flatnonzero(self.starts[_slots(content)]).tolist():
            for form, encoding, number in self.forms.get(content[at : at + 4], ()):
                if content.startswith(form, at):
                    yield encoding, number

    def in_file(self, file: Path) -> Iterator[Sighting]:
        with file.open("rb") as stream:
            yield from self._in_stream(str(file), stream)
            stream.seek(0)
            head = stream.read(16)
        if head[8:12] == b"DUCK":
            yield from self._in_duckdb(file)
        elif head.startswith(b"SQLite format 3"):
            yield from self._in_sqlite(file)
        elif head.startswith(b"PAR1"):
            yield from self._in_parquet(file)
        elif head.startswith((b"PK\x03\x04", b"\x1f\x8b")) or tarfile.is_tarfile(file):
            yield from self._in_archive(file)

    def _in_stream(self, name: str, stream: io.BufferedIOBase) -> Iterator[Sighting]:
        kept = b""
        while chunk := stream.read(_CHUNK):
            for encoding, number in self.in_bytes(kept + chunk):
                yield Sighting(file=name, place=f"bytes in {encoding}", marker=number)
            kept = (kept + chunk)[-self.longest :]

    def _in_duckdb(self, file: Path) -> Iterator[Sighting]:
        # A copy, so that the search neither waits for a lock nor folds a log into the original.
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "searched.duckdb"
            shutil.copy(file, copy)
            log = file.with_name(file.name + ".wal")
            if log.exists():
                shutil.copy(log, copy.with_name(copy.name + ".wal"))
            con = connect(Path(folder))
            try:
                if file.name in self.keys:
                    attach_encrypted(con, copy, "searched", self.keys[file.name], read_only=False)
                else:
                    con.execute(f"attach {literal(str(copy))} as searched")
                columns = con.execute(
                    "select schema_name, table_name, column_name from duckdb_columns() "
                    "where database_name = 'searched'"
                ).fetchall()
                for schema, table, column in columns:
                    source = ".".join(map(identifier, ("searched", schema, table)))
                    place = f"table {schema}.{table}.{column}"
                    yield from self._in_column(con, source, column, str(file), place)
            except duckdb.Error as error:
                raise Unreadable(f"{file}: {type(error).__name__}") from None
            finally:
                con.close()

    def _in_parquet(self, file: Path) -> Iterator[Sighting]:
        con = duckdb.connect()
        try:
            source = f"read_parquet({literal(str(file))})"
            for column, *_ in con.execute(f"describe from {source}").fetchall():
                yield from self._in_column(con, source, column, str(file), f"column {column}")
        finally:
            con.close()

    def _in_column(
        self, con: duckdb.DuckDBPyConnection, source: str, column: str, file: str, place: str
    ) -> Iterator[Sighting]:
        # A line end after each value, so that no two make a marker between them.
        texts = con.execute(
            f"select distinct {identifier(column)}::varchar || chr(10) as text from {source} "
            f"where {identifier(column)} is not null"
        ).to_arrow_table()
        for chunk in texts.column("text").chunks:
            for _, number in self.in_bytes((chunk.buffers()[2] or pa.py_buffer(b"")).to_pybytes()):
                yield Sighting(file=file, place=place, marker=number)

    def _in_sqlite(self, file: Path) -> Iterator[Sighting]:
        con = sqlite3.connect(f"file:{urllib.parse.quote(str(file))}?mode=ro", uri=True)
        try:
            tables = con.execute("select name from sqlite_master where type = 'table'").fetchall()
            for (table,) in tables:
                for row in con.execute(f"select * from {identifier(table)}"):
                    for cell in row:
                        content = cell if isinstance(cell, bytes) else str(cell).encode()
                        for _, number in self.in_bytes(content):
                            yield Sighting(file=str(file), place=f"table {table}", marker=number)
        except sqlite3.Error as error:
            raise Unreadable(f"{file}: {type(error).__name__}") from None
        finally:
            con.close()

    def _in_archive(self, file: Path) -> Iterator[Sighting]:
        """Unpack one layer and search it as files of its own, archives within archives too."""
        with tempfile.TemporaryDirectory() as folder:
            inside = Path(folder) / "inside"
            inside.mkdir()
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as packed:
                    packed.extractall(inside)
            elif tarfile.is_tarfile(file):
                with tarfile.open(file) as packed:
                    packed.extractall(inside, filter="data")
            else:
                with gzip.open(file) as packed, (inside / file.stem).open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked)
            for member in sorted(p for p in inside.rglob("*") if p.is_file()):
                shown = f"{file}!{member.relative_to(inside)}"
                for sighting in self.in_file(member):
                    yield replace(sighting, file=sighting.file.replace(str(member), shown))


def _slots(content: bytes) -> npt.NDArray[np.intp]:
    """For each place in a content, the slot of the four bytes that begin there."""
    each = np.frombuffer(content, dtype=np.uint8).astype(np.uint32)
    if len(each) < 4:
        return np.empty(0, dtype=np.intp)
    four = each[:-3] | each[1:-2] << 8 | each[2:-1] << 16 | each[3:] << 24
    return ((four * np.uint32(2_654_435_761)) >> np.uint32(32 - _SLOT_BITS)).astype(np.intp)


def _written(marker: str) -> set[str]:
    """A text as it stands, and as JSON, HTML and a URL would write it, in three cases."""
    forms = {
        marker,
        json.dumps(marker)[1:-1],
        html.escape(marker),
        urllib.parse.quote(marker),
        urllib.parse.quote_plus(marker),
    }
    return {spelling for form in forms for spelling in (form, form.lower(), form.upper())}
