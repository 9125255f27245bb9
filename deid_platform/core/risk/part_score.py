"""The score of one part: events, time, one population score, variables and their interaction.

A part is a set of dimensions that are crossed with each other. Parts shown side by side are scored
by themselves, each with its own smallest cell (R-521, R-523).

Source: DDG 2.0, 4.3.1, 16.2.1, 16.2.13 and Appendix I.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deid_platform.core.faults import AssessmentFault, Fault
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Kind
from deid_platform.core.risk.place import is_place, score_place
from deid_platform.core.risk.variable import Scored, VariableScore, once
from deid_platform.core.risk.variables import score_variable

MORE_THAN_THREE = 4
_RESERVED = frozenset({"events", "time", "geography", "insurance", "interaction"})
"""Names of components that a column of the same name must not take."""


@dataclass(frozen=True, kw_only=True)
class Component:
    """One row of a score sheet: a variable, the row it matched and what it adds."""

    name: str
    variable: str
    points: int | None
    row: str
    row_label: str
    source: str
    rules: tuple[str, ...]
    readings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PartScore:
    """The score of one part.

    ``total`` is null where every cell is zero: nothing is scored then (A-03). ``safe_harbor`` says
    that events of whole states and years are all that is shown (R-509); with any further variable
    the table is scored like others (A-28).
    """

    dimensions: tuple[str, ...]
    components: tuple[Component, ...]
    total: int | None
    extra_variables: int
    population_table: str | None
    expert_review: tuple[str, ...]
    flags: tuple[str, ...]
    high_risk: bool
    safe_harbor: bool

    @property
    def readings(self) -> tuple[str, ...]:
        """Every reading of the ambiguity register that the components used."""
        return once(*(one for component in self.components for one in component.readings))


def score_part(
    where: str,
    dimensions: Sequence[str],
    smallest: int | None,
    variables: Sequence[Scored],
    policy: DdgPolicy,
) -> PartScore:
    """Score one part from its smallest non-zero cell and its variables.

    Args:
        where: the table, for messages.
        dimensions: the columns crossed in this part.
        smallest: fewest distinct people in a non-zero cell; None where all cells are zero.
        variables: dimensions, filters and inferred characteristics that hold in this part.
        policy: the policy that scores.

    Raises:
        AssessmentFault: a score cannot be derived, or the period or the place is not known.
    """
    _check_time(where, variables)
    times = [score_variable(v) for v in variables if v.declared.kind is Kind.TIME]
    place = score_place(where, [v for v in variables if is_place(v.declared.kind)])
    others = [
        score_variable(v)
        for v in variables
        if v.declared.kind is not Kind.TIME and not is_place(v.declared.kind)
    ]
    extra = sum(1 for score in others if score.counts)
    expert = [f"{score.name}: {reason}" for score in others for reason in score.expert_review]
    flags = [f"{score.name}: {flag}" for score in others for flag in score.flags]
    time = max(times, key=lambda score: score.points or 0)
    components = [_of_variable(time, name="time")]
    components.append(
        Component(
            name=place.table,
            variable=place.variable,
            points=place.row.points,
            row=place.row.id,
            row_label=place.row.label,
            source=place.row.source,
            rules=place.rules,
            readings=place.readings,
        )
    )
    components += [_of_variable(score) for score in others]
    if smallest is not None:
        components.insert(0, events(smallest, policy))
        components.append(interaction(extra, smallest, policy))
    if extra >= MORE_THAN_THREE:
        expert.append("R-525: more than three variables; split the table")
    statewide_annual = place.statewide and (time.points or 0) <= 0
    points = [component.points for component in components if component.points is not None]
    return PartScore(
        dimensions=tuple(dimensions),
        components=tuple(components),
        total=sum(points) if smallest is not None else None,
        extra_variables=extra,
        population_table=place.table,
        expert_review=once(*expert),
        flags=once(*flags),
        high_risk=any(score.high_risk for score in others),
        safe_harbor=statewide_annual and not others,
    )


def events(smallest: int, policy: DdgPolicy) -> Component:
    """The events score, from the smallest non-zero cell (A-03)."""
    row = policy.score_tables["events"].band(smallest)
    return Component(
        name="events",
        variable="people",
        points=row.points,
        row=row.id,
        row_label=row.label,
        source=row.source,
        rules=("R-511",),
        readings=("A-03",),
    )


def interaction(extra: int, smallest: int | None, policy: DdgPolicy) -> Component:
    """The interaction score: by the number of variables, or without any by the smallest cell.

    Source: DDG 2.0, 16.2.13 (R-522, R-524, R-525; A-07, A-08, A-13).
    """
    rules: tuple[str, ...]
    readings: tuple[str, ...]
    if extra == 0:
        row = policy.score_tables["interaction_alone"].band(smallest or 0)
        rules, readings = ("R-522", "R-524"), ("A-07", "A-08")
    else:
        row = policy.score_tables["interaction"].band(extra)
        rules, readings = ("R-521", "R-522"), ("A-07",)
    if extra >= MORE_THAN_THREE:
        rules, readings = (*rules, "R-525"), (*readings, "A-13")
    return Component(
        name="interaction",
        variable="interaction",
        points=row.points,
        row=row.id,
        row_label=row.label,
        source=row.source,
        rules=rules,
        readings=readings,
    )


def _of_variable(score: VariableScore, name: str | None = None) -> Component:
    rules = score.rules
    if score.kind is Kind.MEANS_TESTED:
        rules = (*rules, "R-506")
    own = f"{score.name} variable" if score.name in _RESERVED else score.name
    return Component(
        name=name or own,
        variable=score.name,
        points=score.points,
        row=score.row,
        row_label=score.row_label,
        source=score.source,
        rules=rules,
        readings=score.readings,
    )


def _check_time(where: str, variables: Sequence[Scored]) -> None:
    if not any(variable.declared.kind is Kind.TIME for variable in variables):
        raise AssessmentFault(
            Fault.NO_TIME,
            where,
            "no reporting period (16.2.12)",
            "declare the dimension, or the period of the whole table under `filters`",
        )
