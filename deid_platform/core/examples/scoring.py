"""Worked examples of step 3: one variable, the interaction, a whole score, bands, the threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deid_platform.core.examples.fields import Fields, Got, Handler, bad, label, whole
from deid_platform.core.examples.race import race_layout
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Characteristic, Kind
from deid_platform.core.risk.labels import read_ages, read_months
from deid_platform.core.risk.part_score import MORE_THAN_THREE, events, interaction, score_part
from deid_platform.core.risk.place import score_place, units_of
from deid_platform.core.risk.variable import Scored, VariableScore
from deid_platform.core.risk.variables import score_variable

VARIABLES: dict[str, Kind] = {
    **{kind.value: kind for kind in Kind},
    "age": Kind.AGE_RANGE,
    "age_group": Kind.AGE_RANGE,
    "race_detailed": Kind.RACE,
    "detailed_race": Kind.RACE,
    "race_ethnicity_combined": Kind.RACE_ETHNICITY,
    "race_ethnicity_detailed": Kind.RACE_ETHNICITY,
    "ethnicity_detailed": Kind.ETHNICITY,
    "language_detailed": Kind.LANGUAGE,
    "language_spoken": Kind.LANGUAGE,
    "immigration_status": Kind.IMMIGRATION,
    "insurance_coverage": Kind.INSURANCE,
    "payer": Kind.MEANS_TESTED,
    "other_by_population": Kind.OTHER,
    "other_by_groups": Kind.OTHER,
    "other_groups": Kind.OTHER,
    "reporting_period": Kind.TIME,
}
_BANDED = {
    "events": "events",
    "age_range_width_years": "age_range",
    "age_range": "age_range",
    "age_width": "age_range",
    "population": "population",
    "statewide_population": "population",
    "other_by_population": "population",
    "race_detailed": "race_detailed",
    "ethnicity_detailed": "ethnicity",
    "language": "language",
    "insurance": "insurance",
    "means_tested": "means_tested",
    "residence_geography": "residence_geography",
    "service_geography": "service_geography",
    "other_groups": "groups",
    "other_by_groups": "groups",
    "time_months": "time",
    "interaction": "interaction",
    "interaction_min_cell": "interaction_alone",
}


_VETERANS = 1467026
"""The one group that the guideline's examples name by its population; it carries a warning."""


def component(fields: Fields, policy: DdgPolicy) -> Got:
    """The score of one variable."""
    name = label(fields.need("variable"))
    if name in ("geography", "residence_geography", "service_geography"):
        return _geography(name, fields, policy)
    if name == "events":
        smallest = whole(fields.where, fields.need("events_min", "smallest_cell", "min", "value"))
        return {"score": events(smallest, policy).points}
    if name == "insurance" or VARIABLES.get(name) is Kind.INSURANCE:
        return _insurance(fields, policy)
    variable = _variable(name, fields, policy)
    return _got(score_variable(variable)) | _widths(variable)


def _got(scored: VariableScore) -> Got:
    return {
        "score": scored.points,
        "points": scored.points,
        "group_scores": list(scored.group_points),
        "not_scored": scored.points is None,
        "high_risk": scored.high_risk,
        "flag": list(scored.flags),
        "expert_review_required": bool(scored.expert_review),
        "row": scored.row,
        "row_label": scored.row_label,
        "separate_age_score": False,
    }


def _widths(variable: Scored) -> Got:
    if variable.declared.kind is not Kind.AGE_RANGE:
        return {}
    ages = [read_ages(one) for one in variable.labels]
    return {"group_widths": [one.width for one in ages if one is not None]}


