"""Draws that depend on nothing but a seed, a stream's name and a number.

SplitMix64 over the number gives the same value whatever was drawn before, so batches may be made
in any order and by any number of threads. numpy's own generators would not do: their streams are
sequential, and their distributions may change between versions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Numbers = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True, kw_only=True)
class Source:
    """All draws of one seed."""

    seed: int

    def uniform(self, stream: str, numbers: Numbers) -> Shares:
        """A share in (0, 1) for each number; 32 bits, so that adding a row number stays exact."""
        mixed = numbers.astype(np.uint64) * _GOLDEN + np.uint64(self.offset(stream))
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
        mixed ^= mixed >> np.uint64(31)
        return ((mixed >> np.uint64(32)).astype(np.float64) + 0.5) * 2.0**-32

    def chance(self, stream: str, numbers: Numbers, share: float | Shares) -> Flags:
        """True for about ``share`` of the numbers."""
        flags: Flags = self.uniform(stream, numbers) < share
        return flags

    def below(self, stream: str, numbers: Numbers, limit: int | Numbers) -> Numbers:
        """A whole number from 0 to ``limit`` - 1 for each number."""
        return (self.uniform(stream, numbers) * limit).astype(np.int64)

    def scramble(self, stream: str, numbers: Numbers, size: int) -> Numbers:
        """Distinct whole numbers below ``size`` for distinct numbers below ``size``.

        ``size`` must not be a multiple of the multiplier, a prime near the golden section of
        10 ** 9; products stay within 63 bits.
        """
        offset = self.offset(stream) % size
        scrambled: Numbers = (numbers * np.int64(618_033_989) + np.int64(offset)) % np.int64(size)
        return scrambled

    def offset(self, stream: str) -> int:
        """64 bits that belong to the stream."""
        digest = hashlib.blake2b(f"{self.seed}:{stream}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big")


class Choices:
    """One weighted choice per row of a table of weights, taken for many rows at once.

    The cumulative weights of row ``r`` occupy (r, r + 1], so one binary search serves all rows.
    """

    def __init__(self, weights: Sequence[Sequence[float]] | Shares) -> None:
        table = np.asarray(weights, dtype=np.float64)
        cumulative = np.cumsum(table, axis=1)
        shares = cumulative / cumulative[:, -1:]
        self._width = table.shape[1]
        self._edges = (shares + np.arange(len(table))[:, None]).ravel()

    def pick(self, rows: Numbers | int, shares: Shares) -> Numbers:
        """The number of the chosen option of each row."""
        found = np.searchsorted(self._edges, shares + rows, side="right").astype(np.int64)
        options: Numbers = found - np.asarray(rows, dtype=np.int64) * self._width
        return options


class Words:
    """Lists of words, one list per row, in which words that come first come up most."""

    def __init__(self, lists: Sequence[Sequence[str]], *, flatness: float = 2.0) -> None:
        longest = max(map(len, lists))
        weights = np.zeros((len(lists), longest))
        for row, words in enumerate(lists):
            weights[row, : len(words)] = 1.0 / (np.arange(len(words)) + flatness)
        self._choices = Choices(weights)
        self._starts = np.cumsum([0, *map(len, lists[:-1])])
        self._flat = [word for words in lists for word in words]

    def pick(self, rows: Numbers | int, shares: Shares) -> Numbers:
        """The number of a word of each row's list, to be looked up in `texts`."""
        found: Numbers = self._starts[rows] + self._choices.pick(rows, shares)
        return found

    @cached_property
    def texts(self) -> Any:
        """All words as an Arrow array."""
        return pa.array(self._flat)

    def mapped(self, change: Any) -> Any:
        """All words after ``change``, as an Arrow array."""
        return pa.array([change(word) for word in self._flat])
