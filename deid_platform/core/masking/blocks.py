"""Blocks: hidden cells that hang together through published sums."""

from __future__ import annotations

import numpy as np

from deid_platform.core.masking.model import Bools, Groups, Ints

_NO_PAIRS: Ints = np.zeros((0, 2), dtype=np.int64)


def blocks(groups: Groups, hidden: Bools, pairs: Ints = _NO_PAIRS) -> Ints:
    """The block number of each hidden cell, counted in key order; 0 for shown cells.

    Two hidden cells are in one block when some chain of sums links them, or of ``pairs`` of cells
    that something else ties together.
    """
    cells, sums = len(hidden), groups.count + len(pairs)
    entry = np.concatenate([groups.members, groups.total, pairs[:, 0], pairs[:, 1]])
    tie = np.arange(groups.count, sums)
    group = np.concatenate([groups.of_member, np.arange(groups.count), tie, tie])
    linked = hidden[entry]
    entry, group = entry[linked], group[linked]
    label = np.arange(cells)
    while True:
        lowest = np.full(sums, cells)
        np.minimum.at(lowest, group, label[entry])
        lower = label.copy()
        np.minimum.at(lower, entry, lowest[group])
        lower = lower[lower]
        if np.array_equal(lower, label):
            break
        label = lower
    block = np.zeros(cells, dtype=np.int64)
    _, number = np.unique(label[hidden], return_inverse=True)
    block[hidden] = number + 1
    return block
