"""Takes a file of cells as it was delivered, or says where it is wrong and what to do.

A file that is masked or attacked decides what the public sees, so nothing is guessed: a label with
a space too many would not be seen as the total, a comma taken for a separator of thousands would
change a count. Messages name rows and columns and never quote a cell.
"""

from __future__ import annotations

import csv
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np

from deid_platform.core.errors import DeclarationError, DeliveryError, MaskingError
from deid_platform.core.masking.model import UNBOUNDED, Ints
from deid_platform.core.publication import Publication
from deid_platform.engine.database import connect, lock_down
from deid_platform.engine.sql import identifier, literal

SOURCE = "temp.main.delivered"
MOST_PEOPLE = 10**12
"""No count of people is higher; beyond it, sums would no longer be exact."""
_LARGEST = 2 << 30
_LONGEST_HEADER = 1 << 20
_HEADER_LINES = 64
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}
_JSON = "read_json({}, format = 'auto')"
_TYPED = {".parquet": "read_parquet({})", ".ndjson": _JSON, ".jsonl": _JSON, ".json": _JSON}
_SPACES = "chr(160) || ' \t\r\n'"

_NUMBER = r"[+-]?([0-9]+|[0-9]{1,3}(,[0-9]{3})+)(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?\s*%?"
"""A number as text; commas separate thousands only."""
_MARK = r"[^0-9]*|[<>≤≥]\s*=?\s*[0-9]{1,9}|[0-9]{1,9}\s*(-|–|to)\s*[0-9]{1,9}|[0-9]{1,9}\s*\+"
"""What stands in place of a withheld number: signs or words, ``<11``, ``1-10``, ``11+``."""
FORMULA = "^\\s*[=+\\-@＝＋－＠]|^[\\t\\r\\n]"
"""Text that a spreadsheet program may take for a formula."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CellFile:
    """A delivered file in a session of its own; the columns of a CSV are text there."""

    con: duckdb.DuckDBPyConnection
    file: Path
    publication: Publication

    @property
    def rows(self) -> int:
        """How many cells it has."""
        counted = self.con.execute(f"select count(*) from {SOURCE}").fetchone()
        return int(counted[0]) if counted else 0

    def check(self) -> None:
        """Refuse rows, labels and numbers that cannot be what they should.

        Raises:
            DeliveryError: a label or number is wrong, or a cell is there twice; says in which rows.
            DeclarationError: columns are missing, or a label is the declared total but for case.
        """
        self._check_columns()
        if not self.rows:
            raise DeliveryError(
                self.file.name, "it has a header and no row", "deliver one row per cell"
            )
        for column in self.publication.dimension_columns:
            self._check_labels(column)
        for column in self._figures():
            self._check_numbers(column)
        self._check_twice()

    def check_unmasked(self) -> None:
        """Refuse a file that is masked in part already, lacks a total, or whose labels would run.

        Raises:
            MaskingError: people are not counted in every cell, or there are annotations.
            DeclarationError: no row has a declared total.
            DeliveryError: a label begins like a spreadsheet formula.
        """
        annotations = map(Publication.annotation_column, self.publication.figure_columns)
        if found := sorted(set(annotations) & set(self._columns())):
            raise MaskingError(
                f"{self.file.name}: column {found[0]}",
                "it is an annotation, so the table is masked already",
                "mask the table of all counts, without annotation columns",
            )
        for column in self.publication.people_columns:
            if told := self._told(f"{_number(column)} is null"):
                raise MaskingError(
                    f"{self.file.name}: column {column}",
                    f"{told} no number, as if it were withheld already",
                    "mask the table before anything in it is withheld; zeros are written 0",
                )
        for column, dimension in self.publication.dimensions.items():
            self._refuse(
                column,
                f"regexp_matches({_text(column)}, ?)",
                "a label that begins like a spreadsheet formula (= + - @ or a control character)",
                "give it another label",
                FORMULA,
            )
            total = dimension.total
            if total is not None and not self._told(f"{_text(column)} = ?", total):
                raise DeclarationError(
                    f"{self.file.name}: column {column}",
                    "no row has the label that is declared as its total",
                    "add the margin's rows, or take `total` out of the declaration if readers "
                    "get it nowhere else",
                )

    def marked(self, column: str) -> tuple[Ints, Ints]:
        """The least and the most that marks as ``<11`` or ``1-10`` tell, by cells in key order."""
        text, order = f"trim({_text(column)})", map(identifier, self.publication.dimension_columns)

        def number(pattern: str, group: int = 1) -> str:
            return f"try_cast(regexp_extract({text}, '^{pattern}$', {group}) as bigint)"

        pair = r"([0-9]+)\s*(?:-|–|to)\s*([0-9]+)"
        most = (
            number(r"(?:≤|<\s*=)\s*([0-9]+)"),
            number(r"<\s*([0-9]+)") + " - 1",
            number(pair, 2),
        )
        least = (
            *(number(r"(?:≥|>\s*=)\s*([0-9]+)"), number(r">\s*([0-9]+)") + " + 1"),
            *(number(r"([0-9]+)\s*\+"), number(pair)),
        )
        found = self.con.execute(
            f"select coalesce({', '.join(least)}, 0) as least, "
            f"coalesce({', '.join(most)}, {UNBOUNDED}) as most from {SOURCE} "
            f"order by {', '.join(order)}"
        ).fetchnumpy()
        return (
            np.asarray(found["least"], dtype=np.int64),
            np.asarray(found["most"], dtype=np.int64),
        )

    def write_plainly(self) -> None:
        """Take the separators of thousands and the spaces around numbers out of a CSV's text."""
        if self.file.suffix.lower() not in _TYPED:
            for column in self._figures():
                name = identifier(column)
                self.con.execute(f"update {SOURCE} set {name} = replace(trim({name}), ',', '')")

    def _figures(self) -> dict[str, None]:
        declared = self.publication
        return dict.fromkeys((*declared.people_columns, *declared.figure_columns))

    def _columns(self) -> list[str]:
        return [str(row[0]) for row in self.con.execute(f"describe {SOURCE}").fetchall()]

    def _check_columns(self) -> None:
        names, declared = self._columns(), self.publication
        needed = (*declared.dimension_columns, *declared.figure_columns, *declared.people_columns)
        missing = [name for name in dict.fromkeys(needed) if name not in names]
        if missing:
            alike = {re.sub(r"\W", "", name).lower() for name in names}
            near = any(re.sub(r"\W", "", name).lower() in alike for name in missing)
            raise DeclarationError(
                self.file.name,
                f"columns {', '.join(missing)} are missing",
                "write names in the header just as they are declared (capitals, spaces)"
                if near
                else "add them to the file, or correct the declaration",
            )

    def _check_labels(self, column: str) -> None:
        text = _text(column)
        self._refuse(
            column,
            f"coalesce(trim({text}, {_SPACES}), '') = ''",
            "a blank label",
            "give every row a label, and a margin the declared total",
        )
        self._refuse(
            column,
            f"{text} <> trim({text}, {_SPACES})",
            "a label with a space before or after it",
            "take it out: a total is known by its exact label",
        )
        total = self.publication.dimensions[column].total
        told = total and self._told(f"lower({text}) = lower(?) and {text} <> ?", total, total)
        if told:
            raise DeclarationError(
                f"{self.file.name}: column {column}",
                f"{told} the declared total in other capitals",
                "write it as it is declared: a total is known by its exact label",
            )

    def _check_numbers(self, column: str) -> None:
        text, number = f"trim({_text(column)})", _number(column)
        self._refuse(
            column,
            f"not regexp_full_match({text}, ?) and (not regexp_full_match({text}, ?) "
            f"or regexp_full_match(lower({text}), '[+-]?inf(inity)?'))",
            "what is neither a number nor a mark for a withheld one",
            "write digits with a point before decimals, and blank, * or <11 for what is withheld",
            _NUMBER,
            _MARK,
        )
        if column in self.publication.people_columns:
            for condition, what in (
                (f"{text} like '%\\%' escape '\\'", "a percentage for a count of people"),
                (f"{number} < 0", "a negative count of people"),
                (f"{number} > {MOST_PEOPLE}", "a count of people beyond 10^12"),
                (f"{number} <> floor({number})", "a fraction of a person"),
            ):
                self._refuse(column, condition, what, "correct the file: it counts people")

    def _check_twice(self) -> None:
        keys = ", ".join(map(identifier, self.publication.dimension_columns))
        found = self.con.execute(
            f"select list(rowid order by rowid)[:2] from {SOURCE} group by {keys} "
            "having count(*) > 1 order by min(rowid) limit 1"
        ).fetchone()
        if found is not None:
            rows = " and ".join(str(row + self._first) for row in found[0])
            raise DeliveryError(
                self.file.name, f"rows {rows} describe the same cell", "deliver one row per cell"
            )

    def _refuse(self, column: str, condition: str, what: str, do: str, *values: str) -> None:
        if told := self._told(condition, *values):
            raise DeliveryError(f"{self.file.name}: column {column}", f"{told} {what}", do)

    def _told(self, condition: str, *values: str) -> str:
        """ "rows 4, 9 have", of the rows that meet a condition; empty where none does."""
        found = self.con.execute(
            f"select list(rowid order by rowid)[:5], count(*) from {SOURCE} where {condition}",
            list(values),
        ).fetchone()
        if found is None or not found[1]:
            return ""
        named = ", ".join(str(row + self._first) for row in found[0])
        if found[1] == 1:
            return f"row {named} has"
        more = f" and {found[1] - len(found[0]):,} more" if found[1] > len(found[0]) else ""
        return f"rows {named}{more} have"

    @property
    def _first(self) -> int:
        """The number of the first row: after the header of a CSV, as a spreadsheet counts."""
        return 1 if self.file.suffix.lower() in _TYPED else 2


