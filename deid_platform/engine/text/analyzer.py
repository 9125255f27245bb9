"""Texts in, spans out: written forms, word lists, the record's own identifiers and the model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from deid_platform.core.text.spans import EntityClass, Span, resolved
from deid_platform.engine.text.eponyms import is_eponym
from deid_platform.engine.text.known import KnownIdentifiers
from deid_platform.engine.text.listed import listed
from deid_platform.engine.text.name_model import NameModel
from deid_platform.engine.text.patterns import PatternPass

_ENTITIES = {
    "PERSON": EntityClass.PERSON,
    "PLACE": EntityClass.PLACE,
    "ADDRESS": EntityClass.ADDRESS,
    "POSTCODE": EntityClass.POSTCODE,
    "ORG": EntityClass.ORGANIZATION,
}
"""The model's labels that are identifiers; it knows peoples and occupations so as to leave them."""

_JOINT = re.compile(r"[\s,;.]{0,4}(?:(?:#|no|nr)\b[\s,.]{0,2})?", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]+")
_SCALE = re.compile(r"[A-Z]{2,6}-?[0-9]{1,2}")
_SCORED = re.compile(r"([^\W\d_]+) [0-9]{1,2}")
_ROMAN = re.compile(r"[IVX]{2,4}")
_SURE = 0.9
_NAME_JOINT = re.compile(r"[ ]?[ .'’-]?[ ]?")


class Finder(Protocol):
    """Another detector: a larger model, a remote service. One list of spans per text."""

    def __call__(self, texts: Sequence[str]) -> list[list[Span]]:
        """Find identifiers in each text."""
        ...


@dataclass(frozen=True, kw_only=True)
class TextAnalyzer:
    """Finds the identifiers in texts.

    Args:
        names: the name model; None leaves names to forms and lists.
        more: further detectors, whose findings are added.
    """

    names: NameModel | None = field(default_factory=NameModel.shipped)
    patterns: PatternPass = field(default_factory=PatternPass.shipped)
    more: Sequence[Finder] = ()

    def analyze(
        self, texts: Sequence[str], known: Sequence[KnownIdentifiers | None] | None = None
    ) -> list[list[Span]]:
        """For each text, its identifiers in order; none overlaps another.

        Args:
            texts: any texts.
            known: for each text what its record says, where that is known.
        """
        records = known or [None] * len(texts)
        modelled = self._modelled(texts)
        others = [finder(texts) for finder in self.more]
        return [
            self._together(
                text,
                [
                    *self.patterns.find(text),
                    *modelled[at],
                    *(span for other in others for span in other[at]),
                ],
                record.find(text) if record else [],
            )
            for at, (text, record) in enumerate(zip(texts, records, strict=True))
        ]

    def _modelled(self, texts: Sequence[str]) -> list[list[Span]]:
        if self.names is None:
            return [listed(text) for text in texts]
        found = []
        for text, runs in zip(texts, self.names.find(texts), strict=True):
            spans = [
                Span(
                    start=run.start,
                    end=run.end,
                    entity=_ENTITIES[run.label],
                    score=run.score,
                    source="names",
                )
                for run in runs
                if run.label in _ENTITIES
            ]
            known = [(run.start, run.end) for run in runs if run.label != "JOB"]
            spans += [
                span
                for span in listed(text)
                if not any(a < span.end and span.start < b for a, b in known)
            ]
            found.append(spans)
        return found

    @staticmethod
    def _together(text: str, spans: Iterable[Span], known: Sequence[Span]) -> list[Span]:
        kept = [span for span in spans if not _is_no_name(text, span)]
        return joined(text, resolved([*kept, *known]))


def _is_no_name(text: str, span: Span) -> bool:
    content = text[span.start : span.end]
    if span.source == "names" and not _plausible(content, span):
        return True
    if span.entity is EntityClass.ADDRESS and span.source == "names":
        # *Morse 55* is a score; *12 Morse Street* is an address.
        scored = _SCORED.fullmatch(content)
        return scored is not None and is_eponym(text, span.start, span.start + len(scored[1]))
    if span.entity not in (EntityClass.PERSON, EntityClass.ORGANIZATION, EntityClass.PLACE):
        return False
    return is_eponym(text, span.start, span.end)


def _plausible(content: str, span: Span) -> bool:
    """What the model calls an address has a number and a word, a postal code four characters."""
    digits = sum(c.isdigit() for c in content)
    if span.entity is EntityClass.POSTCODE:
        return digits >= 2 and sum(c.isalnum() for c in content) >= 4
    if span.entity is EntityClass.ADDRESS:
        words = _LETTERS.findall(content)
        return any(len(word) > 2 for word in words) and not _SCALE.fullmatch(content)
    return not _ROMAN.fullmatch(content) and (len(content) > 1 or span.score > _SURE)


def joined(text: str, spans: Sequence[Span]) -> list[Span]:
    """One span where a street and its flat, or the parts of a name, stand side by side."""
    result: list[Span] = []
    for span in spans:
        last = result[-1] if result else None
        if last is not None and _belong(text, last, span):
            result[-1] = replace(last, end=span.end)
        else:
            result.append(span)
    return result


def _belong(text: str, last: Span, span: Span) -> bool:
    between = text[last.end : span.start]
    if last.entity == span.entity == EntityClass.ADDRESS:
        return bool(_JOINT.fullmatch(between))
    same = last.entity == span.entity == EntityClass.PERSON
    return same and bool(_NAME_JOINT.fullmatch(between))
