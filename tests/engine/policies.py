"""The thresholds of the guideline, for tests of masking that need no score tables."""

from __future__ import annotations

from datetime import date

from deid_platform.core.policy import DdgPolicy


def policy() -> DdgPolicy:
    """DDG 2.0 without score tables."""

    def setting(value: object) -> dict[str, object]:
        return {"value": value, "rule": "test", "source": "test"}

    settings = {
        "min_people": 11,
        "denominator_pass_min": 20001,
        "score_threshold": 13,
        "min_feasible": {"low": 1, "high": 10},
        "complement_strategy": "smallest",
        "always_suppress_small": False,
        "finest_age_years": 1,
        "means_tested_counts_up_to": 10_000_000,
        "survey_min_sample": 30,
        "three_category_min_total": 1100,
        "gender_groups_flagged_from": 10,
    }
    return DdgPolicy.model_validate(
        {
            "name": "test",
            "title": "test",
            "edition": "2.0",
            "approved_on": date(2025, 10, 24),
            "settings": {name: setting(value) for name, value in settings.items()},
            "score_tables": {},
            "unscored_labels": (),
            "references": {},
            "high_risk": {},
            "surveys": {},
            "special_codes": (),
            "rules": {},
            "readings": {},
        }
    )