def _variable(name: str, fields: Fields, policy: DdgPolicy) -> Scored:
    """The variable that an example describes, ready to be scored."""
    kind = VARIABLES.get(name)
    if kind is None:
        raise bad(fields.where, "an unknown variable")
    labels, populations = _labels(kind, fields)
    margin = fields.first("margin_of_error", "margin")
    smallest = fields.first("smallest_population")
    fields.note(
        "smallest_population_alone",
        "smallest_population_non_hispanic",
        "implied_age",
        "population_known",
        "title",
        "standard",
        "race_tally",
        "tally",
        "cross_tabulated_with_sex",
    )
    if not labels and smallest is not None:
        labels, populations = ["smallest group"], {"smallest group": smallest}
    if not labels:
        raise bad(fields.where, "nothing to score: no categories, groups or populations")
    declared = Characteristic(
        kind=kind,
        populations={key: whole(fields.where, value) for key, value in populations.items()},
        margins={} if margin is None else {key: whole(fields.where, margin) for key in labels},
        population_source="the example",
    )
    return Scored(where=fields.where, name=name, declared=declared, labels=labels, policy=policy)


def _labels(kind: Kind, fields: Fields) -> tuple[list[str], dict[str, Any]]:
    """Labels and populations, in any of the forms that examples use."""
    populations = fields.take("populations")
    form = fields.take("form")
    given = fields.first("categories", "groups", "labels", "ranges", "periods", "values")
    if kind is Kind.INTERSEX and given is None:
        fields.note("population")
        combined = form is not None and "combined" in label(form)
        return (["Male", "Female", "Intersex"] if combined else ["Intersex", "Not intersex"]), {}
    if kind is Kind.TIME:
        months = fields.take("months")
        period = fields.first("period", "time", "value", default=f"{months} months")
        return [label(one) for one in (given or [period])], {}
    if kind is Kind.AGE_RANGE:
        return [_age(fields.where, one) for one in given or [fields.need("range", "group")]], {}
    if kind is Kind.OTHER and isinstance(given, int) and not isinstance(given, bool):
        return [f"group {number}" for number in range(given)], {}
    if kind in (Kind.MEANS_TESTED, Kind.INSURANCE):
        return _programs(fields, given, populations)
    single = fields.take("population")
    if single is not None and populations is None:
        if kind is Kind.OTHER and single == _VETERANS:
            return ["Veteran"], {}
        names = [label(one) for one in given or []] or ["group"]
        return names, {names[0]: single} if len(names) == 1 else {}
    if isinstance(populations, Mapping):
        named = {label(key): value for key, value in populations.items()}
        return ([label(one) for one in given] if given else list(named)), named
    if isinstance(populations, Sequence) and not isinstance(populations, str):
        numbered = {f"group {number}": value for number, value in enumerate(populations)}
        return list(numbered), numbered
    if isinstance(given, Mapping):
        return [label(key) for key in given], {}
    return [label(one) for one in given or []], {}


def _programs(fields: Fields, given: Any, populations: Any) -> tuple[list[str], dict[str, Any]]:
    enrolment = fields.first("enrollment", "enrolment", "members", "population")
    program = fields.first("program", "payer", "plan")
    several = fields.first("plans", "programs")
    populations = several if populations is None else populations
    if isinstance(populations, Mapping):
        named = {label(key): value for key, value in populations.items()}
        return list(named), named
    names = [label(one) for one in given or [program if program is not None else "program"]]
    return names, {} if enrolment is None else dict.fromkeys(names, enrolment)


def _age(where: str, given: Any) -> str:
    if isinstance(given, Mapping):
        given = [given.get("low", given.get("lo", 0)), given.get("high", given.get("hi"))]
    if isinstance(given, Sequence) and not isinstance(given, str):
        if len(given) != 2:
            raise bad(where, "an age range has two ends")
        low, high = given
        return f"{low}+" if high is None else f"{low}-{high}"
    return label(given)


def _insurance(fields: Fields, policy: DdgPolicy) -> Got:
    variable = _variable("insurance", fields, policy)
    place = score_place(fields.where, [variable])
    return {"score": place.row.points, "row": place.row.id}


