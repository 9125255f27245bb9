"""Steps 1 to 3 for a whole table: facts in, score sheet out.

Source: DDG 2.0, 4.1 to 4.3 and Figure 5; the publication scoring criteria are Figure 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Characteristic, Publication
from deid_platform.core.risk.high_risk import table_subjects
from deid_platform.core.risk.numerator_denominator import Condition
from deid_platform.core.risk.part_score import PartScore, score_part
from deid_platform.core.risk.personal_characteristics import step_one
from deid_platform.core.risk.place import is_place, score_place
from deid_platform.core.risk.score_sheet import HighRisk, Outcome, Reliability, ScoreSheet
from deid_platform.core.risk.variable import Scored
from deid_platform.core.risk.variables import score_variable


@dataclass(frozen=True, kw_only=True)
class PartFacts:
    """What the cells of one part say.

    ``smallest`` is the fewest people in a non-zero cell, None where all are zero; ``labels`` are
    those of each dimension without its total; ``members`` the smallest population per label where
    a column gives it.
    """

    dimensions: tuple[str, ...]
    labels: Mapping[str, tuple[str, ...]]
    smallest: int | None
    small_cells: int
    members: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TableFacts:
    """What the cells of a table say, as the engine counted them."""

    cells: int
    small_numerators: int
    small_denominators: int
    unknown_denominators: int
    high_risk_small: int
    high_risk_columns: tuple[str, ...]
    parts: tuple[PartFacts, ...]
    reliability: Reliability | None = None


def assess(publication: Publication, facts: TableFacts, policy: DdgPolicy) -> ScoreSheet:
    """Assess a table under a policy.

    Raises:
        DeclarationError: the declaration names what the policy does not list.
        AssessmentError: a score cannot be derived from the table and the references.
    """
    first = step_one(publication)
    subjects = table_subjects(publication.name, publication, policy)
    high_risk = HighRisk(
        columns=facts.high_risk_columns,
        subjects=subjects,
        small_cells=facts.small_numerators if subjects else facts.high_risk_small,
    )
    condition: Condition | None = None
    parts: tuple[PartScore, ...] = ()
    if first.assessed:
        condition = Condition(
            cells=facts.cells,
            small_numerators=facts.small_numerators,
            small_denominators=facts.small_denominators,
            unknown_denominators=facts.unknown_denominators,
        )
        if condition.met:
            check_labels(publication, facts, policy)
        else:
            parts = tuple(_score(publication, part, policy) for part in facts.parts)
    outcome, reasons, conditions = _decide(
        policy, first.confirm, parts, facts, high_risk, first.assessed
    )
    return ScoreSheet(
        publication=publication.name,
        declaration_digest=publication.digest,
        policy=policy.name,
        policy_digest=policy.digest,
        edition=policy.edition,
        threshold=policy.score_threshold,
        step_one=first,
        condition=condition,
        parts=parts,
        high_risk=high_risk,
        reliability=facts.reliability,
        outcome=outcome,
        reasons=reasons,
        conditions=conditions,
    )


def variables_of(publication: Publication, part: PartFacts, policy: DdgPolicy) -> list[Scored]:
    """The variables that hold in a part: its dimensions, the filters and what is inferred.

    A geography that the part shows only as its total is that place.

    Source: DDG 2.0, 16.2.13; a filter is an implicit variable (A-32), as is an inferred one.
    """
    variables: list[Scored] = []
    for column, dimension in publication.dimensions.items():
        labels = part.labels[column] if column in part.dimensions else ()
        if not labels and dimension.total is not None and dimension.kind.is_geography:
            labels = (dimension.total,)
        if labels:
            variables.append(
                Scored(
                    where=publication.name,
                    name=column,
                    declared=dimension,
                    labels=labels,
                    policy=policy,
                    members=part.members.get(column, {}),
                    hierarchy=dimension.hierarchy,
                )
            )
    held: dict[str, Characteristic] = {**publication.filters, **publication.inferred}
    variables += [
        Scored(
            where=publication.name,
            name=name,
            declared=one,
            labels=(value,),
            policy=policy,
        )
        for name, one in held.items()
        if (value := getattr(one, "value", None)) is not None
    ]
    return variables


def check_labels(publication: Publication, facts: TableFacts, policy: DdgPolicy) -> None:
    """Refuse labels that cannot be scored, also where no score is needed.

    Raises:
        AssessmentFault: a label is unknown or cannot be read.
    """
    for part in facts.parts:
        for variable in variables_of(publication, part, policy):
            if is_place(variable.declared.kind):
                score_place(publication.name, [variable])
            else:
                score_variable(variable)


def _score(publication: Publication, part: PartFacts, policy: DdgPolicy) -> PartScore:
    return score_part(
        publication.name,
        part.dimensions,
        part.smallest,
        variables_of(publication, part, policy),
        policy,
    )


def _decide(
    policy: DdgPolicy,
    confirm: bool,
    parts: tuple[PartScore, ...],
    facts: TableFacts,
    high_risk: HighRisk,
    assessed: bool,
) -> tuple[Outcome, tuple[str, ...], tuple[str, ...]]:
    """The strictest outcome, every reason for it, and what a person must still confirm."""
    masking: list[str] = []
    mitigation: list[str] = []
    expert: list[str] = []
    conditions: list[str] = []
    for part, cells in zip(parts, facts.parts if parts else (), strict=True):
        if part.total is None:
            continue
        name = ", ".join(part.dimensions)
        over = part.total >= policy.score_threshold
        if over and cells.small_cells:
            masking.append(f"M-1: {name} scores {part.total} and has small cells")
        elif over:
            mitigation.append(f"A-06: {name} scores {part.total} without small cells")
        elif cells.small_cells and policy.always_suppress_small:
            masking.append(f"A-05: this policy hides every small cell ({name})")
        elif cells.small_cells:
            conditions.append(f"A-05: the expert confirms that small cells may be shown ({name})")
        expert += part.expert_review
    if assessed and high_risk.small_cells:
        masking.append("M-7: small cells of high-risk subjects are hidden whatever the score")
    if assessed and any(part.high_risk for part in parts) and facts.small_numerators:
        conditions.append("A-16: small cells of people without citizenship stay hidden")
    if facts.reliability and facts.reliability.unreliable_cells:
        masking.append(f"{facts.reliability.rule}: unreliable estimates are hidden (annotation 4)")
    if confirm:
        expert.append("R-104: confirm that no characteristic can be inferred")
    if facts.unknown_denominators and assessed:
        conditions.append("A-04: figures without a recorded denominator were taken as small")
    if masking:
        return Outcome.MASKING_REQUIRED, (*masking, *mitigation), tuple(conditions)
    if mitigation:
        return Outcome.MITIGATION_REQUIRED, tuple(mitigation), tuple(conditions)
    if expert:
        return Outcome.EXPERT_REVIEW_REQUIRED, tuple(dict.fromkeys(expert)), tuple(conditions)
    return Outcome.RELEASABLE, (_why(parts, assessed),), tuple(conditions)


def _why(parts: tuple[PartScore, ...], assessed: bool) -> str:
    if not assessed:
        return "step 1: nothing to assess"
    if not parts:
        return "R-204: the numerator-denominator condition is met"
    if all(part.total is None for part in parts):
        return "A-03: every cell is zero"
    if all(part.safe_harbor for part in parts):
        return "R-509: events of whole states and years only, within Safe Harbor"
    return "T-1: no part reaches the threshold"
