"""Pictures of a masked candidate for its reviewers: where the blanks are, and who disappears.

Counts and shares only: cells of a group by what became of them, a map of shares over two
dimensions, and how wide the attacker's intervals are. No value of any cell is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import duckdb

from deid_platform.core.publication import Publication
from deid_platform.engine.mask import TableNames
from deid_platform.engine.sql import identifier

_STATES = ("shown", "zero", "small", "complementary")
_COLOURS = {"shown": "#cfe3d4", "zero": "#f4f4f0", "small": "#b5484a", "complementary": "#e0a458"}
_WIDTHS = ((0, 0), (1, 2), (3, 8), (9, 9), (10, 19), (20, None))


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How many cells of a group were shown, were zero, or are hidden and why."""

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
    def blank_share(self) -> float:
        """The share of the cells that are not zero and are hidden."""
        filled = self.cells - self.zero
        return (self.small + self.complementary) / filled if filled else 0.0


@dataclass(frozen=True, kw_only=True)
class MaskingReport:
    """Aggregates about one candidate and one column that counts people."""

    publication: str
    people: str
    groups: dict[str, tuple[Tally, ...]]
    map_of: tuple[str, str]
    map_cells: dict[tuple[str, str], Tally]
    widths: dict[str, int]

    def markdown(self) -> str:
        """Who disappears, as tables for asset metadata."""
        lines = []
        for dimension, tallies in self.groups.items():
            lines += [
                f"**{dimension}**",
                "",
                "| group | shown | zero | small | complementary | blank |",
                "|---|--:|--:|--:|--:|--:|",
            ]
            lines += [
                f"| {t.label} | {t.shown} | {t.zero} | {t.small} | {t.complementary} "
                f"| {t.blank_share:.0%} |"
                for t in sorted(tallies, key=lambda t: (-t.blank_share, t.label))
            ]
            lines.append("")
        return "\n".join(lines)

    def html(self) -> str:
        """A page of its own: the map, the groups and the widths. It loads nothing."""
        return (
            "<!doctype html><html lang=en><meta charset=utf-8>"
            f"<title>{escape(self.publication)}: masking</title><style>{_STYLE}</style>"
            f"<h1>{escape(self.publication)}: masking of {escape(self.people)}</h1>"
            f"{self._legend()}{self._map()}{self._groups()}{self._widths()}</html>"
        )

    def _legend(self) -> str:
        marks = "".join(
            f'<span><i style="background:{_COLOURS[state]}"></i>{state}</span>' for state in _STATES
        )
        return f"<p class=legend>{marks}</p>"

    def _map(self) -> str:
        across, down = self.map_of
        columns = list(dict.fromkeys(key[1] for key in self.map_cells))
        rows = list(dict.fromkeys(key[0] for key in self.map_cells))
        head = "".join(f"<th>{escape(column)}</th>" for column in columns)
        body = "".join(
            f"<tr><th>{escape(row)}</th>"
            + "".join(_bar_cell(self.map_cells.get((row, column))) for column in columns)
            + "</tr>"
            for row in rows
        )
        title = escape(f"{across} by {down}" if down else across)
        return f"<h2>Cells of {title}</h2><table class=map><tr><th></th>{head}</tr>{body}</table>"

    def _groups(self) -> str:
        parts = []
        for dimension, tallies in self.groups.items():
            rows = "".join(
                f"<tr><th>{escape(t.label)}</th>{_bar_cell(t)}<td>{t.blank_share:.0%}</td></tr>"
                for t in sorted(tallies, key=lambda t: (-t.blank_share, t.label))
            )
            parts.append(f"<h2>Blanks by {escape(dimension)}</h2><table>{rows}</table>")
        return "".join(parts)

    def _widths(self) -> str:
        most = max([*self.widths.values(), 1])
        rows = "".join(
            f'<tr><th>{escape(label)}</th><td class=bar><div style="width:{100 * n // most}%">'
            f"</div></td><td>{n}</td></tr>"
            for label, n in self.widths.items()
        )
        return (
            "<h2>What the attacker is left with</h2><p>Hidden small cells by how many counts above "
            f"the lowest stay possible.</p><table>{rows}</table>"
        )


