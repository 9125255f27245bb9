"""Masking a table by suppression: hide, choose codes that do not leak, and attack the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from deid_platform.core.errors import MaskingError
from deid_platform.core.masking.attack import Attack, PublishedTable, attack
from deid_platform.core.masking.blocks import blocks
from deid_platform.core.masking.complementary import Bounds, Pattern, Protector, never, protect
from deid_platform.core.masking.model import (
    COMPLEMENTARY,
    SHOWN,
    SMALL,
    Bools,
    Ints,
    MaskingRules,
    MaskingTable,
    primary,
)
from deid_platform.core.masking.witnesses import reached


@dataclass(frozen=True, kw_only=True, eq=False)
class Masking:
    """A masked table.

    ``reasons`` say why each cell is hidden (shown 0, small 1, complementary 2): restricted.
    ``codes`` are what may be published; in a block where codes 1 and 2 would leak, all are 1
    (A-20). ``block`` numbers the blocks of hidden cells. ``audit`` is the attack on the result.
    """

    table: MaskingTable
    rules: MaskingRules
    pattern: Pattern
    reasons: Ints
    codes: Ints
    block: Ints
    audit: Attack

    @property
    def hidden(self) -> Bools:
        """Which cells are withheld."""
        return self.pattern.hidden

    def counts(self) -> dict[str, int]:
        """Cells by what became of them."""
        small, complementary = self.reasons == SMALL, self.reasons == COMPLEMENTARY
        return {
            "cells": len(self.reasons),
            "zeros": int((self.table.people == 0).sum()),
            "small_hidden": int(small.sum()),
            "complementary_hidden": int(complementary.sum()),
            "blocks": int(self.block.max(initial=0)),
            "blocks_with_collapsed_codes": len(
                np.unique(self.block[complementary & (self.codes == SMALL)])
            ),
        }

    def without_labels(self) -> Masking:
        """The same cells hidden, all with code 1: a reader learns less, so the audit stands."""
        return replace(self, codes=np.where(self.hidden, SMALL, SHOWN))

    def people_hidden(self) -> dict[str, int]:
        """People in hidden cells, by reason. Restricted: of a single cell, the sum is its value."""
        return {
            "people_in_small": int(self.table.people[self.reasons == SMALL].sum()),
            "people_in_complementary": int(self.table.people[self.reasons == COMPLEMENTARY].sum()),
        }


def mask(
    table: MaskingTable,
    rules: MaskingRules,
    *,
    expired: Callable[[], bool] = never,
    attack_seconds: float = 3600.0,
) -> Masking:
    """Hide every small cell, and what else would give one away.

    Args:
        table: the table before masking.
        rules: the policy's thresholds.
        expired: says when the time is over: the best safe pattern so far is then taken.
        attack_seconds: what the attack on the result may take; unfinished, it refuses the result.

    Raises:
        MaskingError: the margins are not sums, or no safe pattern was found.
    """
    table.check()
    pattern = protect(table, rules, expired)
    reasons = np.where(pattern.hidden, COMPLEMENTARY, SHOWN)
    reasons[primary(table, rules)] = SMALL
    block = blocks(table.layout.groups, pattern.hidden)
    codes, pattern = _safe_codes(table, rules, reasons, block, pattern)
    audit = attack(
        published(table, codes),
        rules,
        small=reasons == SMALL,
        seconds=attack_seconds,
        reached=reached(table, Bounds.published(table, codes, block, rules), pattern),
    )
    if not audit.holds:
        raise MaskingError(
            table.name,
            f"the attack on the result recovers {int(audit.recovered.sum())} small cells, narrows "
            f"{int(audit.narrowed.sum())} and leaves {int(audit.undecided.sum())} undecided",
            "publish coarser groups, or allow more time",
        )
    return Masking(
        table=table,
        rules=rules,
        pattern=pattern,
        reasons=reasons,
        codes=codes,
        block=block,
        audit=audit,
    )


def published(table: MaskingTable, codes: Ints) -> PublishedTable:
    """The table as a reader gets it under these codes."""
    hidden = codes != SHOWN
    return PublishedTable(
        layout=table.layout,
        people=np.where(hidden, -1, table.people),
        codes=codes,
        figures={
            name: np.where(hidden, -1, values.astype(np.int64))
            for name, values in table.figures.items()
            if bool(np.all(values == np.round(values)) and np.all(values >= table.people))
        },
        limit=table.limit,
    )


def _safe_codes(
    table: MaskingTable, rules: MaskingRules, reasons: Ints, block: Ints, pattern: Pattern
) -> tuple[Ints, Pattern]:
    """Codes 1 and 2 in the blocks where a reader of them learns nothing more; 1 elsewhere.

    The moves of blocks that keep both codes are replaced by ones that agree with the codes.
    """
    protector = Protector(table, rules, Bounds.labelled(table, reasons, rules))
    for cell in range(table.layout.cells):
        if reasons[cell] == SHOWN:
            protector.walk.show(cell)
        else:
            protector.walk.hide(cell)
    collapsed: set[int] = set(block[pattern.hidden].tolist()) - set(
        block[reasons == COMPLEMENTARY].tolist()
    )
    up, down = dict(pattern.up), dict(pattern.down)
    for cell in np.flatnonzero(reasons == SMALL).tolist():
        if int(block[cell]) in collapsed:
            continue
        found = pattern.up[cell], pattern.down[cell]
        if all(protector.bounds.allow(table, move) for move in found):
            continue
        moves = protector.protect(cell, free_only=True)
        if moves is None:
            collapsed.add(int(block[cell]))
            continue
        up[cell], down[cell] = moves
    leaking = np.isin(block, sorted(collapsed)) & pattern.hidden
    for cell in np.flatnonzero(leaking & (reasons == SMALL)).tolist():
        up[cell], down[cell] = pattern.up[cell], pattern.down[cell]
    codes = np.where(leaking, SMALL, reasons)
    return codes, replace(pattern, up=up, down=down)
