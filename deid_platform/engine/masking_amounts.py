"""Amounts of money of a publication: which of them masking must hide beyond the hidden cells.

Source: DDG 2.0, 4.4.1 (M-4).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from deid_platform.core.masking import SMALL, Masking
from deid_platform.core.masking.amounts import Amounts, also_hidden, exposed
from deid_platform.core.masking.model import Bools
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import FigureKind, Publication
from deid_platform.engine.masking_table import MaskingCells


def amounts_to_hide(
    cells: MaskingCells,
    publication: Publication,
    maskings: Mapping[str, Masking],
    policy: DdgPolicy,
) -> dict[str, Bools]:
    """Per amount, the cells in which it is hidden although their people are shown."""
    found = {}
    for name, figure in publication.figures.items():
        if figure.kind is not FigureKind.AMOUNT:
            continue
        masking = maskings[figure.people]
        amounts = Amounts.of(
            cells.layout,
            np.nan_to_num(cells.floats(name)),
            masking.hidden,
            masking.reasons == SMALL,
            policy.amount_tolerance,
        )
        pattern = masking.pattern
        moves = {cell: (pattern.up[cell], pattern.down[cell]) for cell in pattern.up}
        found[name] = also_hidden(amounts, moves)
    return found


def amounts_given_away(
    shown: MaskingCells,
    source: MaskingCells,
    publication: Publication,
    people: str,
    small: Bools,
    policy: DdgPolicy,
) -> Bools:
    """The small cells of a candidate of which a reader knows some amount within the tolerance."""
    found = np.zeros(shown.layout.cells, dtype=bool)
    for name, figure in publication.figures.items():
        if figure.people != people or figure.kind is not FigureKind.AMOUNT:
            continue
        true = source.floats(name)
        hidden = np.isnan(shown.floats(name)) & ~np.isnan(true)
        found |= exposed(
            Amounts.of(shown.layout, np.nan_to_num(true), hidden, small, policy.amount_tolerance)
        )
    return found
