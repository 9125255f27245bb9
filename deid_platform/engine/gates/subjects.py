"""What a gate looks at: one table, and what the declarations promise about it.

Contracts, policies and publications are worked out into these plain facts once, by the functions
of `engine.gates.declared`, so that a gate reads no declaration itself and a test can state a
subject in a few lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Publication
from deid_platform.engine.sql import qualified


class Stage(StrEnum):
    """Where on its way a table is when a gate stands before it."""

    LIMITED = "limited"
    DEIDENTIFIED = "deidentified"
    MART = "mart"
    CANDIDATE = "candidate"


@dataclass(frozen=True, kw_only=True)
class TableName:
    """A table in an attached zone or staging file."""

    catalog: str
    schema: str = "main"
    name: str

    @property
    def sql(self) -> str:
        """Quoted, in three parts."""
        return qualified(self.catalog, self.schema, self.name)


@dataclass(frozen=True, kw_only=True)
class SourceColumn:
    """A column of the raw zone.

    ``names`` marks parts of a person's name, which are also looked for in pairs.
    """

    table: TableName
    column: str
    names: bool = False


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A table before a gate.

    Args:
        stage: where on its way it is.
        asset: its name for people, such as ``deidentified/ed_visits``.
        table: where it is now; before promotion, in a staging file.
        columns: the declared columns with their DuckDB types, in order; None where a declaration
            names a column but no type.
        identifiers: the raw columns whose values may appear in no column of the table.
        vocabulary: values that a declaration, not a person, puts into a column.
        measures: numeric columns that hold counts, years or amounts.
        timed: columns whose declared content is a month or quarter.
        reference: reference tables (dbt seeds) whose labels stand in ``labelled`` columns.
        labelled: columns whose values are labels, such as a publication's dimensions.
    """

    stage: Stage
    asset: str
    table: TableName
    columns: Mapping[str, str | None]
    identifiers: tuple[SourceColumn, ...] = ()
    vocabulary: Mapping[str, frozenset[str]] = field(default_factory=dict)
    measures: frozenset[str] = frozenset()
    timed: frozenset[str] = frozenset()
    reference: tuple[TableName, ...] = ()
    labelled: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class SafeHarborShape:
    """Columns of a de-identified table that Safe Harbor limits, and the policy's limits.

    Args:
        zip3: columns that hold three-digit ZIP areas.
        restricted_zip3: areas of 20,000 people or fewer, by the policy's list.
        allowed_zip3: the only areas allowed, where the policy's list is of that kind.
        ages: columns that hold ages in years, each with the column of the year it is counted to,
            where the table shows one.
        oldest_age: the greatest age shown as itself.
        birth_years: columns that hold a year of birth.
        event_dates: raw columns whose latest year ages are reckoned against.
    """

    zip3: frozenset[str] = frozenset()
    restricted_zip3: frozenset[str] = frozenset()
    allowed_zip3: frozenset[str] | None = None
    ages: Mapping[str, str | None] = field(default_factory=dict)
    oldest_age: int = 89
    birth_years: frozenset[str] = frozenset()
    event_dates: tuple[SourceColumn, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RecordSubject(Subject):
    """A limited or de-identified table, or a mart: rows about persons.

    Args:
        raw: the raw table it was made from; None for a mart.
        raw_person: the person column of ``raw``.
        person: the person surrogate of the table.
        partitions: those of ``raw`` that the table holds; None for all.
        raw_date: the date that partitions ``raw``, where it does.
        year: the column that holds the year of ``raw_date``.
        quasi_identifiers: columns that together could point to somebody.
        shape: what Safe Harbor asks of single columns.
        min_class: the smallest class of quasi-identifiers the policy permits, if it sets one.
    """

    raw: TableName | None = None
    raw_person: str | None = None
    person: str | None = None
    partitions: tuple[str, ...] | None = None
    raw_date: str | None = None
    year: str | None = None
    quasi_identifiers: tuple[str, ...] = ()
    shape: SafeHarborShape = SafeHarborShape()
    min_class: int | None = None


@dataclass(frozen=True, kw_only=True)
class CandidateSubject(Subject):
    """A masked table that awaits a decision.

    Args:
        publication: what it declares.
        policy: the policy it is masked under.
        aggregate: the unmasked table it was made from.
        source: the limited table that was aggregated, where one table alone was.
        rows_figure: the figure that counts the rows of ``source``, each once in the margin.
        linked: publications that share cells with it and are masked before it.
        as_of: the day against which the age of reference data is reckoned.
        oldest_reference_years: how many years old reference data may be; None sets no limit.
    """

    publication: Publication
    policy: DdgPolicy
    aggregate: TableName
    source: TableName | None = None
    rows_figure: str | None = None
    linked: tuple[Publication, ...] = ()
    as_of: date
    oldest_reference_years: int | None = None
