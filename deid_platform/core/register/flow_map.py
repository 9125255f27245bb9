"""The data-flow map: sources, zones, destinations and recipients, as Mermaid and as SVG."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from deid_platform.core.register.register import Register
from deid_platform.core.register.vocabulary import Exposure, FlowStatus

_COLUMNS = ("Source", "Zone", "Destination", "Recipients")
_BOX_WIDTH, _BOX_GAP, _LINE, _PADDING, _APART = 230, 140, 16, 10, 22
_TOP, _ROW_GAP, _WRAP = 46, 18, 32
_COLOURS = {
    Exposure.INTERNAL: "#2f6f4f",
    Exposure.THIRD_PARTY: "#8a5a00",
    Exposure.PUBLIC: "#2456a6",
}


@dataclass(frozen=True, kw_only=True)
class MapNode:
    """A box of the map: its column from the left, and its lines of text."""

    id: str
    column: int
    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class MapEdge:
    """An arrow of the map, from box to box, and how exposed what it carries is."""

    source: str
    target: str
    label: str
    exposure: Exposure


def flow_map(register: Register) -> tuple[tuple[MapNode, ...], tuple[MapEdge, ...]]:
    """The boxes and arrows of every flow that is not retired, each once."""
    nodes: dict[tuple[int, tuple[str, ...]], MapNode] = {}
    edges: dict[MapEdge, None] = {}

    def node(column: int, *lines: str) -> str:
        key = (column, lines)
        if key not in nodes:
            nodes[key] = MapNode(id=f"n{len(nodes)}", column=column, lines=lines)
        return nodes[key].id

    for flow in register.data_flows.values():
        destination = register.destinations.get(flow.destination)
        if flow.status is FlowStatus.RETIRED or destination is None:
            continue
        exposure = destination.exposure
        path = (
            node(0, flow.source, f"({flow.source_system.value})"),
            node(1, f"{destination.zone.value} zone"),
            node(2, destination.title, destination.location, f"owner: {destination.owner}"),
            node(3, *flow.recipients),
        )
        how = flow.method.value.replace("_", " ")
        frozen = " (frozen)" if flow.status is FlowStatus.FROZEN else ""
        labels = (how, f"{flow.name}{frozen}", flow.frequency)
        for source, target, label in zip(path[:-1], path[1:], labels, strict=True):
            edges[MapEdge(source=source, target=target, label=label, exposure=exposure)] = None
    return tuple(nodes.values()), tuple(edges)


def mermaid(register: Register) -> str:
    """The map as a Mermaid flow chart."""
    nodes, edges = flow_map(register)
    lines = ["flowchart LR"]
    lines += [f'    {node.id}["{"<br/>".join(map(_quoted, node.lines))}"]' for node in nodes]
    lines += [f'    {edge.source} -- "{_quoted(edge.label)}" --> {edge.target}' for edge in edges]
    return "\n".join(lines) + "\n"


def svg(register: Register) -> str:
    """The map as one self-contained SVG image."""
    nodes, edges = flow_map(register)
    places: dict[str, tuple[int, int, int]] = {}
    bottoms = [_TOP] * len(_COLUMNS)
    boxes: list[str] = []
    for node in nodes:
        lines = [part for line in node.lines for part in textwrap.wrap(line, _WRAP) or [""]]
        meeting = [
            sum(edge.source == node.id for edge in edges),
            sum(edge.target == node.id for edge in edges),
        ]
        height = max(len(lines) * _LINE + 2 * _PADDING, (max(meeting) + 1) * _APART)
        left = _left(node.column)
        top = bottoms[node.column]
        places[node.id] = (left, top, height)
        bottoms[node.column] = top + height + _ROW_GAP
        boxes.append(_box(left, top, height, lines))
    width = _left(len(_COLUMNS) - 1) + _BOX_WIDTH + 20
    height = max(bottoms) + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" font-family="sans-serif" font-size="12">',
        f"<title>Data flows of {escape(register.agency.department)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *(
            f'<text x="{_left(number)}" y="28" font-size="14" font-weight="bold" '
            f'fill="#222222">{title}</text>'
            for number, title in enumerate(_COLUMNS)
        ),
        *_arrows(edges, places),
        *boxes,
        *_legend(height),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _left(column: int) -> int:
    return 20 + column * (_BOX_WIDTH + _BOX_GAP)


def _box(left: int, top: int, height: int, lines: Sequence[str]) -> str:
    text = "".join(
        f'<tspan x="{left + _PADDING}" dy="{_LINE if number else 0}">{escape(line)}</tspan>'
        for number, line in enumerate(lines)
    )
    return (
        f'<rect x="{left}" y="{top}" width="{_BOX_WIDTH}" height="{height}" rx="6" '
        f'fill="#f6f7f9" stroke="#5b6470"/>'
        f'<text x="{left + _PADDING}" y="{top + _PADDING + 12}" fill="#222222">{text}</text>'
    )


def _arrows(edges: Iterable[MapEdge], places: dict[str, tuple[int, int, int]]) -> list[str]:
    """Arrows, each leaving and entering its boxes at a height of its own, labels spread."""
    ordered = list(edges)
    leaving = _ports(ordered, [edge.source for edge in ordered], places)
    entering = _ports(ordered, [edge.target for edge in ordered], places)
    drawn, labels = [], []
    taken: set[tuple[int, int]] = set()
    for edge, start, end in zip(ordered, leaving, entering, strict=True):
        x1 = places[edge.source][0] + _BOX_WIDTH
        x2 = places[edge.target][0]
        middle = (x1 + x2) // 2
        colour = _COLOURS[edge.exposure]
        drawn.append(
            f'<path d="M {x1} {start} C {middle} {start}, {middle} {end}, {x2 - 6} {end}" '
            f'fill="none" stroke="{colour}" stroke-width="1.5"/>'
            f'<path d="M {x2} {end} l -8 -4 v 8 z" fill="{colour}"/>'
        )
        height = (start + end) // 2 - 4
        while any((middle, height + near) in taken for near in range(-11, 12)):
            height += 3
        taken.add((middle, height))
        labels.append(
            f'<text x="{middle}" y="{height}" text-anchor="middle" '
            f'font-size="10" fill="{colour}" stroke="#ffffff" stroke-width="3" '
            f'paint-order="stroke">{escape(textwrap.shorten(edge.label, 24))}</text>'
        )
    return [*drawn, *labels]


def _ports(
    edges: Sequence[MapEdge], ends: Sequence[str], places: dict[str, tuple[int, int, int]]
) -> list[int]:
    """The height at which each arrow meets the box at its end: spread evenly over its side."""
    totals = {end: ends.count(end) for end in ends}
    used = dict.fromkeys(ends, 0)
    heights = []
    for _, end in zip(edges, ends, strict=True):
        used[end] += 1
        _, top, height = places[end]
        heights.append(top + height * used[end] // (totals[end] + 1))
    return heights


def _legend(height: int) -> list[str]:
    return [
        f'<text x="{20 + number * 130}" y="{height - 10}" fill="{colour}">'
        f"{exposure.value.replace('_', ' ')}</text>"
        for number, (exposure, colour) in enumerate(_COLOURS.items())
    ]


def _quoted(text: str) -> str:
    return text.replace('"', "#quot;")
