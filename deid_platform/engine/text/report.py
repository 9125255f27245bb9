"""An evaluation as a page for its owner's own eyes: every error in its sentence."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from deid_platform.core.text.evaluation import Example, Outcome
from deid_platform.engine.text.evaluate import Evaluation

_AROUND = 60
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #bbb;padding:.25rem .6rem;"
    "text-align:left}td.n{text-align:right;font-variant-numeric:tabular-nums}"
    "mark{background:#fd8}p.warn{background:#fee;border-left:4px solid #c33;padding:.5rem 1rem}"
)


def write_report(evaluation: Evaluation, path: Path) -> None:
    """Write one HTML file that needs nothing else. It quotes the texts: it is as secret as they."""
    measures = evaluation.measures()
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>Text evaluation</title>",
        f"<style>{_STYLE}</style><h1>Text evaluation</h1>",
        "<p class=warn>This page quotes the texts, and is to be kept as they are.</p>",
        _summary(measures),
    ]
    for name in ("overlap", "iou_0.7"):
        parts.append(f"<h2>Recall by class: {escape(name)}</h2>" + _classes(measures[name]))
    parts.append("<h2>Errors</h2><table><tr><th>kind<th>class<th>where</tr>")
    for example, outcome in zip(evaluation.examples, evaluation.outcomes, strict=True):
        parts += _errors(example, outcome)
    parts.append("</table></html>")
    path.write_text("\n".join(parts), encoding="utf-8")
    path.chmod(0o600)


def _summary(measures: Mapping[str, Any]) -> str:
    rows = []
    for title, part in (
        ("any overlap", measures["overlap"]["all_phi"]),
        ("IoU 0.7", measures["iou_0.7"]["all_phi"]),
        ("tokens", measures["tokens"]),
        ("characters", measures["characters"]),
    ):
        cells = "".join(
            f"<td class=n>{part[key]:.3f}" for key in ("recall", "precision", "f1", "f2")
        )
        rows.append(f"<tr><td>{title}{cells}</tr>")
    head = "<tr><th>measure<th>recall<th>precision<th>F1<th>F2</tr>"
    return f"<table>{head}{''.join(rows)}</table>"


def _classes(part: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(label)}<td class=n>{row['marked']}<td class=n>{row['recall']:.3f}"
        f"<td class=n>{row['recall_95'][0]:.3f} to {row['recall_95'][1]:.3f}</tr>"
        for label, row in part["classes"].items()
    )
    return f"<table><tr><th>class<th>marked<th>recall<th>95 %</tr>{rows}</table>"


def _errors(example: Example, outcome: Outcome) -> list[str]:
    rows = [("missed", mark.label, mark.start, mark.end) for mark in outcome.missed]
    rows += [("wrong", span.entity.value, span.start, span.end) for span in outcome.wrong]
    return [
        f"<tr><td>{kind}<td>{escape(name)}<td>"
        f"{escape(example.text[max(0, start - _AROUND) : start])}"
        f"<mark>{escape(example.text[start:end])}</mark>"
        f"{escape(example.text[end : end + _AROUND])}</tr>"
        for kind, name, start, end in rows
    ]
