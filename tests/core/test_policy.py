"""The policy as a value: complete, immutable, and with a digest of its content."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest
from pydantic import ValidationError

from deid_platform.core.declaration import validated
from deid_platform.core.errors import DeclarationError
from deid_platform.core.policy import DdgPolicy, ScoreTable, check_bands
from deid_platform.core.policy_diff import policy_diff
from deid_platform.core.policy_overlay import overlaid
from tests.core.risk.builders import ddg

FILING = {
    "department": "Department of Examples",
    "filing_reference": "DE-2026-1",
    "prt_approval": "PRT-77",
    "prt_approved_on": date(2026, 3, 1),
    "effective_date": date(2026, 4, 1),
}


def department(**overrides: object) -> DdgPolicy:
    overlay = {
        "extends": "calhhs_ddg_2",
        "name": "department",
        "filing": FILING,
        "overrides": overrides,
    }
    return validated(DdgPolicy, "department", overlaid("department", ddg().model_dump(), overlay))


def test_the_thresholds_are_the_guidelines():
    policy = ddg()
    assert (policy.min_people, policy.denominator_pass_min, policy.score_threshold) == (
        11,
        20_001,
        13,
    )
    assert policy.min_feasible == (1, 10)
    assert policy.complement_strategy == "smallest"
    assert policy.always_suppress_small is False


@pytest.mark.parametrize(("people", "small"), [(0, False), (1, True), (10, True), (11, False)])
def test_one_to_ten_people_are_small(people, small):
    assert ddg().is_small(people) is small


def test_every_row_rule_and_reading_names_its_source():
    policy = ddg()
    rows = [row for table in policy.score_tables.values() for row in table.rows]
    assert all(row.source for row in rows)
    assert all(rule.source for rule in policy.rules.values())
    assert all(reading.where and reading.alternatives for reading in policy.readings.values())
    assert all(one.source and one.vintage for one in policy.references.values())
    assert set(policy.readings) == {f"A-{number:02}" for number in range(1, 36)}


def test_row_ids_are_unique_in_the_policy():
    ids = [row.id for table in ddg().score_tables.values() for row in table.rows]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", list(ddg().score_tables))
def test_bands_cover_every_number_once(name):
    table = ddg().score_tables[name]
    edges = [row.at_most for row in table.bands if row.at_most is not None]
    for number in {0, 1, *edges, *(edge + 1 for edge in edges)}:
        if table.bands:
            assert sum(row.holds(number) for row in table.bands) == 1


def test_a_table_of_categories_has_no_band():
    with pytest.raises(DeclarationError):
        ddg().score_tables["sex"].band(3)


def test_a_score_table_needs_its_bands_to_touch():
    row = {"label": "x", "points": 1, "source": "s"}
    rows = [row | {"id": "a", "at_most": 1}, row | {"id": "b", "at_least": 3}]
    table = ScoreTable.model_validate(
        {"title": "t", "measure": "people", "source": "s", "rows": rows}
    )
    with pytest.raises(DeclarationError, match="gap or overlap"):
        check_bands("t", table)


def test_a_named_group_stands_in_the_band_of_its_population():
    """The groups of the language table against the populations the guideline prints."""
    table = ddg().score_tables["language"]
    populations = ddg().references["language_2021"].populations
    for row in table.rows:
        for group in row.groups:
            assert table.band(populations[group].estimate).id == row.id, group


def test_the_policy_cannot_be_changed_in_place():
    with pytest.raises(ValidationError):
        ddg().name = "other"


def test_the_digest_is_of_the_content_and_not_of_its_order():
    content = ddg().model_dump()
    turned = {key: content[key] for key in reversed(content)}
    turned["score_tables"] = dict(reversed(content["score_tables"].items()))
    assert DdgPolicy.model_validate(turned).digest == ddg().digest
    assert ddg().replace(score_threshold=12).digest != ddg().digest


def test_an_overlay_changes_what_it_says_and_nothing_else():
    """A-35: a department's own value comes with its filing."""
    changed = department(settings={"min_people": {"value": 16}})
    assert (changed.min_people, changed.score_threshold) == (16, 13)
    assert changed.extends == ("calhhs_ddg_2",)
    differences = policy_diff(ddg(), changed)
    assert [(one.where, one.rule) for one in differences] == [
        ("settings.min_people.value", "R-201")
    ]
    assert (differences[0].before, differences[0].after) == (11, 16)


def test_an_overlay_may_remove_a_table_and_add_a_subject():
    subject = {"title": "Rare disease", "source": "department", "examples": ["progeria"]}
    changed = department(score_tables={"insurance": None}, high_risk={"rare": subject})
    assert "insurance" not in changed.score_tables
    assert set(changed.high_risk) == {*ddg().high_risk, "rare"}


def test_an_overlay_is_in_effect_from_its_date_on():
    policy = department()
    assert not policy.in_effect(date(2026, 3, 31))
    assert policy.in_effect(date(2026, 4, 1))
    assert not ddg("calhhs_ddg_1").in_effect(date(2026, 4, 1))
    assert ddg().in_effect(date(2025, 10, 24))


def test_the_first_edition_differs_where_its_differences_are_documented():
    first = ddg("calhhs_ddg_1")
    changed = {one.where.split(".")[1] for one in policy_diff(first, ddg())}
    assert {"age_range", "race_detailed", "ethnicity", "language", "interaction"} <= changed
    assert {"residence_geography", "service_geography", "insurance", "means_tested"} <= changed
    assert {"events", "time", "race", "sex", "groups", "population"}.isdisjoint(changed)
    assert first.differences_not_documented
    assert first.score_tables["interaction"].band(3).points == 3
    assert first.score_tables["age_range"].band(30).points == 2


def test_a_policy_does_not_differ_from_itself():
    assert policy_diff(ddg(), ddg()) == []


def test_scores_fall_as_populations_grow():
    for name in ("population", "insurance", "residence_geography", "service_geography", "groups"):
        rows = sorted(ddg().score_tables[name].bands, key=lambda row: row.at_least or -1)
        steps = [b.points - a.points for a, b in pairwise(rows)]
        assert all(step > 0 for step in steps) if name == "groups" else all(s < 0 for s in steps)
