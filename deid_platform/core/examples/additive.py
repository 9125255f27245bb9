"""A small additive table of an example, masked by the platform's own protector.

Cells carry names; a two-way cell is a pair of row and column. The total, where it is shown, is a
cell like any other (A-18).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from deid_platform.core.examples.fields import Fields, bad, label
from deid_platform.core.masking.model import (
    COMPLEMENTARY,
    Axis,
    Layout,
    MaskingRules,
    MaskingTable,
)
from deid_platform.core.masking.suppression import Masking, mask
from deid_platform.core.policy import DdgPolicy

Name = str | tuple[str, str]
TOTAL = "total"
_ENOUGH = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Blanks:
    """Which cells are blank, which of them are complements, and whether labels tell them apart."""

    suppressed: list[Any]
    complementary: list[Any]
    labels: str


@dataclass(frozen=True, kw_only=True)
class Additive:
    """Cells, margins included, along one axis or two."""

    cells: Mapping[Name, int]
    axes: tuple[tuple[str, ...], ...]
    gate: frozenset[str] | bool
    total: int | None
    strategy: Literal["least_interesting", "smallest", "most_similar"] | None = None
    least_interesting: tuple[str, ...] = ()

    @classmethod
    def group(
        cls, cells: Mapping[str, int], total: int | None, gate: frozenset[str] | bool
    ) -> Additive:
        """Cells of one group, and the total they add up to if it is shown."""
        named: dict[Name, int] = {}
        named.update(cells)
        if total is not None:
            named[TOTAL] = total
        return cls(cells=named, axes=(tuple(cells),), gate=gate, total=total)

    def preferring(self, strategy: Any, least: Sequence[str]) -> Additive:
        """The same table, with its own choice of complements (A-22)."""
        return replace(self, strategy=strategy, least_interesting=tuple(least))

    def primary(self, policy: DdgPolicy) -> list[Any]:
        """Cells hidden for their own size."""
        return [
            _plain(name)
            for name, people in self.cells.items()
            if policy.is_small(people) and self._gated(name)
        ]

    def zeros(self) -> list[Any]:
        """Cells of zero, which are shown."""
        return [_plain(name) for name, people in self.cells.items() if people == 0]

    def rule_six(self, policy: DdgPolicy) -> list[str]:
        """Which halves of M-6 the small cells of a one-way group trigger (A-19)."""
        if len(self.axes) > 1 or self.total is None:
            return []
        values = [
            self.cells[name]
            for name in self.axes[0]
            if policy.is_small(self.cells[name]) and self._gated(name)
        ]
        tiny = bool(values) and all(value <= 3 for value in values)
        few = bool(values) and sum(values) < policy.min_people
        return [name for name, holds in (("a", tiny), ("b", few)) if holds]

    def masked(self, policy: DdgPolicy) -> Blanks:
        """The platform's masking, with the labels that it may publish."""
        masking = self._mask(policy)
        names = self._names()
        hidden = [_plain(names[i]) for i in np.flatnonzero(masking.hidden).tolist()]
        complements = np.flatnonzero(masking.reasons == COMPLEMENTARY).tolist()
        told = bool((masking.codes == COMPLEMENTARY).any())
        return Blanks(
            suppressed=hidden,
            complementary=[_plain(names[i]) for i in complements],
            labels="differentiated" if told else "undifferentiated",
        )

    def masked_with_reasons(self, policy: DdgPolicy) -> Blanks | None:
        """A one-way group masked so that the labels may tell small cells from complements.

        The smallest cell that may be hidden is added until the labels leave every value of a
        small cell open (M-15).
        """
        if len(self.axes) > 1 or self.total is None or policy.is_small(self.total):
            return None
        suppressed = [name for name in self.primary(policy) if name != TOTAL]
        if not suppressed:
            return None
        least = [name for name in self.least_interesting if name in self.cells]
        spare = sorted(
            (name for name in self.axes[0] if self.cells[name] >= policy.min_people),
            key=lambda name: (name not in least, self.cells[name]),
        )
        while not self.if_revealed(suppressed, policy)["safe"]:
            if not spare:
                return None
            suppressed.append(spare.pop(0))
        small = self.primary(policy)
        return Blanks(
            suppressed=[name for name in self.cells if name in suppressed],
            complementary=[name for name in self.cells if name in suppressed and name not in small],
            labels="differentiated",
        )

    def if_revealed(self, suppressed: Sequence[str], policy: DdgPolicy) -> dict[str, Any]:
        """What a reader who is told which cells are small can still not tell apart."""
        shown = sum(self.cells[name] for name in self.axes[0] if name not in suppressed)
        rest = sum(self.cells[name] for name in self.axes[0]) - shown
        largest = policy.min_people - 1
        bounds = [
            (1, largest) if self.cells[name] <= largest else (policy.min_people, rest)
            for name in suppressed
        ]
        low, high = policy.min_feasible
        safe = all(
            _solutions([*bounds[:i], *bounds[i + 1 :]], rest - value) > 0
            for i, (_, top) in enumerate(bounds)
            if top == largest and self.cells[suppressed[i]] <= largest
            for value in range(low, high + 1)
        )
        return {"feasible_solutions": _solutions(bounds, rest), "safe": safe}

    def fewest_per_line(self, blanks: Blanks) -> int | None:
        """Fewest blanks in a row or column, margin included, that has any."""
        if len(self.axes) < 2:
            return None
        lines: dict[tuple[int, str], int] = {}
        for pair in blanks.suppressed:
            if isinstance(pair, list):
                for axis, level in enumerate(pair):
                    lines[axis, level] = lines.get((axis, level), 0) + 1
        return min(lines.values()) if lines else 0

    def _gated(self, name: Name) -> bool:
        return self.gate is True or (bool(self.gate) and name in (self.gate or ()))

    def _levels(self) -> list[tuple[str, ...]]:
        return [(*axis, TOTAL) for axis in self.axes]

    def _names(self) -> list[Name]:
        levels = self._levels()
        keys: list[Name] = (
            list(levels[0])
            if len(levels) == 1
            else [(row, column) for row in levels[0] for column in levels[1]]
        )
        return [key for key in keys if key in self.cells]

    def _mask(self, policy: DdgPolicy) -> Masking:
        names, levels = self._names(), self._levels()
        axes = tuple(
            Axis(
                name=f"axis {number}",
                parents=(*[len(axis)] * len(axis), -1),
                strategy="least_interesting" if self.least_interesting else self.strategy,
                least_interesting=frozenset(
                    index for index, level in enumerate(axis) if level in self.least_interesting
                ),
            )
            for number, axis in enumerate(self.axes)
        )
        coordinates = np.array(
            [[levels[k].index(part) for k, part in enumerate(_parts(name))] for name in names],
            dtype=np.int64,
        )
        table = MaskingTable(
            layout=Layout(name="example", axes=axes, coordinates=coordinates),
            people=np.array([self.cells[name] for name in names], dtype=np.int64),
            gated=np.array([self._gated(name) for name in names], dtype=bool),
        )
        rules = MaskingRules(
            min_people=policy.min_people,
            feasible=policy.min_feasible,
            strategy=self.strategy or policy.complement_strategy,
        )
        return mask(table, rules)


