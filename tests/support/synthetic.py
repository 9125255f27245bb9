"""Small generated populations."""

from __future__ import annotations

from pathlib import Path

from deid_platform.engine.synthetic import FileFormat, Generated, Scenario, generate

POPULATION = Path(__file__).parents[2] / "dbt_project" / "seeds" / "county_population.csv"
COLUMNS = (
    *("visit_id", "patient_mrn", "patient_name", "ssn", "birth_date", "age_years", "sex"),
    *("race", "ethnicity", "race_ethnicity", "language", "phone", "email", "street_address"),
    *("city", "zip", "county", "payer", "member_id", "visit_date", "arrival_time"),
    *("discharge_time", "diagnosis_code", "diagnosis_description", "condition_group"),
    *("is_emergency_transport", "disposition", "triage_note"),
)


def synth(out: Path, *, workers: int = 2, force: bool = False, **options: object) -> Generated:
    """500 people over three months, unless told otherwise."""
    file_format = FileFormat(options.pop("file_format", "csv"))
    scenario = Scenario.of(**{"people": 500, "months": 3, "canaries": 0, **options})
    return generate(
        scenario,
        out,
        population=POPULATION,
        file_format=file_format,
        workers=workers,
        force=force,
    )
