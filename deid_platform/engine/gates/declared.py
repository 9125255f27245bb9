"""Works contracts, policies and publications out into what gates look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from deid_platform.core.attributes import AttributeClass, IdentifierClass, says_street
from deid_platform.core.contract import Contract, OutputColumn
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Dimension, Kind, Publication
from deid_platform.core.safe_harbor import SafeHarborPolicy
from deid_platform.core.transforms.base import ColumnType
from deid_platform.core.transforms.cap_age import CapAge
from deid_platform.core.transforms.keep_values import KeepValues
from deid_platform.core.zones import Zone
from deid_platform.engine.gates.subjects import (
    CandidateSubject,
    RecordSubject,
    SafeHarborShape,
    SourceColumn,
    Stage,
    TableName,
)
from deid_platform.engine.treatment import PARTITION, WHOLE

_MEASURE_ENDINGS = ("_count", "_years", "_year", "_days", "_hours", "_minutes", "_pct", "_per_100k")
"""House names of columns that hold a measure and not a code."""
_STAGES = {Zone.LIMITED: Stage.LIMITED, Zone.DEIDENTIFIED: Stage.DEIDENTIFIED}


def record_subject(
    contract: Contract,
    zone: Zone,
    contracts: Iterable[Contract],
    policy: SafeHarborPolicy,
    table: TableName | None = None,
    *,
    partitions: Sequence[str] | None = None,
) -> RecordSubject:
    """The limited or de-identified table of a contract.

    Args:
        contract: the table's contract.
        zone: LIMITED or DEIDENTIFIED.
        contracts: all contracts; those of the same system are compared with.
        policy: the contract's Safe Harbor policy.
        table: where the table is; before promotion, in the zone's staging schema.
        partitions: those it holds, where it was rebuilt in part; None or ``["all"]`` for all.
    """
    system = _same_systems([contract], contracts)
    outputs = contract.outputs(zone)
    columns: dict[str, str | None] = {o.name: _stored(o.type) for o in outputs}
    if zone is Zone.LIMITED:
        columns[PARTITION] = "VARCHAR"
    raw = TableName(catalog=Zone.RAW.value, name=contract.name)
    when = contract.output_of(contract.partition, zone) if contract.partition else None
    return RecordSubject(
        stage=_STAGES[zone],
        asset=f"{zone.value}/{contract.name}",
        table=table or TableName(catalog=zone.value, name=contract.name),
        columns=columns,
        identifiers=identifiers_of(system),
        vocabulary=vocabulary_of([contract], zone),
        measures=_measures(outputs),
        timed=frozenset({PARTITION}) if zone is Zone.LIMITED else frozenset(),
        raw=raw,
        raw_person=contract.person,
        person=contract.person_output(zone),
        partitions=None if partitions is None or WHOLE in partitions else tuple(partitions),
        raw_date=contract.partition if when else None,
        year=when.name if when else None,
        quasi_identifiers=_quasi_identifiers([contract]),
        shape=_shape(system, [contract], policy),
    )


def mart_subject(
    name: str,
    columns: Mapping[str, str | None],
    sources: Sequence[Contract],
    policy: SafeHarborPolicy,
    table: TableName,
    person: str | None = None,
    *,
    contracts: Iterable[Contract],
) -> RecordSubject:
    """An analysts' mart; its columns are known by the names the de-identified tables give them.

    Args:
        name: the mart.
        columns: its declared columns and types, from dbt's enforced contract.
        sources: contracts of the tables it is built from.
        policy: the Safe Harbor policy of those contracts.
        table: where the mart is; before promotion, in staging.
        person: its person surrogate, where rows concern persons.
        contracts: all contracts; those of the same systems are compared with.
    """
    systems = _same_systems(sources, contracts)
    return RecordSubject(
        stage=Stage.MART,
        asset=f"marts/{name}",
        table=table,
        columns={column: _canonical(kind) for column, kind in columns.items()},
        identifiers=identifiers_of(systems),
        vocabulary=vocabulary_of(sources, Zone.DEIDENTIFIED),
        measures=frozenset(c for c in columns if c.endswith(_MEASURE_ENDINGS)),
        person=person,
        quasi_identifiers=_quasi_identifiers(sources),
        shape=_shape(systems, sources, policy),
    )


def candidate_subject(
    publication: Publication,
    policy: DdgPolicy,
    sources: Sequence[Contract],
    as_of: date,
    *,
    contracts: Iterable[Contract],
    source: TableName | None = None,
    rows_figure: str | None = None,
    linked: Iterable[Publication] = (),
    reference: Iterable[TableName] = (),
    oldest_reference_years: int | None = None,
) -> CandidateSubject:
    """A masked candidate, where masking leaves it: ``limited.candidate.<publication>``.

    Args:
        publication: what it declares.
        policy: its disclosure policy.
        sources: contracts of the tables it aggregates.
        as_of: the day against which reference data is dated.
        contracts: all contracts; those of the same systems are compared with.
        source: the limited table it aggregates, where there is one.
        rows_figure: the figure that counts the rows of ``source``.
        linked: publications that share cells with it and are masked before it.
        reference: reference tables behind denominators and labels.
        oldest_reference_years: how old reference data may be; None sets no limit.
    """
    limited = Zone.LIMITED.value
    columns: dict[str, str | None] = {
        name: _canonical(publication.columns[name].type) if name in publication.columns else None
        for name in publication.table_columns
    }
    columns |= {publication.annotation_column(figure): None for figure in publication.figures}
    kept = vocabulary_of(sources, Zone.LIMITED)
    dimensions = publication.dimensions
    times = frozenset(name for name, d in dimensions.items() if d.kind is Kind.TIME)
    return CandidateSubject(
        stage=Stage.CANDIDATE,
        asset=f"candidate/{publication.name}",
        table=TableName(catalog=limited, schema="candidate", name=publication.name),
        columns=columns,
        identifiers=identifiers_of(_same_systems(sources, contracts)),
        vocabulary={
            name: kept.get(name, frozenset()) | _labels(dimension, policy)
            for name, dimension in dimensions.items()
        },
        measures=frozenset(columns) - dimensions.keys() | times,
        timed=times,
        labelled=frozenset(dimensions),
        reference=tuple(reference),
        publication=publication,
        policy=policy,
        aggregate=TableName(catalog=limited, name=publication.name),
        source=source,
        rows_figure=rows_figure,
        linked=tuple(linked),
        as_of=as_of,
        oldest_reference_years=oldest_reference_years,
    )


def identifiers_of(contracts: Iterable[Contract]) -> tuple[SourceColumn, ...]:
    """Raw columns that point at one person on their own, or hold a street address.

    Towns, ZIP codes and dates are quasi-identifiers: a year or an area is found in many rows of
    many people, so they are held to a shape (`safe_harbor_shape`) and to patterns instead.
    """
    shared = {IdentifierClass.DATES, IdentifierClass.GEOGRAPHY}
    return tuple(
        SourceColumn(
            table=TableName(catalog=Zone.RAW.value, name=contract.name),
            column=name,
            names=column.identifier is IdentifierClass.NAME,
        )
        for contract in contracts
        for name, column in contract.columns.items()
        if column.attribute_class is AttributeClass.DIRECT_IDENTIFIER
        or (column.identifier is not None and column.identifier not in shared)
        or (column.identifier is IdentifierClass.GEOGRAPHY and says_street(name))
    )


def vocabulary_of(contracts: Iterable[Contract], zone: Zone) -> dict[str, frozenset[str]]:
    """Closed lists of values by output column, of contracts that all list them.

    A column that one contract leaves open is open: what is exempt in one table would otherwise
    hide an identifier in another.
    """
    found: dict[str, frozenset[str]] = {}
    for contract in contracts:
        for output in contract.outputs(zone):
            listed = {str(v) for s in output.sources for v in contract.columns[s].values or ()}
            if isinstance(output.transform, KeepValues):
                listed |= {*output.transform.values, output.transform.other}
            known = found.get(output.name)
            found[output.name] = frozenset(listed if known is None else known & listed)
    return found


def _same_systems(
    sources: Sequence[Contract], contracts: Iterable[Contract]
) -> tuple[Contract, ...]:
    """Every contract of the systems of ``sources``, themselves included."""
    systems = {source.system for source in sources}
    found = {contract.name: contract for contract in (*sources, *contracts)}
    return tuple(contract for contract in found.values() if contract.system in systems)


def _shape(
    system: Iterable[Contract], tables: Iterable[Contract], policy: SafeHarborPolicy
) -> SafeHarborShape:
    """What Safe Harbor says of single columns of de-identified tables."""
    outputs = [output for contract in tables for output in contract.outputs(Zone.DEIDENTIFIED)]

    def made_by(transform: str) -> frozenset[str]:
        return frozenset(o.name for o in outputs if o.transform.name == transform)

    allowed = policy.zip3.allowed
    return SafeHarborShape(
        zip3=made_by("zip3"),
        restricted_zip3=frozenset(policy.zip3.restricted or ()),
        allowed_zip3=None if allowed is None else frozenset(allowed),
        ages=dict(age for contract in tables for age in _ages(contract)),
        oldest_age=policy.oldest_age,
        birth_years=made_by("birth_year"),
        event_dates=tuple(
            SourceColumn(table=TableName(catalog=Zone.RAW.value, name=contract.name), column=name)
            for contract in system
            for name in contract.event_dates
        ),
    )


def _ages(contract: Contract) -> Iterator[tuple[str, str | None]]:
    """Each age column of a de-identified table, and the year column that dates it."""
    for output in contract.outputs(Zone.DEIDENTIFIED):
        if isinstance(output.transform, CapAge):
            event = output.transform.event or contract.partition
            year = contract.output_of(event, Zone.DEIDENTIFIED) if event else None
            yield output.name, year.name if year else None


def _quasi_identifiers(contracts: Iterable[Contract]) -> tuple[str, ...]:
    """De-identified columns that together could point to somebody."""
    return tuple(
        dict.fromkeys(
            output.name
            for contract in contracts
            for output in contract.outputs(Zone.DEIDENTIFIED)
            if output.attribute_class is AttributeClass.QUASI_IDENTIFIER
        )
    )


def _measures(outputs: Iterable[OutputColumn]) -> frozenset[str]:
    """Whole-number outputs that are a year or an age, not a code or key."""
    return frozenset(
        o.name
        for o in outputs
        if o.attribute_class is AttributeClass.MEASURE
        or o.transform.name in ("date_to_year", "birth_year", "cap_age")
    )


def _labels(dimension: Dimension, policy: DdgPolicy) -> frozenset[str]:
    """Every label the publication and its policy give a dimension."""
    labels = {*dimension.labels, *dimension.labels.values(), *dimension.populations}
    labels |= {*dimension.groups, *dimension.hierarchy, *policy.unscored_labels}
    for members in (*dimension.groups.values(), *dimension.hierarchy.values()):
        labels |= {*members}
    for coarser in dimension.coarser.values():
        labels |= {*coarser, *coarser.values()}
    if dimension.total is not None:
        labels.add(dimension.total)
    if dimension.reference in policy.references:
        labels |= {*policy.references[dimension.reference].populations}
    return frozenset(labels)


def _stored(kind: ColumnType) -> str:
    return kind.sql.upper().replace(" ", "")


def _canonical(kind: str | None) -> str | None:
    """A declared SQL type as DuckDB writes it, or None for one that is not stated."""
    if not kind:
        return None
    written = kind.upper().replace(" ", "")
    return _SYNONYMS.get(written, written)


_SYNONYMS = {
    "TEXT": "VARCHAR",
    "STRING": "VARCHAR",
    "INT": "INTEGER",
    "INT4": "INTEGER",
    "INT8": "BIGINT",
    "LONG": "BIGINT",
    "FLOAT8": "DOUBLE",
    "BOOL": "BOOLEAN",
}
