"""The score sheet: what a table may show, step by step, as one immutable value.

It names variables, rows, rules and bands, and never a label, a value or the smallest count, so
that it may be shown to everybody who decides.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from deid_platform.core.digests import canonical_digest
from deid_platform.core.risk.numerator_denominator import Condition
from deid_platform.core.risk.part_score import PartScore
from deid_platform.core.risk.personal_characteristics import StepOne


class Outcome(StrEnum):
    """What must happen before the table may go on to legal review and release."""

    RELEASABLE = "releasable"
    MASKING_REQUIRED = "masking_required"
    MITIGATION_REQUIRED = "mitigation_required"
    EXPERT_REVIEW_REQUIRED = "expert_review_required"

    @property
    def exit_code(self) -> int:
        """The exit code of ``deid assess`` for this outcome."""
        return {
            Outcome.RELEASABLE: 0,
            Outcome.MASKING_REQUIRED: 20,
            Outcome.EXPERT_REVIEW_REQUIRED: 21,
            Outcome.MITIGATION_REQUIRED: 22,
        }[self]


ACTIONS = {
    Outcome.RELEASABLE: "no masking required; go on to legal review and release procedures",
    Outcome.MASKING_REQUIRED: "mask the table (step 4), then have it reviewed",
    Outcome.EXPERT_REVIEW_REQUIRED: "have the expert review the table before it goes on",
    Outcome.MITIGATION_REQUIRED: "publish a coarser table, or document what mitigates the risk",
}


@dataclass(frozen=True, kw_only=True)
class HighRisk:
    """High-risk cells: which columns hold them, and how many of them are small."""

    columns: tuple[str, ...]
    subjects: tuple[str, ...]
    small_cells: int


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Survey estimates too unreliable to show (annotation 4), and the rule that says so."""

    rule: str
    source: str
    unreliable_cells: int
    annotation: int = 4


@dataclass(frozen=True, kw_only=True)
class ScoreSheet:
    """Steps 1 to 3 for one table.

    ``condition`` and ``parts`` are empty where an earlier step already answered. ``outcome`` is
    the strictest of the reasons; ``reasons`` lists all, ``conditions`` what a person must still
    confirm.
    """

    publication: str
    declaration_digest: str
    policy: str
    policy_digest: str
    edition: str
    threshold: int
    step_one: StepOne
    condition: Condition | None
    parts: tuple[PartScore, ...]
    high_risk: HighRisk
    reliability: Reliability | None
    outcome: Outcome
    reasons: tuple[str, ...]
    conditions: tuple[str, ...]

    @property
    def score(self) -> int | None:
        """The highest total of the parts; None where nothing had to be scored."""
        totals = [part.total for part in self.parts if part.total is not None]
        return max(totals) if totals else None

    @property
    def masking_required(self) -> bool:
        """Whether masking must come before release."""
        return self.outcome is Outcome.MASKING_REQUIRED

    @property
    def action(self) -> str:
        """What is to be done, in one clause."""
        return ACTIONS[self.outcome]

    @property
    def next_step(self) -> int:
        """The step of Figure 5 that follows."""
        if not self.step_one.assessed:
            return 6
        return 4 if self.outcome is Outcome.MASKING_REQUIRED else 5

    @property
    def expert_review(self) -> tuple[str, ...]:
        """Everything that the expert must review."""
        return tuple(dict.fromkeys(one for part in self.parts for one in part.expert_review))

    @property
    def flags(self) -> tuple[str, ...]:
        """What a reviewer should know, without being bound by it."""
        return tuple(dict.fromkeys(one for part in self.parts for one in part.flags))

    @property
    def readings(self) -> tuple[str, ...]:
        """The entries of the ambiguity register that this assessment used."""
        used = set(self.step_one.readings)
        used |= set(self.condition.readings) if self.condition else set()
        used |= {reading for part in self.parts for reading in part.readings}
        return tuple(sorted(used))

    def to_dict(self) -> dict[str, Any]:
        """The sheet as plain values, for JSON and evidence."""
        return {
            "publication": self.publication,
            "policy": self.policy,
            "policy_digest": self.policy_digest,
            "declaration_digest": self.declaration_digest,
            "edition": self.edition,
            "threshold": self.threshold,
            "outcome": self.outcome.value,
            "exit_code": self.outcome.exit_code,
            "action": self.action,
            "masking_required": self.masking_required,
            "expert_review_required": bool(self.expert_review) or self.step_one.confirm,
            "score": self.score,
            "next_step": self.next_step,
            "reasons": list(self.reasons),
            "conditions": list(self.conditions),
            "expert_review": list(self.expert_review),
            "flags": list(self.flags),
            "readings": list(self.readings),
            "step_1": {**_plain(asdict(self.step_one)), "next_step": self.step_one.next_step},
            "step_2": _condition(self.condition),
            "step_3": [_part(part) for part in self.parts],
            "high_risk": _plain(asdict(self.high_risk)),
            "reliability": _plain(asdict(self.reliability)) if self.reliability else None,
        }

    @property
    def digest(self) -> str:
        """SHA-256 of the sheet: what reviewers sign for."""
        return canonical_digest(self.to_dict())

    def rows(self) -> list[dict[str, Any]]:
        """One row per part and component, for the table kept beside a candidate."""
        return [
            {
                "publication": self.publication,
                "part": number,
                "dimensions": ", ".join(part.dimensions),
                "component": component.name,
                "variable": component.variable,
                "matched_row": component.row,
                "band": component.row_label,
                "points": component.points,
                "rules": ", ".join(component.rules),
                "readings": ", ".join(component.readings),
                "source": component.source,
            }
            for number, part in enumerate(self.parts, start=1)
            for component in part.components
        ]

    def markdown(self) -> str:
        """The sheet as a Markdown table, for the pipeline's metadata and for packets."""
        lines = [
            f"**{self.publication}** under {self.policy} (Edition {self.edition}): "
            f"**{self.outcome.value.replace('_', ' ')}**. {self.action.capitalize()}.",
            "",
        ]
        for part in self.parts:
            lines += [
                f"Part: {', '.join(part.dimensions)}",
                "",
                "| variable | matched row | points | rules | source |",
                "|---|---|---:|---|---|",
            ]
            lines += [
                f"| {c.name}{'' if c.variable in (c.name, 'people') else f' ({c.variable})'} "
                f"| {c.row}: {c.row_label} | {'–' if c.points is None else c.points} "
                f"| {', '.join((*c.rules, *c.readings))} | {c.source} |"
                for c in part.components
            ]
            total = "not scored: all cells are zero" if part.total is None else str(part.total)
            lines += [f"| **total** | threshold {self.threshold} | **{total}** | T-1 | 4.3.1 |", ""]
        for title, items in (
            ("Because", self.reasons),
            ("To confirm", self.conditions),
            ("Expert review", self.expert_review),
            ("Note", self.flags),
        ):
            lines += [f"- {title}: {item}" for item in items]
        lines.append(f"- Readings used: {', '.join(self.readings) or 'none'}")
        return "\n".join(lines)


def _condition(condition: Condition | None) -> dict[str, Any] | None:
    if condition is None:
        return None
    return {**_plain(asdict(condition)), "met": condition.met, "next_step": condition.next_step}


def _part(part: PartScore) -> dict[str, Any]:
    points = {component.name: component.points for component in part.components}
    return {**_plain(asdict(part)), "points": points}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value
