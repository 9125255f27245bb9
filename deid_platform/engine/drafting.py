"""Drafts a contract from a file, for a person to finish: evidence in percentages, never values.

A draft keeps nothing: every transform is ``drop``, and what no evidence speaks for is marked
``needs_review``, which the loader refuses.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from deid_platform.core.attributes import (
    AttributeClass,
    IdentifierClass,
    identifier_by_name,
    name_words,
    says_birth,
    says_street,
)
from deid_platform.core.errors import DeliveryError
from deid_platform.core.patterns import PATTERNS
from deid_platform.core.transforms.base import TEMPORAL, ColumnType
from deid_platform.engine.database import connect, lock_down
from deid_platform.engine.delivery import FORMATS
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.sql import identifier as quoted

_SAMPLE = 1000
_SHOWN_TO_PRESIDIO = 200
_TELLING = 0.10
"""The share of values from which a pattern decides a class."""
_PROSE_LENGTH = 60
_ENOUGH = 50
"""From so many values on, that each occurs once is no chance."""
_MAY_NUMBER = (ColumnType.VARCHAR, ColumnType.INTEGER, ColumnType.BIGINT)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
"""Of any version: Presidio's recognizer passes over those that carry none."""
_READERS = {
    "csv": "read_csv(?, header = true, null_padding = true)",
    "parquet": "read_parquet(?)",
    "ndjson": "read_json(?, format = 'newline_delimited')",
}
_WHOLE_NUMBERS = {"TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT"}
_BIG_NUMBERS = {"BIGINT", "UINTEGER", "UBIGINT", "HUGEINT", "UHUGEINT"}
_QUASI = frozenset(
    {
        *("sex", "gender", "race", "ethnicity", "language", "marital", "payer", "insurance"),
        *("state", "occupation", "education", "veteran", "religion", "nationality", "tribe"),
        *("orientation", "specialty", "speciality", "facility", "hospital", "provider"),
    }
)
_SENSITIVE = frozenset(
    {
        *("diagnosis", "diagnoses", "condition", "procedure", "medication", "drug", "allergy"),
        *("icd", "icd10", "snomed", "loinc", "cpt", "reason", "disposition", "symptom"),
    }
)
_PROSE = frozenset({"note", "notes", "comment", "comments", "narrative", "remarks", "free"})


