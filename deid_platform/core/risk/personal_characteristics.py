"""Step 1: whether a table says anything about people, and which products are assessed at all.

Source: DDG 2.0, 4.1, 5.1 to 5.5 (R-101 to R-107; A-25).
"""

from __future__ import annotations

from dataclasses import dataclass

from deid_platform.core.publication import Kind, Publication


@dataclass(frozen=True, kw_only=True)
class StepOne:
    """Whether the assessment goes on, which columns say so, and by which rules.

    ``confirm`` is set where nothing personal is declared and nobody has said that inferred
    characteristics were considered (R-104).
    """

    personal: bool
    assessed: bool
    columns: tuple[str, ...]
    rules: tuple[str, ...]
    readings: tuple[str, ...] = ()
    confirm: bool = False

    @property
    def next_step(self) -> int:
        """Step 2, or step 6 where there is nothing to assess (Figure 5)."""
        return 2 if self.assessed else 6


def is_personal(kind: Kind) -> bool:
    """Whether a kind of variable describes a person (R-101, R-102), not an event (R-103)."""
    return kind.is_personal


def product_is_assessed(
    product: str, *, personal: bool, ties_to_members: bool
) -> tuple[bool, tuple[str, ...]]:
    """Whether a kind of product is assessed, and the readings used.

    Projected budgets have not occurred. Actual amounts are assessed when they show any
    characteristic or tie back to members or services (A-25). Characteristics of a provider itself
    are public. Everything else is assessed when it says something about people.
    """
    if product == "budget_projected":
        return False, ()
    if product == "budget_actual":
        return personal or ties_to_members, ("A-25",)
    if product == "provider_characteristics":
        return personal, ()
    return personal, ()


def step_one(publication: Publication) -> StepOne:
    """Step 1 of a publication."""
    characteristics = {
        **publication.dimensions,
        **publication.filters,
        **publication.inferred,
    }
    columns = tuple(
        name for name, characteristic in characteristics.items() if is_personal(characteristic.kind)
    )
    rules = ["R-101", "R-102", "R-103", "R-104", "R-107"]
    tagged = bool(publication.high_risk or publication.subjects)
    personal = bool(columns) or tagged
    if publication.personal_data == "expressly_public" and publication.personal_data_basis:
        return StepOne(personal=personal, assessed=False, columns=columns, rules=(*rules, "R-106"))
    assessed, readings = product_is_assessed(
        publication.product, personal=personal, ties_to_members=publication.ties_to_members
    )
    considered = bool(publication.inferred or publication.personal_data_basis)
    exempt = publication.product in ("budget_projected", "provider_characteristics")
    return StepOne(
        personal=personal,
        assessed=assessed,
        columns=columns,
        rules=tuple(rules),
        readings=readings,
        confirm=not personal and not considered and not exempt,
    )


def within_safe_harbor(geography: str, time: str) -> str | None:
    """Why a table of counts leaves Safe Harbor, or None where it stays within (SH route).

    Source: 45 CFR 164.514(b)(2)(i)(B) and (C); DDG 2.0, 14.2 and Appendix I row 1.
    """
    if geography not in ("state", "statewide", "nation", "country", "national"):
        return "geographic unit smaller than a state"
    if time not in ("annual", "year", "yearly", "multi-year", "1 year", "5 years", "2-4 years"):
        return "date element finer than year"
    return None
