"""The method standard: which methods are permitted, where, for what, and how one is chosen."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated

from pydantic import Field

from deid_platform.core.register.vocabulary import (
    DestinationKind,
    Digest,
    Entry,
    Exposure,
    Line,
    Method,
    Name,
    Need,
    PersonName,
    Purpose,
    day,
)
from deid_platform.core.workflow import Role


class DecisionRule(Entry):
    """How the method of a request follows from what it is for (2.2).

    A public aggregate takes ``public_aggregates``; a request with a need of ``expert_needs`` takes
    an Expert Determination; all else is Safe Harbor. A limited data set is never the answer, only
    a choice that a data use agreement permits.
    """

    text: Line
    expert_needs: tuple[Need, ...]
    public_aggregates: Method = Method.DDG_AGGREGATE

    def method_for(self, needs: Iterable[Need], *, is_public_aggregate: bool) -> Method:
        """The method that the rule leads to."""
        if is_public_aggregate:
            return self.public_aggregates
        if set(needs) & set(self.expert_needs):
            return Method.EXPERT_DETERMINATION
        return Method.SAFE_HARBOR


class Allowance(Entry):
    """One row of the matrix: for this use, to these places, by these methods."""

    use_case: Purpose
    destinations: tuple[DestinationKind, ...] = Field(min_length=1)
    exposures: tuple[Exposure, ...] = Field(min_length=1)
    methods: tuple[Method, ...] = Field(min_length=1)
    conditions: tuple[Line, ...] = ()


class StandardApproval(Entry):
    """Who put the standard in force."""

    role: Role
    by: PersonName
    approved: date
    reference: Line


class MethodStandard(Entry):
    """One version of the standard, in force from one day to another (UTC, both included)."""

    version: Annotated[str, Field(exclude=True)] = ""
    title: Line
    effective_from: date
    effective_until: date | None = None
    permitted_methods: tuple[Method, ...] = Field(min_length=1)
    decision_rule: DecisionRule
    allowances: tuple[Allowance, ...] = Field(min_length=1)
    forbidden_wording: tuple[Line, ...] = Field(min_length=1)
    policies: dict[Name, Digest]
    readings: dict[str, Line] = Field(default_factory=dict)
    approvals: tuple[StandardApproval, ...] = Field(min_length=1)
    raci: dict[Line, dict[Role, str]]
    data_sharing_standard: Line

    def in_force(self, at: datetime) -> bool:
        """Whether it is in force at a time."""
        today = day(at)
        return self.effective_from <= today and (
            self.effective_until is None or today <= self.effective_until
        )

    def allowance(
        self, use_case: Purpose, kind: DestinationKind, exposure: Exposure, method: Method
    ) -> Allowance | None:
        """The row of the matrix that allows this, if one does."""
        if method not in self.permitted_methods:
            return None
        return next(
            (
                row
                for row in self.allowances
                if row.use_case is use_case
                and kind in row.destinations
                and exposure in row.exposures
                and method in row.methods
            ),
            None,
        )

    def permits_policy(self, digest: str) -> bool:
        """Whether a policy of this digest belongs to the standard."""
        return digest in self.policies.values()

    def forbidden_in(self, text: str) -> str | None:
        """The forbidden wording that a text uses, if any; case and blanks do not matter."""
        folded = " ".join(text.lower().split())
        return next(
            (one for one in self.forbidden_wording if " ".join(one.lower().split()) in folded), None
        )
