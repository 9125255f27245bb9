"""Masks a publication's table and attacks the candidate as a reader would.

The table is read, sorted by its dimensions, as numpy columns; `core.masking` decides; the codes go
back as one Arrow table that is joined by row number. No cell value passes through Python code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from deid_platform.core.errors import MaskingError
from deid_platform.core.masking import (
    SMALL,
    Attack,
    Masking,
    MaskingRules,
    MaskingTable,
    PublishedTable,
    attack,
    mask,
)
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import FigureKind, Publication
from deid_platform.engine.masking_table import MaskingCells, read_cells
from deid_platform.engine.sql import identifier, qualified

NO_DATA = 3
"""Annotation code of a value that the source does not have (DDG 2.0, 7.5)."""
_REGISTERED = "masking_result"
_ADDITIVE = (FigureKind.COUNT, FigureKind.AMOUNT)


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskResult:
    """What masking did to one publication: one `Masking` per column that counts people."""

    publication: str
    maskings: Mapping[str, Masking]
    inexact: Mapping[str, tuple[str, ...]]

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Per people column: cells, zeros, hidden cells and the people in them."""
        return {people: masking.counts() for people, masking in self.maskings.items()}

    def metadata(self) -> dict[str, Any]:
        """Aggregates for asset metadata and the ledger; no cell value."""
        return {
            "publication": self.publication,
            "people": {
                people: {
                    **masking.counts(),
                    "attack": masking.audit.summary(),
                    "totals_not_exact_along": list(self.inexact[people]),
                }
                for people, masking in self.maskings.items()
            },
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class CandidateAttack:
    """The attack on a candidate: one per column that counts people, and their sums."""

    by_people: Mapping[str, Attack]

    @property
    def watched(self) -> int:
        """Hidden small cells that had to withstand."""
        return sum(int(found.watched.sum()) for found in self.by_people.values())

    @property
    def recovered(self) -> int:
        """Hidden small cells of which a single value remains."""
        return sum(int(found.recovered.sum()) for found in self.by_people.values())

    @property
    def narrowed(self) -> int:
        """Hidden small cells of which a protected value is, or may be, ruled out."""
        return sum(
            int((found.narrowed | found.undecided).sum()) for found in self.by_people.values()
        )

    @property
    def holds(self) -> bool:
        """Whether the masking withstood."""
        return self.recovered == 0 and self.narrowed == 0


def mask_publication(
    con: duckdb.DuckDBPyConnection,
    publication: Publication,
    policy: DdgPolicy,
    *,
    masking_required: bool = True,
) -> MaskResult:
    """Write ``limited.candidate.<publication>`` and its evidence from ``limited.main``.

    The candidate has the columns of the source, hidden figures null, and one annotation column
    per figure. Either both tables are replaced, or the last good ones stay.

    Args:
        con: a session that writes the limited zone.
        publication: the declaration of the table.
        policy: its thresholds.
        masking_required: the score's verdict. When false, only high-risk subjects are masked,
            unless the policy always hides small counts (A-05).

    Raises:
        DeclarationError: the table does not have the declared columns.
        MaskingError: margins are not sums of their rows, or no safe pattern was found.
    """
    cells = read_cells(con, "main", publication)
    rules = rules_of(policy)
    gate_all = masking_required or policy.always_suppress_small
    maskings, inexact = {}, {}
    for people in publication.people_columns:
        table = _table(cells, publication, people, gate_all=gate_all)
        inexact[people] = tuple(axis.name for axis in table.layout.axes if not axis.exact)
        maskings[people] = mask(table, rules)
    result = MaskResult(publication=publication.name, maskings=maskings, inexact=inexact)
    _write(con, publication, cells, result)
    return result


def attack_candidate(
    con: duckdb.DuckDBPyConnection, publication: Publication, policy: DdgPolicy
) -> CandidateAttack:
    """Attack ``limited.candidate.<publication>`` from what it publishes, per people column.

    Knows nothing of how the table was masked. The source is read for one purpose only: to say
    which hidden cells are small, and so must have withstood.

    Raises:
        MaskingError: the candidate contradicts itself or its source.
    """
    cells = read_cells(con, "candidate", publication)
    source = read_cells(con, "main", publication)
    if not np.array_equal(cells.layout.keys, source.layout.keys):
        raise MaskingError(
            publication.name, "the candidate has other cells than its source", "mask it again"
        )
    rules = rules_of(policy)
    found = {}
    for people in publication.people_columns:
        true = source.integers(people)
        table = published_table(cells, publication, people)
        small = (true >= 1) & (true <= rules.largest_small)
        result = attack(table, rules, small=small & table.hidden)
        found[people] = _with_statistics(cells, publication, people, result)
    return CandidateAttack(by_people=found)


def check_margins(con: duckdb.DuckDBPyConnection, publication: Publication) -> None:
    """Refuse a source table whose margins contradict its rows.

    Raises:
        MaskingError: a margin is not the sum of its rows; the message names the columns.
    """
    cells = read_cells(con, "main", publication)
    for people in publication.people_columns:
        _table(cells, publication, people, gate_all=True).check()


def rules_of(policy: DdgPolicy) -> MaskingRules:
    """The policy's thresholds as masking takes them."""
    return MaskingRules(
        min_people=policy.min_people,
        feasible=policy.min_feasible,
        strategy=policy.complement_strategy,
    )


def published_table(cells: MaskingCells, publication: Publication, people: str) -> PublishedTable:
    """The table of one people column as a reader sees it."""
    known = cells.integers(people, missing=-1)
    linked = _linked(publication, people)
    codes = np.zeros(len(known), dtype=np.int64)
    for figure in linked:
        column = Publication.annotation_column(figure)
        if column in cells.columns:
            codes = np.maximum(codes, cells.integers(column, missing=0))
    figures = {
        figure: values
        for figure in linked
        if figure != people and publication.figures[figure].kind is FigureKind.COUNT
        if (values := cells.whole(figure)) is not None
        and bool(
            np.all(values[(values >= 0) & (known >= 0)] >= known[(values >= 0) & (known >= 0)])
        )
    }
    layout = cells.layout_for(known)
    return PublishedTable(
        layout=layout,
        people=known,
        codes=np.where(known < 0, np.maximum(codes, SMALL), codes),
        figures={name: values for name, values in figures.items() if _adds_up(layout, values)},
        limit=_limit(cells, publication, people, known),
    )


def _table(
    cells: MaskingCells, publication: Publication, people: str, *, gate_all: bool
) -> MaskingTable:
    counts = cells.integers(people)
    layout = cells.layout_for(counts)
    figures = {}
    for figure in _linked(publication, people):
        if figure == people or publication.figures[figure].kind not in _ADDITIVE:
            continue
        values = cells.floats(figure)
        if np.isnan(values).any():
            continue
        if publication.exact_totals or _adds_up(layout, values):
            figures[figure] = values
    return MaskingTable(
        layout=layout,
        people=counts,
        gated=np.full(len(counts), gate_all) | cells.labelled(publication.high_risk),
        figures=figures,
        limit=_limit(cells, publication, people, counts),
    )


def _linked(publication: Publication, people: str) -> list[str]:
    return [name for name, figure in publication.figures.items() if figure.people == people]


def _limit(
    cells: MaskingCells, publication: Publication, people: str, counts: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any] | None:
    """The public upper bound that the denominators give, where shown counts respect it."""
    bound = None
    for figure in _linked(publication, people):
        column = publication.figures[figure].denominator
        if column is None or column not in cells.columns:
            continue
        values = cells.integers(column, missing=1 << 40)
        if bool(np.all(values >= counts)):
            bound = values if bound is None else np.minimum(bound, values)
    return bound


def _adds_up(layout: Any, values: np.ndarray[Any, Any]) -> bool:
    """Whether every sum whose parts are all shown adds up."""
    groups = layout.groups
    known = values >= 0
    whole = groups.sums((~known).astype(np.int64)) + ~known[groups.total] == 0
    apart = np.abs(groups.sums(values) - values[groups.total])
    return bool(np.all(apart[whole] <= 1e-6 * np.maximum(1, np.abs(values[groups.total][whole]))))


def _with_statistics(
    cells: MaskingCells, publication: Publication, people: str, result: Attack
) -> Attack:
    """A figure left standing in a hidden cell gives the cell away (M-5, A-23)."""
    standing = np.zeros(len(result.watched), dtype=bool)
    for figure in _linked(publication, people):
        standing |= ~np.isnan(cells.floats(figure))
    given_away = result.watched & standing
    return replace(
        result,
        recovered=result.recovered | given_away,
        narrowed=result.narrowed & ~given_away,
        undecided=result.undecided & ~given_away,
    )


def _write(
    con: duckdb.DuckDBPyConnection,
    publication: Publication,
    cells: MaskingCells,
    result: MaskResult,
) -> None:
    names = {people: number for number, people in enumerate(publication.people_columns)}
    columns: dict[str, Any] = {"row": np.arange(1, len(cells.layout.keys) + 1)}
    for people, number in names.items():
        masking = result.maskings[people]
        columns[f"code_{number}"] = masking.codes.astype(np.int32)
        columns[f"reason_{number}"] = masking.reasons.astype(np.int32)
        columns[f"block_{number}"] = masking.block
        columns[f"low_{number}"] = masking.audit.low
        columns[f"high_{number}"] = masking.audit.high
    con.register(_REGISTERED, pa.table(columns))
    target = qualified("limited", "candidate", publication.name)
    evidence = qualified("limited", "masking", publication.name)
    try:
        con.execute("begin transaction")
        con.execute(f"create schema if not exists {identifier('limited')}.candidate")
        con.execute(f"create schema if not exists {identifier('limited')}.masking")
        con.execute(f"create or replace table {target} as {_candidate(publication, cells, names)}")
        con.execute(f"create or replace table {evidence} as {_evidence(publication, names)}")
        con.execute("commit")
    except duckdb.Error:
        con.execute("rollback")
        raise MaskingError(
            publication.name,
            "the candidate could not be written",
            "the last good candidate stands; check the zone and run again",
        ) from None
    finally:
        con.unregister(_REGISTERED)


def _numbered(publication: Publication) -> str:
    order = ", ".join(map(identifier, publication.dimension_columns))
    source = qualified("limited", "main", publication.name)
    return (
        f"(select *, row_number() over (order by {order}) as _row from {source}) as source "
        f"join {_REGISTERED} as result on source._row = result.row"
    )


def _candidate(publication: Publication, cells: MaskingCells, names: Mapping[str, int]) -> str:
    people_of = {name: figure.people for name, figure in publication.figures.items()}
    people_of |= {people: people for people in names}
    selected = []
    for column in cells.columns:
        name = identifier(column)
        if column in people_of:
            code = f"code_{names[people_of[column]]}"
            selected.append(f"case when {code} = 0 then {name} end as {name}")
        else:
            selected.append(name)
    for figure in publication.figures:
        code, name = f"code_{names[people_of[figure]]}", identifier(figure)
        annotation = identifier(Publication.annotation_column(figure))
        selected.append(
            f"case when {code} = 0 and {name} is null then {NO_DATA} else {code} end"
            f"::integer as {annotation}"
        )
    return f"select {', '.join(selected)} from {_numbered(publication)} order by _row"


def _evidence(publication: Publication, names: Mapping[str, int]) -> str:
    selected = list(map(identifier, publication.dimension_columns))
    for people, number in names.items():
        for part in ("reason", "code", "block", "low", "high"):
            selected.append(f"{part}_{number} as {identifier(f'{people}_{part}')}")
    return f"select {', '.join(selected)} from {_numbered(publication)} order by _row"
