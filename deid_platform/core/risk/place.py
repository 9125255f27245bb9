"""The one population score: where people live or are served, or who insures them.

Source: DDG 2.0, 16.2.9 to 16.2.11 and Appendix I (R-501 to R-508).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from deid_platform.core.faults import AssessmentFault, Fault
from deid_platform.core.policy import ScoreRow
from deid_platform.core.publication import Characteristic, Kind
from deid_platform.core.risk.populations import people_of
from deid_platform.core.risk.variable import Scored, once, table_of
from deid_platform.core.risk.variables import enrolment

STATES = ("california_2020", "us_states_2020")
GEOGRAPHIES = (*STATES, "california_counties_2010")
_LOCATED = (Kind.RESIDENCE_GEOGRAPHY, Kind.SERVICE_GEOGRAPHY, Kind.PROVIDER)


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One place: its row, and its population unless it is an address."""

    row: ScoreRow
    population: int | None
    basis: str
    state: bool = False
    rules: tuple[str, ...] = ()
    readings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlaceScore:
    """The population score of a part, and which table it came from.

    ``statewide`` says that the only places are whole states, which Safe Harbor allows (R-509).
    """

    table: str
    row: ScoreRow
    variable: str
    rules: tuple[str, ...]
    readings: tuple[str, ...]
    statewide: bool = False


def is_place(kind: Kind) -> bool:
    """Whether a variable of the kind enters through the population score."""
    return kind in _LOCATED or kind is Kind.INSURANCE


def score_place(where: str, variables: Sequence[Scored]) -> PlaceScore:
    """Exactly one population score for the variables of a part.

    Each pair of plan and place is routed by itself: fewer members than residents takes the
    members' score, otherwise the place's; the highest-scoring pair counts (A-12). At an address
    both are scored and the higher counts.

    Raises:
        AssessmentFault: there is neither geography nor insurance, or a population is unknown.
    """
    units = [
        (unit, variable.name)
        for variable in variables
        if variable.declared.kind in _LOCATED
        for unit in units_of(variable)
    ]
    plans = [
        (enrolment(variable, label).estimate, variable)
        for variable in variables
        if variable.declared.kind is Kind.INSURANCE
        for label in variable.shown
    ]
    rules = ["R-501"]
    levels = {name for _, name in units}
    if len(levels) > 1:
        rules.append("R-508")
    if not plans and not units:
        raise AssessmentFault(
            Fault.NO_GEOGRAPHY,
            where,
            "no geography and no insurance coverage (R-501)",
            "declare the dimension, or the place of the whole table under `filters`",
        )
    candidates: list[PlaceScore] = []
    for unit, name in units if not plans else ():
        candidates.append(_of_unit(unit, name, [*rules, "R-502"]))
    for members, variable in plans if not units else ():
        candidates.append(_of_plan(members, variable, [*rules, "R-504"]))
    for members, variable in plans if units else ():
        for unit, name in units:
            pair = [*rules, "R-503"]
            both = (_of_plan(members, variable, pair), _of_unit(unit, name, pair, ("A-12",)))
            if unit.population is None:
                candidates.append(max(both, key=lambda score: score.row.points))
            else:
                candidates.append(both[0] if members < unit.population else both[1])
    highest = max(candidates, key=lambda score: score.row.points)
    return replace(highest, statewide=not plans and all(unit.state for unit, _ in units))


def _of_unit(
    unit: Unit, name: str, rules: Sequence[str], readings: tuple[str, ...] = ()
) -> PlaceScore:
    return PlaceScore(
        table="geography",
        row=unit.row,
        variable=name,
        rules=once(*rules, *unit.rules),
        readings=once(*readings, *unit.readings),
    )


def _of_plan(members: int, variable: Scored, rules: Sequence[str]) -> PlaceScore:
    return PlaceScore(
        table="insurance",
        row=table_of(variable, "insurance").band(members),
        variable=variable.name,
        rules=tuple(rules),
        readings=("A-12",),
    )


def units_of(variable: Scored) -> list[Unit]:
    """The places of a geography variable, each with its row.

    Raises:
        AssessmentFault: a place is in no reference population and has none declared.
    """
    kind, declared = variable.declared.kind, variable.declared
    at_address = declared.area != "region" or kind is Kind.PROVIDER
    if kind is not Kind.RESIDENCE_GEOGRAPHY and at_address:
        return [_address(variable)]
    units: list[Unit] = []
    for label in variable.shown:
        people = variable.people(label, *GEOGRAPHIES)
        if people is None:
            raise AssessmentFault(
                Fault.UNKNOWN_GEOGRAPHY,
                variable.place,
                "a place is in no reference population (Tables 24 and 25)",
                "give its population under `populations` or in a `population_column`, or its "
                "standard name under `labels`",
            )
        residence = Unit(
            row=table_of(variable, "residence_geography").band(people.estimate),
            population=people.estimate,
            basis="residence",
            state=_is_state(variable, label),
        )
        if kind is Kind.RESIDENCE_GEOGRAPHY:
            units.append(residence)
            continue
        service = Unit(
            row=table_of(variable, "service_geography").band(people.estimate),
            population=people.estimate,
            basis="service",
        )
        units.append(service)
        if declared.residents_only:
            units.append(
                Unit(
                    row=residence.row,
                    population=people.estimate,
                    basis="residence",
                    rules=("R-507",),
                )
            )
    return units


def _is_state(variable: Scored, label: str) -> bool:
    """Whether a place is a whole state by name."""
    policy = variable.policy
    states = Characteristic(kind=Kind.RESIDENCE_GEOGRAPHY)
    return all(
        people_of(policy, states, meaning, {}, STATES) is not None
        for meaning in variable.meanings(label)
    )


def _address(variable: Scored) -> Unit:
    """A street address; rural and frontier rows are not for hospitals (A-27)."""
    area = variable.declared.area
    wanted = "address" if variable.declared.hospitals or area == "region" else area
    row = next(
        row for row in table_of(variable, "service_geography").rows if wanted in row.categories
    )
    readings = ("A-27",) if variable.declared.hospitals else ()
    return Unit(row=row, population=None, basis="service", readings=readings)
