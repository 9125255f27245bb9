"""Worked examples of steps 1 and 2, Safe Harbor, high-risk subjects and special codes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from deid_platform.core.examples.fields import Fields, Got, Handler, bad, label, whole
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.risk.high_risk import is_visible_trait, subject_of
from deid_platform.core.risk.numerator_denominator import cell_condition, table_condition
from deid_platform.core.risk.personal_characteristics import (
    product_is_assessed,
    within_safe_harbor,
)

_PEOPLE = ("distinct_individuals", "n_individuals", "individuals", "people", "persons", "members")
_EVENTS = ("count", "cases", "events", "visits", "numerator", "services", "deaths", "births")
_DENOMINATORS = ("denominator", "population", "denominator_population")


def numerator_denominator(fields: Fields, policy: DdgPolicy) -> Got:
    """Step 2 on cells, on rows of counts, or the denominator of one cell of a table."""
    if "table" in fields:
        return _denominator_of(fields)
    named = "rows" in fields
    given = fields.take("rows") if named else fields.need("cells")
    default = fields.first(*_DENOMINATORS)
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise bad(fields.where, "cells are a list")
    cells = [_cell(f"{fields.where}: cell {n}", cell, default) for n, cell in enumerate(given)]
    conditions = [cell_condition(cell["people"], cell["denominator"], policy) for cell in cells]
    table = table_condition([(cell["people"], cell["denominator"]) for cell in cells], policy)
    per_cell = isinstance(fields.expected.get("condition_met"), list)
    small = [
        cell["name"] for cell, one in zip(cells, conditions, strict=True) if one.numerator_small
    ]
    got: Got = {
        "cells": [
            {
                "id": cell["name"],
                "numerator": cell["people"],
                "denominator": cell["denominator"],
                "numerator_small": one.numerator_small,
                "denominator_small": one.denominator_small,
                "condition_met": one.met,
            }
            for cell, one in zip(cells, conditions, strict=True)
        ],
        "condition_met": [one.met for one in conditions] if per_cell else table.met,
        "next_step": table.next_step,
        "small_numerators": small,
        "zero_not_small": [cell["name"] for cell in cells if cell["people"] == 0],
        "small_denominators": [
            cell["name"]
            for cell, one in zip(cells, conditions, strict=True)
            if one.denominator_small
        ],
        "numerator_small": _shape([one.numerator_small for one in conditions]),
        "denominator_small": _shape([one.denominator_small for one in conditions]),
    }
    if len(cells) == 1:
        got |= {"numerator": cells[0]["people"], "denominator": cells[0]["denominator"]}
    return got


def _shape(values: list[bool]) -> bool | list[bool]:
    return values[0] if len(values) == 1 else values


def _cell(where: str, given: Any, default: Any) -> dict[str, Any]:
    cell = Fields(where, given)
    people = cell.first(*_PEOPLE)
    events = cell.first(*_EVENTS)
    count = people if people is not None else events
    if count is None:
        raise bad(where, "no count of people")
    denominator = cell.first(*_DENOMINATORS, default=default)
    cell.note("measure", "rate", "unreliable", "percentage", "mean", "unit", *_EVENTS)
    names = [cell.take(key) for key in list(given) if key in cell]
    if any(not isinstance(name, (str, int)) or isinstance(name, bool) for name in names):
        raise bad(where, "an unknown field")
    return {
        "name": label(names[0]) if names else "",
        "people": whole(where, count),
        "denominator": None if denominator is None else whole(where, denominator),
    }


def _denominator_of(fields: Fields) -> Got:
    """The recorded denominator of one cell: a total of its row, its column or the table."""
    table = Fields(f"{fields.where}: table", fields.take("table"))
    rows = [label(row) for row in table.need("rows")]
    columns = [label(column) for column in table.need("columns")]
    values = table.need("values")
    unit = table.take("unit")
    table.finish()
    row, column = (label(part) for part in fields.need("cell"))
    rule = label(fields.need("denominator_rule"))
    external = fields.first("population", "denominator")
    if row not in rows or column not in columns:
        raise bad(fields.where, "its cell is not in its table")
    r, c = rows.index(row), columns.index(column)
    totals = {
        "row_total": sum(values[r]),
        "column_total": sum(line[c] for line in values),
        "table_total": sum(sum(line) for line in values),
        "grand_total": sum(sum(line) for line in values),
        "dataset_total": sum(sum(line) for line in values),
        "all_occurrences": sum(sum(line) for line in values),
        "external": external,
        "external_population": external,
        "population": external,
    }
    if rule not in totals:
        raise bad(fields.where, "an unknown denominator_rule")
    return {"numerator": values[r][c], "denominator": totals[rule], "unit": unit}


_INFERRED = {
    "sex": r"\bwom[ae]n|\bm[ae]n\b|female|\bmale|obstetric|gyn|maternity|pregnan|prenatal|"
    r"midwi|prostat|mammogra|urolog",
    "age": r"child|pediatric|paediatric|adolescent|youth|teen|infant|neonat|newborn|geriatric|"
    r"senior|elder|older adult|nursing home|school",
    "race": r"tribal|indian health|native american|african american|\bblack\b|latin[oax]|asian",
    "immigration": r"refugee|immigrant|migrant|noncitizen|asylum",
    "sexual orientation and gender identity": r"lgbt|\bgay\b|lesbian|transgender|gender[- ]affirm",
    "financial status": r"low[- ]income|medi-cal|medicaid|calfresh|calworks|homeless|\bwic\b",
    "disability": r"developmental|disabilit",
}


def inferred_from(text: str) -> list[str]:
    """The characteristics that the nature of a provider or service gives away (R-104)."""
    return [name for name, pattern in _INFERRED.items() if re.search(pattern, text.lower())]


def personal_characteristics(fields: Fields, policy: DdgPolicy) -> Got:
    """Step 1 and the reporting types of section 5."""
    del policy
    shown = [
        item
        for name in (
            "personal_characteristics",
            "patient_characteristics",
            "characteristics",
            "demographics",
            "variables",
        )
        for item in fields.take(name, None) or []
    ]
    described = " ".join(
        str(fields.take(name) or "")
        for name in ("provider", "entity", "facility", "service", "measure", "condition", "nature")
    )
    columns = [label(column) for column in fields.take("columns", None) or []]
    inferred = inferred_from(described)
    required = fields.take("law_expressly_requires_personal_characteristics")
    contains = fields.take("contains_personal_characteristics")
    amounts = label(fields.take("amounts", "")).lower()
    product = label(fields.take("product", "")).lower()
    ties = fields.first(
        "ties_to_member_or_service_counts",
        "ties_to_member_counts",
        "traceable_to_member_counts",
        default=False,
    )
    fields.note("patients", "count", "visits", "geography", "time", "survey")
    personal = bool(shown or inferred or contains or _personal_columns(columns))
    kind = {"projected": "budget_projected", "actual": "budget_actual"}.get(amounts)
    if kind is None and "provider" in product and not personal:
        kind = "provider_characteristics"
    assessed, _ = product_is_assessed(
        kind or "administrative", personal=personal, ties_to_members=bool(ties)
    )
    still = assessed and not bool(required)
    return {
        "overlaps_personal_characteristics": personal,
        "personal_characteristics_step": personal,
        "inferred_characteristics": inferred,
        "assessment_required": still,
        "de_identification_still_required": still,
        "next_step": 2 if still else 6,
    }


def _personal_columns(columns: Sequence[str]) -> bool:
    personal = re.compile(
        r"\bages?\b|\bsex\b|gender|\brace\b|ethnic|language|orientation|intersex|immigra|citizen|"
        r"residen|education|income|poverty|insur|payer",
    )
    return any(personal.search(column.lower().replace("_", " ")) for column in columns)


_EXPERT_ROUTE = "expert determination using the DDG steps"


def safe_harbor_route(fields: Fields, policy: DdgPolicy) -> Got:
    """Whether a table of counts stays within Safe Harbor, and why not."""
    geography = label(fields.take("geography", "state")).lower()
    time = label(fields.take("time", "annual")).lower()
    variables = fields.take("variables", None) or []
    population = fields.take("population")
    if geography in ("zip3", "three-digit zip", "3-digit zip"):
        large = population is not None and population >= policy.denominator_pass_min
        geography = "state" if large else geography
    reasons = [
        reason
        for reason in (within_safe_harbor(geography, "annual"), within_safe_harbor("state", time))
        if reason is not None
    ]
    return {
        "safe_harbor": not reasons,
        "reason": reasons or None,
        "route": _EXPERT_ROUTE if reasons else None,
        "scoring_needed": bool(reasons or variables),
    }


def high_risk(fields: Fields, policy: DdgPolicy) -> Got:
    """Section 5.6.2: cells of high-risk subjects are hidden at 1 to 10 whatever the score."""
    subject = label(fields.need("subject", "population", "diagnosis", "service"))
    count = whole(fields.where, fields.first("count", "distinct_individuals", default=0))
    score = fields.first("score", "total")
    fields.note("geography", "time", "measure")
    tagged = subject_of(subject, policy) is not None
    small = policy.is_small(count)
    over = score is not None and whole(fields.where, score) >= policy.score_threshold
    return {
        "high_risk": tagged,
        "suppress": small and (tagged or over or policy.always_suppress_small),
        "score_consulted": not tagged,
        "subject": subject_of(subject, policy),
    }


def special_codes(fields: Fields, policy: DdgPolicy) -> Got:
    """Section 5.6.1: specific codes are other variables, reviewed by the expert."""
    fields.note("variable", "description", "title", "system")
    values = [label(value) for value in fields.first("values", "codes", default=[])]
    return {
        "score_as": "other variable (16.2.14)",
        "expert_review_required": True,
        "publicly_identifiable_trait": any(is_visible_trait(value, policy) for value in values),
    }


def as_mapping(where: str, value: Any) -> Mapping[str, Any]:
    """A mapping with text keys.

    Raises:
        DeclarationFault: the value is none.
    """
    if not isinstance(value, Mapping):
        raise bad(where, "a mapping is expected")
    return {label(key): inner for key, inner in value.items()}


STEP_KINDS: dict[str, Handler] = {
    "nd_condition": numerator_denominator,
    "step1": personal_characteristics,
    "safe_harbor_route": safe_harbor_route,
    "high_risk": high_risk,
    "special_codes": special_codes,
}