def _geography(name: str, fields: Fields, policy: DdgPolicy) -> Got:
    variable = _place(name, fields, policy)
    units = units_of(variable)
    candidates = {unit.basis: unit.row.points for unit in units}
    return {
        "score": max(unit.row.points for unit in units),
        "candidate_scores": candidates,
        "group_scores": [unit.row.points for unit in units],
        "row": max(units, key=lambda unit: unit.row.points).row.id,
    }


def _place(name: str, fields: Fields, policy: DdgPolicy) -> Scored:
    """A geography as examples describe it: basis, level, name, population, area, provider."""
    basis = label(fields.take("basis", "service" if name.startswith("service") else "residence"))
    kind = Kind.SERVICE_GEOGRAPHY if basis == "service" else Kind.RESIDENCE_GEOGRAPHY
    level = label(fields.take("level", "")).lower()
    area = label(fields.take("area", "")).lower()
    provider = label(fields.take("provider_type", "")).lower()
    limited = bool(fields.first("service_limited_to_residents", "residents_only", default=False))
    place = fields.first("name", "county", "place")
    many = fields.first("populations", "levels")
    population = fields.take("population")
    populations: dict[str, int] = {}
    if isinstance(many, Mapping):
        populations = {label(key): whole(fields.where, value) for key, value in many.items()}
    elif isinstance(many, Sequence) and not isinstance(many, str):
        sizes = [one.get("population") if isinstance(one, Mapping) else one for one in many]
        populations = {f"place {n}": whole(fields.where, size) for n, size in enumerate(sizes)}
    elif population is not None:
        key = "California" if level in ("state", "statewide") else label(place or "place")
        populations = {key: whole(fields.where, population)}
    labels = list(populations) or [
        "California" if level in ("state", "statewide") else label(place or "place")
    ]
    if area and area not in ("rural", "frontier", "urban", "region"):
        raise bad(fields.where, "an unknown area")
    address = "address" in level or area in ("rural", "frontier", "urban")
    declared = Characteristic(
        kind=kind,
        populations=populations,
        population_source="the example",
        area=area if area in ("rural", "frontier") else ("address" if address else "region"),
        hospitals="hospital" in provider,
        residents_only=limited,
    )
    return Scored(where=fields.where, name=name, declared=declared, labels=labels, policy=policy)


def interactions(fields: Fields, policy: DdgPolicy) -> Got:
    """The interaction score, and how race and ethnicity count in it."""
    cases = fields.take("cases")
    if cases is not None:
        return {"interaction": [_case(fields.where, case, policy) for case in cases]}
    counts = fields.take("extra_variables_count")
    if isinstance(counts, list):
        return {
            "interaction": [interaction(int(count), None, policy).points for count in counts],
            "expert_review_from": MORE_THAN_THREE,
        }
    if "categories" in fields or "table" in fields:
        return race_layout(fields, policy)
    smallest = fields.first("events_min", "smallest_cell")
    named = fields.take("extra_variables", None)
    count = len(named or []) if counts is None else whole(fields.where, counts)
    dependent = fields.take("dependent", True)
    fields.note("events_band", "time", "geography")
    least = None if smallest is None else whole(fields.where, smallest)
    if count == 0 and least is None:
        raise bad(fields.where, "without variables the smallest cell is needed")
    each = interaction(count if dependent else min(count, 1), least, policy)
    return {
        "interaction": each.points,
        "extra_variables": list(named or []),
        "expert_review_required": bool(dependent) and count >= MORE_THAN_THREE,
        "expert_review_from": MORE_THAN_THREE,
        "scored_as_separate_tables": not dependent,
    }


def _case(where: str, case: Any, policy: DdgPolicy) -> int | None:
    fields = Fields(where, case)
    got = interactions(fields, policy)["interaction"]
    fields.finish()
    return None if got is None else int(got)