def as_table(table: Fields, margins: bool, gate: frozenset[str] | bool) -> Additive:
    """A two-way table with the margins that it shows.

    Raises:
        DeclarationFault: its values do not fit its rows and columns.
    """
    rows = [label(row) for row in table.need("rows")]
    columns = [label(column) for column in table.need("columns")]
    values = table.need("values")
    table.note("row_totals", "column_totals", "total", "unit")
    if len(values) != len(rows) or any(len(line) != len(columns) for line in values):
        raise bad(table.where, "its values do not fit its rows and columns")
    cells: dict[Name, int] = {
        (row, column): int(values[r][c])
        for r, row in enumerate(rows)
        for c, column in enumerate(columns)
    }
    if margins:
        cells |= {(row, TOTAL): sum(values[r]) for r, row in enumerate(rows)}
        for c, column in enumerate(columns):
            cells[TOTAL, column] = sum(line[c] for line in values)
        cells[TOTAL, TOTAL] = sum(map(sum, values))
    return Additive(
        cells=cells,
        axes=(tuple(rows), tuple(columns)),
        gate=gate,
        total=sum(map(sum, values)) if margins else None,
    )


def _parts(name: Name) -> tuple[str, ...]:
    return (name,) if isinstance(name, str) else name


def _plain(name: Name) -> Any:
    return name if isinstance(name, str) else list(name)


def _solutions(bounds: Sequence[tuple[int, int]], total: int) -> int:
    """How many whole-number solutions add up to the total, each within its bounds."""
    if total < 0:
        return 0
    ways = [1] + [0] * total
    for low, high in bounds:
        running = [0]
        for count in ways:
            running.append(running[-1] + count)
        ways = [
            running[value - low + 1] - running[max(0, value - high)] if value >= low else 0
            for value in range(total + 1)
        ]
    return min(ways[total], _ENOUGH)