def masking_report(
    con: duckdb.DuckDBPyConnection, publication: Publication, people: str | None = None
) -> MaskingReport:
    """Tally the candidate of ``limited.candidate`` from its evidence.

    Args:
        con: a session that reads the limited zone.
        publication: its declaration.
        people: the column that counts people; the first one by default.
    """
    people = people or publication.people_columns[0]
    names = TableNames.of_zone(publication)
    dimensions = publication.dimension_columns
    joined = (
        f"(select e.*, e.{identifier(f'{people}_reason')} as reason, "
        f"e.{identifier(f'{people}_high')} = 0 as is_zero "
        f"from {names.evidence} as e) as evidence"
    )
    first, second = (*dimensions, "")[:2]
    keys = [identifier(first) + "::varchar"]
    keys.append(identifier(second) + "::varchar" if second else "''")
    cells = con.execute(
        f"select {keys[0]}, {keys[1]}, {_TALLY} from {joined} group by all order by all"
    ).fetchall()
    groups = {}
    for dimension in dimensions:
        rows = con.execute(
            f"select {identifier(dimension)}::varchar as label, {_TALLY} from {joined} "
            "group by label order by label"
        ).fetchall()
        groups[dimension] = tuple(_tally(row[0], row[1:]) for row in rows)
    return MaskingReport(
        publication=publication.name,
        people=people,
        groups=groups,
        map_of=(first, second),
        map_cells={(row[0], row[1]): _tally(row[0], row[2:]) for row in cells},
        widths=_widths(con, joined, people),
    )


_TALLY = (
    "count(*) filter (where reason = 0 and not is_zero), "
    "count(*) filter (where reason = 0 and is_zero), "
    "count(*) filter (where reason = 1), count(*) filter (where reason = 2)"
)
_STYLE = (
    "body{font:14px system-ui,sans-serif;margin:2rem;color:#222}table{border-collapse:collapse}"
    "th{font-weight:400;text-align:left;padding:2px 8px}td{padding:2px 8px;min-width:6rem}"
    ".stack{display:flex;height:14px;min-width:4rem}.bar div{height:12px;background:#5b7fa6}"
    ".bar{min-width:20rem}.legend span{margin-right:1.5rem}"
    ".legend i{display:inline-block;width:12px;height:12px;margin-right:6px}"
)


def _tally(label: str, counts: tuple[int, ...]) -> Tally:
    shown, zero, small, complementary = counts
    return Tally(label=label, shown=shown, zero=zero, small=small, complementary=complementary)


def _bar_cell(tally: Tally | None) -> str:
    if tally is None:
        return "<td></td>"
    parts = "".join(
        f'<div style="flex:{count};background:{_COLOURS[state]}"></div>'
        for state in _STATES
        if (count := getattr(tally, state))
    )
    words = ", ".join(f"{getattr(tally, state)} {state}" for state in _STATES)
    return f'<td title="{words}"><div class=stack>{parts}</div></td>'


def _widths(con: duckdb.DuckDBPyConnection, joined: str, people: str) -> dict[str, int]:
    width = f"({identifier(f'{people}_high')} - {identifier(f'{people}_low')})"
    selected = ", ".join(
        f"count(*) filter (where {width} >= {low}"
        + (")" if high is None else f" and {width} <= {high})")
        for low, high in _WIDTHS
    )
    found = con.execute(f"select {selected} from {joined} where reason = 1").fetchone()
    labels = [f"{a}" if a == b else f"{a} to {b}" if b else f"{a} or more" for a, b in _WIDTHS]
    return dict(zip(labels, found or (), strict=True))
