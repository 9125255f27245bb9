"""Counts the records of a text delivery from its bytes, independently of DuckDB's readers.

The count is one side of *rows in = rows loaded + rows quarantined*. The other side is DuckDB's, so
a reader that loses or invents a row is noticed. The pass is vectorised: a line end closes a record
when an even number of quotes stands before it. Quotes where RFC 4180 has none make that reading
doubtful; such files are counted again by Python's csv module, which keeps exact state.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from deid_platform.engine.delivery import Delivery

MAX_RECORD_BYTES = 1 << 20
"""Default length from which a record is taken for a sign of a broken file."""

_CHUNK = 1 << 23
_LF, _CR, _QUOTE, _SPACE = 10, 13, 34, 32
_CODECS = {"utf-8": "utf-8", "latin-1": "latin-1", "utf-16": "utf-16-le"}
_BOMS = {
    codecs.BOM_UTF8: "UTF-8",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16 (big-endian)",
}

_Units = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


@dataclass(kw_only=True)
class _Tally:
    """State of the pass at the end of a chunk."""

    records: int = 0
    quotes: int = 0
    is_doubtful: bool = False
    with_cr: int = 0
    without_cr: int = 0
    lone_cr: int = 0
    units: int = 0
    record_start: int = 0
    longest: int = 0
    longest_record: int = 0
    last: int = _LF
    blanks: list[int] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class RecordCount:
    """What the bytes of a text delivery hold.

    ``blank_lines`` are the places of lines without content among all lines and records, from 1.
    """

    records: int
    blank_lines: tuple[int, ...] = ()


def count_csv_records(
    delivery: Delivery, encoding: str, delimiter: str, max_record_bytes: int = MAX_RECORD_BYTES
) -> RecordCount:
    """The records of a CSV file, its header included and blank lines not.

    Raises:
        DeliveryError: not the declared encoding, binary, an endless quote, mixed line ends, or a
            record longer than ``max_record_bytes``.
    """
    wide = encoding == "utf-16"
    tally = _Tally()
    with _open(delivery) as file:
        _check_mark(delivery, file, encoding)
        for chunk in _chunks(delivery, file, encoding):
            units: _Units = np.frombuffer(chunk, dtype="<u2" if wide else np.uint8)
            _count(tally, units, ord(delimiter))
    if tally.last == _CR:
        tally.lone_cr += 1
    if tally.units > tally.record_start:
        _end_records(tally, np.array([tally.units]))
    if tally.is_doubtful or tally.quotes % 2:
        return _count_exactly(delivery, encoding, delimiter)
    if tally.longest * (2 if wide else 1) > max_record_bytes:
        raise delivery.refusal(
            f"record {tally.longest_record} is longer than {max_record_bytes} bytes",
            "look for a missing closing quote, and deliver the file again",
        )
    if tally.lone_cr or (tally.with_cr and tally.without_cr):
        raise delivery.refusal(
            "the file mixes kinds of line ends, or ends lines with a carriage return alone",
            "deliver it with one kind of line end, LF or CRLF",
        )
    return RecordCount(records=tally.records, blank_lines=tuple(tally.blanks))


def count_lines(delivery: Delivery, max_record_bytes: int = MAX_RECORD_BYTES) -> RecordCount:
    """The lines of an NDJSON file that are not blank.

    Raises:
        DeliveryError: not UTF-8, binary, or a line longer than ``max_record_bytes``.
    """
    tally = _Tally()
    with _open(delivery) as file:
        _check_mark(delivery, file, "utf-8")
        for chunk in _chunks(delivery, file, "utf-8"):
            units = np.frombuffer(chunk, dtype=np.uint8)
            _end_records(tally, np.flatnonzero(units == _LF) + tally.units, units)
            tally.units += len(units)
            tally.last = int(units[-1])
    if tally.units > tally.record_start:
        _end_records(tally, np.array([tally.units]))
    if tally.longest > max_record_bytes:
        raise delivery.refusal(
            f"record {tally.longest_record} is longer than {max_record_bytes} bytes",
            "deliver one object per line",
        )
    return RecordCount(records=tally.records, blank_lines=tuple(tally.blanks))


def header_record(delivery: Delivery, encoding: str, delimiter: str) -> list[str]:
    """The names in the first record, as written, without a byte-order mark.

    Raises:
        DeliveryError: the file cannot be read, or its first record does not end.
    """
    with _open(delivery) as file:
        start = file.read(MAX_RECORD_BYTES)
    text = start.decode(_CODECS[encoding], errors="replace").removeprefix("\ufeff")
    try:
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    except csv.Error:
        raise delivery.refusal(
            "the header cannot be read", "look for an unclosed quote in the first line"
        ) from None


def _open(delivery: Delivery) -> BinaryIO:
    try:
        return delivery.path.open("rb")
    except OSError:
        raise delivery.refusal("the file cannot be read", "check its owner and mode") from None


def _check_mark(delivery: Delivery, file: BinaryIO, encoding: str) -> None:
    """Refuse a byte-order mark that contradicts the declared encoding."""
    start = file.read(3)
    file.seek(0)
    if encoding == "utf-8" and start.startswith(codecs.BOM_UTF8):
        file.seek(len(codecs.BOM_UTF8))
        return
    if encoding == "utf-16" and start.startswith(codecs.BOM_UTF16_LE):
        file.seek(len(codecs.BOM_UTF16_LE))
        return
    for mark, name in _BOMS.items():
        if start.startswith(mark):
            raise delivery.refusal(
                f"the file begins with the mark of {name}, and {encoding} is declared",
                "correct source.encoding, or deliver it as UTF-8",
            )


def _chunks(delivery: Delivery, file: BinaryIO, encoding: str) -> Iterator[bytes]:
    """The file from where it stands, in pieces of whole code units, each known to decode."""
    decoder = codecs.getincrementaldecoder(_CODECS[encoding])()
    wide = encoding == "utf-16"
    position = file.tell()
    is_last = False
    while not is_last:
        chunk = file.read(_CHUNK)
        is_last = len(chunk) < _CHUNK
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(chunk, final=is_last)
        except UnicodeDecodeError as error:
            offset = position - pending + error.start
            raise delivery.refusal(
                f"the byte at offset {offset} is not {encoding}",
                "correct source.encoding, or deliver the file as UTF-8",
            ) from None
        zero = chunk.find(b"\x00") if not wide else -1
        if zero >= 0:
            raise delivery.refusal(
                f"the file is binary (a NUL byte at offset {position + zero})",
                "deliver a text file, or name it for the format it is in",
            )
        position += len(chunk)
        if chunk:
            yield chunk


def _count(tally: _Tally, units: _Units, delimiter: int) -> None:
    """Add one chunk to the tally."""
    quotes = np.flatnonzero(units == _QUOTE)
    ends = np.flatnonzero(units == _LF)
    returns = np.flatnonzero(units == _CR)
    if len(quotes) or tally.quotes % 2:
        # A quote in even place opens a field; the one before it, if adjacent, was its escape.
        opening = quotes[tally.quotes % 2 :: 2]
        before = np.where(opening > 0, units[opening - 1], tally.last)
        expected = (before == delimiter) | (before == _LF) | (before == _CR) | (before == _QUOTE)
        tally.is_doubtful |= not bool(expected.all())
        ends = ends[(np.searchsorted(quotes, ends) + tally.quotes) % 2 == 0]
        returns = returns[(np.searchsorted(quotes, returns) + tally.quotes) % 2 == 0]
    if tally.last == _CR and (tally.quotes % 2 == 0) and units[0] != _LF:
        tally.lone_cr += 1
    inside = returns[returns < len(units) - 1]
    tally.lone_cr += int(np.count_nonzero(units[inside + 1] != _LF))
    after_cr = np.where(ends > 0, units[ends - 1], tally.last) == _CR
    tally.with_cr += int(np.count_nonzero(after_cr))
    tally.without_cr += len(ends) - int(np.count_nonzero(after_cr))
    _end_records(tally, ends + tally.units, units)
    tally.quotes += len(quotes)
    tally.units += len(units)
    tally.last = int(units[-1])


def _end_records(tally: _Tally, ends: npt.NDArray[np.intp], units: _Units | None = None) -> None:
    """Close the records that end at ``ends`` (offsets in the file); blank lines are none."""
    if not len(ends):
        return
    starts = np.concatenate(([tally.record_start], ends[:-1] + 1))
    lengths = ends - starts
    is_blank = lengths == 0
    if units is not None:
        at = np.maximum(starts - tally.units, -1)
        first = np.where(at >= 0, units[at], tally.last)
        is_blank |= (lengths == 1) & (first == _CR)
    blanks = np.flatnonzero(is_blank)
    seen = tally.records + len(tally.blanks)
    longest = int(lengths.argmax())
    if lengths[longest] > tally.longest:
        tally.longest = int(lengths[longest])
        tally.longest_record = seen + longest + 1
    tally.blanks.extend((blanks + seen + 1).tolist())
    tally.records += len(ends) - len(blanks)
    tally.record_start = int(ends[-1]) + 1


def _count_exactly(delivery: Delivery, encoding: str, delimiter: str) -> RecordCount:
    """The records by a full state machine, for a file with quotes in unusual places."""
    csv.field_size_limit(sys.maxsize)
    sentinel = "\x01"
    last: list[str] = []
    blanks: list[int] = []
    place = 0
    with (
        _open(delivery) as raw,
        io.TextIOWrapper(raw, encoding=_CODECS[encoding], newline="") as text,
    ):
        lines = itertools.chain(_terminated(text), [sentinel])
        reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
        for place, last in enumerate(reader, start=1):
            if not last:
                blanks.append(place)
    records = place - len(blanks) - 1
    if last != [sentinel]:
        raise delivery.refusal(
            f"a quote in record {records + 1} is never closed",
            "correct the quoting at the source and deliver the file again",
        )
    return RecordCount(records=records, blank_lines=tuple(blanks))


def _terminated(lines: Iterable[str]) -> Iterator[str]:
    """The lines, the last one with a line end as well."""
    line = "\n"
    for line in lines:
        yield line
    if not line.endswith(("\n", "\r")):
        yield "\n"
