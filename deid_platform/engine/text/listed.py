"""What the word lists alone find: capitalised words that are names and no plain English."""

from __future__ import annotations

import re

from deid_platform.core.text.spans import EntityClass, Span
from deid_platform.engine.text.words import (
    FAMILY,
    GIVEN,
    PEOPLE,
    PLACE,
    PLAIN,
    STATE,
    flags_of,
    folded,
    place_names,
)

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_LONGEST = 4


def listed(text: str) -> list[Span]:
    """Names and places by the lists, in order; a possessive ending is left out."""
    words = [(m.group(), m.start(), m.end()) for m in _WORD.finditer(text)]
    spans: list[Span] = []
    at = 0
    while at < len(words):
        word, start, end = words[at]
        if not word[0].isupper() or len(word) < 2:
            at += 1
            continue
        taken = _place(text, words, at)
        if taken:
            spans.append(_span(start, words[at + taken - 1][2], EntityClass.PLACE))
            at += taken
            continue
        entity = _single(word)
        if entity is not None:
            bare = end - 2 if word.endswith(("'s", "’s")) else end
            spans.append(_span(start, bare, entity))
        at += 1
    return spans


def _single(word: str) -> EntityClass | None:
    flags = flags_of(word)
    if not flags or PLAIN in flags or PEOPLE in flags:
        # A script English is not written in: a name, whatever it says.
        strange = any(ord(c) >= 0x370 for c in word)
        return EntityClass.PERSON if strange else None
    if STATE in flags or (PLACE in flags and GIVEN not in flags and FAMILY not in flags):
        return EntityClass.PLACE if len(word) > 3 else None
    if GIVEN in flags or FAMILY in flags:
        shortest = 2 if GIVEN in flags and FAMILY in flags and not word.isupper() else 3
        return EntityClass.PERSON if len(word) > shortest else None
    return None


def _place(text: str, words: list[tuple[str, int, int]], at: int) -> int:
    """How many words from here name one place; 0 if none do."""
    known = place_names()
    for count in range(min(_LONGEST, len(words) - at), 1, -1):
        start, end = words[at][1], words[at + count - 1][2]
        if words[at + count - 1][0][0].isupper() and folded(text[start:end]) in known:
            return count
    return 0


def _span(start: int, end: int, entity: EntityClass) -> Span:
    return Span(start=start, end=end, entity=entity, score=0.5, source="listed")
