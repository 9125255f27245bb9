from __future__ import annotations

import dataclasses

import duckdb
import pytest

from deid_platform.core.errors import GateError
from deid_platform.governance.targets import Field, Release, target_named
from tests.support.governance import World


def field(name: str, type_: str, database_type: str) -> Field:
    return Field(name=name, type=type_, database_type=database_type, description="d", notes="n")


@pytest.fixture
def release(world: World) -> Release:
    return Release(
        id="rel-1",
        request="req-1",
        publication=world.publication,
        policy=world.policy,
        fingerprint="sha256:0123456789",
        score_sheet_digest=None,
        fields=(
            field("county", "text", "VARCHAR"),
            field("visit_year", "integer", "INTEGER"),
            field("rate", "number", "DOUBLE"),
        ),
        rows=2,
        period="2024",
    )


def written(release: Release, folder, rows: str) -> str:
    con = duckdb.connect()
    con.execute(
        f"create table cells as select * from (values {rows}) as _(county, visit_year, rate)"
    )
    target_named("csv_bundle").write(con, "cells", release, folder)
    return (folder / f"{release.stem}.csv").read_bytes().decode()


def test_a_fractional_zero_is_written_0_and_a_null_is_blank(release, tmp_path):
    rows = "('b', 2024, 0.0::double), ('a', 2024, null), ('c', 2024, 12.5)"
    assert written(release, tmp_path, rows) == (
        "county,visit_year,rate\na,2024,\nb,2024,0\nc,2024,12.5\n"
    )


def test_an_empty_text_is_not_taken_for_a_blank(release, tmp_path):
    assert written(release, tmp_path, "('', 2024, 1.5::double)").endswith('"",2024,1.5\n')


@pytest.mark.parametrize("number", ["inf", "-inf", "nan"])
def test_what_is_no_number_is_refused(release, tmp_path, number):
    with pytest.raises(GateError, match="column rate: 1 cells are no numbers"):
        written(release, tmp_path, f"('a', 2024, '{number}'::double)")


@pytest.mark.parametrize("name", ["2county", "a county", "=county", "county;", "", "côunty"])
def test_a_header_that_is_not_letters_and_digits_is_refused(release, tmp_path, name):
    bad = dataclasses.replace(release, fields=(field(name, "text", "VARCHAR"), *release.fields))
    with pytest.raises(GateError, match="1 column names"):
        written(bad, tmp_path, "('a', 2024, 1.0::double)")


def test_files_are_named_by_subject_period_and_content(release):
    assert release.stem == "visits_by_county_2024_01234567"
    assert dataclasses.replace(release, period=None).stem == "visits_by_county_01234567"
