"""What masking did to a release: restricted in full, and what the published table itself shows.

The public picture is made from the released table alone, codes included, so that it can say
nothing that the table does not. Reasons, attacker's intervals and hidden values go to the annex.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deid_platform.core.publication import Publication
from deid_platform.engine.mask import TableNames
from deid_platform.engine.sql import identifier
from deid_platform.governance.packet.artefact import (
    Absent,
    Artefact,
    Audience,
    Group,
    csv_artefact,
    json_artefact,
)

if TYPE_CHECKING:
    import duckdb

STATES = ("shown", "zero", "small", "complementary", "no_data", "other")
"""What a reader of the released table sees of a cell."""

_MOST_ROWS, _MOST_COLUMNS = 80, 24


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One figure of the released table: cells by state, over its dimensions.

    ``groups`` has one tally per label; ``map`` one per label of two dimensions, or nothing where
    the two have too many labels for a page.
    """

    figure: str
    groups: dict[str, list[tuple[str, dict[str, int]]]]
    map_of: tuple[str, str]
    map: dict[str, dict[str, dict[str, int]]]

    @property
    def total(self) -> dict[str, int]:
        """Cells of the whole table by state."""
        first = next(iter(self.groups.values()))
        return {state: sum(tally[state] for _, tally in first) for state in STATES}


def pictures(
    con: duckdb.DuckDBPyConnection, table: str, publication: Publication
) -> tuple[Picture, ...]:
    """One picture per column that counts people: that of the first figure judged on it."""
    first: dict[str, str] = {}
    for name, figure in publication.figures.items():
        first.setdefault(figure.people, name)
    return tuple(_picture(con, table, publication, figure) for figure in first.values())


def restricted(
    con: duckdb.DuckDBPyConnection, publication: Publication
) -> tuple[list[Artefact], list[Absent]]:
    """Masked cells with their reasons and values, the certificate, and sizes of classes.

    Args:
        con: a session that reads the limited zone.
        publication: its declaration.
    """
    names = TableNames.of_zone(publication)
    present = _tables(con)
    artefacts: list[Artefact] = []
    absent: list[Absent] = []
    name = publication.name
    if ("masking", name) in present and ("main", name) in present:
        artefacts += [_evidence(con, names), _originals(con, names, publication)]
        artefacts.append(_report(con, publication))
    else:
        absent.append(
            Absent(name="determination/masked_cells", why="the pipeline kept no masking record")
        )
    if ("masking", f"{name}_certificate") in present:
        row = con.execute(f"select content from {names.certificate}").fetchone()
        artefacts.append(
            Artefact(
                group=Group.DETERMINATION,
                title="protection_certificate",
                description="Witnesses of the protection of every hidden small cell.",
                media_type="application/octet-stream",
                audience=Audience.RESTRICTED,
                content=bytes(row[0]) if row else b"",
                extension="bin",
            )
        )
    else:
        absent.append(
            Absent(name="determination/protection_certificate", why="masking wrote no certificate")
        )
    return artefacts, absent


def profile(
    con: duckdb.DuckDBPyConnection, source: str, publication: Publication
) -> dict[str, Any]:
    """Shape of an aggregate, restricted: what later drift is measured against.

    Columns with types, labels of each dimension, and how many cells have each small number of
    people; ``source`` is quoted SQL.
    """
    columns = {row[0]: row[1] for row in con.execute(f"describe {source}").fetchall()}
    labels = {
        name: [
            row[0]
            for row in con.execute(
                f"select distinct {identifier(name)}::varchar as label from {source} order by label"
            ).fetchall()
        ]
        for name in publication.dimension_columns
    }
    sizes = {}
    for people in publication.people_columns:
        counted = con.execute(
            f"select {identifier(people)}::bigint as people, count(*) from {source} "
            f"where {identifier(people)} between 1 and 30 group by people order by people"
        ).fetchall()
        sizes[people] = {str(size): cells for size, cells in counted}
    return {"columns": columns, "labels": labels, "sizes": sizes}


