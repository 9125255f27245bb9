"""The shipped word lists: what a word may be, apart from any sentence."""

from __future__ import annotations

import gzip
import unicodedata
from functools import cache
from pathlib import Path

DATA = Path(__file__).parent / "data"

GIVEN = "F"
FAMILY = "L"
PLACE = "P"
PLACE_PART = "Q"
STATE = "S"
STATE_PART = "T"
PEOPLE = "N"
PLAIN = "C"
"""The flags: given name, family name, whole place name, part of one, state or country, part of
one, nationality or people, plain English word."""


def folded(text: str) -> str:
    """Lower case, without accents; the form in which lists are kept."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text)
    return "".join(c for c in plain if not unicodedata.combining(c)).lower()


@cache
def word_flags() -> dict[str, str]:
    """Flags by folded word. Lists and licences: `data/README.md`."""
    with gzip.open(DATA / "words.tsv.gz", "rt", encoding="utf-8") as file:
        pairs = (line.rstrip("\n").partition("\t") for line in file)
        return {word: flags for word, _, flags in pairs}


@cache
def place_names() -> frozenset[str]:
    """Folded names of places that take more than one word."""
    with gzip.open(DATA / "places.txt.gz", "rt", encoding="utf-8") as file:
        return frozenset(line.rstrip("\n") for line in file)


_ENDINGS = ("s", "es", "d", "ed", "ing", "ly", "er", "ers", "ness", "y", "less", "ful", "able")


@cache
def _is_inflected(key: str) -> bool:
    """Whether the word is a plain one with an ending: *walks*, *walking*, *stopped*, *happily*."""
    known = word_flags()
    for ending in _ENDINGS:
        stem = key[: -len(ending)]
        if key.endswith(ending) and len(stem) >= 3:
            tries = (stem, stem + "e", stem[:-1] + "y" if stem[-1] == "i" else "", stem[:-1])
            # The last is a doubled consonant: stopp-ed.
            doubled = len(stem) > 3 and stem[-1] == stem[-2]
            if any(PLAIN in known.get(t, "") for t in (tries if doubled else tries[:3])):
                return True
    return False


def flags_of(word: str) -> str:
    """The flags of a word as it stands in text; a possessive counts as its owner."""
    known = word_flags()
    key = folded(word)
    found = known.get(key)
    if found is None and key.endswith(("'s", "’s")):
        key = key[:-2]
        found = known.get(key)
    if found is None and key.isalpha() and _is_inflected(key):
        return PLAIN
    return found or ""
