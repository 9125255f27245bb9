"""Finds known forms in texts by rolling hashes: a pass over bytes, whatever their number.

A form is a value's words without what separates them. Of each known form 8 bytes are kept. Of a
text, every run of up to five words, and the whole, is hashed at once: with C[i] the sum of the
first i bytes, byte j weighed by B to the power j, the bytes from s to e hash to
(C[e] - C[s]) / B^s, in arithmetic modulo 2^64.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

    Array = np.ndarray[Any, np.dtype[Any]]

LONGEST_RUN = 5
"""Words in a row that are compared inside a longer text: a full name, phone or address."""

_BASE = 0x9E3779B97F4A7C15
_MODULUS = 1 << 64
_INVERSE = pow(_BASE, -1, _MODULUS)
_SPACE, _BREAK = 32, 10
_FILTER_BITS = 27
_SHIFT = np.uint64(64 - _FILTER_BITS)


@dataclass(frozen=True)
class Met:
    """Forms found in a batch of texts: one entry per text and known form's row."""

    text: Array
    known: Array
    whole: Array


class Known:
    """Hashes of known forms, to be looked up in bulk."""

    def __init__(self, hashes: Array) -> None:
        """Takes each form's hash, sorted, none twice."""
        self._hashes = hashes
        self._filter = np.zeros(1 << _FILTER_BITS, dtype=bool)
        self._filter[_slot(hashes)] = True

    def rows(self, hashes: Array) -> tuple[Array, Array]:
        """Which of these hashes are known, by position, and which row each is."""
        if not len(self._hashes):
            nothing = np.zeros(0, dtype=np.int64)
            return nothing, nothing
        likely = np.flatnonzero(self._filter[_slot(hashes)])
        rows = np.searchsorted(self._hashes, hashes[likely])
        rows[rows == len(self._hashes)] = 0
        found = self._hashes[rows] == hashes[likely]
        return likely[found], rows[found]


def form_hashes(forms: pa.Array) -> Array:
    """The hash of each form, words joined."""
    words = _Words(forms)
    return words.hashes(words.first, words.last)


def met(texts: pa.Array, known: Known) -> Met:
    """The known forms in texts, which are words in lower case, one space apart."""
    words = _Words(texts)
    found = [words.wholes(known)]
    for run in range(1, LONGEST_RUN + 1):
        found.append(words.runs(run, known))
    text, rows, whole = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Met(text=text, known=rows, whole=whole)


class _Words:
    """Texts as one row of bytes without separators, and where each word begins and ends in it."""

    def __init__(self, texts: pa.Array) -> None:
        blob = "\n".join(texts.to_pylist()).encode("utf-8", "replace")
        data = np.frombuffer(blob, dtype=np.uint8)
        breaks = data == _BREAK
        kept = ~(breaks | (data == _SPACE))
        before = np.concatenate([[False], kept[:-1]])
        after = np.concatenate([kept[1:], [False]])
        position = np.cumsum(kept)
        starts = kept & ~before
        self._starts = position[starts] - 1
        self._ends = position[kept & ~after]
        self._text = np.cumsum(breaks)[starts]
        self._hash_prefixes(data[kept])
        # A text without a word begins and ends at the same place.
        self.first = np.searchsorted(self._text, np.arange(len(texts)), "left")
        self.last = np.searchsorted(self._text, np.arange(len(texts)), "right")

    def _hash_prefixes(self, data: Array) -> None:
        weights, self._unweights = _powers(_length(len(data)))
        with np.errstate(over="ignore"):
            sums = np.cumsum((data.astype(np.uint64) + np.uint64(1)) * weights[: len(data)])
        self._sums = np.concatenate([np.zeros(1, dtype=np.uint64), sums])

    def hashes(self, first: Array, last: Array) -> Array:
        """Hashes of the words from ``first`` up to, without, ``last``; 0 where there is none."""
        hashes = np.zeros(len(first), dtype=np.uint64)
        some = last > first
        begin, end = self._starts[first[some]], self._ends[last[some] - 1]
        hashes[some] = self._between(begin, end)
        return hashes

    def _between(self, begin: Array, end: Array) -> Array:
        with np.errstate(over="ignore"):
            hashed: Array = (self._sums[end] - self._sums[begin]) * self._unweights[begin]
        return hashed

    def wholes(self, known: Known) -> tuple[Array, Array, Array]:
        """Texts that are a known form from their first word to their last."""
        text, rows = known.rows(self.hashes(self.first, self.last))
        return text, rows, np.ones(len(text), dtype=bool)

    def runs(self, words: int, known: Known) -> tuple[Array, Array, Array]:
        """Runs of that many words in longer texts that are a known form."""
        count = len(self._starts) - words + 1
        if count <= 0:
            nothing = np.zeros(0, dtype=np.int64)
            return nothing, nothing, np.zeros(0, dtype=bool)
        hashes = self._between(self._starts[:count], self._ends[words - 1 :])
        where, rows = known.rows(hashes)
        text = self._text[where]
        inside = text == self._text[where + words - 1]
        longer = self.last[text] - self.first[text] > words
        kept = inside & longer
        return text[kept], rows[kept], np.zeros(int(kept.sum()), dtype=bool)


def _slot(hashes: Array) -> Array:
    with np.errstate(over="ignore"):
        return (hashes * np.uint64(_BASE)) >> _SHIFT


def _length(needed: int) -> int:
    """A power of two, so that few tables of powers are made."""
    return 1 << max(needed, 1).bit_length()


@lru_cache(maxsize=2)
def _powers(length: int) -> tuple[Array, Array]:
    """Powers of the base and of its inverse."""
    with np.errstate(over="ignore"):
        bases = np.full(length, _BASE, dtype=np.uint64)
        inverses = np.full(length, _INVERSE, dtype=np.uint64)
        bases[0] = inverses[0] = 1
        return np.cumprod(bases), np.cumprod(inverses)