@contextmanager
def delivered(file: Path, publication: Publication) -> Iterator[CellFile]:
    """Read a CSV, Parquet or NDJSON file into a session in which `SOURCE` holds its cells.

    Raises:
        DeliveryError: the file cannot be read as a table.
    """
    reader = _reader(file, publication)
    folder = Path(tempfile.mkdtemp(prefix="deid-cells-"))
    con = connect(folder)
    try:
        try:
            con.execute(f"create temp table delivered as select * from {reader}")
        except duckdb.Error as error:
            raise DeliveryError(file.name, *_malformed(file, error)) from None
        lock_down(con)
        yield CellFile(con=con, file=file, publication=publication)
    finally:
        con.close()
        shutil.rmtree(folder, ignore_errors=True)


def _text(column: str) -> str:
    return f"{identifier(column)}::varchar"


def _number(column: str) -> str:
    """A column as a number, null where something is withheld."""
    text = f"trim({_text(column)})"
    return (
        f"case when regexp_full_match({text}, {literal(_NUMBER)}) "
        f"then try_cast(rtrim(replace({text}, ',', ''), '% ') as double) end"
    )


def _reader(file: Path, publication: Publication) -> str:
    """What reads the file in SQL, once its bytes are known to be a table's."""
    try:
        if file.is_dir():
            raise DeliveryError(str(file), "it is a folder", "name one file")
        size = file.stat().st_size
        if not file.is_file():
            raise DeliveryError(str(file), "it is no regular file", "write it to a file first")
        with file.open("rb") as content:
            start = content.read(_LONGEST_HEADER)
    except FileNotFoundError:
        raise DeliveryError(str(file), "there is no such file", "check its path") from None
    except OSError:
        raise DeliveryError(str(file), "it cannot be read", "check its owner and mode") from None
    if not start.strip():
        raise DeliveryError(file.name, "it is empty", "deliver a header and one row per cell")
    if size > _LARGEST:
        raise DeliveryError(
            file.name, "it is larger than 2 GiB", "deliver one table of counts, not records"
        )
    path = literal(str(file))
    if typed := _TYPED.get(file.suffix.lower()):
        return typed.format(path)
    _check_text(file, start)
    delimiter, names = _header(file, start, publication)
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    return (
        f"read_csv({path}, auto_detect = false, header = true, delim = {literal(delimiter)}, "
        f"quote = '\"', escape = '\"', columns = {{{columns}}})"
    )


