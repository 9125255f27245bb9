"""Files of any kind as batches of texts: CSV, Parquet, JSON, DuckDB, gzip, zip, plain text.

A batch has two columns, ``place`` (a column's name, or where in a file without columns) and
``text``. Nothing is read whole: memory holds one batch, whatever the file.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    import pyarrow as pa

ROW = "(row)"
"""The place of a whole row of a table, its cells one space apart."""
LINE = "(text)"
"""The place of a line of text."""

_CHUNK = 4 << 20
_LONGEST = 1 << 16
_LONGEST_LINE = 4
"""In chunks: a longer line is taken in parts."""
_OVERLAP = 200
_ROWS = 20_000
_DEPTH = 3
_TOKEN = re.compile(r'(?:"((?:[^"\\]|\\.)*)"\s*:\s*)?(?:"((?:[^"\\]|\\.)*)"|(-?[0-9][0-9.]*))')

Open = Callable[[], IO[bytes]]


class UnreadableError(Exception):
    """The content is of no kind that can be looked into; the text says which, and no more."""


class SealedError(Exception):
    """The content is encrypted, so that nobody without the key can read it either."""


def texts_of(name: str, opened: Open, depth: int = 0) -> Iterator[pa.Table]:
    """The texts of one file.

    Raises:
        UnreadableError: it cannot be read as any known kind.
        SealedError: it is an age archive.
    """
    with opened() as content:
        start = content.read(8192)
    if not start:
        return
    if depth > _DEPTH:
        raise UnreadableError("archives inside archives")
    if start.startswith(b"\x1f\x8b"):
        inside = name.removesuffix(".gz")
        yield from texts_of(
            inside, lambda: io.BufferedReader(gzip.GzipFile(fileobj=opened())), depth + 1
        )
    elif start.startswith(b"PK\x03\x04"):
        yield from _zip(opened, depth)
    elif start.startswith(b"age-encryption.org/") or start.startswith(b"-----BEGIN AGE ENC"):
        raise SealedError
    elif start.startswith(b"PAR1"):
        yield from _parquet(opened)
    elif b"\0" in start and not start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UnreadableError("a binary format")
    elif name.lower().endswith((".csv", ".tsv")):
        yield from _csv(opened, "\t" if name.lower().endswith(".tsv") else ",")
    elif name.lower().endswith((".json", ".jsonl", ".ndjson", ".geojson")):
        yield from _json(opened)
    else:
        yield from _lines(opened)


def _unzipped(opened: Open) -> IO[bytes]:
    return cast("IO[bytes]", _Unzipped(opened()))


class _Unzipped(gzip.GzipFile):
    """Closes what it reads from, as `gzip.GzipFile` does for a file that it opened itself."""

    def __init__(self, content: IO[bytes]) -> None:
        super().__init__(fileobj=content, mode="rb")
        self._content = content

    def close(self) -> None:
        super().close()
        self._content.close()


def _zip(opened: Open, depth: int) -> Iterator[pa.Table]:
    try:
        with opened() as content, zipfile.ZipFile(content) as archive:
            for member in archive.infolist():
                if member.flag_bits & 1:
                    raise SealedError
                if not member.is_dir():
                    inside = partial(archive.open, member)
                    yield from texts_of(member.filename, inside, depth + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        raise UnreadableError("a damaged archive") from None


def _parquet(opened: Open) -> Iterator[pa.Table]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with opened() as content:
            for batch in pq.ParquetFile(content).iter_batches(batch_size=_ROWS):
                yield from table_texts(pa.Table.from_batches([batch]))
    except (pa.ArrowException, OSError):
        raise UnreadableError("a damaged Parquet file") from None


def _csv(opened: Open, delimiter: str) -> Iterator[pa.Table]:
    """By column where the file is regular, and by line where it is not."""
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    try:
        with opened() as content:
            header = content.readline(_LONGEST).decode("utf-8", "replace")
        names = _header(header, delimiter)
        with opened() as content:
            reader = arrow_csv.open_csv(
                content,
                arrow_csv.ReadOptions(block_size=_CHUNK, column_names=names),
                arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
                ),
            )
            for batch in reader:
                yield from table_texts(pa.Table.from_batches([batch]))
    except (pa.ArrowException, OSError, ValueError):
        # What was read of it by column is counted twice, which is better than not at all.
        yield from _lines(opened)


def _header(line: str, delimiter: str) -> list[str]:
    """Names for the columns, told apart where the header repeats one; the header is data too."""
    import csv

    cells = next(csv.reader([line], delimiter=delimiter), [])
    seen: dict[str, int] = {}
    names = []
    for cell in cells:
        seen[cell] = seen.get(cell, 0) + 1
        names.append(cell if seen[cell] == 1 else f"{cell} {seen[cell]}")
    if not names:
        raise ValueError("no header")
    return names


def table_texts(table: pa.Table) -> Iterator[pa.Table]:
    """Each column's texts, and each row's as one text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    flat = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            text = column.cast(pa.string())
        except pa.ArrowException:
            text = pa.chunked_array([pa.array([str(v) for v in column.to_pylist()], pa.string())])
        flat.append(text)
        yield _batch(name, text)
    if len(flat) > 1:
        yield _batch(ROW, pc.binary_join_element_wise(*flat, " ", null_handling="skip"))


def _json(opened: Open) -> Iterator[pa.Table]:
    """Strings and numbers, each under its key where it has one; and each line as text."""
    import pyarrow as pa

    yield from _lines(opened)
    for chunk in _chunks(opened):
        found = _TOKEN.findall(chunk)
        yield pa.table(
            {
                "place": pa.array([key for key, _, _ in found], pa.string()),
                "text": pa.array(
                    [_unescaped(text) or number for _, text, number in found], pa.string()
                ),
            }
        )


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    try:
        return str(json.loads(f'"{text}"', strict=False)).encode("utf-8", "replace").decode()
    except ValueError:
        return text


def _lines(opened: Open) -> Iterator[pa.Table]:
    import pyarrow as pa

    for chunk in _chunks(opened):
        lines = chunk.splitlines()
        if max(map(len, lines), default=0) > _LONGEST:
            lines = [piece for line in lines for piece in _pieces(line)]
        yield _batch(LINE, pa.array(lines, pa.string()))


def _pieces(line: str) -> Iterator[str]:
    """A long line in parts that overlap, so that nothing is cut in two unseen."""
    for begin in range(0, max(len(line), 1), _LONGEST):
        yield line[max(begin - _OVERLAP, 0) : begin + _LONGEST]


def _chunks(opened: Open) -> Iterator[str]:
    """The text in parts that end where a line does; of an endless line, in parts that overlap."""
    try:
        with opened() as content:
            start = content.read(2)
            bom = start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
            decoder = codecs.getincrementaldecoder("utf-16" if bom else "utf-8")("replace")
            kept = decoder.decode(start)
            while block := content.read(_CHUNK):
                text = kept + decoder.decode(block)
                end = text.rfind("\n")
                if end < 0 and len(text) < _LONGEST_LINE * _CHUNK:
                    kept = text
                    continue
                yield text if end < 0 else text[:end]
                kept = text[-_OVERLAP:] if end < 0 else text[end:]
            yield kept + decoder.decode(b"", True)
    except (OSError, EOFError, zlib.error):
        raise UnreadableError("a damaged file") from None


def _batch(place: str, texts: pa.Array | pa.ChunkedArray) -> pa.Table:
    import pyarrow as pa

    return pa.table({"place": pa.array([place] * len(texts), pa.string()), "text": texts})


def file_opener(path: Path) -> Open:
    """Opens a file of the disk."""
    return lambda: path.open("rb")
