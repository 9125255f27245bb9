"""What leaks is stopped: a contract, a model or a masking at fault never reaches a reader.

Each test breaks one thing and runs the real job.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from deid_platform.core.errors import AuthorisationError, DeclarationError
from deid_platform.core.masking import COMPLEMENTARY, SMALL
from deid_platform.core.publication import Publication
from deid_platform.core.zones import Zone
from deid_platform.engine.mask import MaskResult, mask_publication
from tests.support.path import BEN, DANA, PUBLICATION, Finished, Site, records, rewrite

MONTH = ("2024-03", "2024-03")


@pytest.fixture
def own(finished: Finished, tmp_path: Path) -> Site:
    """A copy of state and declarations."""
    return finished.site.copy(tmp_path, project=True)


def change_contract(site: Site, **columns: Any) -> None:
    file = site.deployment.contracts / "ed_visits.yaml"
    declared = yaml.safe_load(file.read_text("utf-8"))
    declared["columns"] |= columns
    file.write_text(yaml.safe_dump(declared, sort_keys=False), "utf-8")


def add_column(site: Site, name: str, source: str) -> None:
    """Deliver March again with a column that repeats another one."""
    file = site.delivery(MONTH[0])
    rewrite(file, [{**row, name: row[source]} for row in records(file)])


def state(site: Site) -> dict[str, dict[str, str]]:
    """What each zone shows to somebody, as fingerprints."""
    return {
        "limited": site.fingerprints(Zone.LIMITED),
        "deidentified": site.fingerprints(Zone.DEIDENTIFIED),
        "marts": site.fingerprints(Zone.DEIDENTIFIED, "marts"),
    }


def failed(outcome: Any, asset: str) -> set[str]:
    return {check.check for check in outcome.checks if check.asset == asset and not check.passed}


@pytest.mark.parametrize(
    ("column", "declared", "says"),
    [
        (
            "patient_name",
            {"type": "varchar", "class": "direct_identifier", "identifier": "name",
             "transform": "keep"},
            "columns.patient_name",
        ),
        (
            "birth_date",
            {"type": "date", "class": "quasi_identifier", "identifier": "dates",
             "transform": "keep"},
            "columns.birth_date",
        ),
        (
            "county",
            {"type": "varchar", "class": "quasi_identifier", "identifier": "geography",
             "transform": "keep"},
            "columns.county",
        ),
    ],
)  # fmt: skip
def test_a_contract_that_keeps_an_identifier_is_refused_before_anything_runs(
    own: Site, column: str, declared: dict[str, Any], says: str
) -> None:
    change_contract(own, **{column: declared})
    refused = own.deid("run", "--from", MONTH[0], "--to", MONTH[1])
    assert isinstance(refused.exception, DeclarationError)
    assert says in str(refused.exception)
    assert "; " in str(refused.exception)  # what to do is part of it


@pytest.mark.parametrize("source", ["patient_mrn", "patient_name"])
def test_a_contract_that_calls_an_identifier_harmless_is_stopped_at_promotion(
    own: Site, finished: Finished, source: str
) -> None:
    harmless = {
        "type": "varchar",
        "optional": True,
        "class": "sensitive",
        "not_identifier": "a code of the department, shared by many",
        "open_vocabulary": "a code of the department, picked from its list",
        "transform": "keep",
    }
    change_contract(own, department_ref=harmless)
    add_column(own, "department_ref", source)
    before = state(own)

    outcome = own.run(
        assets=["raw/ed_visits", "limited/ed_visits", "deidentified/ed_visits"], months=MONTH
    )

    assert not outcome.succeeded
    for zone in ("limited", "deidentified"):
        assert "identifier_overlap" in failed(outcome, f"{zone}/ed_visits")
    told = repr(outcome)
    assert [n for n, canary in enumerate(finished.canaries) if canary in told] == []
    assert state(own) == before
    ((leaked,),) = own.sql(
        Zone.RAW,
        "select count(*) from raw.main.ed_visits where department_ref is not null "
        "and _partition = '2024-03'",
    )
    assert leaked > 0  # it was there to leak


def test_a_model_that_brings_an_identifier_into_a_mart_is_stopped_at_promotion(
    own: Site, finished: Finished
) -> None:
    (ssn,) = own.sql(Zone.RAW, "select ssn from raw.main.ed_visits order by visit_id limit 1")[0]
    model = own.deployment.dbt_project / "models/marts/ed_conditions/ed_conditions.sql"
    model.write_text(
        model.read_text("utf-8").replace(
            "    diagnosis_description,\n    count",
            f"    diagnosis_description || ' {ssn}' as diagnosis_description,\n    count",
        ),
        "utf-8",
    )
    before = state(own)
    snapshot = (own.deployment.snapshots / "marts.duckdb").read_bytes()

    outcome = own.run("marts", assets=["staging/ed_conditions", "marts/ed_conditions"])

    assert not outcome.succeeded
    assert {"identifier_overlap", "pattern_scan"} <= failed(outcome, "marts/ed_conditions")
    assert ssn not in repr(outcome.checks)
    assert state(own) == before
    assert (own.deployment.snapshots / "marts.duckdb").read_bytes() == snapshot


def test_a_staged_mart_whose_tests_failed_cannot_be_promoted_alone(own: Site) -> None:
    model = own.deployment.dbt_project / "models/marts/ed_conditions/ed_conditions.sql"
    model.write_text(
        model.read_text("utf-8").replace("group by all", "where visit_year > 2023\ngroup by all"),
        "utf-8",
    )
    before = state(own)
    built = own.run("marts", assets=["staging/ed_conditions", "marts/ed_conditions"])
    assert not built.succeeded
    assert any("stands_for_every_row" in one for one in failed(built, "staging/ed_conditions"))
    alone = own.run("marts", assets=["marts/ed_conditions"])
    assert not alone.succeeded
    assert "GateError" in next(iter(alone.errors.values()))
    assert state(own) == before


def unmasked(publication: Publication, reasons: tuple[int, ...]) -> str:
    """SQL that shows what masking hid for these reasons."""
    name = publication.name
    same = " and ".join(
        f"{table}.{dimension} = candidate.{dimension}"
        for table in ("source", "evidence")
        for dimension in publication.dimension_columns
    )
    return (
        f"update limited.candidate.{name} as candidate "
        "set visit_count = source.visit_count, person_count = source.person_count, "
        "visit_count_annotation = 0, person_count_annotation = 0 "
        f"from limited.main.{name} as source, limited.masking.{name} as evidence "
        f"where {same} and evidence.person_count_reason in ({', '.join(map(str, reasons))})"
    )


@pytest.mark.parametrize(
    ("name", "reasons", "stopped_by"),
    [
        ("ed_visits_by_county_year", (SMALL, COMPLEMENTARY), "small_counts"),
        ("ed_visits_by_county_age_sex_year", (COMPLEMENTARY,), "attacker"),
    ],
    ids=["nothing is hidden", "only small counts are hidden"],
)
def test_masking_at_fault_is_stopped_by_the_gates_and_by_the_ledger(
    copied: Site,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    reasons: tuple[int, ...],
    stopped_by: str,
) -> None:
    shown = 0

    def leaky(
        con: duckdb.DuckDBPyConnection, publication: Publication, *given: Any, **options: Any
    ) -> MaskResult:
        nonlocal shown
        result = mask_publication(con, publication, *given, **options)
        ((shown,),) = con.execute(unmasked(publication, reasons)).fetchall()
        return result

    with copied.environment():
        import assets.candidate
    monkeypatch.setattr(assets.candidate, "mask_publication", leaky)

    outcome = copied.run("candidates", assets=[f"candidate/{name}"])

    assert shown > 0
    assert not outcome.succeeded
    assert {stopped_by, "certificate"} <= failed(outcome, f"candidate/{name}")
    # Nobody can approve it, and the release asset refuses it too.
    request = copied.request(name)
    copied.reviewed(request)
    assert isinstance(copied.validated(request).exception, AuthorisationError)
    refused = copied.deid("approve", request, "--role", "data_steward", "--as", BEN)
    assert isinstance(refused.exception, AuthorisationError)
    refused = copied.deid("release", request, "--as", DANA)
    assert isinstance(refused.exception, AuthorisationError)
    released = copied.run("release", assets=[f"release/{name}"])
    assert not released.succeeded
    assert list(copied.deployment.outbox.rglob("*.csv")) == []


def test_checks_that_are_run_alone_find_a_tampered_candidate(copied: Site) -> None:
    copied.execute(
        Zone.LIMITED,
        f"update limited.candidate.{PUBLICATION} set person_count = 4 where person_count is null",
    )
    results = copied.checks_alone(f"candidate/{PUBLICATION}")
    assert not results["small_counts"]
    assert not results["certificate"]
