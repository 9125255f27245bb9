"""How a publication wants its table masked: what to keep, what to give up, by what method.

Nothing here weakens protection: a wish that no safe pattern meets is refused.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from deid_platform.core.faults import DeclarationFault, Fault
from deid_platform.core.policy import DdgPolicy, Declared


class Method(StrEnum):
    """A way to mask small cells. Those after the first two take the Peer Review Team (A-34)."""

    SUPPRESSION = "suppression"
    PERCENTAGES = "percentages"
    ROUNDING = "rounding"
    SWAPPING = "swapping"
    NOISE = "noise"

    @property
    def needs_approval(self) -> bool:
        """Whether only a policy that carries an approval may allow it."""
        return self not in (Method.SUPPRESSION, Method.PERCENTAGES)


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Cells = dict[str, Annotated[tuple[str, ...], BeforeValidator(_listed)]]
"""Cells by their labels: of every named dimension one of these labels, of the others any."""


class MaskingChoice(Declared):
    """The ``masking`` block of a publication.

    ``must_publish`` cells are never hidden as complements, ``prefer_hide`` cells are taken first.
    ``weights`` say whether a complement costs its people or one cell; ``equity_weight`` how many
    times more it costs in the smallest group of a dimension. ``counts_published_elsewhere`` is
    what speaks against percentages (M-34); ``share_of`` is the dimension whose shares they are.
    """

    method: Method = Method.SUPPRESSION
    must_publish: tuple[Cells, ...] = ()
    prefer_hide: tuple[Cells, ...] = ()
    weights: Literal["people", "cells"] = "people"
    equity_weight: float = Field(default=0, ge=0, le=1000)
    share_of: str | None = None
    counts_published_elsewhere: bool = False


def check_method(where: str, choice: MaskingChoice, policy: DdgPolicy) -> None:
    """Refuse a method that takes an approval the policy does not carry, or that we do not apply.

    Source: DDG 2.0, Appendix E and 7 (A-34).

    Raises:
        DeclarationFault: the method may not be used.
    """
    method = choice.method
    if not method.needs_approval:
        return
    if method.value not in policy.alternate_methods:
        raise DeclarationFault(
            Fault.UNAPPROVED_METHOD,
            f"{where}: masking.method",
            f"policy {policy.name} carries no approval of the Peer Review Team for {method.value} "
            "(DDG 2.0, Appendix E; A-34)",
            "use suppression, percentages or coarser groups, or file the alternate method",
        )
    raise DeclarationFault(
        Fault.UNAPPROVED_METHOD,
        f"{where}: masking.method",
        f"{method.value} is approved, but this platform does not apply it",
        "apply it outside under the approval, or use suppression, percentages or coarser groups",
    )
