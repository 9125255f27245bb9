"""Finds what the record already says about its own people: names however written, numbers, dates.

Exact forms by one Aho–Corasick automaton; misspelt name parts within one edit, or two where the
name is long.
"""

from __future__ import annotations

import re
from calendar import month_name
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from deid_platform.core.text.spans import EntityClass, Span
from deid_platform.engine.text.nicknames import short_forms
from deid_platform.engine.text.words import PLAIN, flags_of, folded

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_NUMBER = re.compile(r"[0-9](?:[0-9]|[-().\s/](?=[0-9(]))*")
_SHORTEST_FUZZY = 5
_LONG = 8
_FEWEST_DIGITS = 5


@dataclass(frozen=True, kw_only=True)
class Known:
    """One identifier of the record: a value as stored, and its class."""

    entity: EntityClass
    value: str


class KnownIdentifiers:
    """The identifiers of one record, ready to be looked for. Holds PHI: keep it in memory only."""

    def __init__(self, identifiers: Iterable[Known]) -> None:
        import ahocorasick

        self._automaton: Any = ahocorasick.Automaton()
        self._parts: dict[str, EntityClass] = {}
        self._digits: dict[str, EntityClass] = {}
        for known in identifiers:
            for form in _forms(known):
                if len(form) > 1:
                    self._automaton.add_word(form, (len(form), known.entity))
            if known.entity is EntityClass.PERSON:
                for part in _name_parts(known.value):
                    self._parts.setdefault(part, known.entity)
            digits = "".join(c for c in known.value if c.isdigit())
            if len(digits) >= _FEWEST_DIGITS and known.entity is not EntityClass.DATE:
                self._digits[digits] = known.entity
        self._empty = not len(self._automaton)
        if not self._empty:
            self._automaton.make_automaton()
        self._fuzzy = [part for part in self._parts if len(part) >= _SHORTEST_FUZZY]

    def find(self, text: str) -> list[Span]:
        """Spans in no order; they may overlap."""
        return [*self._exact(text), *self._words(text), *self._numbers(text)]

    def _exact(self, text: str) -> Iterable[Span]:
        if self._empty:
            return
        plain, places = _folded_with_places(text)
        for last, (length, entity) in self._automaton.iter(plain):
            first = last - length + 1
            before, after = plain[first - 1 : first], plain[last + 1 : last + 2]
            if before.isalnum() or after.isalnum():
                continue
            start, end = places[first], places[last] + 1
            if length < 3 and not text[start].isupper():
                continue
            if _is_plain_word(text[start:end]):
                continue
            yield Span(start=start, end=end, entity=entity, source="known")

    def _words(self, text: str) -> Iterable[Span]:
        """Name parts within a few edits, in words that are no plain English."""
        if not self._fuzzy:
            return
        from rapidfuzz.distance import OSA

        for match in _WORD.finditer(text):
            word = folded(match.group())
            if len(word) < _SHORTEST_FUZZY or word in self._parts or PLAIN in flags_of(word):
                continue
            for part in self._fuzzy:
                allowed = 2 if len(part) >= _LONG else 1
                if (
                    abs(len(part) - len(word)) <= allowed
                    and OSA.distance(part, word, score_cutoff=allowed) <= allowed
                ):
                    yield Span(
                        start=match.start(),
                        end=match.end(),
                        entity=EntityClass.PERSON,
                        score=0.8,
                        source="known_misspelt",
                    )
                    break

    def _numbers(self, text: str) -> Iterable[Span]:
        """Known numbers however they are grouped."""
        if not self._digits:
            return
        for match in _NUMBER.finditer(text):
            digits = "".join(c for c in match.group() if c.isdigit())
            entity = self._digits.get(digits) or self._digits.get(digits.removeprefix("1"))
            if entity is not None:
                yield Span(start=match.start(), end=match.end(), entity=entity, source="known")


def _is_plain_word(text: str) -> bool:
    """A lower-case word of plain English is not the person *Rose* or *Will*."""
    return text.islower() and " " not in text and PLAIN in flags_of(text)


def _name_parts(name: str) -> list[str]:
    return [part for word in _WORD.findall(name) if len(part := folded(word)) >= 2]


def _forms(known: Known) -> set[str]:
    """The ways in which a value is written, folded."""
    if known.entity is EntityClass.PERSON:
        return _name_forms(_name_parts(known.value))
    if known.entity is EntityClass.DATE:
        return _date_forms(known.value)
    return {folded(known.value.strip())} - {""}


def _name_forms(parts: Sequence[str]) -> set[str]:
    if not parts:
        return set()
    given, family = parts[0], parts[-1]
    forms = {part for part in parts if len(part) > 2} | {*short_forms().get(given, ())}
    # Two-letter names such as Li stand for themselves only as a whole word with its capital.
    forms |= {part for part in parts if len(part) == 2}
    for first in (given, *short_forms().get(given, ())):
        forms |= {f"{first} {family}", f"{family}, {first}", f"{family} {first}"}
        forms |= {f"{family},{first}", f"{first[0]}. {family}", f"{first[0]} {family}"}
        forms.add(f"{family} {first[0]}")
    for part in parts:
        forms |= set(part.split("-")) if "-" in part else set()
    if len(parts) > 1:
        letters = [part[0] for part in parts]
        forms |= {"".join(letters), ".".join(letters) + "."}
        # A particle may or may not be counted: Ana de Vries is AdV, AV or Ad.
        for other in (letters[1], letters[-1]):
            forms |= {letters[0] + other, f"{letters[0]}.{other}."}
    return {form for form in forms if len(form) > 1}


def _date_forms(value: str) -> set[str]:
    try:
        day = date.fromisoformat(value[:10])
    except ValueError:
        return {folded(value)} - {""}
    m, d, y = day.month, day.day, day.year
    month = month_name[m].lower()
    forms = {day.isoformat(), f"{y}{m:02}{d:02}"}
    for yy in (str(y), f"{y % 100:02}"):
        for mm, dd in ((str(m), str(d)), (f"{m:02}", f"{d:02}")):
            for mark in "/-.":
                forms |= {f"{mm}{mark}{dd}{mark}{yy}", f"{dd}{mark}{mm}{mark}{yy}"}
    for name in (month, month[:3]):
        for dd in (str(d), f"{d:02}"):
            forms |= {
                *(f"{name} {dd}, {y}", f"{name} {dd} {y}", f"{dd} {name} {y}", f"{dd}-{name}-{y}"),
                *(f"{dd}-{name}-{y % 100:02}", f"{name} {dd}", f"{dd} {name}"),
            }
    return forms


def _folded_with_places(text: str) -> tuple[str, list[int]]:
    """The folded text, and for each of its characters the place of the one it came from."""
    if text.isascii():
        return text.lower(), list(range(len(text)))
    pieces: list[str] = []
    places: list[int] = []
    for at, character in enumerate(text):
        plain = folded(character)
        pieces.append(plain)
        places += [at] * len(plain)
    return "".join(pieces), places
