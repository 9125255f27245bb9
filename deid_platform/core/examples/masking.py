"""Worked examples of step 4: suppression, the three-category method, the choice of a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deid_platform.core.examples.additive import Additive, as_table
from deid_platform.core.examples.fields import Fields, Got, Handler, bad, label, whole
from deid_platform.core.examples.steps import as_mapping
from deid_platform.core.masking.model import MaskingRules
from deid_platform.core.masking.percentages import method_needed, percent, three_categories
from deid_platform.core.policy import DdgPolicy

_MANY_CATEGORIES = 20
_PEOPLE = ("members", "people", "persons", "individuals", "distinct_individuals", "count")


def suppression(fields: Fields, policy: DdgPolicy) -> Got:
    """Which cells are hidden: for their own size, as complements, and with what labels."""
    if "categories" in fields:
        return percentages(fields, policy)
    fields.note("dimension", "title", "measure")
    gate = _gate(fields, policy)
    rows = fields.take("rows")
    if rows is not None:
        return _statistics(fields, rows, gate, policy)
    table = fields.inner("table")
    if table is not None:
        shown = fields.first("marginals_published", "totals_published", default=True)
        additive = as_table(table, bool(shown), gate)
        table.finish()
    else:
        cells = as_mapping(fields.where, fields.need("cells"))
        total = fields.first("total_published", "total")
        additive = Additive.group(
            {name: whole(fields.where, value) for name, value in cells.items()},
            None if total in (None, False) else sum(map(int, cells.values())),
            gate,
        )
        if isinstance(total, int) and not isinstance(total, bool) and total != additive.total:
            raise bad(fields.where, "its cells do not add up to its total")
    additive = _preferring(additive, fields)
    candidate = fields.take("candidate_suppressed")
    got = _results(additive, policy)
    if candidate is not None:
        got["if_reason_revealed"] = additive.if_revealed([label(c) for c in candidate], policy)
    return got


def _gate(fields: Fields, policy: DdgPolicy) -> frozenset[str] | bool:
    """Which cells masking is required for: all, none, or the high-risk ones."""
    gate = fields.take("score_gate")
    score = fields.first("score", "total_score")
    risky = fields.first("high_risk", "high_risk_cells")
    if score is not None:
        required = whole(fields.where, score) >= policy.score_threshold
    else:
        required = gate is None or label(gate).lower() in ("masking required", "yes", "required")
    if required or policy.always_suppress_small or risky is True:
        return True
    return frozenset(label(one) for one in risky) if isinstance(risky, Sequence) else False


def _preferring(additive: Additive, fields: Fields) -> Additive:
    strategy = label(fields.first("strategy", "complementary_strategy", default=""))
    least = fields.take("least_interesting", None) or []
    if strategy and strategy not in ("smallest", "least_interesting", "most_similar"):
        raise bad(fields.where, "an unknown strategy")
    return additive.preferring(strategy or None, [label(one) for one in least])


def _results(additive: Additive, policy: DdgPolicy) -> Got:
    blank = additive.masked(policy)
    told = additive.masked_with_reasons(policy)
    options = [blank] if told is None else [blank, told]
    return {
        "primary": additive.primary(policy),
        "zeros_shown": additive.zeros(),
        "rule6_triggered": additive.rule_six(policy),
        "suppressed": [one.suppressed for one in options],
        "complementary": [one.complementary for one in options],
        "labels": [one.labels for one in options],
        "acceptable": [
            {
                "suppressed": one.suppressed,
                "complementary": one.complementary,
                "primary": additive.primary(policy),
                "labels": one.labels,
            }
            for one in options
        ],
        "min_suppressed_per_affected_row_and_column": additive.fewest_per_line(blank),
    }


def _statistics(fields: Fields, rows: Any, gate: frozenset[str] | bool, policy: DdgPolicy) -> Got:
    """Rates, means and money follow the cell they belong to (M-4, M-5)."""
    totals = [label(one) for one in fields.take("totals_published", None) or []]
    fields.note("high_risk")
    names: list[str] = []
    people: dict[str, int] = {}
    statistics: list[str] = []
    people_column = ""
    for given in rows:
        row = as_mapping(fields.where, given)
        people_column = next((one for one in _PEOPLE if one in row), "")
        if not people_column:
            raise bad(fields.where, "a row without a count of people")
        name = label(next(value for key, value in row.items() if isinstance(value, str)))
        names.append(name)
        people[name] = whole(fields.where, row[people_column])
        statistics = [
            key for key, value in row.items() if key != people_column and not isinstance(value, str)
        ]
    total = sum(people.values()) if people_column in totals or not totals else None
    additive = Additive.group(people, total, gate)
    blank = additive.masked(policy)
    small = [name for name in additive.primary(policy) if name in people]
    complements = [name for name in blank.complementary if name in people]
    return {
        "primary": [[name, people_column] for name in small],
        "also_suppressed": [[name, one] for name in small for one in statistics],
        "complementary_group": complements[0] if complements else None,
        "complementary_suppressed": [
            [name, one] for name in complements for one in (people_column, *statistics)
        ],
        "suppressed": [blank.suppressed],
    }


def percentages(fields: Fields, policy: DdgPolicy) -> Got:
    """The three-category method of 4.4.4."""
    given = as_mapping(fields.where, fields.need("categories"))
    counts = {name: whole(fields.where, value) for name, value in given.items()}
    total = whole(fields.where, fields.take("total", sum(counts.values())))
    elsewhere = bool(fields.take("counts_published_elsewhere", False))
    fields.note("variable", "dimension")
    found = three_categories(
        counts,
        MaskingRules(min_people=policy.min_people, feasible=policy.min_feasible),
        min_total=policy.settings.three_category_min_total.value,
        total=total,
        counts_published_elsewhere=elsewhere,
    )
    shown = {name: percent(count, total) for name, count in counts.items()} | {"total": "100%"}
    return {
        "method": "percentages_only",
        "counts_shown": False,
        "percent_shown": shown,
        "complementary_suppression": False,
        "footnote_required": True,
        "effective": found.effective,
        "fallback": None if found.effective else found.fallback,
    }


def masking_choice(fields: Fields, policy: DdgPolicy) -> Got:
    """Which method fits (4.4.2, 4.4.4)."""
    variable = label(fields.first("variable", "dimension", default=""))
    form = label(fields.take("form", "")).lower()
    crossed = bool(
        fields.first("cross_tabulated_with_sex", "cross_tabulated", "crossed", default=False)
    )
    categories = fields.take("categories")
    variables = fields.first("variables", "crossed_variables", default=[])
    rare = bool(fields.first("rare_events", "rare_event", default=False))
    granular = label(fields.first("period", "geography", "time", default="")).lower()
    fields.note("interface", "title")
    needed = method_needed(separate_question="separate" in form, crossed=crossed)
    number = len(categories) if isinstance(categories, (list, Mapping)) else categories
    several = len(variables) if isinstance(variables, (list, Mapping)) else int(variables)
    suppress = f"suppress counts <{policy.min_people}"
    preferred, alternatives = suppress, list[str]()
    if rare:
        preferred, alternatives = "suppression rules with case-by-case expert review", []
    elif (number is not None and int(number) >= _MANY_CATEGORIES) or granular:
        preferred, alternatives = "reduce granularity (group categories)", [suppress]
    elif several > 1:
        preferred = "split into several tables with fewer variables"
        alternatives = ["reduce granularity (group categories)", suppress]
    return {
        "three_category_method_needed": needed,
        "complementary_suppression_for_sex_needed": needed,
        f"complementary_suppression_for_{variable}_needed": needed,
        "preferred": preferred,
        "alternatives": alternatives,
    }


MASKING_KINDS: dict[str, Handler] = {
    "suppression": suppression,
    "percent_masking": percentages,
    "masking_choice": masking_choice,
}
