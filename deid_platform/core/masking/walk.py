"""Walks: how far a cell can be moved in several steps, and at what cost."""

from __future__ import annotations

import numpy as np

from deid_platform.core.masking.model import Ints
from deid_platform.core.masking.moves import BLOCKED, Lattice, Move, Room, Search

NEVER = BLOCKED // 4096
"""A walk that would cost this much contains a cell that must stay shown."""


class Walk:
    """A lattice and the room left in it; the room changes as cells are hidden or moved."""

    def __init__(self, lattice: Lattice, room: Room) -> None:
        self.lattice, self.room = lattice, room

    def hide(self, cell: int) -> None:
        """From now on this cell costs nothing."""
        self.room.cost[tuple(self.lattice.layout.coordinates[cell])] = 0

    def show(self, cell: int) -> None:
        """From now on this cell may not be in any move."""
        self.room.cost[tuple(self.lattice.layout.coordinates[cell])] = BLOCKED

    def reach(self, cell: int, direction: int, amount: int, below: int) -> Move | None:
        """Move the cell by ``amount`` in several steps: over free cells first, then the cheapest.

        Leaves the room as it was; None when the cell cannot be moved so far.
        """
        total, left = self.advance(cell, direction, amount, below)
        return None if left > 0 else total

    def advance(self, cell: int, direction: int, amount: int, below: int) -> tuple[Move, int]:
        """Move the cell by up to ``amount``, and say how much of it was left."""
        total = Move(cells=np.array([cell]), amounts=np.array([0]))
        freed: list[tuple[tuple[int, ...], int]] = []
        left = amount
        while left > 0:
            found = self.lattice.widest(cell, self.room, direction)
            step = min(left, found.reach)
            if step == 0 and below > 1:
                found, step = self._cheapest(cell, direction, left, below)
            if step == 0:
                break
            move = self.lattice.move(cell, found).times(direction * step)
            freed.extend(self.free(move))
            self._shift(move, 1)
            total = total + move
            left -= step
        self._shift(total, -1)
        self.restore(freed)
        return total, left

    def _cheapest(self, cell: int, direction: int, left: int, below: int) -> tuple[Search, int]:
        """The cheapest move by all that is left, or by as much of it as there is a move for."""
        for step in range(left, 0, -1):
            up, down = (step, 0) if direction > 0 else (0, step)
            found = self.lattice.search(cell, self.room, up, down, below)
            if found.cost < below:
                return found, step
        return found, 0

    def _at(self, cells: Ints) -> tuple[Ints, ...]:
        return tuple(self.lattice.layout.coordinates[cells].T)

    def _shift(self, move: Move, times: int) -> None:
        """Use up the room that a move takes (1), or give it back (-1)."""
        at = self._at(move.cells)
        self.room.above[at] -= times * move.amounts
        self.room.below[at] += times * move.amounts

    def free(self, move: Move) -> list[tuple[tuple[int, ...], int]]:
        """Make a move's cells free for the next search; returns what they cost before."""
        before = []
        for place in zip(*(axis.tolist() for axis in self._at(move.cells)), strict=True):
            before.append((place, int(self.room.cost[place])))
            self.room.cost[place] = 0
        return before

    def restore(self, before: list[tuple[tuple[int, ...], int]]) -> None:
        """Undo `free`."""
        for place, cost in reversed(before):
            self.room.cost[place] = cost

    def cost_of(self, *moves: Move) -> int:
        """What hiding all cells of these moves costs."""
        cells = np.unique(np.concatenate([move.cells for move in moves]))
        return int(self.room.cost[self._at(cells)].sum())
