"""Attacks several published tables at once: what each says of the other's hidden cells.

Tables of the same people share the cells in which the dimensions that only one of them has stand
at their margin. Laid out over all their dimensions together, every published sum of every table
is one model; what a table says by itself (codes, denominators, rounded statistics) comes in as
intervals. A cell is given away by the others where its interval is narrower than it is alone.

Source: DDG 2.0, 4.4.3 (M-14); 7.3 (cross-table leak: same run, earlier vintage).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from deid_platform.core.errors import MaskingError
from deid_platform.core.masking import SMALL, PublishedTable, attack
from deid_platform.core.masking.model import UNBOUNDED, Bools, Ints
from deid_platform.core.masking.ratios import PEOPLE
from deid_platform.core.nested_labels import Fit, fit
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Dimension, Figure, Publication
from deid_platform.engine.masking_model import published_table, rules_of
from deid_platform.engine.masking_table import MaskingCells, read_cells
from deid_platform.engine.sql import identifier

_JOINT = "temp.main.joint_cells"
_BOUNDS = "joint_bounds"
_SECONDS = 600.0
_FIGURES = ("people", "low", "high", "truth")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A published table: where it stands as quoted SQL, and its declaration.

    ``source`` is the table before masking, where it is at hand.
    """

    table: str
    publication: Publication
    source: str | None = None


@dataclass(frozen=True, kw_only=True)
class JointFinding:
    """Counts of cells only: those that several tables give away together."""

    tables: int = 0
    cells: int = 0
    recovered: int = 0
    narrowed: int = 0
    of_other_data: int = 0

    @property
    def holds(self) -> bool:
        """Whether nothing more is known from all tables than from each alone."""
        return self.recovered == 0 and self.narrowed == 0


def attack_together(
    con: duckdb.DuckDBPyConnection,
    candidate: Shown,
    others: Sequence[Shown],
    people: str,
    policy: DdgPolicy,
) -> JointFinding:
    """What a reader of a candidate and of other tables works out of any of them.

    Of a table made from other data (a later vintage), only what is still true of the candidate's
    cells is used; where even that contradicts the rest, the table is left out.

    Raises:
        MaskingError: the candidate contradicts itself.
        DeclarationError: a table does not have the columns it declares.
    """
    kept, left_out = list(others), 0
    while True:
        try:
            finding = _joint(con, [candidate, *kept], people, policy)
        except MaskingError:
            if not kept:
                raise
            # Tables that contradict each other are of different data: find which, one by one.
            sound = [other for other in kept if _agrees(con, candidate, other, people, policy)]
            sound = sound if len(sound) < len(kept) else kept[:-1]
            left_out, kept = left_out + len(kept) - len(sound), sound
            continue
        finally:
            con.execute(f"drop table if exists {_JOINT}")
        return JointFinding(
            tables=finding.tables,
            cells=finding.cells,
            recovered=finding.recovered,
            narrowed=finding.narrowed,
            of_other_data=left_out,
        )


def _agrees(
    con: duckdb.DuckDBPyConnection,
    candidate: Shown,
    other: Shown,
    people: str,
    policy: DdgPolicy,
) -> bool:
    try:
        _joint(con, [candidate, other], people, policy)
    except MaskingError:
        return False
    return True


def _joint(
    con: duckdb.DuckDBPyConnection, tables: Sequence[Shown], people: str, policy: DdgPolicy
) -> JointFinding:
    if len(tables) < 2:
        return JointFinding(tables=len(tables))
    dimensions, places = _dimensions(con, tables)
    columns = ", ".join(f"{identifier(name)} varchar" for name in dimensions)
    con.execute(
        f"create or replace temp table joint_cells (part integer, {columns}, "
        "people bigint, low bigint, high bigint, truth bigint)"
    )
    for number, (shown, place) in enumerate(zip(tables, places, strict=True)):
        _lay_out(con, number, shown, people, policy, dimensions, place)
    _drop_what_changed(con, tuple(dimensions))
    keys = ", ".join(map(identifier, dimensions))
    con.execute(
        f"create or replace temp table joint_cells as select {keys}, max(people) as people, "
        "max(low) as low, min(high) as high, max(truth) as truth "
        f"from {_JOINT} group by {keys}"
    )
    joint = Publication(
        name=tables[0].publication.name,
        policy=policy.name,
        dimensions=dimensions,
        figures={name: Figure(people="people") for name in _FIGURES},
        exact_totals=False,
    )
    cells = read_cells(con, _JOINT, joint)
    known, truth = cells.integers("people", missing=-1), cells.integers("truth", missing=-1)
    low, high = cells.integers("low"), cells.integers("high")
    hidden = known < 0
    if bool((low > high).any()):
        raise MaskingError(joint.name, "the tables contradict each other", "see which were changed")
    table = PublishedTable(
        layout=cells.layout_for(np.maximum(known, truth)),
        people=known,
        codes=np.where(hidden, SMALL, 0),
        figures={},
        told={PEOPLE: (low, high)},
    )
    return _judged(table, policy, low, high, truth, len(tables))


def _judged(
    table: PublishedTable, policy: DdgPolicy, low: Ints, high: Ints, truth: Ints, tables: int
) -> JointFinding:
    """What the tables together say more than each alone."""
    rules = rules_of(policy)
    unknown = truth < 0
    recovered = narrowed = 0
    for cells in (
        table.hidden & (truth >= 1) & (truth <= rules.largest_small),
        table.hidden & unknown,
    ):
        if not bool(cells.any()):
            continue
        small: Bools | None = cells if not bool((cells & unknown).any()) else None
        found = attack(table, rules, small=small, seconds=_SECONDS)
        more = cells & ((found.low > low) | (found.high < high) | found.undecided)
        recovered += int((found.recovered & more).sum())
        narrowed += int(((found.narrowed | found.undecided) & more).sum())
    return JointFinding(
        tables=tables, cells=table.layout.cells, recovered=recovered, narrowed=narrowed
    )