def total(fields: Fields, policy: DdgPolicy) -> Got:
    """A whole score: components, total, threshold and the population table used."""
    smallest = fields.first("events_min", "smallest_cell")
    band = fields.take("events_band")
    if smallest is None:
        smallest = {"<11": 1, "11-99": 11, "100-999": 100, ">=1000": 1000}.get(label(band))
    if smallest is None:
        raise bad(fields.where, "its input lacks events_min")
    period = fields.first("time", "period", default="annual")
    variables = [_simple(Kind.TIME, "time", label(period), fields.where, policy)]
    geography = fields.inner("geography")
    if geography is not None:
        variables.append(_place("geography", geography, policy))
        geography.finish()
    members = fields.first("insurance_enrollment", "insurance_members", "insurance")
    if members is not None:
        variables.append(
            _simple(Kind.INSURANCE, "insurance", "plan", fields.where, policy, members)
        )
    program = fields.inner("means_tested")
    if program is not None:
        name = label(program.first("program", "name", default="program"))
        enrolled = program.first("enrollment", "enrolment", "population")
        variables.append(
            _simple(Kind.MEANS_TESTED, "means_tested", name, fields.where, policy, enrolled)
        )
        program.finish()
    for number, extra in enumerate(_extras(fields.take("extra_variables", None) or [])):
        variables.append(_extra(f"{fields.where}: extra_variables[{number}]", extra, policy))
    part = score_part(fields.where, (), whole(fields.where, smallest), variables, policy)
    return {
        "components": {one.name: one.points for one in part.components},
        "total": part.total,
        "masking_required": (part.total or 0) >= policy.score_threshold,
        "population_table_used": part.population_table,
        "expert_review_required": bool(part.expert_review),
        "extra_variables": part.extra_variables,
        "safe_harbor": part.safe_harbor,
    }


def _simple(
    kind: Kind, name: str, only: str, where: str, policy: DdgPolicy, people: Any = None
) -> Scored:
    populations = {} if people is None else {only: whole(where, people)}
    declared = Characteristic(
        kind=kind, populations=populations, population_source="the example" if people else None
    )
    return Scored(where=where, name=name, declared=declared, labels=(only,), policy=policy)


_BY_NAME = {
    "sex": ["Male", "Female"],
    "ethnicity": ["Hispanic or Latino", "Not Hispanic or Latino"],
}


def _extras(given: Any) -> list[Any]:
    """Further variables as a list, or as a mapping from name to labels or fields."""
    if not isinstance(given, Mapping):
        return list(given)
    return [
        {"variable": name, **(one if isinstance(one, Mapping) else {"categories": one})}
        for name, one in given.items()
    ]


def _extra(where: str, extra: Any, policy: DdgPolicy) -> Scored:
    """A further variable: a mapping as for score_component, or the name of one with one score."""
    if isinstance(extra, str):
        if extra not in _BY_NAME:
            raise bad(where, "a variable needs its categories or populations")
        extra = {"variable": extra, "categories": _BY_NAME[extra]}
    fields = Fields(where, extra)
    variable = _variable(label(fields.need("variable")), fields, policy)
    fields.finish()
    return variable


def band(fields: Fields, policy: DdgPolicy) -> Got:
    """Values scored one by one with one table."""
    name = label(fields.need("variable"))
    values = fields.need("values")
    if name == "time":
        months = [read_months(label(value)) for value in values]
        if None in months:
            raise bad(fields.where, "a period that cannot be read")
        table, numbers = "time", [number for number in months if number is not None]
    elif name in _BANDED and _BANDED[name] in policy.score_tables:
        table, numbers = _BANDED[name], [whole(fields.where, value) for value in values]
    else:
        raise bad(fields.where, "an unknown variable")
    return {"scores": [policy.score_tables[table].band(number).points for number in numbers]}


def threshold(fields: Fields, policy: DdgPolicy) -> Got:
    """Which totals require masking."""
    totals = fields.need("totals", "total")
    if isinstance(totals, list):
        return {"masking_required": [one >= policy.score_threshold for one in totals]}
    return {"masking_required": whole(fields.where, totals) >= policy.score_threshold}


SCORING_KINDS: dict[str, Handler] = {
    "score_component": component,
    "interaction": interactions,
    "score_total": total,
    "score_band": band,
    "threshold": threshold,
}
