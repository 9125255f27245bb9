"""Tables of one deployment that share cells: what one hides, no other may show.

Two publications of the same sources share the cells in which the dimensions that only one of them
has stand at their margin: the county totals of a table by county and of one by county, age and sex
are the same numbers. A complement hidden in one and shown in the other would give a small cell
back. So tables are masked in a fixed order, the finest first, and each later one shows what
earlier ones show of its cells and hides what they hide.

Source: DDG 2.0, 4.4.3 (M-14: totals published in other tables).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
from numpy.typing import NDArray

from deid_platform.core.errors import MaskingError
from deid_platform.core.masking.model import COMPLEMENTARY, SMALL
from deid_platform.core.publication import FigureKind, Publication
from deid_platform.core.zones import Zone
from deid_platform.engine.sql import identifier, qualified

Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Elsewhere:
    """Per cell, in key order, whether other tables show it, and whether they hide it.

    ``unlabelled`` are hidden cells that another table gives the code 1, which there may stand for
    either reason (A-20): a code 2 here would say which.
    """

    shown: Bools
    hidden: Bools
    unlabelled: Bools


def masked_before(
    publication: Publication, publications: Iterable[Publication]
) -> list[Publication]:
    """The publications that share cells with this one and are masked before it, in order."""
    ordered = sorted(publications, key=_turn)
    earlier = [other for other in ordered if _turn(other) < _turn(publication)]
    return [other for other in earlier if share_cells(publication, other)]


def elsewhere(
    con: duckdb.DuckDBPyConnection,
    source: str,
    publication: Publication,
    people: str,
    linked: Sequence[Publication],
) -> Elsewhere | None:
    """What the candidates of linked publications show and hide of this table's cells.

    Args:
        con: a session with the limited zone attached.
        source: the table before masking, as quoted SQL.
        publication: its declaration.
        people: the column of people concerned.
        linked: publications masked before it.

    Raises:
        MaskingError: a linked candidate is missing or was made from other data.
    """
    concerned = [other for other in linked if people in other.people_columns]
    if not concerned:
        return None
    rows = _numbered(source, publication)
    counted = con.execute(f"select count(*) from {source}").fetchone()
    size = int(counted[0]) if counted else 0
    shown, hidden, unlabelled = (np.zeros(size, dtype=bool) for _ in range(3))
    for other in concerned:
        found = _shared(con, rows, publication, people, other)
        apart = ~np.isnan(found["theirs"]) & (found["theirs"] != found["ours"])
        if bool(apart.any()):
            raise MaskingError(
                publication.name,
                f"{int(apart.sum())} cells differ from those that the candidate of {other.name} "
                "shows, so it was made from other data",
                f"build candidate/{other.name} again first",
            )
        shown[found["row"][~np.isnan(found["theirs"])]] = True
        hidden[found["row"][np.isnan(found["theirs"])]] = True
        unlabelled[found["row"][found["their_code"] == SMALL]] = True
    return Elsewhere(shown=shown & ~hidden, hidden=hidden, unlabelled=unlabelled)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Shared cells of two candidates, and those that only one of them shows."""

    cells: int
    shown_here_only: int
    hidden_here_only: int
    different: int
    labelled_here_only: int


def compare(
    con: duckdb.DuckDBPyConnection,
    table: str,
    publication: Publication,
    people: str,
    other: Publication,
) -> Comparison:
    """Compare a candidate with that of a linked publication, cell by shared cell.

    Raises:
        MaskingError: the linked candidate is missing.
    """
    found = _shared(con, _numbered(table, publication), publication, people, other)
    here, there = ~np.isnan(found["ours"]), ~np.isnan(found["theirs"])
    return Comparison(
        cells=len(here),
        shown_here_only=int((here & ~there).sum()),
        hidden_here_only=int((there & ~here).sum()),
        different=int((here & there & (found["ours"] != found["theirs"])).sum()),
        labelled_here_only=int(
            ((found["their_code"] == SMALL) & (found["our_code"] == COMPLEMENTARY)).sum()
        ),
    )


def _numbered(table: str, publication: Publication) -> str:
    order = ", ".join(map(identifier, publication.dimension_columns))
    return f"(select *, row_number() over (order by {order}) - 1 as _row from {table})"


def _turn(publication: Publication) -> tuple[int, str]:
    return -len(publication.dimensions), publication.name


def share_cells(one: Publication, other: Publication) -> bool:
    """Whether they have a source in common and the dimensions of only one of them have margins."""
    sources = _tables(one) & _tables(other)
    alone = [
        dimension
        for this, that in ((one, other), (other, one))
        for name, dimension in this.dimensions.items()
        if name not in that.dimensions
    ]
    return bool(sources) and all(dimension.total is not None for dimension in alone)


def _tables(publication: Publication) -> set[str]:
    """What it is made from, other than reference data."""
    return {name for name in publication.sources if not name.startswith("seed.")}


def _shared(
    con: duckdb.DuckDBPyConnection,
    rows: str,
    publication: Publication,
    people: str,
    other: Publication,
) -> dict[str, NDArray[np.float64]]:
    candidate = qualified(Zone.LIMITED.value, "candidate", other.name)
    conditions, labels = [], []
    for name, dimension in publication.dimensions.items():
        if name not in other.dimensions:
            conditions.append(f"ours.{identifier(name)}::varchar = ?")
            labels.append(dimension.total)
            continue
        column, their_total = identifier(name), other.dimensions[name].total
        label = f"theirs.{column}::varchar"
        if dimension.total is not None and their_total is not None:
            label = f"if({label} = ?, ?, {label})"
            labels += [their_total, dimension.total]
        conditions.append(f"ours.{column}::varchar = {label}")
    for name, dimension in other.dimensions.items():
        if name not in publication.dimensions:
            conditions.append(f"theirs.{identifier(name)}::varchar = ?")
            labels.append(dimension.total)
    count = identifier(people)
    their_code, our_code = _code(other, people), _code(publication, people)
    marked = con.execute(f"select column_name from (describe from {rows})").fetchall()
    own = f"ours.{our_code}" if (our_code.strip('"'),) in marked else "0"
    try:
        found = con.execute(
            f"select ours._row, ours.{count} as ours, theirs.{count} as theirs, "
            f"theirs.{their_code} as their_code, {own} as our_code from {rows} as ours "
            f"join {candidate} as theirs on {' and '.join(conditions)}",
            labels,
        ).fetchnumpy()
    except duckdb.CatalogException:
        raise MaskingError(
            publication.name,
            f"it shares cells with {other.name}, of which there is no candidate yet",
            f"build candidate/{other.name} first",
        ) from None
    return {
        "row": np.asarray(found["_row"]),
        "ours": np.ma.filled(np.ma.asarray(found["ours"], dtype=float), np.nan),
        "theirs": np.ma.filled(np.ma.asarray(found["theirs"], dtype=float), np.nan),
        "their_code": np.ma.filled(np.ma.asarray(found["their_code"], dtype=float), 0.0),
        "our_code": np.ma.filled(np.ma.asarray(found["our_code"], dtype=float), 0.0),
    }


def _code(publication: Publication, people: str) -> str:
    """The annotation column of a figure that these people stand behind: counts have one code."""
    linked = {name: one for name, one in publication.figures.items() if one.people == people}
    figure = min(linked, key=lambda name: linked[name].kind is not FigureKind.COUNT)
    return identifier(Publication.annotation_column(figure))
