"""The identifiers of the raw zone as hashes of their written forms."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from deid_platform.core.attributes import IdentifierClass
from deid_platform.core.contract import Contract
from deid_platform.core.patterns import SNOMED_CONCEPT
from deid_platform.core.publication import Publication
from deid_platform.core.zones import Zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.gates.declared import identifiers_of, vocabulary_of
from deid_platform.engine.gates.subjects import SourceColumn, TableName
from deid_platform.engine.gates.table_columns import exists
from deid_platform.engine.scanning.matching import form_hashes
from deid_platform.engine.sql import identifier
from deid_platform.engine.word_forms import form_of, words_of

if TYPE_CHECKING:
    import duckdb

    Array = np.ndarray[Any, np.dtype[Any]]

SHORTEST, SHORTEST_NUMBER = 4, 6
"""Shorter forms meet others by chance: initials and flags; years, ages and quantities."""

_PROSE_NUMBER = 7
"""Digits from which on a number inside a text is told; shorter ones are dates and quantities."""

_WEAK = "(not regexp_matches(form, '[0-9 ]') or regexp_full_match(form, '[0-9]{1,8}'))"
"""A single word or a short number, which other texts hold by chance: it counts where half of a
column is made of such, or not at all."""
_ROWS = 200_000
_LAST_WORD = r"'^(.*[^ ,]),? +([^ ]+)$', '\2 \1'"


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """What declarations, and not people, put into files.

    ``labels`` are values in lower case; ``measures`` names of columns that hold counts.
    """

    labels: frozenset[str] = frozenset()
    measures: frozenset[str] = frozenset()


def vocabulary_of_deployment(
    deployment: Deployment,
    contracts: Mapping[str, Contract],
    publications: Iterable[Publication] = (),
) -> Vocabulary:
    """Declared values of contracts, publications and reference data (dbt seeds)."""
    labels: set[str] = set()
    for zone in (Zone.LIMITED, Zone.DEIDENTIFIED):
        for one in contracts.values():
            for values in vocabulary_of([one], zone).values():
                labels |= {value.lower() for value in values}
    measures: set[str] = set()
    for publication in publications:
        measures |= set(publication.figure_columns)
        totals = (one.total for one in publication.dimensions.values())
        labels |= {total.lower() for total in totals if total}
    for seed in sorted((deployment.dbt_project / "seeds").rglob("*.csv")):
        labels |= set(_texts(seed.read_text("utf-8").splitlines()))
    return Vocabulary(labels=frozenset(labels), measures=frozenset(measures))


def _texts(lines: Iterable[str]) -> Iterator[str]:
    for row in csv.reader(lines):
        yield from (cell.strip().lower() for cell in row)


@dataclass(frozen=True)
class Identifiers:
    """The forms of the raw zone: a row each, sorted by hash.

    ``kinds`` are classes by number, ``kind`` each form's; ``weak`` marks what meets by chance, and
    ``in_prose`` what is told inside a longer text.
    """

    columns: int
    kinds: tuple[str, ...]
    hashes: Array
    kind: Array
    weak: Array
    in_prose: Array


def read_identifiers(
    con: duckdb.DuckDBPyConnection, contracts: Mapping[str, Contract], vocabulary: Vocabulary
) -> Identifiers:
    """Hash the identifiers of the raw zone.

    Only hashes are kept, so that a million people fit where their names would not.
    """
    kinds = tuple(one.value for one in IdentifierClass)
    parts: list[tuple[Array, Array, Array, Array]] = []
    columns = 0
    for source in identifiers_of(contracts.values()):
        if not exists(con, source.table):
            continue
        held = contracts[source.table.name].columns[source.column].identifier
        kind = kinds.index((held or IdentifierClass.OTHER_UNIQUE).value)
        for value in _written(source):
            parts += _hashed(con, source.table, value, kind, vocabulary)
        columns += 1
    for table, names in _names(contracts).items():
        if exists(con, table):
            for first, second in permutations(names, 2):
                value = f"{identifier(first)}::varchar || ' ' || {identifier(second)}::varchar"
                kind = kinds.index(IdentifierClass.NAME.value)
                parts += _hashed(con, table, value, kind, vocabulary)
    empty = (np.zeros(0, np.uint64), np.zeros(0, np.uint8), np.zeros(0, bool), np.zeros(0, bool))
    hashes, kind_of, weak, in_prose = (
        np.concatenate(column) for column in zip(empty, *parts, strict=True)
    )
    # Of a form that is several things, the strongest is told.
    order = np.lexsort((weak, hashes))
    hashes, chosen = np.unique(hashes[order], return_index=True)
    chosen = order[chosen]
    return Identifiers(
        columns=columns,
        kinds=kinds,
        hashes=hashes,
        kind=kind_of[chosen],
        weak=weak[chosen],
        in_prose=in_prose[chosen],
    )


def _written(source: SourceColumn) -> list[str]:
    value = f"{identifier(source.column)}::varchar"
    # A whole name in one column, "First Last", is also looked for as "Last, First".
    turned = f"regexp_replace(trim({value}), {_LAST_WORD})"
    return [value, turned] if source.names else [value]


def _names(contracts: Mapping[str, Contract]) -> dict[TableName, list[str]]:
    found: dict[TableName, list[str]] = {}
    for source in identifiers_of(contracts.values()):
        if source.names:
            found.setdefault(source.table, []).append(source.column)
    return found


def _hashed(
    con: duckdb.DuckDBPyConnection,
    table: TableName,
    value: str,
    kind: int,
    vocabulary: Vocabulary,
) -> Iterator[tuple[Array, Array, Array, Array]]:
    rows = con.execute(
        f"""
        with worded as (
            select distinct {words_of(value)} as words from {table.sql} where {value} is not null
        ),
        formed as (select words, {form_of("words")} as form from worded)
        select words, {_WEAK} as weak,
            not {_WEAK} or regexp_full_match(form, '[0-9]{{{_PROSE_NUMBER},}}') as in_prose
        from formed
        where {comparable("form")} and not list_contains($labels::varchar[], form)
        """,
        {"labels": sorted(vocabulary.labels)},
    )
    for batch in rows.to_arrow_reader(_ROWS):
        hashes = form_hashes(batch.column("words"))
        yield (
            hashes,
            np.full(len(hashes), kind, np.uint8),
            batch.column("weak").to_numpy(zero_copy_only=False).astype(bool),
            batch.column("in_prose").to_numpy(zero_copy_only=False).astype(bool),
        )


def comparable(form: str) -> str:
    """SQL for whether a form is long enough, and neither a year nor a SNOMED CT concept."""
    return (
        f"length({form}) >= {SHORTEST} "
        f"and (length({form}) >= {SHORTEST_NUMBER} "
        f"or not regexp_full_match({form}, '[0-9]+')) "
        f"and not regexp_matches({form}, '{SNOMED_CONCEPT}') "
        f"and not regexp_full_match({form}, '(18|19|20)[0-9]{{2}}')"
    )
