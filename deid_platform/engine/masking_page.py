"""The pictures of a masked table as a page of its own, and as Markdown for asset metadata.

The page loads nothing, reads without colours and prints. Every mark is a letter or a number as
well as a shade; every chart is a table.
"""

from __future__ import annotations

from html import escape

import duckdb

from deid_platform.core.errors import MaskingError
from deid_platform.core.publication import Publication
from deid_platform.core.zones import Zone
from deid_platform.engine.masking_report import (
    Map,
    MaskingReport,
    PeopleReport,
    State,
    Tally,
    Told,
    masking_report,
)
from deid_platform.engine.sql import qualified

_GLYPHS = {State.SHOWN: "·", State.ZERO: "0", State.SMALL: "S", State.COMPLEMENTARY: "C"}
_WORDS = {
    Told.REASON: {
        State.SHOWN: "shown",
        State.ZERO: "true zero, shown",
        State.SMALL: "hidden: few people (1 to 10)",
        State.COMPLEMENTARY: "hidden: would give another one back",
    },
    Told.CODE: {
        State.SHOWN: "shown",
        State.ZERO: "true zero, shown",
        State.SMALL: "hidden, published code 1",
        State.COMPLEMENTARY: "hidden, published code 2",
    },
}
_STEPS = (0.0, 0.25, 0.5, 0.75)
_SHADES = "░▒▓█"
_MARKDOWN_ROWS, _MARKDOWN_COLUMNS = 60, 12


def keep_page(con: duckdb.DuckDBPyConnection, publication: Publication) -> None:
    """Write a candidate's page beside its certificate, in the limited zone."""
    page = html(masking_report(con, publication)).encode()
    table = _kept(publication.name)
    con.execute(f"create or replace table {table} as select ?::blob as content", [page])


def kept_page(con: duckdb.DuckDBPyConnection, publication: str) -> bytes:
    """The page that was kept for a candidate.

    Raises:
        MaskingError: there is no candidate of that name.
    """
    try:
        found = con.execute(f"select content from {_kept(publication)}").fetchone()
    except duckdb.CatalogException:
        found = None
    if found is None:
        raise MaskingError(
            publication, "there is no report of such a candidate", "see `deid status` for those"
        )
    return bytes(found[0])


def _kept(publication: str) -> str:
    return qualified(Zone.LIMITED.value, "masking", f"{publication}_report")


def html(report: MaskingReport) -> str:
    """The page. It says why cells are hidden, so it is restricted evidence."""
    title = f"{report.title}: masking"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><header>"
        f"<h1>{escape(title)}</h1><p>Publication <b>{escape(report.publication)}</b>, policy "
        f"<b>{escape(report.policy)}</b>. Counts of cells only: no value of any cell is on this "
        "page. It says why cells are hidden, which the published table may not say: "
        "<strong>restricted evidence, not for publication.</strong></p></header><main>"
        + "".join(_section(part, report.told) for part in report.parts)
        + "</main></body></html>\n"
    )


def markdown(report: MaskingReport) -> dict[str, str]:
    """The pictures by name, as Markdown: map, blanks by group, widths."""
    found = {}
    for part in report.parts:
        of = "" if len(report.parts) == 1 else f" ({part.people})"
        found[f"map{of}"] = "\n\n".join(
            [_legend_line(report.told), *(_markdown_map(one) for one in part.maps)]
        )
        found[f"blanks by group{of}"] = "\n\n".join(
            _markdown_groups(part, dimension) for dimension in part.groups
        )
        found[f"counts left possible{of}"] = _markdown_table(
            ("counts that stay possible, at least", "hidden small cells"),
            [(label, f"{count:,}") for label, count in part.widths.items()],
        )
    return found


def _section(part: PeopleReport, told: Told) -> str:
    whole = part.all_cells
    numbers = "".join(
        f'<li><span class="key {state}">{_GLYPHS[state]}</span> <b>{whole.count(state):,}</b> '
        f"{escape(_WORDS[told][state])}</li>"
        for state in State
    )
    return (
        f"<section><h2>{escape(part.people)}</h2><p>{whole.cells:,} cells. Of those that are not "
        f"zero, <b>{whole.blank_share:.0%}</b> are blank.</p>"
        f'<ul class="legend" aria-label="Legend">{numbers}</ul>'
        + "".join(_map(one, part) for one in part.maps)
        + "<h3>Who disappears</h3><p>The share of cells that are not zero and are blank, by group; "
        "groups with most blanks first.</p>"
        + "".join(_groups(part, dimension) for dimension in part.groups)
        + _widths(part)
        + "</section>"
    )


