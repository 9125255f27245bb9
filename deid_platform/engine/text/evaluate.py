"""Measures a detector on marked texts: both protocols, by class, with confidence intervals."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deid_platform.core.text.evaluation import Example, Outcome, Tally, compared
from deid_platform.core.text.intervals import wilson
from deid_platform.core.text.spans import Span
from deid_platform.engine.text.gold import exemption

DRAWS = 1000
"""Bootstrap samples of the texts behind each interval of an F measure."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Outcomes of all texts. ``measures`` holds labels and numbers, never text."""

    examples: Sequence[Example]
    found: Sequence[Sequence[Span]]
    outcomes: Sequence[Outcome]

    def measures(self) -> dict[str, Any]:
        """Every measure, ready for JSON."""
        return {
            "texts": len(self.examples),
            "overlap": {
                "all_phi": self._measure(lambda o: o.overlap),
                "classes": _recalls([o.overlap_by_label for o in self.outcomes]),
            },
            "iou_0.7": {
                "all_phi": self._measure(lambda o: o.iou),
                "classes": _recalls([o.iou_by_label for o in self.outcomes]),
            },
            "tokens": self._measure(lambda o: o.tokens),
            "characters": self._measure(lambda o: o.characters),
            "leaked_character_rate": _round(1 - self._sum(lambda o: o.characters).recall),
            "findings": _precisions([o.findings_by_entity for o in self.outcomes]),
            "not_identifiers": self._exempt(),
        }

    def _sum(self, part: Callable[[Outcome], Tally]) -> Tally:
        return sum((part(outcome) for outcome in self.outcomes), Tally())

    def _measure(self, part: Callable[[Outcome], Tally]) -> dict[str, Any]:
        total = self._sum(part)
        low, high = _f_interval([part(outcome) for outcome in self.outcomes])
        return {
            **_counts(total),
            "recall": _round(total.recall),
            "recall_95": _pair(wilson(total.found, total.marked)),
            "precision": _round(total.precision),
            "precision_95": _pair(wilson(total.right, total.findings)),
            "f1": _round(total.f(1)),
            "f2": _round(total.f(2)),
            "f2_95": _pair((low, high)),
        }

    def _exempt(self) -> list[dict[str, Any]]:
        counts = Counter(
            (mark.label, exemption(mark.label, example.text[mark.start : mark.end]) or "")
            for example in self.examples
            for mark in example.neutral
        )
        return [
            {"label": label, "reason": reason, "marks": count}
            for (label, reason), count in sorted(counts.items())
        ]


def evaluate(
    examples: Sequence[Example],
    analyze: Callable[[Sequence[str]], list[list[Span]]],
    *,
    batch: int = 64,
    progress: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Run a detector over the examples and compare; ``progress`` hears of each batch's size."""
    found: list[list[Span]] = []
    for at in range(0, len(examples), batch):
        part = examples[at : at + batch]
        found += analyze([example.text for example in part])
        progress(len(part))
    return Evaluation(
        examples=examples,
        found=found,
        outcomes=[compared(e, spans) for e, spans in zip(examples, found, strict=True)],
    )


def _f_interval(tallies: Sequence[Tally]) -> tuple[float, float]:
    """The middle 95 % of F2 over texts drawn anew; the draws are the same every time."""
    table = np.array([[t.marked, t.found, t.findings, t.right] for t in tallies], dtype=float)
    rng = np.random.default_rng(0)
    values = []
    for _ in range(DRAWS):
        marked, found, findings, right = table[rng.integers(0, len(table), len(table))].sum(axis=0)
        recall = found / marked if marked else 1.0
        precision = right / findings if findings else 1.0
        below = 4 * precision + recall
        values.append(5 * precision * recall / below if below else 0.0)
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _recalls(by_label: Sequence[Mapping[str, Tally]]) -> dict[str, Any]:
    return {
        label: {
            "marked": total.marked,
            "found": total.found,
            "recall": _round(total.recall),
            "recall_95": _pair(wilson(total.found, total.marked)),
        }
        for label, total in _totals(by_label)
    }


def _precisions(by_entity: Sequence[Mapping[str, Tally]]) -> dict[str, Any]:
    return {
        entity: {
            "findings": total.findings,
            "right": total.right,
            "precision": _round(total.precision),
            "precision_95": _pair(wilson(total.right, total.findings)),
        }
        for entity, total in _totals(by_entity)
    }


def _totals(parts: Sequence[Mapping[str, Tally]]) -> list[tuple[str, Tally]]:
    totals: dict[str, Tally] = defaultdict(Tally)
    for part in parts:
        for name, tally in part.items():
            totals[name] += tally
    return sorted(totals.items())


def _counts(total: Tally) -> dict[str, int]:
    return {
        "marked": total.marked,
        "found": total.found,
        "findings": total.findings,
        "right": total.right,
    }


def _pair(interval: tuple[float, float]) -> list[float]:
    return [_round(interval[0]), _round(interval[1])]


def _round(value: float) -> float:
    return round(value, 4)
