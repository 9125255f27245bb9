"""One scan: which files hold identifiers, of which class, and how many texts of each."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deid_platform.core.attributes import IdentifierClass
from deid_platform.core.contract import Contract
from deid_platform.core.errors import DeliveryError, ZoneError
from deid_platform.core.patterns import HINT, PATTERNS, Pattern
from deid_platform.core.zones import ENCRYPTED, Zone
from deid_platform.engine.database import open_snapshot, open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.scanning.identifiers import Identifiers, Vocabulary, read_identifiers
from deid_platform.engine.scanning.matching import Known, met
from deid_platform.engine.scanning.texts import (
    LINE,
    ROW,
    SealedError,
    UnreadableError,
    file_opener,
    table_texts,
    texts_of,
)
from deid_platform.engine.sql import qualified
from deid_platform.engine.word_forms import words_of

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

ALARM = 22
"""Exit code of a scan that found something, or could not look into a file."""

_NAME = IdentifierClass.NAME.value
_ROWS = 20_000
_DATED = frozenset({IdentifierClass.DATES})
_PLAIN = frozenset({"ssn_plain", "phone_plain"})
_SCANNED = tuple(p for p in PATTERNS.values() if p.identifier not in _DATED)
"""Dates are left to the gates, which know which columns may hold one."""


class Reading(StrEnum):
    """How far a file could be looked into."""

    READ = "read"
    SEALED = "sealed"
    UNREADABLE = "unreadable"
    ZONE = "zone"


@dataclass(frozen=True, kw_only=True)
class FileReport:
    """What a scan says of one file: texts by class, never a text."""

    path: Path
    reading: Reading
    texts: int = 0
    findings: Mapping[str, int] = field(default_factory=dict)

    @property
    def clear(self) -> bool:
        """Whether nothing was found, in a file that could be looked into."""
        return not self.findings and self.reading is not Reading.UNREADABLE


@dataclass(frozen=True, kw_only=True)
class Scan:
    """A finished scan. ``source_columns`` and ``forms`` say what the raw zone was compared by."""

    files: tuple[FileReport, ...]
    source_columns: int
    forms: int

    @property
    def alarms(self) -> tuple[FileReport, ...]:
        """Files with findings, and files that nobody could look into."""
        return tuple(one for one in self.files if not one.clear)

    @property
    def counts(self) -> dict[str, int]:
        """Texts by class over all files."""
        total: Counter[str] = Counter()
        for one in self.files:
            total.update(one.findings)
        return dict(sorted(total.items()))


Progress = Callable[[Path], None]


def scan_paths(
    deployment: Deployment,
    paths: Sequence[Path],
    contracts: Mapping[str, Contract],
    vocabulary: Vocabulary,
    *,
    progress: Progress = lambda _path: None,
) -> Scan:
    """Look into files and, below folders, into every file.

    The raw zone's identifiers are compared where the deployment has that zone; patterns always.
    The files of zones that hold PHI, and what waits in the landing folder, are in their place and
    not looked into.

    Raises:
        DeliveryError: there is no such path.
        ZoneError: the raw zone is being written, or cannot be opened.
    """
    for path in paths:
        if not path.exists():
            raise DeliveryError(str(path), "there is no such file or folder", "correct the path")
    raw = deployment.zone_file(Zone.RAW)
    reading = [Zone.RAW] if raw.exists() else []
    with open_zone(deployment, None, reading=reading) as con:
        source = read_identifiers(con, contracts if reading else {}, vocabulary)
        known = Known(source.hashes)
        reports = []
        for path in _files(paths):
            progress(path)
            if _at_home(deployment, path):
                reports.append(FileReport(path=path, reading=Reading.ZONE))
            else:
                tally = _Tally(source, known, vocabulary)
                reports.append(_scan_file(con, deployment, path, tally))
    return Scan(files=tuple(reports), source_columns=source.columns, forms=len(source.hashes))


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from (one for one in sorted(path.rglob("*")) if one.is_file())
        else:
            yield path


def _at_home(deployment: Deployment, path: Path) -> bool:
    """Whether a file is where identifiers belong."""
    real = path.resolve()
    homes = [deployment.landing, *(deployment.zone_file(zone) for zone in ENCRYPTED)]
    homes += [deployment.staging_file(Zone.LIMITED)]
    return any(real == home or home in real.parents for home in (h.resolve() for h in homes))


def _scan_file(
    con: duckdb.DuckDBPyConnection, deployment: Deployment, path: Path, tally: _Tally
) -> FileReport:
    import duckdb

    reading = Reading.READ
    zone = next(
        (one for one in Zone if path.resolve() == deployment.zone_file(one).resolve()), None
    )
    if zone is not None:
        # A zone that a run is writing fails the scan: it is no file that cannot be looked into.
        with open_zone(deployment, None, reading=[zone]) as opened:
            for batch in _tables(opened, zone.value):
                tally.add(con, batch)
        return FileReport(path=path, reading=reading, texts=tally.texts, findings=tally.findings())
    try:
        for batch in _batches(path):
            tally.add(con, batch)
    except SealedError:
        reading = Reading.SEALED
    except (UnreadableError, OSError, EOFError, ValueError, zlib.error, duckdb.Error, ZoneError):
        reading = Reading.UNREADABLE
    return FileReport(path=path, reading=reading, texts=tally.texts, findings=tally.findings())


def _batches(path: Path) -> Iterator[pa.Table]:
    with path.open("rb") as content:
        is_duckdb = content.read(12)[8:12] == b"DUCK"
    if is_duckdb:
        yield from _database(path)
    else:
        yield from texts_of(path.name, file_opener(path))


def _database(path: Path) -> Iterator[pa.Table]:
    import duckdb

    try:
        with open_snapshot(path, "scanned") as con:
            yield from _tables(con, "scanned")
    except duckdb.Error:
        raise UnreadableError("an encrypted or damaged database") from None


def _tables(con: duckdb.DuckDBPyConnection, catalog: str) -> Iterator[pa.Table]:
    import pyarrow as pa

    tables = con.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = ? order by all",
        [catalog],
    ).fetchall()
    for schema, table in tables:
        rows = con.execute(f"select * from {qualified(catalog, schema, table)}")
        for batch in rows.to_arrow_reader(_ROWS):
            yield from table_texts(pa.Table.from_batches([batch]))


class _Tally:
    """Counts of one file, by place and class."""

    def __init__(self, source: Identifiers, known: Known, vocabulary: Vocabulary) -> None:
        self._source = source
        self._known = known
        self.texts = 0
        self._labels = sorted(vocabulary.labels)
        self._measures = vocabulary.measures
        self._strong: Counter[tuple[str, str]] = Counter()
        self._weak: Counter[tuple[str, str]] = Counter()
        self._seen: Counter[str] = Counter()

    def add(self, con: duckdb.DuckDBPyConnection, batch: pa.Table) -> None:
        """Count what one batch holds."""
        con.register("scan_batch", batch)
        try:
            con.execute(_TEXTS)
        finally:
            con.unregister("scan_batch")
        for place, texts in con.execute(
            "select place, sum(copies) from temp.scan_texts where text <> '' group by place"
        ).fetchall():
            self._seen[str(place)] += int(texts)
            self.texts += int(texts) if place != ROW else 0
        self._overlap(con.execute(_WORDS).to_arrow_table())
        row = con.execute(_PATTERNS, [HINT, self._labels, *_PARAMETERS]).fetchall()
        for place, whole, *counts in row:
            for pattern, texts in zip(_SCANNED, counts, strict=True):
                weak = bool(whole) and pattern.name in _PLAIN
                self._count(str(place), f"pattern {pattern.name}", weak, int(texts))

    def _overlap(self, table: pa.Table) -> None:
        """Count the texts that hold identifiers of the raw zone."""
        source = self._source
        if not len(source.hashes) or not len(table):
            return
        found = met(table.column("words").combine_chunks(), self._known)
        places = table.column("place").combine_chunks().dictionary_encode()
        names = places.dictionary.to_pylist()
        place = places.indices.to_numpy()[found.text]
        row = np.array([name == ROW for name in names])[place]
        measured = np.array([name in self._measures for name in names])[place]
        kind, weak = source.kind[found.known], source.weak[found.known]
        # In a row of cells, codes meet by chance; a name may be spread over several of them.
        told = np.where(
            row,
            (kind == source.kinds.index(_NAME)) & ~weak,
            found.whole | source.in_prose[found.known],
        )
        weak = found.whole & (weak | measured) & ~row
        copies = table.column("copies").to_numpy()
        keys = np.stack([found.text, kind, ~weak, place], axis=1)[told]
        # A text that holds a class more than once is one text, strong if any of it is.
        ordered = keys[np.lexsort((~keys[:, 2].astype(bool), keys[:, 1], keys[:, 0]))]
        _, first = np.unique(ordered[:, :2], axis=0, return_index=True)
        for text, which, strong, where in ordered[first].tolist():
            self._count(
                names[where], f"source {source.kinds[which]}", not strong, int(copies[text])
            )

    def _count(self, place: str, kind: str, weak: bool, texts: int) -> None:
        if weak:
            if place not in self._measures:
                self._weak[place, kind] += texts
        else:
            self._strong[place if place in (ROW, LINE) else "", kind] += texts

    def findings(self) -> dict[str, int]:
        """Texts by class; weak ones only where they make up half of a column."""
        found: Counter[str] = Counter()
        for (_, kind), texts in self._strong.items():
            # A row and a line repeat their cells: what is seen in both is one thing.
            found[kind] = max(found[kind], texts)
        for (place, kind), texts in self._weak.items():
            if place not in (ROW, LINE) and 2 * texts >= self._seen[place]:
                found[kind] += texts
        return dict(sorted((kind, texts) for kind, texts in found.items() if texts))


_TEXTS = """
create or replace temp table scan_texts as
select place, text, count(*) as copies from scan_batch where text is not null group by all
"""
_WORDS = f"select place, copies, {words_of('text')} as words from temp.scan_texts"


def _matches(pattern: Pattern) -> str:
    exempt = " and not regexp_matches(text, ?)" if pattern.exempt is not None else ""
    return f"coalesce(sum(copies) filter (where hinted and regexp_matches(text, ?){exempt}), 0)"


_PARAMETERS = [
    expression
    for pattern in _SCANNED
    for expression in (pattern.regex, pattern.exempt)
    if expression is not None
]
_PATTERNS = f"""
with open_texts as (
    select place, text, copies, regexp_matches(text, ?) as hinted,
        regexp_full_match(text, '[0-9]+') as whole
    from temp.scan_texts
    where place <> '{ROW}' and not list_contains(?::varchar[], lower(text))
)
select place, whole, {", ".join(map(_matches, _SCANNED))}
from open_texts
group by place, whole
"""