@dataclass(frozen=True, kw_only=True)
class DraftColumn:
    """What is proposed for a column, and why. ``reasons`` hold counts and shares only."""

    name: str
    type: ColumnType
    attribute_class: AttributeClass
    identifier: IdentifierClass | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A contract to be: what was found in a file of some rows."""

    name: str
    format: str
    delimiter: str | None
    partitioned: bool
    rows: int
    columns: tuple[DraftColumn, ...]

    @property
    def undecided(self) -> tuple[str, ...]:
        """Columns that nothing speaks for."""
        review = AttributeClass.NEEDS_REVIEW
        return tuple(c.name for c in self.columns if c.attribute_class is review)


@dataclass(frozen=True, kw_only=True)
class _Evidence:
    """What values of a column look like: numbers, and no value."""

    sampled: int = 0
    unique_share: float = 0.0
    mean_length: float = 0.0
    uuids: float = 0.0
    patterns: dict[str, float] = field(default_factory=dict)
    entities: dict[str, float] = field(default_factory=dict)


def draft_contract(deployment: Deployment, file: Path) -> Draft:
    """Propose a contract for a CSV, Parquet or NDJSON file.

    Raises:
        DeliveryError: the file is missing, of another format, or cannot be read.
    """
    file = file.resolve()
    kind = FORMATS.get(file.suffix.lower())
    if kind is None:
        raise DeliveryError(file.name, "unknown format", "give a .csv, .parquet or .ndjson file")
    if not file.is_file():
        raise DeliveryError(file.name, "there is no such file", "check the path")
    deployment.scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(prefix="spill-", dir=deployment.scratch) as spill:
        con = connect(Path(spill))
        try:
            lock_down(con, [file.parent])
            return _draft(con, file, kind)
        except duckdb.Error:
            raise DeliveryError(
                file.name, f"it cannot be read as {kind}", "check its encoding and its quoting"
            ) from None
        finally:
            con.close()


def _draft(con: duckdb.DuckDBPyConnection, file: Path, kind: str) -> Draft:
    reader = _READERS[kind]
    delimiter = _csv_delimiter(con, file) if kind == "csv" else None
    described = con.execute(f"describe select * from {reader}", [str(file)]).fetchall()
    if not described:
        raise DeliveryError(file.name, "it has no columns", "give a file with a header")
    con.execute(
        f"create temp table sample as select * from {reader} "
        f"using sample reservoir({_SAMPLE} rows) repeatable (1)",
        [str(file)],
    )
    counted = con.execute(f"select count(*) from {reader}", [str(file)]).fetchone()
    stem = re.sub(r"[-_]?\d{4}-\d{2}$", "", file.stem)
    return Draft(
        name="_".join(re.findall(r"[a-z0-9]+", stem.lower())) or "table",
        format=kind,
        delimiter=delimiter,
        partitioned=stem != file.stem,
        rows=int(counted[0]) if counted else 0,
        columns=tuple(_proposal(con, name, kind_of) for name, kind_of, *_ in described),
    )


def _csv_delimiter(con: duckdb.DuckDBPyConnection, file: Path) -> str:
    """The delimiter; column names that are values are refused, for a draft shows names.

    Raises:
        DeliveryError: the first row is no header.
    """
    sniffed = con.execute("select delimiter, hasheader from sniff_csv(?)", [str(file)]).fetchone()
    reader = _READERS["csv"]
    names = [n for n, *_ in con.execute(f"describe select * from {reader}", [str(file)]).fetchall()]
    values = any(pattern.found_in(name) for name in names for pattern in PATTERNS.values())
    if sniffed is None or not sniffed[1] or values or any(name[:1].isdigit() for name in names):
        raise DeliveryError(
            file.name, "its first row is no header", "put the column names into the first row"
        )
    return str(sniffed[0])


def _proposal(con: duckdb.DuckDBPyConnection, name: str, duckdb_type: str) -> DraftColumn:
    declared = _column_type(duckdb_type)
    evidence = _evidence(con, name, declared)
    attribute_class, found, reasons = _classified(name, declared, duckdb_type, evidence)
    if found not in (None, IdentifierClass.DATES) and declared not in (
        ColumnType.VARCHAR,
        *((ColumnType.DOUBLE,) if found is IdentifierClass.GEOGRAPHY else ()),
    ):
        # A number that identifies is a text of digits: leading zeros belong to it.
        declared = ColumnType.VARCHAR
    return DraftColumn(
        name=name,
        type=declared,
        attribute_class=attribute_class,
        identifier=found,
        reasons=(*reasons, *_observations(evidence)),
    )


def _classified(
    name: str, declared: ColumnType, duckdb_type: str, evidence: _Evidence
) -> tuple[AttributeClass, IdentifierClass | None, list[str]]:
    """Class, identifier and the reason, by the strongest evidence there is."""
    words = set(name_words(name))
    if declared in TEMPORAL:
        kind = "a date of birth" if says_birth(name) else "a date"
        return AttributeClass.QUASI_IDENTIFIER, IdentifierClass.DATES, [f"type: {kind}"]
    if words & _PROSE or evidence.mean_length > _PROSE_LENGTH:
        by = "name" if words & _PROSE else "values"
        return AttributeClass.FREE_TEXT, None, [f"{by}: free text"]
    shares: list[tuple[float, str, IdentifierClass]] = [
        (share, f"values: {_percent(share)} look like {pattern}", PATTERNS[pattern].identifier)
        for pattern, share in evidence.patterns.items()
    ]
    if evidence.uuids:
        text = f"values: {_percent(evidence.uuids)} look like a UUID"
        shares.append((evidence.uuids, text, IdentifierClass.OTHER_UNIQUE))
    shares += [
        (share, f"Presidio: {entity} in {_percent(share)}", _presidio_classes()[entity])
        for entity, share in evidence.entities.items()
        if entity in _presidio_classes()
    ]
    shares.sort(key=lambda one: (-one[0], one[1]))
    by_name = identifier_by_name(name)
    if by_name is not None:
        reasons = [f"name: speaks of {by_name.value}"]
        reasons += [text for share, text, _ in shares if share >= _TELLING]
        return _class_of(name, by_name), by_name, reasons
    if shares and shares[0][0] >= _TELLING:
        found = shares[0][2]
        return _class_of(name, found), found, [text for _, text, _ in shares]
    if declared in _MAY_NUMBER and evidence.unique_share == 1 and evidence.sampled >= _ENOUGH:
        found = IdentifierClass.OTHER_UNIQUE
        return _class_of(name, found), found, ["values: each occurs once"]
    if words & _SENSITIVE:
        return AttributeClass.SENSITIVE, None, ["name: speaks of health"]
    if words & _QUASI:
        return AttributeClass.QUASI_IDENTIFIER, None, ["name: speaks of a characteristic"]
    doubt = "no evidence" if not shares else "; ".join(text for _, text, _ in shares)
    if duckdb_type.startswith(("BLOB", "BIT")):
        doubt = "binary content, which no contract may hold; leave it out of the delivery"
    return AttributeClass.NEEDS_REVIEW, None, [f"undecided: {doubt}"]


def _class_of(name: str, identifier: IdentifierClass) -> AttributeClass:
    """Dates and places describe many people; other identifiers, and streets, point at one."""
    shared = identifier in (IdentifierClass.DATES, IdentifierClass.GEOGRAPHY)
    if shared and not says_street(name):
        return AttributeClass.QUASI_IDENTIFIER
    return AttributeClass.DIRECT_IDENTIFIER


def _observations(evidence: _Evidence) -> list[str]:
    if not evidence.sampled:
        return ["values: none"]
    return [f"values: {_percent(evidence.unique_share)} distinct of {evidence.sampled} sampled"]


def _evidence(con: duckdb.DuckDBPyConnection, name: str, declared: ColumnType) -> _Evidence:
    column = quoted(name)
    text = f"cast({column} as varchar)"
    row = con.execute(
        f"select count({column}), count(distinct {column}), avg(length({text})) from sample"
    ).fetchone()
    sampled = int(row[0]) if row else 0
    if not sampled or row is None:
        return _Evidence()
    uuids, patterns, entities = 0.0, dict[str, float](), dict[str, float]()
    if declared in (ColumnType.VARCHAR, ColumnType.BIGINT):
        values = [
            value
            for (value,) in con.execute(
                f"select {text} from sample where {column} is not null"
            ).fetchall()
        ]
        uuids = sum(bool(_UUID.fullmatch(value)) for value in values) / len(values)
        patterns = _pattern_shares(values)
        entities = _entity_shares(values[:_SHOWN_TO_PRESIDIO], name_words(name))
    return _Evidence(
        sampled=sampled,
        unique_share=int(row[1]) / sampled,
        mean_length=float(row[2] or 0) if declared is ColumnType.VARCHAR else 0.0,
        uuids=uuids,
        patterns=patterns,
        entities=entities,
    )


def _pattern_shares(values: Sequence[str]) -> dict[str, float]:
    found = {
        name: sum(pattern.found_in(value) for value in values) for name, pattern in PATTERNS.items()
    }
    return {name: count / len(values) for name, count in found.items() if count}


def _entity_shares(values: Sequence[str], context: Iterable[str]) -> dict[str, float]:
    from deid_platform.engine.pattern_recognizers import recognized

    counts = recognized(values, tuple(context))
    return {entity: count / len(values) for entity, count in counts.items()}


def _presidio_classes() -> dict[str, IdentifierClass]:
    from deid_platform.engine.pattern_recognizers import CLASSES

    return CLASSES


def _column_type(duckdb_type: str) -> ColumnType:
    base = duckdb_type.partition("(")[0]
    if base in _WHOLE_NUMBERS:
        return ColumnType.INTEGER
    if base in _BIG_NUMBERS:
        return ColumnType.BIGINT
    if base.startswith("TIMESTAMP"):
        return ColumnType.TIMESTAMP
    return {
        "FLOAT": ColumnType.DOUBLE,
        "DOUBLE": ColumnType.DOUBLE,
        "DECIMAL": ColumnType.DECIMAL,
        "BOOLEAN": ColumnType.BOOLEAN,
        "DATE": ColumnType.DATE,
    }.get(base, ColumnType.VARCHAR)


def _percent(share: float) -> str:
    """A whole percentage; a small share is not rounded to nothing, nor a large one to all."""
    if 0 < share < 0.01:
        return "under 1%"
    return "over 99%" if 0.99 < share < 1 else f"{share:.0%}"
