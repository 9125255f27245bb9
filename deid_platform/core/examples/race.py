"""How race and ethnicity in one table count: crossed, merged or side by side.

Source: DDG 2.0, 16.2.4, Tables 11 to 15 (R-513, R-514).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from deid_platform.core.examples.fields import Fields, Got, bad, label
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Characteristic, Kind
from deid_platform.core.risk.labels import fold, without_qualifiers
from deid_platform.core.risk.part_score import interaction
from deid_platform.core.risk.variable import Scored
from deid_platform.core.risk.variables import score_variable

_ETHNICITY = ["Hispanic or Latino", "Not Hispanic or Latino"]


def race_layout(fields: Fields, policy: DdgPolicy) -> Got:
    """What to score where a table shows race and ethnicity."""
    where = fields.where
    tally = label(fields.take("race_tally", "")).lower()
    total = fields.take("total")
    fields.note("marginals_published", "dependent", "events_min")
    table = fields.inner("table")
    if table is not None:
        rows, columns = table.need("rows"), table.need("columns")
        table.note("values", "row_totals", "column_totals", "total")
        table.finish()
        labels = [f"{label(row)} {label(column)}" for row in rows for column in columns]
        values: list[Any] = []
    else:
        given = fields.take("categories")
        labels = [label(one) for one in given]
        values = list(given.values()) if isinstance(given, Mapping) else []
    if not labels:
        raise bad(where, "no categories")
    races = sorted({_race(one) for one in labels} - {""})
    adds_up = sum(values) == total if values and total is not None else None
    inclusive: Got = {
        "extra_score_for_inclusive": 0,
        "back_calculation_by_subtraction_possible": tally != "inclusive",
    }
    if any(re.search(r"\bany\b", fold(one)) for one in labels):
        tables = [
            {"components": {"race": _points(where, Kind.RACE, races, policy)}},
            {"components": {"ethnicity": _points(where, Kind.ETHNICITY, _ETHNICITY, policy)}},
        ]
        each = interaction(1, None, policy).points
        return inclusive | {
            "scored_as_separate_tables": True,
            "tables": [one | {"interaction": each} for one in tables],
            "categories_sum_to_total": bool(adds_up),
        }
    if _is_crossed(labels):
        components = {
            "race": _points(where, Kind.RACE, races, policy),
            "ethnicity": _points(where, Kind.ETHNICITY, _ETHNICITY, policy),
        }
        score_with = "race table and ethnicity table"
    elif any("hispanic" in fold(one) or "latin" in fold(one) for one in labels):
        combined = _points(where, Kind.RACE_ETHNICITY, labels, policy)
        components = {"race_ethnicity_combined": combined}
        score_with = "combined race/ethnicity table"
    else:
        components = {"race": _points(where, Kind.RACE, labels, policy)}
        score_with = "race table"
    return inclusive | {
        "score_with": score_with,
        "components": components,
        "extra_variables": list(components),
        "interaction": interaction(len(components), None, policy).points,
        "scored_as_separate_tables": False,
        "categories_sum_to_total": tally != "inclusive" if adds_up is None else adds_up,
    }


def _points(where: str, kind: Kind, labels: list[str], policy: DdgPolicy) -> int | None:
    variable = Scored(
        where=where, name=kind.value, declared=Characteristic(kind=kind), labels=labels,
        policy=policy,
    )  # fmt: skip
    return score_variable(variable).points


def _race(text: str) -> str:
    """The race in a label, without what it says of ethnicity."""
    plain = without_qualifiers(text)
    return re.sub(r"\b(?:hispanic|latino|latina|or)\b", " ", plain).strip(" ,;-/")


def _is_crossed(labels: list[str]) -> bool:
    """Whether some race is shown both Hispanic and not."""
    seen: dict[str, set[bool]] = {}
    for one in labels:
        race, text = _race(one), fold(one)
        if race and "hispanic" in text:
            seen.setdefault(race, set()).add(bool(re.search(r"\b(?:not|non)[- ]hispanic", text)))
    return any(len(both) == 2 for both in seen.values())
