"""The cheapest safe pattern of a table or of a part of it, and how far a pattern is from it.

Cutting planes: a master program chooses complements; for each small cell a linear program asks
how far the cell can rise and fall within the choice. Where that is not far enough, its dual
values say of which further cells enough must be hidden. The cheapest of them is hidden at once, so
that one pass ends with a safe pattern, and the master chooses again with all that was said. What
the master costs is a lower bound of every safe pattern, and exact once nothing is said any more.

Source: the method is that of M. Fischetti and J. J. Salazar-González (Management Science 47, 2001).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from deid_platform.core.masking.changes import ENOUGH, Changes, Cut, Questions, is_whole
from deid_platform.core.masking.integral import WholeChanges
from deid_platform.core.masking.master import Cuts, Master
from deid_platform.core.masking.model import Bools, Floats, Ints, MaskingTable
from deid_platform.core.masking.moves import BLOCKED, Move

_ROUNDS = 40
_STALLED = 1.002
"""A round that raises the bound by less is the last one in fractions."""
_WHOLE_ROUNDS = 40
_WHOLE = 600
"""With at most this many candidates, the master also chooses in whole cells."""
_CLOSE = 1.05
"""With more candidates, a choice so near the bound is taken."""
_WORTHWHILE = 1.1
"""A safe choice is made leaner once it is so near the bound: the cuts known then save the work."""
_MOSTLY = 0.5
_NEAR = 1e-6
_CHUNK = 8
_FAIR = 20
_PRICE = 16.0
_TOUCHED = 1.0 / 1024
"""What changing a hidden cell by one person costs: so little that no other is preferred."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Optimum:
    """The cheapest complements found.

    ``safe`` says that they protect every small cell. No safe pattern costs less than ``bound``,
    where ``proven``.
    """

    hidden: Bools
    bound: float
    safe: bool
    proven: bool


