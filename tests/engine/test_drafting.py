"""A draft proposes with reasons, keeps nothing, and shows no value."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
import yaml

from deid_platform.core.contract import Contract
from deid_platform.core.errors import DeclarationError, DeliveryError
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.draft_yaml import draft_yaml
from deid_platform.engine.drafting import Draft, DraftColumn, draft_contract
from tests.support.deployments import temporary_deployment

ROWS = 60
TABLE = f"""
    select
        'c0ffee00-0000-0000-0000-' || lpad(i::varchar, 12, '0') as visitor,
        '4155550' || lpad((100 + i)::varchar, 3, '0') as reach_at,
        'user' || i || '@example.org' as contact,
        '123-45-' || lpad(i::varchar, 4, '0') as extra,
        date '1950-01-01' + i::int as dob,
        'Alameda' as county,
        (i * 7919)::integer as reference,
        'Patient says that the pain began after supper and has not stopped since then ' || i
            as story,
        'x' as remarks,
        i % 2 = 0 as flag,
        (i % 3)::integer as grp,
        case when i % 2 = 0 then 'F' else 'M' end as sex,
        'J45' as diagnosis,
        '02139' as zip
    from range({ROWS}) as r(i)
"""


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return temporary_deployment(tmp_path)


def made(folder: Path, name: str = "visits-2024-03.csv", table: str = TABLE) -> Path:
    file = folder / name
    formats = {".csv": "csv, header", ".parquet": "parquet", ".ndjson": "json"}
    duckdb.connect().execute(f"copy ({table}) to '{file}' (format {formats[file.suffix]})")
    return file


def by_name(draft: Draft) -> dict[str, DraftColumn]:
    return {column.name: column for column in draft.columns}


@pytest.mark.parametrize(
    ("name", "attribute_class", "identifier", "reason"),
    [
        ("visitor", "direct_identifier", "other_unique", "values: 100% look like a UUID"),
        ("reach_at", "direct_identifier", "telephone", "look like phone_plain"),
        ("contact", "direct_identifier", "email", "values: 100% look like email"),
        ("extra", "direct_identifier", "ssn", "values: 100% look like ssn"),
        ("dob", "quasi_identifier", "dates", "type: a date of birth"),
        ("county", "quasi_identifier", "geography", "name: speaks of geography"),
        ("zip", "quasi_identifier", "geography", "name: speaks of geography"),
        ("reference", "direct_identifier", "other_unique", "values: each occurs once"),
        ("story", "free_text", None, "values: free text"),
        ("remarks", "free_text", None, "name: free text"),
        ("flag", "needs_review", None, "undecided: no evidence"),
        ("grp", "needs_review", None, "undecided: no evidence"),
        ("sex", "quasi_identifier", None, "name: speaks of a characteristic"),
        ("diagnosis", "sensitive", None, "name: speaks of health"),
    ],
)
def test_each_proposal_has_its_reason(
    deployment: Deployment,
    tmp_path: Path,
    name: str,
    attribute_class: str,
    identifier: str | None,
    reason: str,
) -> None:
    column = by_name(draft_contract(deployment, made(tmp_path)))[name]
    assert column.attribute_class == attribute_class
    assert column.identifier == identifier
    assert any(reason in given for given in column.reasons), column.reasons


def test_presidio_is_heard_without_a_model(deployment: Deployment, tmp_path: Path) -> None:
    reasons = by_name(draft_contract(deployment, made(tmp_path)))["contact"].reasons
    assert "Presidio: EMAIL_ADDRESS in 100%" in reasons


def test_a_draft_keeps_nothing_and_shows_no_value(deployment: Deployment, tmp_path: Path) -> None:
    text = draft_yaml(draft_contract(deployment, made(tmp_path)))
    declared = yaml.safe_load(text)
    assert {column["transform"] for column in declared["columns"].values()} == {"drop"}
    for value in ("c0ffee", "@", "123-45", "4155550", "Alameda", "J45", "02139", "supper"):
        assert value not in text


def test_identifying_numbers_become_text(deployment: Deployment, tmp_path: Path) -> None:
    columns = by_name(draft_contract(deployment, made(tmp_path)))
    assert columns["reference"].type == "varchar"
    assert columns["reach_at"].type == "varchar"
    assert columns["grp"].type == "bigint"


@pytest.mark.parametrize("suffix", ["csv", "parquet", "ndjson"])
def test_every_format_of_delivery_can_be_drafted(
    deployment: Deployment, tmp_path: Path, suffix: str
) -> None:
    draft = draft_contract(deployment, made(tmp_path, f"visits-2024-03.{suffix}"))
    assert (draft.name, draft.format, draft.rows) == ("visits", suffix, ROWS)
    assert draft.partitioned
    assert by_name(draft)["contact"].identifier == "email"


def test_the_delimiter_is_noted(deployment: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "visits.csv"
    file.write_text("contact;grp\na@example.org;1\nb@example.org;2\n")
    draft = draft_contract(deployment, file)
    assert yaml.safe_load(draft_yaml(draft))["source"]["delimiter"] == ";"
    assert not draft.partitioned


def test_a_draft_is_refused_until_every_mark_is_replaced(
    deployment: Deployment, tmp_path: Path
) -> None:
    text = draft_yaml(draft_contract(deployment, made(tmp_path)))
    with pytest.raises(DeclarationError, match="nobody has decided this"):
        Contract.parse(yaml.safe_load(text), "visits")
    for path, decision in {
        "system": "hospital",
        "owner": "team:hospital-data",
        "steward": "person:steward",
        "description": "Visits.",
        "person": "visitor",
        "partition": "seen",
    }.items():
        text = text.replace(f"\n{path}: needs_review", f"\n{path}: {decision}")
    with pytest.raises(DeclarationError, match=r"source\.files: nobody has decided"):
        Contract.parse(yaml.safe_load(text), "visits")


def test_odd_column_names_stay_on_their_line(deployment: Deployment, tmp_path: Path) -> None:
    names = ["on", "a: b", "x\ny", '"q"', "# id", "NO"]
    columns = ", ".join(
        f"{n} as " + '"' + name.replace('"', '""') + '"' for n, name in enumerate(names)
    )
    draft = draft_contract(deployment, made(tmp_path, "odd.parquet", f"select {columns}"))
    assert list(yaml.safe_load(draft_yaml(draft))["columns"]) == names


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("visits.xlsx", b"", "unknown format"),
        ("visits.parquet", b"not parquet", "cannot be read as parquet"),
        ("visits.ndjson", b"{broken", "cannot be read as ndjson"),
        ("visits.csv", b"", "no header"),
        ("visits.csv", b"P1,123-45-6789\nP2,123-45-6780\n", "no header"),
        ("visits.csv", b"7,2024-01-01\n8,2024-01-02\n", "no header"),
        ("visits.csv", b"a,b\n\xff\xfe\x00,1\n", "cannot be read as csv"),
    ],
)
def test_a_file_that_cannot_be_drafted_says_why_and_no_value(
    deployment: Deployment, tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(DeliveryError) as error:
        draft_contract(deployment, file)
    assert says in str(error.value)
    assert "123-45" not in str(error.value)
    assert error.value.__cause__ is None


def test_a_missing_file_is_no_crash(deployment: Deployment, tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match="no such file"):
        draft_contract(deployment, tmp_path / "gone.csv")


def test_nothing_is_left_behind(deployment: Deployment, tmp_path: Path) -> None:
    draft_contract(deployment, made(tmp_path))
    assert not list(deployment.scratch.iterdir())
