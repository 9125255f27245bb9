"""What masking did to a table, in counts: where the blanks are, who disappears, what is left open.

Cells of a group by what became of them, maps of two dimensions, and how many counts stay possible
for the hidden small cells. No value of any cell is read. Why a cell is hidden is restricted: a
picture for others goes by the codes that are published, which may say less (A-20).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import duckdb

from deid_platform.core.publication import Publication
from deid_platform.engine.mask import TableNames
from deid_platform.engine.sql import identifier

MOST_ROWS = 120
"""Of a longer dimension, a picture shows the levels with most blanks."""
MOST_COLUMNS = 20
"""A wider map is cut into several."""
_WIDTHS = ((1, 1), (2, 3), (4, 9), (10, 10), (11, 20), (21, None))


class Told(StrEnum):
    """What tells a small cell from a complementary one: the reason, or the published code."""

    REASON = "reason"
    CODE = "code"


class State(StrEnum):
    """What became of a cell."""

    SHOWN = "shown"
    ZERO = "zero"
    SMALL = "small"
    COMPLEMENTARY = "complementary"


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How many cells of a group are shown, are zero, or are hidden and why."""

    label: str
    shown: int
    zero: int
    small: int
    complementary: int

    @property
    def cells(self) -> int:
        """All cells of the group."""
        return self.shown + self.zero + self.small + self.complementary

    @property
    def hidden(self) -> int:
        """The cells that are blank."""
        return self.small + self.complementary

    @property
    def blank_share(self) -> float:
        """The share of the cells that are not zero and are hidden."""
        filled = self.cells - self.zero
        return self.hidden / filled if filled else 0.0

    @property
    def state(self) -> State | None:
        """What became of the one cell; none where there are several."""
        if self.cells != 1:
            return None
        return next(state for state in State if getattr(self, state))

    def count(self, state: State) -> int:
        """The cells in one state."""
        return int(getattr(self, state))


@dataclass(frozen=True, kw_only=True)
class Map:
    """The cells of two dimensions: a tally of each pair of levels, over all further dimensions."""

    down: str
    across: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    tallies: dict[tuple[str, str], Tally]
    rows_left_out: int

    @property
    def is_exact(self) -> bool:
        """Whether each pair of levels is one cell."""
        return all(tally.cells == 1 for tally in self.tallies.values())

    @property
    def strips(self) -> tuple[tuple[str, ...], ...]:
        """The columns, so many at a time that they fit on a page."""
        columns = self.columns
        return tuple(
            columns[start : start + MOST_COLUMNS] for start in range(0, len(columns), MOST_COLUMNS)
        )


@dataclass(frozen=True, kw_only=True)
class PeopleReport:
    """One column that counts people: all cells, groups per dimension, maps, and widths.

    ``totals`` are the margin's label per dimension; ``widths`` are hidden small cells by how many
    counts stay possible for them.
    """

    people: str
    all_cells: Tally
    groups: dict[str, tuple[Tally, ...]]
    totals: dict[str, str | None]
    maps: tuple[Map, ...]
    widths: dict[str, int]

    def most_blank(self, dimension: str) -> tuple[tuple[Tally, ...], int]:
        """The groups of a dimension, most blanks first, and how many more there are."""
        tallies = sorted(self.groups[dimension], key=lambda t: (-t.blank_share, t.label))
        return tuple(tallies[:MOST_ROWS]), max(0, len(tallies) - MOST_ROWS)


@dataclass(frozen=True, kw_only=True)
class MaskingReport:
    """Aggregates about one masked table."""

    publication: str
    title: str
    policy: str
    told: Told
    parts: tuple[PeopleReport, ...]


def masking_report(
    con: duckdb.DuckDBPyConnection,
    publication: Publication,
    names: TableNames | None = None,
    *,
    told: Told = Told.REASON,
) -> MaskingReport:
    """Tally a masked table from its evidence.

    Args:
        con: a session that reads the evidence.
        publication: the table's declaration.
        names: where the evidence is; by default that of a candidate in the limited zone.
        told: whether small and complementary cells are told apart by reason or by code.
    """
    evidence = (names or TableNames.of_zone(publication)).evidence
    return MaskingReport(
        publication=publication.name,
        title=publication.title or publication.name,
        policy=publication.policy,
        told=told,
        parts=tuple(
            _part(con, publication, people, evidence, told) for people in publication.people_columns
        ),
    )