def _picture(
    con: duckdb.DuckDBPyConnection, table: str, publication: Publication, figure: str
) -> Picture:
    code = identifier(publication.annotation_column(figure))
    value = identifier(figure)
    tally = ", ".join(
        f"count(*) filter (where {condition})"
        for condition in (
            f"{value} is not null and {value} <> 0",
            f"{value} = 0",
            f"{value} is null and {code} = 1",
            f"{value} is null and {code} = 2",
            f"{value} is null and {code} = 3",
            f"{value} is null and ({code} is null or {code} not in (1, 2, 3))",
        )
    )
    groups = {}
    for dimension in publication.dimension_columns:
        rows = con.execute(
            f"select coalesce({identifier(dimension)}::varchar, '') as label, {tally} "
            f"from {table} group by label order by label"
        ).fetchall()
        groups[dimension] = [(row[0], dict(zip(STATES, row[1:], strict=True))) for row in rows]
    down, across = _axes(groups)
    cells: dict[str, dict[str, dict[str, int]]] = {}
    if across:
        rows = con.execute(
            f"select coalesce({identifier(down)}::varchar, '') as down, "
            f"coalesce({identifier(across)}::varchar, '') as across, {tally} "
            f"from {table} group by down, across order by down, across"
        ).fetchall()
        for row in rows:
            cells.setdefault(row[0], {})[row[1]] = dict(zip(STATES, row[2:], strict=True))
    return Picture(figure=figure, groups=groups, map_of=(down, across), map=cells)


def _axes(groups: dict[str, list[tuple[str, dict[str, int]]]]) -> tuple[str, str]:
    """The two dimensions with most labels that still fit a page: rows, then columns."""
    ordered = sorted(groups, key=lambda name: -len(groups[name]))
    rows = next((name for name in ordered if len(groups[name]) <= _MOST_ROWS), "")
    columns = next(
        (name for name in ordered if name != rows and len(groups[name]) <= _MOST_COLUMNS), ""
    )
    return (rows, columns) if columns else ("", "")


def _tables(con: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    return {
        (schema, name)
        for schema, name in con.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'limited'"
        ).fetchall()
    }


def _evidence(con: duckdb.DuckDBPyConnection, names: TableNames) -> Artefact:
    found = con.execute(f"from {names.evidence}")
    header = [column[0] for column in found.description or ()]
    return csv_artefact(
        Group.DETERMINATION,
        "masked_cells",
        "Every cell: reason, published code, and what an attacker is left with.",
        header,
        found.fetchall(),
    )


def _originals(
    con: duckdb.DuckDBPyConnection, names: TableNames, publication: Publication
) -> Artefact:
    dimensions = [identifier(name) for name in publication.dimension_columns]
    values = dict.fromkeys((*publication.people_columns, *publication.figure_columns))
    reasons = [identifier(f"{people}_reason") for people in publication.people_columns]
    matched = " and ".join(f"e.{name} is not distinct from s.{name}" for name in dimensions)
    hidden = " or ".join(f"e.{name} <> 0" for name in reasons)
    selected = ", ".join(
        [
            *(f"e.{name}" for name in dimensions),
            *(f"s.{identifier(name)}" for name in values),
            *(f"e.{name}" for name in reasons),
        ]
    )
    found = con.execute(
        f"select {selected} from {names.evidence} as e join {names.source} as s on {matched} "
        f"where {hidden} order by {', '.join(f'e.{name}' for name in dimensions)}"
    )
    header = [column[0] for column in found.description or ()]
    return csv_artefact(
        Group.DETERMINATION,
        "masked_originals",
        "Hidden cells with the values that were hidden.",
        header,
        found.fetchall(),
    )


def _report(con: duckdb.DuckDBPyConnection, publication: Publication) -> Artefact:
    from deid_platform.engine.masking_report import masking_report

    return json_artefact(
        Group.DETERMINATION,
        "masking_tallies",
        "Cells of each group by reason, and widths of the attacker's intervals.",
        [
            {
                "people": part.people,
                "groups": {
                    dimension: {
                        tally.label: {
                            "shown": tally.shown,
                            "zero": tally.zero,
                            "small": tally.small,
                            "complementary": tally.complementary,
                        }
                        for tally in tallies
                    }
                    for dimension, tallies in part.groups.items()
                },
                "widths": part.widths,
            }
            for part in masking_report(con, publication).parts
        ],
        Audience.RESTRICTED,
    )