def _map(one: Map, part: PeopleReport) -> str:
    heading = escape(f"{one.down} by {one.across}" if one.across else one.down)
    if one.is_exact:
        how = "Each square is one cell; the letter says what became of it."
    else:
        how = (
            "Each square stands for several cells. The number is the percentage of those that are "
            "not zero and are blank; the darker, the more. 0: all are zero. "
            + "".join(
                f'<span class="key step{step}">{words}</span>'
                for step, words in enumerate(("to 25", "to 50", "to 75", "to 100"), 1)
            )
        )
    left = (
        f" The {len(one.rows)} with most blanks; {one.rows_left_out:,} more are not drawn."
        if one.rows_left_out
        else ""
    )
    strips = "".join(
        "<figure>"
        + (
            f"<figcaption>Part {number} of {len(one.strips)}</figcaption>"
            if len(one.strips) > 1
            else ""
        )
        + f'<div class="wide"><table class="map" aria-label="{heading}, part {number}">'
        '<thead><tr><th scope="col">'
        f"{escape(one.down)}</th>"
        + "".join(
            f'<th scope="col"{_margin(column, part.totals.get(one.across))}>'
            f"<span>{escape(column)}</span></th>"
            for column in strip
        )
        + "</tr></thead><tbody>"
        + "".join(
            f'<tr><th scope="row"{_margin(row, part.totals[one.down])}>{escape(row)}</th>'
            + "".join(_square(one.tallies.get((row, column))) for column in strip)
            + "</tr>"
            for row in one.rows
        )
        + "</tbody></table></div></figure>"
        for number, strip in enumerate(one.strips, 1)
    )
    return f"<h3>{heading}</h3><p>{how}{left}</p>{strips}"


def _square(tally: Tally | None) -> str:
    if tally is None:
        return '<td class="none"></td>'
    if tally.state is not None:
        return f'<td class="{tally.state}">{_GLYPHS[tally.state]}</td>'
    if tally.zero == tally.cells:
        return f'<td class="zero" title="{_spoken(tally)}">0</td>'
    if not tally.hidden:
        return f'<td class="shown" title="{_spoken(tally)}">·</td>'
    return f'<td class="step{_step(tally)}" title="{_spoken(tally)}">{_percent(tally)}</td>'


def _groups(part: PeopleReport, dimension: str) -> str:
    tallies, more = part.most_blank(dimension)
    rows = "".join(
        f'<tr><th scope="row"{_margin(t.label, part.totals[dimension])}>{escape(t.label)}</th>'
        + "".join(f"<td>{t.count(state):,}</td>" for state in State)
        + f'<td>{t.blank_share:.0%}</td><td class="bar"><i style="width:'
        f'{100 * t.blank_share:.1f}%"></i></td></tr>'
        for t in tallies
    )
    note = f"<p>{more:,} more groups have no larger share.</p>" if more else ""
    return (
        f'<figure><figcaption>Blanks by {escape(dimension)}</figcaption><table class="groups">'
        f'<thead><tr><th scope="col">{escape(dimension)}</th>'
        + "".join(f'<th scope="col">{state}</th>' for state in State)
        + '<th scope="col">blank</th><th aria-hidden="true"></th></tr></thead>'
        f"<tbody>{rows}</tbody></table>{note}</figure>"
    )


def _widths(part: PeopleReport) -> str:
    most, whole = max([*part.widths.values(), 1]), sum(part.widths.values())
    rows = "".join(
        f'<tr><th scope="row">{escape(label)}</th><td>{count:,}</td>'
        f'<td class="bar"><i style="width:{100 * count / most:.1f}%"></i></td></tr>'
        for label, count in part.widths.items()
    )
    return (
        "<h3>What the attacker is left with</h3><p>The "
        f"{whole:,} hidden small cells by how many different counts a reader cannot rule out, at "
        "the least: the attack stops where the policy is met. 1 would be a cell given away.</p>"
        '<figure><figcaption>Counts that stay possible</figcaption><table class="groups"><thead>'
        '<tr><th scope="col">counts</th><th scope="col">cells</th><th aria-hidden="true"></th>'
        f"</tr></thead><tbody>{rows}</tbody></table></figure>"
    )


def _margin(label: str, total: str | None) -> str:
    return ' class="margin"' if total is not None and label == total else ""


def _step(tally: Tally) -> int:
    return sum(tally.blank_share > edge for edge in _STEPS)


def _percent(tally: Tally) -> int:
    """The blank share in whole per cent; only all is 100, and only none is 0."""
    return min(max(round(100 * tally.blank_share), 1), 100 if tally.blank_share == 1 else 99)


def _spoken(tally: Tally) -> str:
    words = ", ".join(f"{tally.count(state):,} {state}" for state in State)
    return escape(f"{tally.label}: {words}")


