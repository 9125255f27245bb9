"""How well identifiers were found, against spans that people marked.

Two protocols, both blind to the class. *Overlap*: a marked span is found if any finding shares a
character with it, a finding is right if it shares one with any marked span. *IoU*: after trimming
stop words and punctuation and joining neighbours of one class, the findings that together cover a
marked span best must reach an intersection over union of 0.7; they then count as one finding.
Source of the second: the published span evaluator of Presidio-research.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from deid_platform.core.text.spans import Span

IOU = 0.7
_TOKEN = re.compile(r"\w+")
_SKIPPED = frozenset(
    {
        *(
            "a",
            "an",
            "and",
            "the",
            "or",
            "of",
            "do",
            "as",
            "at",
            "in",
            "on",
            "by",
            "to",
            "de",
            "rue",
        ),
        *("via", "st", "street", "po", "box", "apt", "suite", "unit", "address", "city", "state"),
        *("zip", "country", "corner", "mr", "mrs", "miss", "this", "first", "last", "day", "days"),
        *("week", "weeks", "weekend", "month", "months", "year", "years", "old", "age", "ago"),
        *(
            "morning",
            "noon",
            "afternoon",
            "evening",
            "night",
            "inc",
            "ltd",
            "s",
            "is",
            "was",
            "are",
        ),
        *("were", "i", "me", "my", "you", "your", "he", "she", "it", "we", "they", "with", "for"),
        *("from", "not", "no"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Marked:
    """A span that a person marked: offsets and the person's own label."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, kw_only=True)
class Example:
    """A text with its marked spans, and those marked as something that is no identifier.

    A finding on the latter is neither right nor wrong.
    """

    text: str
    marked: tuple[Marked, ...]
    neutral: tuple[Marked, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Counts of one measure: found of all marked, right of all findings."""

    marked: int = 0
    found: int = 0
    findings: int = 0
    right: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            marked=self.marked + other.marked,
            found=self.found + other.found,
            findings=self.findings + other.findings,
            right=self.right + other.right,
        )

    @property
    def recall(self) -> float:
        """Found of all marked; 1 where nothing was marked."""
        return self.found / self.marked if self.marked else 1.0

    @property
    def precision(self) -> float:
        """Right of all findings; 1 where nothing was found."""
        return self.right / self.findings if self.findings else 1.0

    def f(self, beta: float) -> float:
        """The F measure; with ``beta`` 2 recall weighs four times as much as precision."""
        weight = beta * beta
        below = weight * self.precision + self.recall
        return (1 + weight) * self.precision * self.recall / below if below else 0.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one text contributes to each measure; labels and counts, never text.

    ``missed`` and ``wrong`` hold offsets, for a report that its owner alone reads.
    """

    overlap: Tally
    iou: Tally
    tokens: Tally
    characters: Tally
    overlap_by_label: Mapping[str, Tally]
    iou_by_label: Mapping[str, Tally]
    findings_by_entity: Mapping[str, Tally]
    missed: tuple[Marked, ...]
    wrong: tuple[Span, ...]


def compared(example: Example, found: Sequence[Span]) -> Outcome:
    """Measure the findings in one text."""
    counted = [
        span
        for span in found
        if any(_share(span, mark) for mark in example.marked)
        or not any(_share(span, mark) for mark in example.neutral)
    ]
    right = [span for span in counted if any(_share(span, mark) for mark in example.marked)]
    missed = [mark for mark in example.marked if not any(_share(mark, span) for span in counted)]
    overlap_by_label: dict[str, Tally] = defaultdict(Tally)
    for mark in example.marked:
        overlap_by_label[mark.label] += Tally(marked=1, found=int(mark not in missed))
    by_entity: dict[str, Tally] = defaultdict(Tally)
    for span in counted:
        by_entity[span.entity.value] += Tally(findings=1, right=int(span in right))
    iou, iou_by_label = _by_iou(example, counted)
    return Outcome(
        overlap=Tally(
            marked=len(example.marked),
            found=len(example.marked) - len(missed),
            findings=len(counted),
            right=len(right),
        ),
        iou=iou,
        tokens=_by_unit(example, found, [m.span() for m in _TOKEN.finditer(example.text)]),
        characters=_by_unit(
            example,
            found,
            [(at, at + 1) for at, c in enumerate(example.text) if not c.isspace()],
        ),
        overlap_by_label=overlap_by_label,
        iou_by_label=iou_by_label,
        findings_by_entity=by_entity,
        missed=tuple(missed),
        wrong=tuple(span for span in counted if span not in right),
    )


def _share(one: Span | Marked, other: Span | Marked) -> bool:
    return one.start < other.end and other.start < one.end


def _by_unit(example: Example, found: Sequence[Span], units: Iterable[tuple[int, int]]) -> Tally:
    """Tokens or characters: marked and claimed."""
    marked, neutral, claimed = (
        _covered(spans, len(example.text)) for spans in (example.marked, example.neutral, found)
    )
    tally = [0, 0, 0, 0]
    for start, end in units:
        is_marked, is_claimed = any(marked[start:end]), any(claimed[start:end])
        if any(neutral[start:end]) and not is_marked:
            continue
        tally[0] += is_marked
        tally[1] += is_marked and is_claimed
        tally[2] += is_claimed
        tally[3] += is_marked and is_claimed
    return Tally(marked=tally[0], found=tally[1], findings=tally[2], right=tally[3])


def _covered(spans: Sequence[Span | Marked], length: int) -> bytearray:
    covered = bytearray(length)
    for span in spans:
        for at in range(span.start, min(span.end, length)):
            covered[at] = 1
    return covered


def _by_iou(example: Example, found: Sequence[Span]) -> tuple[Tally, dict[str, Tally]]:
    marks = _joined([(m.start, m.end, m.label) for m in example.marked], example.text)
    free = _joined([(s.start, s.end, s.entity.value) for s in found], example.text)
    by_label: dict[str, Tally] = defaultdict(Tally)
    hits = 0
    for start, end, label in marks:
        used: list[tuple[int, int, str]] = []
        best = 0.0
        for finding in free:
            if finding[0] < end and start < finding[1]:
                reached = _overlap_of([*used, finding], start, end)
                if reached > best:
                    used.append(finding)
                    best = reached
        hit = best >= IOU
        if hit:
            hits += 1
            free = [finding for finding in free if finding not in used]
        by_label[label] += Tally(marked=1, found=int(hit))
    total = Tally(marked=len(marks), found=hits, findings=hits + len(free), right=hits)
    return total, by_label


def _overlap_of(findings: Sequence[tuple[int, int, str]], start: int, end: int) -> float:
    inside = sum(max(0, min(end, b) - max(start, a)) for a, b, _ in findings)
    outside = sum(b - a for a, b, _ in findings) - inside
    return inside / (end - start + outside)


def _joined(spans: Iterable[tuple[int, int, str]], text: str) -> list[tuple[int, int, str]]:
    """Trim words that do not count at both ends; join neighbours of one label."""
    result: list[tuple[int, int, str]] = []
    for start, end, label in sorted(spans):
        words = [
            match.span()
            for match in _TOKEN.finditer(text, start, end)
            if match.group().lower() not in _SKIPPED
        ]
        if not words:
            continue
        first, last = words[0][0], words[-1][1]
        if result and result[-1][2] == label and not _counts(text[result[-1][1] : first]):
            result[-1] = (result[-1][0], last, label)
        else:
            result.append((first, last, label))
    return result


def _counts(between: str) -> bool:
    return any(word.lower() not in _SKIPPED for word in _TOKEN.findall(between))
