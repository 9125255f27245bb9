"""Certificates: for every hidden small cell, two complete tables that agree with what is shown.

One complete table, and *witnesses*: changes to it that leave every published sum as it is. Changes
that share no cell go into one witness, so that a few tables serve many cells. Where members of a
total overlap, a table that a solver found may take a change's place. A certificate holds hidden
counts: it is restricted evidence and is never published.

Source: DDG 2.0, 7.3 and M-15.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deid_platform.core.errors import MaskingError
from deid_platform.core.masking.model import Axis, Ints, MaskingRules
from deid_platform.core.masking.moves import Move
from deid_platform.core.masking.solved import overlapping, solve
from deid_platform.core.masking.suppression import Masking, published
from deid_platform.core.masking.verify import FORMAT, digest

_OPEN_WITNESSES = 48


def certify(
    maskings: Mapping[str, Masking],
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    declaration: Mapping[str, Any],
) -> dict[str, Any]:
    """The certificate of a published table.

    Args:
        maskings: what was done, per column that counts people; cells in the order of the rows.
        header: the columns of the published table.
        rows: its rows as text, a withheld value as the empty text.
        declaration: the publication's declaration, as YAML or JSON reads it.
    """
    rules = next(iter(maskings.values())).rules
    every = all(bool(masking.table.gated.all()) for masking in maskings.values())
    return {
        "format": FORMAT,
        "table": digest(header, rows, declaration),
        "rules": stated(rules, every_small_cell=every),
        "people": {people: _part(masking) for people, masking in maskings.items()},
    }


def stated(rules: MaskingRules, *, every_small_cell: bool = True) -> dict[str, int]:
    """A policy's thresholds as a certificate states them and its verifier asks for them.

    ``every_small_cell`` is false where the score lets some small counts stand.
    """
    return {
        "min_people": rules.min_people,
        "feasible_low": rules.feasible[0],
        "feasible_high": rules.feasible[1],
        "every_small_cell": every_small_cell,
    }


def encode(certificate: Mapping[str, Any]) -> bytes:
    """A certificate as compressed JSON; the same bytes for the same certificate."""
    text = json.dumps(certificate, sort_keys=True, separators=(",", ":"))
    return gzip.compress(text.encode(), mtime=0)


def decode(content: bytes) -> dict[str, Any]:
    """A certificate from its bytes.

    Raises:
        MaskingError: these are not the bytes of a certificate.
    """
    try:
        value = json.loads(gzip.decompress(content))
    except (OSError, EOFError, ValueError):
        value = None
    if not isinstance(value, dict):
        raise MaskingError("certificate", "this is not a certificate", "mask the table again")
    return value


def _part(masking: Masking) -> dict[str, Any]:
    hidden, figures = masking.hidden, published(masking.table, masking.codes).figures
    broken = [(cell, move) for cell, move in overlapping(masking) if move.amounts.any()]
    return {
        "base": masking.table.people[hidden].tolist(),
        "gated": np.flatnonzero(masking.table.gated).tolist(),
        "inexact": sorted(
            {name for axis in masking.table.layout.axes if not axis.exact for name in _names(axis)}
        ),
        "witnesses": [_change(change) for change in _packed(masking, {id(m) for _, m in broken})],
        "figures": {
            name: masking.table.figures[name][hidden].astype(np.int64).tolist() for name in figures
        },
        "solved": [_solved(masking, cell, move) for cell, move in broken],
    }


def _names(axis: Axis) -> set[str]:
    """The dimensions that make an axis: several where one nests in another."""
    return {axis.name, *axis.name.split("/")}


def _change(change: tuple[Ints, Ints]) -> dict[str, list[int]]:
    cells, amounts = change
    return {"cells": cells.tolist(), "amounts": amounts.tolist()}


def _solved(masking: Masking, cell: int, move: Move) -> dict[str, Any]:
    value = int(masking.table.people[cell] + move.amounts[move.cells == cell].sum())
    change = solve(masking, cell, value)
    return {
        "people": _change(change.people),
        "figures": {name: _change(of) for name, of in change.figures.items()},
    }


def _packed(masking: Masking, left_out: set[int]) -> list[tuple[Ints, Ints]]:
    """All moves but some, those that share no cell (and no inexact sum) put together."""
    exact = bool(masking.table.layout.groups.exact.all())
    witnesses: list[list[Move]] = []
    taken: list[set[int]] = []
    first_open = 0
    moves = {
        id(move): move  # cells may share a move
        for cell in sorted(masking.pattern.up)
        for move in (masking.pattern.up[cell], masking.pattern.down[cell])
        if move.amounts.any() and id(move) not in left_out
    }
    for move in moves.values():
        cells = set(move.cells.tolist())
        for place in range(first_open, len(witnesses) if exact else 0):
            if taken[place].isdisjoint(cells):
                witnesses[place].append(move)
                taken[place] |= cells
                break
        else:
            witnesses.append([move])
            taken.append(cells)
            first_open = max(0, len(witnesses) - _OPEN_WITNESSES)
    return [
        (
            np.concatenate([move.cells for move in witness]),
            np.concatenate([move.amounts for move in witness]),
        )
        for witness in witnesses
    ]
