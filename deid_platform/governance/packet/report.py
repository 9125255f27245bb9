"""The report of a release: one HTML page that holds everything public of the packet.

It loads nothing, runs nothing, and prints. Every text is escaped; every number in it is in the
released table or in the public part of the packet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from deid_platform.governance.packet.artefact import Audience
from deid_platform.governance.packet.folder import Listed
from deid_platform.governance.packet.masked import STATES, Picture
from deid_platform.governance.packet.subject import Evidence, Subject

if TYPE_CHECKING:
    from jinja2 import Template

_WORDS = {
    "shown": "shown",
    "zero": "zero",
    "small": "hidden (code 1)",
    "complementary": "hidden (code 2)",
    "no_data": "no data (code 3)",
    "other": "blank for another reason",
}
_MARKS = {
    "shown": "",
    "zero": "0",
    "small": "1",
    "complementary": "2",
    "no_data": "–",
    "other": "?",
}
_TEMPLATE = "report.html.j2"


def report(
    subject: Subject, evidence: Evidence, about: Mapping[str, Any], lines: Sequence[Listed]
) -> bytes:
    """The page, in UTF-8.

    Args:
        subject: what is released.
        evidence: what was gathered.
        about: the head of the manifest.
        lines: public artefacts, as the manifest lists them.
    """
    public = {
        one.name.removesuffix(".json"): json.loads(one.content)
        for one in evidence.artefacts
        if one.audience is Audience.PUBLIC and one.extension == "json"
    }
    release = subject.release
    text = _template().render(
        about=about,
        release=release,
        public=public,
        request=public["request/request"],
        decisions=[_decision(entry) for entry in public["request/decisions"]],
        code=subject.code,
        inputs=_inputs(public["execution/inputs"]["deliveries"]),
        standard=public.get("governance/method_standard"),
        aggregate=public["execution/inputs"]["aggregate"],
        sources=public["execution/columns"]["sources"],
        gates=public["validation/gates"],
        sheet=public.get("determination/score_sheet"),
        readings=public.get("determination/readings", {}),
        pictures=[_drawn(picture) for picture in evidence.pictures],
        words=_WORDS,
        marks=_MARKS,
        states=STATES,
        files=subject.files,
        where=public["release/release"],
        lines=lines,
        absent=evidence.absent,
    )
    return text.encode()


def _decision(entry: Mapping[str, Any]) -> dict[str, Any]:
    payload = entry["payload"]
    signed = payload.get("signed") or {}
    told = ("purpose", "reason", "verdict", "answer", "scenarios")
    words = [str(one[name]) for one in (payload, signed) for name in told if one.get(name)]
    words += [f"on condition: {one}" for one in signed.get("conditions") or ()]
    action = str(payload.get("action", "")).replace("_", " ")
    return {
        "sequence": entry["sequence"],
        "at": entry["at"],
        "what": action or entry["kind"].replace(".", ": ").replace("_", " "),
        "by": payload.get("by", ""),
        "role": str(payload.get("role", "")).replace("_", " "),
        "words": list(dict.fromkeys(words)),
        "signed": "signature" in payload and bool(payload["signature"]),
        "hash": entry["hash"],
    }


def _inputs(deliveries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    tables: dict[str, list[Mapping[str, Any]]] = {}
    for one in deliveries:
        tables.setdefault(one["table"], []).append(one)
    return [{"table": table, "deliveries": found} for table, found in sorted(tables.items())]


def _drawn(picture: Picture) -> dict[str, Any]:
    """A picture with the shares that its bars are drawn by."""
    down, across = picture.map_of
    columns = sorted({label for row in picture.map.values() for label in row})
    return {
        "figure": picture.figure,
        "total": picture.total,
        "cells": sum(picture.total.values()),
        "bars": _bar(picture.total),
        "groups": {
            dimension: [
                {"label": label, "bars": _bar(tally), "tally": tally, "cells": sum(tally.values())}
                for label, tally in tallies
            ]
            for dimension, tallies in picture.groups.items()
        },
        "down": down,
        "across": across,
        "columns": columns,
        "rows": [
            {"label": label, "cells": [_square(row.get(column)) for column in columns]}
            for label, row in picture.map.items()
        ],
    }


def _bar(tally: Mapping[str, int]) -> list[dict[str, Any]]:
    cells = sum(tally.values())
    return [
        {"state": state, "count": tally[state], "share": round(100 * tally[state] / cells, 3)}
        for state in STATES
        if tally[state]
    ]


def _square(tally: Mapping[str, int] | None) -> dict[str, Any]:
    """One cell of the map: its state, or the share hidden where it stands for several."""
    if tally is None or not sum(tally.values()):
        return {"state": "none", "mark": "", "says": "no such cell"}
    cells = sum(tally.values())
    states = [state for state in STATES if tally[state]]
    if len(states) == 1:
        return {"state": states[0], "mark": _MARKS[states[0]], "says": _WORDS[states[0]]}
    hidden = cells - tally["shown"] - tally["zero"]
    return {
        "state": "mixed",
        "mark": f"{100 * hidden // cells}%",
        "says": f"{hidden} of {cells} cells hidden",
    }


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("deid_platform.governance.packet", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["words"] = lambda text: str(text).replace("_", " ")
    environment.filters["day"] = lambda text: str(text)[:10]
    environment.filters["moment"] = lambda text: str(text)[:19].replace("T", " ")
    return environment.get_template(_TEMPLATE)