def _legend_line(told: Told) -> str:
    marks = "; ".join(f"**{_GLYPHS[state]}** {_WORDS[told][state]}" for state in State)
    return (
        f"{marks}. A number is the percentage of several cells that is blank, of those not zero "
        f"({' '.join(_SHADES)}: up to 25, 50, 75, 100)."
    )


def _markdown_map(one: Map) -> str:
    columns, rows = one.columns[-_MARKDOWN_COLUMNS:], one.rows[-_MARKDOWN_ROWS:]
    title = f"**{one.down} by {one.across}**" if one.across else f"**{one.down}**"
    left = len(one.rows) + one.rows_left_out - len(rows), len(one.columns) - len(columns)
    note = "" if not any(left) else f"\n\n{left[0]} rows and {left[1]} columns are not drawn."
    body = [
        (row, *(_markdown_square(one.tallies.get((row, column))) for column in columns))
        for row in rows
    ]
    return f"{title}\n\n{_markdown_table((one.down, *columns), body)}{note}"


def _markdown_square(tally: Tally | None) -> str:
    if tally is None:
        return ""
    if tally.state is not None:
        return _GLYPHS[tally.state]
    if not tally.hidden:
        return _GLYPHS[State.ZERO if tally.zero == tally.cells else State.SHOWN]
    return f"{_SHADES[_step(tally) - 1]} {_percent(tally)}"


def _markdown_groups(part: PeopleReport, dimension: str) -> str:
    tallies, more = part.most_blank(dimension)
    more += max(0, len(tallies) - _MARKDOWN_ROWS)
    table = _markdown_table(
        (dimension, *State, "blank"),
        [
            (t.label, *(f"{t.count(state):,}" for state in State), f"{t.blank_share:.0%}")
            for t in tallies[:_MARKDOWN_ROWS]
        ],
    )
    return f"{table}\n\n{more:,} more groups have no larger share." if more else table


def _markdown_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table; bars in labels are escaped, and no label is markup."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(escape(cell).replace("|", "\\|") for cell in line) + " |"
        for line in lines
    )


_STYLE = """
:root{color-scheme:light}
*{box-sizing:border-box}
body{font:15px/1.45 system-ui,"Segoe UI",Roboto,sans-serif;color:#1b1f24;background:#fff;
margin:0 auto;max-width:74rem;padding:1.5rem}
h1{font-size:1.6rem;margin:0 0 .3rem}h2{font-size:1.25rem;margin:2rem 0 .3rem;
border-top:2px solid #1b1f24;padding-top:.8rem}h3{font-size:1.05rem;margin:1.8rem 0 .2rem}
p{margin:.2rem 0 .8rem;max-width:46rem}
figure{margin:0 0 1.4rem}figcaption{font-weight:600;margin:.4rem 0}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th{font-weight:400;text-align:left}thead th{font-weight:600;vertical-align:bottom}
.margin{font-weight:700}
.legend{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.5rem 1.6rem}
.key{display:inline-block;min-width:1.6rem;padding:0 .3rem;line-height:1.5rem;text-align:center;
border:1px solid #8b949e;margin-right:.3rem}
.wide{overflow-x:auto}
.map td,.map thead th{text-align:center}
.map td{width:3.4rem;min-width:2.1rem;height:1.55rem;padding:0 .15rem;
border:1px solid #d0d7de;font-size:.82rem}
.map th{padding:.1rem .5rem .1rem 0;white-space:nowrap}
.map thead th{padding:.2rem .25rem;max-width:7rem;white-space:normal;overflow-wrap:anywhere}
.map thead th:first-child{text-align:left}
.map tbody th{position:sticky;left:0;background:#fff}
.shown{background:#fff;color:#57606a}.zero{background:#eef1f4;color:#57606a}
.small,.key.small{background:#8c1c2b;color:#fff;font-weight:700}
.complementary{background:repeating-linear-gradient(45deg,#f6c667,#f6c667 4px,#fbe3b3 4px,
#fbe3b3 8px);color:#3d2600;font-weight:700}
.step1{background:#fbe3e0;color:#1b1f24}.step2{background:#f0ada5;color:#1b1f24}
.step3{background:#b8434a;color:#fff}.step4{background:#6e1020;color:#fff}
.none{background:#fff}
.groups th,.groups td{padding:.12rem .8rem .12rem 0;border-bottom:1px solid #eaeef2}
.groups td,.groups thead th+th{text-align:right}
.groups .bar{width:14rem;text-align:left;padding-left:.4rem}
.bar i{display:block;height:.8rem;background:#8c1c2b}
@media print{body{max-width:none;padding:0;font-size:10px}.wide{overflow:visible}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
h2{break-before:auto}h3,figcaption{break-after:avoid}tr,.legend{break-inside:avoid}
thead{display:table-header-group}.map td{min-width:1.5rem;height:1.1rem}
@page{size:A4 landscape;margin:12mm}}
"""
