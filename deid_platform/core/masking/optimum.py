"""The cheapest safe pattern of a small table, and how far a pattern is from it.

Cutting planes: a master program chooses complements; for each small cell a linear program asks
how far the cell can rise and fall within the choice. Where that is not far enough, its dual
values say of which further cells at least one must be hidden, and the master chooses again. What
the master costs in the end is a lower bound of every safe pattern; without open cuts it is one.

Source: the method is that of M. Fischetti and J. J. Salazar-González (Management Science 47, 2001).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import highspy
import numpy as np

from deid_platform.core.masking.model import Bools, Floats, Ints, MaskingTable
from deid_platform.core.masking.moves import BLOCKED, Move

_FURTHEST = 100.0
"""How far any one cell moves to protect another; far beyond what is ever needed."""
_ROUNDS = 60
_CUTS = 400
_STALLED = 1.01
_WHOLE = 250
_WHOLE_ROUNDS = 3
_CLOSE = 1.02
_PRICE = 16.0
_LEAN = 30
_FEW = 400
"""Above this many cells, only the dearest complements are tried without."""
_ENOUGH = 1e-4
_NODES = 50
_NEAR = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Optimum:
    """The cheapest complements found: ``closed`` says they are safe, so that ``bound`` is met."""

    hidden: Bools
    bound: float
    closed: bool


class Optimiser:
    """Exact search over one table.

    Args:
        table: the table before masking.
        small: the cells hidden for their own size.
        loss: what hiding each cell costs; `BLOCKED` where it may not be.
        needs: per small cell, how far it must be able to rise and to fall.
        expired: says when the time is over.
    """

    def __init__(
        self,
        table: MaskingTable,
        small: Bools,
        loss: Ints,
        needs: dict[int, tuple[int, int]],
        expired: Callable[[], bool],
    ) -> None:
        self._expired = expired
        self.table, self.small = table, small
        self.usable = np.flatnonzero((table.people > 0) & (small | (loss < BLOCKED)))
        self.column = np.full(table.layout.cells, -1, dtype=np.int64)
        self.column[self.usable] = np.arange(len(self.usable))
        self.fixed = small[self.usable]
        self.loss = loss[self.usable]
        self.down = (table.people[self.usable] - 1).astype(np.float64)
        self.up = np.full(len(self.usable), _FURTHEST)
        if table.limit is not None:
            room = np.maximum(table.limit[self.usable] - table.people[self.usable], 0)
            self.up = np.minimum(self.up, room)
        self.asked = np.array(
            [
                (self.column[cell], direction, need)
                for cell, both in needs.items()
                for direction, need in zip((1, -1), both, strict=True)
                if need > 0
            ],
            dtype=np.int64,
        ).reshape(-1, 3)
        self._flow = self._flows()
        self._priced: highspy.Highs | None = None
        self._before = 0.0

    def solve(self) -> Optimum:
        """Choose, cut and choose again; at first by fractions, which bound every pattern.

        A fractional choice rounded up is a pattern, once nothing more cuts it off. Tables with few
        candidates are then solved in whole cells.
        """
        master, count = _solver(), len(self.usable)
        for place in range(count):
            master.addVar(1.0 if self.fixed[place] else 0.0, 1.0)
        cost = np.where(self.fixed, 0.0, self.loss).astype(np.float64)
        master.changeColsCost(count, np.arange(count, dtype=np.int32), cost)
        chosen, bound, whole = self.fixed.astype(np.float64), 0.0, False
        safe: Floats | None = None
        rounds = _ROUNDS
        while rounds > 0 and not self._expired():
            rounds -= 1
            stalled = bound > 0 and not whole and bound < _STALLED * self._before
            cuts = [] if stalled else self._cuts(chosen)
            if not cuts:
                rounded = np.ceil(chosen - _NEAR)
                cuts = self._cuts(rounded) if not whole else []
                if not cuts:
                    safe = rounded
                    exact = whole or bool(np.all(np.abs(chosen - rounded) < _NEAR))
                    if exact and not stalled:
                        return Optimum(hidden=self._pattern(safe), bound=bound, closed=True)
                    near = float(cost @ safe) <= _CLOSE * bound
                    if near or count - int(self.fixed.sum()) > _WHOLE:
                        break
                    whole, rounds = True, _WHOLE_ROUNDS
                    kinds = np.full(count, 1, dtype=np.uint8)
                    master.changeColsIntegrality(count, np.arange(count, dtype=np.int32), kinds)
            for where, weight in cuts:
                master.addRow(1.0, highspy.kHighsInf, len(where), where.astype(np.int32), weight)
            master.run()
            if master.getModelStatus() != highspy.HighsModelStatus.kOptimal:
                break
            chosen = np.array(master.getSolution().col_value)
            self._before, bound = bound, float(master.getInfo().objective_function_value)
            chosen = np.round(chosen) if whole else chosen
        if safe is None:
            return Optimum(hidden=self.small, bound=bound, closed=False)
        return Optimum(hidden=self._pattern(self._lean(safe)), bound=bound, closed=True)

    def _lean(self, chosen: Floats) -> Floats:
        """Show again, dearest first, what a safe choice does not need."""
        lean = chosen.copy()
        candidates = np.flatnonzero((lean > 0.5) & ~self.fixed)
        dearest = candidates[np.argsort(-self.loss[candidates], kind="stable")]
        for place in dearest[: _LEAN if len(self.usable) > _FEW else None].tolist():
            lean[place] = 0.0
            if self._expired() or self._cuts(lean, most=1):
                lean[place] = 1.0
        return lean

    def move(self, hidden: Bools, cell: int, direction: int, amount: int) -> Move | None:
        """Whole changes of hidden cells that move one cell by an amount, if there are any."""
        if amount == 0:
            return Move(cells=np.array([cell]), amounts=np.array([0]))
        choice = hidden[self.usable].astype(np.float64)
        place, wanted = int(self.column[cell]), float(direction * amount)
        for whole in (False, True):
            flow = self._flows(whole=True) if whole else self._flow
            self._bounds(flow, choice)
            flow.changeColBounds(place, min(wanted, 0.0), max(wanted, 0.0))
            values = self._furthest(flow, place, direction)[: len(self.usable)]
            if abs(values[place] - wanted) > _ENOUGH:
                return None
            if bool(np.all(np.abs(values - np.round(values)) < _ENOUGH)):
                break
        else:
            return None
        changes = np.round(values).astype(np.int64)
        others = np.flatnonzero((changes != 0) & (np.arange(len(changes)) != place))
        order = np.r_[place, others]
        return Move(cells=self.usable[order], amounts=changes[order])

    def cheapest(self, hidden: Bools, cell: int, direction: int, amount: int) -> Move | None:
        """Whole changes that move one cell by an amount at the least price of what is shown yet.

        The price of a cell is its loss for each person it changes by: an approximation that one
        linear program answers. None where it answers in fractions.
        """
        if amount == 0:
            return Move(cells=np.array([cell]), amounts=np.array([0]))
        count, place = len(self.usable), int(self.column[cell])
        price = np.where(hidden[self.usable], 0.0, self.loss.astype(np.float64) / _PRICE)
        if self._priced is None:
            self._priced = self._flows(split=True)
        flow = self._priced
        both = np.arange(2 * count, dtype=np.int32)
        flow.changeColsCost(2 * count, both, np.r_[price, price])
        at, against = (place, count + place) if direction > 0 else (count + place, place)
        flow.changeColBounds(at, float(amount), float(amount))
        flow.changeColBounds(against, 0.0, 0.0)
        flow.run()
        solved = flow.getModelStatus() == highspy.HighsModelStatus.kOptimal
        values = np.array(flow.getSolution().col_value)
        flow.changeColBounds(place, 0.0, float(self.up[place]))
        flow.changeColBounds(count + place, 0.0, float(self.down[place]))
        changes = values[:count] - values[count:]
        if not solved or not bool(np.all(np.abs(changes - np.round(changes)) < _ENOUGH)):
            return None
        changes = np.round(changes).astype(np.int64)
        others = np.flatnonzero((changes != 0) & (np.arange(count) != place))
        order = np.r_[place, others]
        return Move(cells=self.usable[order], amounts=changes[order])

    def _cuts(self, chosen: Floats, most: int = _CUTS) -> list[tuple[Ints, Floats]]:
        """One cut for each small cell and direction that cannot move far enough."""
        self._bounds(self._flow, chosen)
        found: list[tuple[Ints, Floats]] = []
        seen = set()
        for index in self._failing().tolist():
            if len(found) >= most:
                break
            place, direction, need = self._asked(index)
            values = self._furthest(self._flow, place, direction)
            if direction * values[place] >= need - _ENOUGH:
                continue
            duals = np.array(self._flow.getSolution().col_dual)[: len(self.usable)]
            weight = np.where(duals > 0, duals * self.down, -duals * self.up)
            weight[np.abs(duals) < _NEAR] = 0.0
            rest = need - float(weight[self.fixed].sum())
            weight[self.fixed] = 0.0
            if rest <= _NEAR:
                continue
            weight = np.minimum(weight / rest, 1.0)
            where = np.flatnonzero(weight > _NEAR)
            key = (where.tobytes(), np.round(weight[where], 6).tobytes())
            if key not in seen:
                seen.add(key)
                found.append((where, weight[where]))
        return found

    def _failing(self) -> Ints:
        """Questions that no point found by pushing many cells together answers."""
        open_ = np.ones(len(self.asked), dtype=bool)
        for direction in (1, -1):
            of = np.flatnonzero(self.asked[:, 1] == direction)
            while True:
                pushed = of[open_[of]]
                if len(pushed) < 2:
                    break
                columns = (len(self.usable) + pushed).astype(np.int32)
                self._flow.changeColsCost(len(pushed), columns, np.full(len(pushed), -1.0))
                self._flow.run()
                values = np.array(self._flow.getSolution().col_value)
                self._flow.changeColsCost(len(pushed), columns, np.zeros(len(pushed)))
                moved = self.asked[:, 1] * values[self.asked[:, 0]]
                open_ &= moved < self.asked[:, 2] - _ENOUGH
                if open_[pushed].sum() > 0.97 * len(pushed):
                    break
        return np.flatnonzero(open_)

    def _asked(self, index: int) -> tuple[int, int, int]:
        place, direction, need = self.asked[index].tolist()
        return place, direction, need

    def _furthest(self, flow: highspy.Highs, place: int, direction: int) -> Floats:
        flow.changeColCost(place, -float(direction))
        flow.run()
        values = np.array(flow.getSolution().col_value)
        flow.changeColCost(place, 0.0)
        return values

    def _pattern(self, chosen: Floats) -> Bools:
        hidden = self.small.copy()
        hidden[self.usable[chosen > 0.5]] = True
        return hidden

    def _bounds(self, flow: highspy.Highs, chosen: Floats) -> None:
        count = len(self.usable)
        flow.changeColsBounds(
            count, np.arange(count, dtype=np.int32), -self.down * chosen, self.up * chosen
        )

    def _flows(self, *, whole: bool = False, split: bool = False) -> highspy.Highs:
        """The program of changes that leave every sum as it is; ``split`` into rises and falls."""
        groups = self.table.layout.groups
        cell = np.concatenate([groups.members, groups.total])
        group = np.concatenate([groups.of_member, np.arange(groups.count)])
        sign = np.concatenate([np.ones(len(groups.members)), -np.ones(groups.count)])
        here = self.column[cell] >= 0
        cell, sign = cell[here], sign[here]
        rows, group = np.unique(group[here], return_inverse=True)
        order = np.lexsort((cell, group))
        cell, group, sign = cell[order], group[order], sign[order]
        count, asked = len(self.usable), self.asked[:0] if whole or split else self.asked
        pushed = np.arange(len(asked))
        start = np.searchsorted(group, np.arange(len(rows) + 1))
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = count + len(asked), len(rows) + len(asked)
        lp.col_cost_ = np.zeros(count + len(asked))
        lp.col_lower_ = np.r_[-self.down, np.full(len(asked), -_FURTHEST)]
        lp.col_upper_ = np.r_[self.up, asked[:, 2].astype(np.float64)]
        lp.row_lower_ = np.r_[np.zeros(len(rows)), np.full(len(asked), -highspy.kHighsInf)]
        lp.row_upper_ = np.zeros(len(rows) + len(asked))
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_ = np.r_[start, start[-1] + 2 * (pushed + 1)].astype(np.int32)
        capped = np.stack([count + pushed, asked[:, 0]], axis=1).ravel()
        lp.a_matrix_.index_ = np.r_[self.column[cell], capped].astype(np.int32)
        against = np.stack([np.ones(len(asked)), -asked[:, 1].astype(np.float64)], axis=1).ravel()
        lp.a_matrix_.value_ = np.r_[sign, against]
        if split:
            both = np.stack([self.column[cell], self.column[cell] + count], axis=1).ravel()
            lp.num_col_ = 2 * count
            lp.col_cost_ = np.zeros(2 * count)
            lp.col_lower_ = np.zeros(2 * count)
            lp.col_upper_ = np.r_[self.up, self.down]
            lp.a_matrix_.start_ = (2 * start).astype(np.int32)
            lp.a_matrix_.index_ = both.astype(np.int32)
            lp.a_matrix_.value_ = np.stack([sign, -sign], axis=1).ravel()
        if whole:
            lp.integrality_ = [highspy.HighsVarType.kInteger] * count
        flow = _solver()
        flow.passModel(lp)
        return flow


def _solver() -> highspy.Highs:
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    for option, value in {
        "output_flag": False,
        "threads": 1,
        "random_seed": 0,
        "mip_rel_gap": 0.0,
        "mip_max_nodes": _NODES,
    }.items():
        highs.setOptionValue(option, value)
    return highs