class Optimiser:
    """Search over one table, or a part of it.

    Args:
        table: the table before masking.
        hidden: the cells that are hidden in any case.
        loss: what hiding each cell costs; `BLOCKED` where it may not be.
        needs: per small cell, how far it must be able to rise and to fall.
        expired: says when the time is over.
    """

    def __init__(
        self,
        table: MaskingTable,
        hidden: Bools,
        loss: Ints,
        needs: dict[int, tuple[int, int]],
        expired: Callable[[], bool],
    ) -> None:
        self._expired, self._hidden = expired, hidden
        self.usable = np.flatnonzero((table.people > 0) & (loss < BLOCKED))
        column = np.full(table.layout.cells, -1, dtype=np.int64)
        column[self.usable] = np.arange(len(self.usable))
        self.fixed = hidden[self.usable]
        self.loss = np.where(self.fixed, 0.0, loss[self.usable].astype(np.float64))
        asked = [
            (int(column[cell]), direction, need)
            for cell, both in needs.items()
            for direction, need in zip((1, -1), both, strict=True)
            if need > 0
        ]
        place, direction, need = np.array(asked, dtype=np.int64).reshape(-1, 3).T
        self._question = {key[:2]: number for number, key in enumerate(asked)}
        self._place = column
        self.questions = Questions(place=place, direction=direction, need=need)
        self.changes = Changes(table, self.usable, self.fixed, self.questions)
        self._answers: list[tuple[Ints, Floats] | None] = [None] * len(asked)
        self._moves: dict[int, tuple[tuple[Ints, Floats], Move | None]] = {}
        self._cuts, self._asker = Cuts(), dict[int, int]()
        self._left = np.zeros(0, dtype=np.int64)

    @property
    def cells(self) -> list[int]:
        """The small cells that are asked about."""
        cells: list[int] = np.unique(self.usable[self.questions.place]).tolist()
        return cells

    def solve(self) -> Optimum:
        """Choose, cut and choose again; at first by fractions, which bound every pattern."""
        master = Master(self.loss, self.fixed)
        best, choice = self._in_fractions(master)
        few = len(self.usable) - int(self.fixed.sum()) <= _WHOLE
        if best is not None and not self._close(best, master) and not self._expired():
            _, safe = self._separated(np.where(choice >= _MOSTLY, 1.0, 0.0))
            best = self._cheaper(best, self._lean(safe))
        if best is not None and few:
            best = self._in_whole_cells(master, best)
        bound = master.bound if best is None else min(master.bound, self._cost(best))
        hidden = self._hidden.copy()
        if best is not None:
            hidden[self.usable[best > _MOSTLY]] = True
            self._ask_in_whole_people(best)
        return Optimum(hidden=hidden, bound=bound, safe=best is not None, proven=master.proven)

    def _in_fractions(self, master: Master) -> tuple[Floats | None, Floats]:
        """The cheapest safe choice met while the master chooses by fractions, and its last one."""
        best: Floats | None = None
        choice = self.fixed.astype(np.float64)
        for _ in range(_ROUNDS):
            cuts, safe = self._separated(choice)
            if safe is not None and self._cost(safe) <= _WORTHWHILE * master.bound:
                safe = self._lean(safe)
            best = self._cheaper(best, safe)
            if not cuts or self._expired():
                break
            before, chosen = master.bound, master.choose(cuts)
            if chosen is None:
                break
            choice = chosen
            stalled = before > 0 and master.bound < _STALLED * before
            if stalled or (best is not None and self._close(best, master)):
                break
        return self._lean(best), choice

    def _close(self, best: Floats, master: Master) -> bool:
        """Whether a choice is as cheap as can be, or near enough where there are many cells."""
        few = len(self.usable) - int(self.fixed.sum()) <= _WHOLE
        return self._cost(best) <= master.bound * (1.0 if few else _CLOSE) + 0.5

    def _in_whole_cells(self, master: Master, best: Floats) -> Floats:
        """The cheapest choice that the master finds in whole cells; exact when nothing cuts it."""
        master.whole()
        for _ in range(_WHOLE_ROUNDS):
            if self._close(best, master) or self._expired():
                break
            choice = master.choose([])
            if choice is None:
                break
            cuts, safe = self._separated(choice)
            found = self._cheaper(best, self._lean(safe))
            best = best if found is None else found
            if not cuts:
                break
            master.add(cuts)
        return best

    def known(self, hidden: Bools, cell: int, needs: tuple[int, int]) -> tuple[Move, Move] | None:
        """Whole changes of hidden cells that the search itself found for a cell, if it did."""
        return _both(self._known(hidden[self.usable].astype(np.float64), cell, needs))

    def moves(self, hidden: Bools, cell: int, needs: tuple[int, int]) -> tuple[Move, Move] | None:
        """Whole changes for a cell: of hidden cells, else at the least price of what is shown."""
        choice = hidden[self.usable].astype(np.float64)
        found = self._known(choice, cell, needs)
        for place, direction in enumerate((1, -1)):
            if found[place] is None:
                number = self._question[int(self._place[cell]), direction]
                found[place] = self._found(number, choice)
            if found[place] is None:
                return None
        return _both(found)

    def _found(self, number: int, choice: Floats) -> Move | None:
        """The change that touches least, where it is whole; else any whole change."""
        price = np.where(choice > _MOSTLY, _TOUCHED, self.loss / _PRICE)
        found = self.changes.cheapest(number, price)
        if found is None or bool((choice[self._place[found.cells]] <= _MOSTLY).any()):
            point = self._integral(choice).single(number)
            place = int(self.questions.place[number])
            for part, amounts in () if point is None else self.changes.parts(point):
                if place in part:
                    found = self.changes.move(part, amounts)
        if found is not None:
            point = np.zeros(len(self.usable))
            point[self._place[found.cells]] = found.amounts
            self._left = self._note(point, self._left, whole=True)
        return found

    def _known(self, choice: Floats, cell: int, needs: tuple[int, int]) -> list[Move | None]:
        found: list[Move | None] = []
        for direction, need in zip((1, -1), needs, strict=True):
            if need == 0:
                found.append(Move(cells=np.array([cell]), amounts=np.array([0])))
                continue
            answer = self._answers[self._question[int(self._place[cell]), direction]]
            fits = answer is not None and bool(self.changes.allowed(*answer, choice).all())
            found.append(self._whole(answer) if answer is not None and fits else None)
        return found

    def _whole(self, answer: tuple[Ints, Floats]) -> Move | None:
        """An answer in whole people; the same object each time, as many cells share it."""
        if id(answer) not in self._moves:
            move = self.changes.move(*answer) if is_whole(answer[1]) else None
            self._moves[id(answer)] = (answer, move)
        return self._moves[id(answer)][1]

    def _separated(self, choice: Floats) -> tuple[list[Cut], Floats | None]:
        """Cuts that a choice violates, and a safe choice: its cells and what the cuts asked for.

        None instead of the safe choice when the time was over, or where no choice is safe.
        """
        done = choice.copy()
        self.changes.choose(choice)
        cuts: list[Cut] = []
        left = self._asked_together(np.flatnonzero(~self._fits(choice)))
        while len(left):
            if self._expired():
                return cuts, None
            left = np.roll(left, -_CHUNK)
            chunk = self._apart(left[:: max(1, len(left) // _CHUNK)][:_CHUNK])
            if len(chunk) > 1:
                left = self._note(self.changes.furthest(chunk), left)
                if not len(left):
                    break
            question = left[:1]
            left = self._note(self.changes.furthest(question), left)
            if not len(left) or left[0] != question[0]:
                continue
            cut = self.changes.cut(int(question[0]))
            if cut is None or bool((done[cut.where] >= 1.0 - _NEAR).all()):
                return cuts, None
            fresh = done[cut.where] < 1.0 - _NEAR
            cuts.append(cut)
            self._keep(cut, int(question[0]))
            where = cut.where[fresh]
            price = self.loss[where] * (1.0 - done[where]) / cut.weight[fresh]
            picked = int(where[int(np.argmin(price))])
            done[picked] = 1.0
            self._asker[picked] = int(question[0])
            self.changes.choose(done)
        return cuts, np.ceil(done - _NEAR)

    def _apart(self, asked: Ints) -> Ints:
        """The first question about each cell."""
        return asked[np.sort(np.unique(self.questions.place[asked], return_index=True)[1])]

    def _asked_together(self, left: Ints) -> Ints:
        """Ask what is left together, as long as that answers a fair share; what is left then."""
        for direction in (1, -1):
            while True:
                asked = left[self.questions.direction[left] == direction]
                if len(asked) < 2:
                    break
                before = len(left)
                left = self._note(self.changes.furthest(asked), left)
                if before - len(left) <= _FAIR:
                    break
        return left

    def _ask_in_whole_people(self, choice: Floats) -> None:
        """Ask once more, together, where the answers known are in fractions of people."""
        self._left = left = self._in_fractions_of_people(choice)
        if not len(left):
            return
        program = self._integral(choice)
        for direction in (1, -1):
            while not self._expired():
                asked = left[self.questions.direction[left] == direction]
                point = program.together(asked) if len(asked) else None
                if point is None:
                    break
                before = len(left)
                self._left = left = self._note(point, left, whole=True)
                if before - len(left) <= _FAIR:
                    break

    def _in_fractions_of_people(self, choice: Floats) -> Ints:
        """The questions that have no answer in whole people within a choice."""
        fits = self._fits(choice)
        return np.array(
            [
                number
                for number, answer in enumerate(self._answers)
                if answer is None or not fits[number] or self._whole(answer) is None
            ],
            dtype=np.int64,
        )

    def _integral(self, choice: Floats) -> WholeChanges:
        """The program in whole people within a choice."""
        whole = (choice > _MOSTLY).astype(np.float64)
        changes = self.changes
        return WholeChanges(
            changes.table, self.usable, self.questions, whole > 0, changes.bounds(whole)
        )

    def _note(self, point: Floats, left: Ints, *, whole: bool = False) -> Ints:
        """Keep the parts of a point that answer questions; returns those still left."""
        asked = self.questions
        moved = asked.direction[left] * point[asked.place[left]]
        answered = moved >= asked.need[left] - ENOUGH
        if not bool(answered.any()):
            return left
        part_of: dict[int, tuple[Ints, Floats]] = {}
        for part, amounts in self.changes.parts(point):
            answer = (part, amounts)
            part_of |= dict.fromkeys(part.tolist(), answer)
        for number in left[answered].tolist():
            answer = part_of[int(asked.place[number])]
            if not whole or is_whole(answer[1]):
                self._answers[number] = answer
        return left[~answered]

    def _fits(self, choice: Floats) -> Bools:
        """Which questions have an answer within a choice."""
        fits = np.array([answer is not None for answer in self._answers], dtype=bool)
        known = [answer for answer in self._answers if answer is not None]
        if known:
            places = np.concatenate([part for part, _ in known])
            amounts = np.concatenate([amounts for _, amounts in known])
            number = np.repeat(np.flatnonzero(fits), [len(part) for part, _ in known])
            fits[number[~self.changes.allowed(places, amounts, choice)]] = False
        return fits

    def _lean(self, safe: Floats | None) -> Floats | None:
        """Show again, dearest first, what a safe choice does not need."""
        if safe is None:
            return None
        lean = safe.copy()
        candidates = np.flatnonzero((lean > _MOSTLY) & ~self.fixed)
        for place in candidates[np.argsort(-self.loss[candidates], kind="stable")].tolist():
            if self._expired():
                break
            lean[place] = 0.0
            if not self._cuts.allow(lean, place) or not self._answered(lean, place):
                lean[place] = 1.0
        return lean

    def _answered(self, choice: Floats, place: int) -> bool:
        """Whether every question has an answer within a choice that leaves out a cell.

        The question for whose sake the cell was hidden comes first; known answers are kept.
        """
        left = np.flatnonzero(~self._fits(choice))
        kept = {number: self._answers[number] for number in left.tolist()}
        self.changes.choose(choice)
        left = np.r_[left[left == self._asker.get(place, -1)], left]
        while len(left):
            after = self._note(self.changes.furthest(left[:1]), left)
            if len(after) and after[0] == left[0]:
                self._keep(self.changes.cut(int(left[0])), int(left[0]))
                for number, answer in kept.items():
                    self._answers[number] = answer
                return False
            left = self._asked_together(after)
        return True

    def _keep(self, cut: Cut | None, question: int) -> None:
        """Remember a cut, and for whose sake its cells would be hidden."""
        if cut is not None:
            self._cuts.add(cut)
            for place in cut.where.tolist():
                self._asker[place] = question

    def _cost(self, choice: Floats) -> float:
        return float(self.loss @ choice)

    def _cheaper(self, first: Floats | None, second: Floats | None) -> Floats | None:
        if first is None or second is None:
            return second if first is None else first
        return second if self._cost(second) < self._cost(first) else first


def _both(found: list[Move | None]) -> tuple[Move, Move] | None:
    up, down = found
    return None if up is None or down is None else (up, down)