def _check_text(file: Path, start: bytes) -> None:
    """Only UTF-8: under a guessed encoding one label may become two, or two one."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in start:
        raise DeliveryError(file.name, "it is UTF-16 or no text", "save it as CSV in UTF-8")
    if b"\r" in start and b"\n" not in start:
        raise DeliveryError(
            file.name, "its lines end with a carriage return alone", "save it as CSV in UTF-8"
        )
    with file.open("rb") as content:
        for line, text in enumerate(content, 1):
            try:
                text.decode("utf-8")
            except UnicodeDecodeError:
                raise DeliveryError(
                    file.name,
                    f"line {line} is not UTF-8; it may be Latin-1 or Windows-1252, or a mixture",
                    "save the whole file as CSV in UTF-8",
                ) from None


def _header(file: Path, start: bytes, publication: Publication) -> tuple[str, list[str]]:
    """The delimiter under which the header has most of the declared columns, and its names.

    DuckDB's own detection skips lines that do not fit, and would lose rows in silence.
    """
    lines = start.decode("utf-8-sig", errors="ignore").splitlines(keepends=True)[:_HEADER_LINES]
    try:
        found = {one: next(csv.reader(lines, delimiter=one), []) for one in _DELIMITERS}
    except csv.Error:
        raise DeliveryError(
            file.name, "its header cannot be read", "write the columns' names in line 1"
        ) from None
    declared = set(publication.table_columns)
    delimiter = max(
        found, key=lambda one: (len(declared.intersection(found[one])), len(found[one]))
    )
    names = found[delimiter]
    if len(names) < 2:
        raise DeliveryError(
            file.name,
            "its header is one column",
            f"separate the columns by {', '.join(_DELIMITERS.values())}",
        )
    for place, name in enumerate(names, 1):
        if not name.strip():
            raise DeliveryError(
                file.name, f"column {place} of its header has no name", "name every column"
            )
        if names.count(name) > 1:
            raise DeliveryError(
                file.name, f"the name of column {place} occurs twice", "name every column once"
            )
    return delimiter, names


def _malformed(file: Path, error: duckdb.Error) -> tuple[str, str]:
    """What DuckDB says of a file, without the cells that it quotes."""
    if file.suffix.lower() in _TYPED:
        return f"it is not {file.suffix[1:].upper()} that can be read", "write it again"
    line = re.search(r"Line: (\d+)", str(error))
    where = f"line {line.group(1)}" if line else "a line"
    if "Expected Number of Columns" in str(error):
        return (
            f"{where} has another number of fields than the header",
            "quote fields that hold a separator, and give every row every field",
        )
    return f"{where} has a quotation mark out of place", "quote whole fields, or none"