def _dimensions(
    con: duckdb.DuckDBPyConnection, tables: Sequence[Shown]
) -> tuple[dict[str, Dimension], list[dict[str, str]]]:
    """The dimensions of all tables together, and where each table's own stand among them."""
    dimensions: dict[str, Dimension] = {}
    labels: dict[str, set[str]] = {}
    places: list[dict[str, str]] = []
    for shown in tables:
        place: dict[str, str] = {}
        for name, dimension in shown.publication.dimensions.items():
            own = _labels(con, shown.table, name) - {dimension.total}
            versions = [one for one in dimensions if one.partition("#")[0] == name]
            for version in versions:
                found = fit(dimensions[version], labels[version], dimension, own)
                if found.shared:
                    dimensions[version] = _joined(dimensions[version], dimension, found)
                    labels[version] |= own
                    place[name] = version
                    break
            else:
                version = f"{name}#{len(versions)}" if versions else name
                dimensions[version] = dimension.model_copy(update={"parent": None})
                labels[version], place[name] = own, version
        places.append(place)
    return dimensions, places


def _joined(one: Dimension, other: Dimension, found: Fit) -> Dimension:
    hierarchy = {**other.hierarchy, **one.hierarchy, **found.nested}
    return one.model_copy(update={"hierarchy": hierarchy, "total": one.total or other.total})


def _labels(con: duckdb.DuckDBPyConnection, table: str, column: str) -> set[str]:
    rows = con.execute(f"select distinct {identifier(column)}::varchar from {table}").fetchall()
    return {row[0] for row in rows}


def _lay_out(
    con: duckdb.DuckDBPyConnection,
    number: int,
    shown: Shown,
    people: str,
    policy: DdgPolicy,
    dimensions: Mapping[str, Dimension],
    place: Mapping[str, str],
) -> None:
    """Put the cells of a table among those of all, with what it says of each by itself."""
    cells = read_cells(con, shown.table, shown.publication)
    truth = None if shown.source is None else _truth(con, shown, cells, people)
    table = published_table(cells, shown.publication, people, truth)
    rules = rules_of(policy)
    alone = attack(table, rules, seconds=_SECONDS)
    low, high = alone.low, alone.high
    con.register(
        _BOUNDS,
        pa.table(
            {
                "row": np.arange(1, len(low) + 1),
                "people": np.where(table.people < 0, 0, table.people),
                "is_hidden": table.hidden,
                "low": low,
                "high": np.minimum(high, UNBOUNDED),
                "truth": np.full(len(low), -1) if truth is None else truth,
            }
        ),
    )
    own = {version: name for name, version in place.items()}
    labels = [
        _label(shown.publication, own.get(version), dimension)
        for version, dimension in dimensions.items()
    ]
    selected = ", ".join(text for text, _ in labels)
    order = ", ".join(map(identifier, shown.publication.dimension_columns))
    rows = f"(select *, row_number() over (order by {order}) as _row from {shown.table})"
    try:
        con.execute(
            f"insert into {_JOINT} select ?, {selected}, if(is_hidden, null, bounds.people), "
            f"bounds.low, bounds.high, nullif(bounds.truth, -1) from {rows} as source "
            f"join {_BOUNDS} as bounds on source._row = bounds.row",
            [number, *(value for _, values in labels for value in values)],
        )
    finally:
        con.unregister(_BOUNDS)


def _truth(
    con: duckdb.DuckDBPyConnection, shown: Shown, cells: MaskingCells, people: str
) -> Ints | None:
    """The true counts, if what stands as the source is still what the table was made from."""
    if shown.source is None:
        return None
    source = read_cells(con, shown.source, shown.publication)
    same = all(
        np.array_equal(source.labels[column][0], texts)
        and np.array_equal(source.labels[column][1], level)
        for column, (texts, level) in cells.labels.items()
    )
    if not same:
        return None
    truth, known = source.integers(people), cells.integers(people, missing=-1)
    return truth if bool(np.all((known < 0) | (known == truth))) else None


def _label(
    publication: Publication, column: str | None, dimension: Dimension
) -> tuple[str, list[str]]:
    """The label of a dimension of all tables, from a column of one that has it or not."""
    if column is None:
        return "?", [dimension.total or ""]
    name = f"source.{identifier(column)}::varchar"
    total = publication.dimensions[column].total
    if total is None or dimension.total is None or dimension.total == total:
        return name, []
    return f"if({name} = ?, ?, {name})", [total, dimension.total]


def _drop_what_changed(con: duckdb.DuckDBPyConnection, dimensions: tuple[str, ...]) -> None:
    """Take out what other tables say of cells that are no longer so.

    Where a shown count differs from the candidate's true count, the table is of other data: of
    the candidate's cells only counts that are still true are kept, and no interval.
    """
    keys = " and ".join(
        f"other.{identifier(name)} = mine.{identifier(name)}" for name in dimensions
    )
    pair = f"{_JOINT} as other join {_JOINT} as mine on mine.part = 0 and {keys}"
    true = "coalesce(mine.truth, mine.people)"
    changed = con.execute(
        f"select distinct other.part from {pair} where other.part > 0 and "
        f"(other.people <> {true} or {true} < other.low or {true} > other.high)"
    ).fetchall()
    for (part,) in changed:
        con.execute(
            f"delete from {_JOINT} as other using {_JOINT} as mine where mine.part = 0 "
            f"and {keys} and other.part = ? and other.people is distinct from {true}",
            [part],
        )