def _part(
    con: duckdb.DuckDBPyConnection,
    publication: Publication,
    people: str,
    evidence: str,
    told: Told,
) -> PeopleReport:
    state = (
        f"(select *, case when {identifier(f'{people}_{told}')} > 0 "
        f"then {identifier(f'{people}_{told}')} when {identifier(f'{people}_high')} = 0 "
        f"then -1 else 0 end as _state from {evidence})"
    )
    counts = ", ".join(f"count(*) filter (where _state = {number})" for number in (0, -1, 1, 2))
    every = con.execute(f"select {counts} from {state}").fetchone()
    groups = {
        dimension: tuple(
            _tally(row[0], row[1:])
            for row in con.execute(
                f"select {identifier(dimension)}::varchar, {counts} from {state} "
                f"group by {identifier(dimension)} order by {identifier(dimension)}"
            ).fetchall()
        )
        for dimension in publication.dimension_columns
    }
    totals = {name: dimension.total for name, dimension in publication.dimensions.items()}
    longest = max(groups, key=lambda dimension: len(groups[dimension]))
    pairs = [(longest, other) for other in groups if other != longest] or [(longest, "")]
    return PeopleReport(
        people=people,
        all_cells=_tally("all cells", every or (0, 0, 0, 0)),
        groups=groups,
        totals=totals,
        maps=tuple(_map(con, pair, groups, totals, state, counts) for pair in pairs),
        widths=_widths(con, people, evidence),
    )


def _map(
    con: duckdb.DuckDBPyConnection,
    pair: tuple[str, str],
    groups: dict[str, tuple[Tally, ...]],
    totals: dict[str, str | None],
    state: str,
    counts: str,
) -> Map:
    down, across = pair
    columns = f"{identifier(across)}::varchar" if across else "''"
    found = con.execute(
        f"select {identifier(down)}::varchar as r, {columns} as c, {counts} from {state} "
        "group by all"
    ).fetchall()
    rows = _levels(groups[down], totals[down])
    kept = {
        tally.label
        for tally in sorted(groups[down], key=lambda t: (-t.blank_share, t.label))[:MOST_ROWS]
    }
    return Map(
        down=down,
        across=across,
        rows=tuple(row for row in rows if row in kept),
        columns=_levels(groups[across], totals[across]) if across else ("",),
        tallies={(row[0], row[1]): _tally(f"{row[0]}, {row[1]}", row[2:]) for row in found},
        rows_left_out=len(rows) - len(kept),
    )


def _levels(tallies: Iterable[Tally], total: str | None) -> tuple[str, ...]:
    """The labels in order, the margin last."""
    return tuple(sorted((t.label for t in tallies), key=lambda label: label == total))


def _tally(label: str, counts: tuple[int, ...]) -> Tally:
    shown, zero, small, complementary = counts
    return Tally(label=label, shown=shown, zero=zero, small=small, complementary=complementary)


def _widths(con: duckdb.DuckDBPyConnection, people: str, evidence: str) -> dict[str, int]:
    """Hidden small cells by how many counts stay possible."""
    values = f"({identifier(f'{people}_high')} - {identifier(f'{people}_low')} + 1)"
    selected = ", ".join(
        f"count(*) filter (where {values} >= {low}"
        + (")" if high is None else f" and {values} <= {high})")
        for low, high in _WIDTHS
    )
    found = con.execute(
        f"select {selected} from {evidence} where {identifier(f'{people}_reason')} = 1"
    ).fetchone()
    labels = [f"{a}" if a == b else f"{a} to {b}" if b else f"{a} or more" for a, b in _WIDTHS]
    return dict(zip(labels, found or (), strict=True))
