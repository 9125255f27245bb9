"""`deid mask` and `deid attack` on files from anywhere."""

from __future__ import annotations

import csv
import json

import pytest
from typer.testing import CliRunner

from deid_platform.cli import build_app
from deid_platform.core.errors import MaskingError

DECLARATION = """
policy: calhhs_ddg_2
dimensions:
  county: {kind: residence_geography, total: California}
  sex: {kind: sex, total: All}
figures:
  people: {people: people}
"""
ROWS = [
    ("Alpine", "F", 4),
    ("Alpine", "M", 40),
    ("Alpine", "All", 44),
    ("Butte", "F", 60),
    ("Butte", "M", 70),
    ("Butte", "All", 130),
    ("Colusa", "F", 30),
    ("Colusa", "M", 90),
    ("Colusa", "All", 120),
    ("California", "F", 94),
    ("California", "M", 200),
    ("California", "All", 294),
]


@pytest.fixture
def files(tmp_path):
    (tmp_path / "visits.yaml").write_text(DECLARATION)
    write(tmp_path / "visits.csv", ["county", "sex", "people"], ROWS)
    return tmp_path


def write(file, header, rows):
    with file.open("w", newline="") as target:
        csv.writer(target).writerows([header, *rows])


def run(*arguments):
    return CliRunner().invoke(build_app(), [str(argument) for argument in arguments])


def masked(files):
    out = files / "masked.csv"
    result = run(
        "mask",
        files / "visits.csv",
        "--declare",
        files / "visits.yaml",
        "-o",
        out,
        "--certificate",
        files / "proof.bin",
        "--json",
    )
    assert result.exit_code == 0, result.output
    return out, json.loads(result.stdout)


def test_a_masked_file_withstands_the_attack_and_its_certificate_holds(files):
    out, document = masked(files)
    assert document["people"]["people"]["small_hidden"] == 1
    attacked = run(
        "attack",
        out,
        "--declare",
        files / "visits.yaml",
        "--certificate",
        files / "proof.bin",
        "--json",
    )
    assert attacked.exit_code == 0, attacked.output
    assert json.loads(attacked.stdout)["certificate_faults"] == []


def test_masking_the_same_file_again_gives_the_same_bytes(files):
    out, _ = masked(files)
    first = out.read_bytes(), (files / "proof.bin").read_bytes()
    masked(files)
    assert (out.read_bytes(), (files / "proof.bin").read_bytes()) == first


def test_a_certificate_does_not_hold_for_an_edited_file(files):
    out, _ = masked(files)
    out.write_text(out.read_text().replace("200", "201"))
    attacked = run(
        "attack", out, "--declare", files / "visits.yaml", "--certificate", files / "proof.bin"
    )
    assert attacked.exit_code == 14


def test_a_foreign_table_with_one_blank_is_recovered_with_its_derivation(files):
    write(
        files / "foreign.csv",
        ["county", "sex", "people"],
        [(c, s, "*" if (c, s) == ("Alpine", "F") else n) for c, s, n in ROWS],
    )
    attacked = run("attack", files / "foreign.csv", "--declare", files / "visits.yaml", "--json")
    assert attacked.exit_code == 14
    found = json.loads(attacked.stdout)["people"]["people"]
    assert found["recovered"] == 1
    (finding,) = found["findings"]
    assert finding["cell"] == {"county": "Alpine", "sex": "F"}
    assert (finding["low"], finding["high"]) == (4, 4)
    assert finding["derivation"]["at_most"]["value"] == 4
    assert finding["derivation"]["at_most"]["sums"]
    told = run("attack", files / "foreign.csv", "--declare", files / "visits.yaml")
    assert "Alpine / F: is 4" in told.output


def test_codes_that_say_too_much_are_used_by_the_attacker(files):
    hidden = {("Alpine", "F"): 1, ("Alpine", "M"): 2, ("Butte", "F"): 2, ("Butte", "M"): 2}
    changed = {("Alpine", "M"): 11, ("Alpine", "All"): 15}
    changed |= {("California", "M"): 171, ("California", "All"): 265}
    rows = [
        (c, s, "" if (c, s) in hidden else changed.get((c, s), n), hidden.get((c, s), 0))
        for c, s, n in ROWS
    ]
    write(files / "foreign.csv", ["county", "sex", "people", "people_annotation"], rows)
    attacked = run("attack", files / "foreign.csv", "--declare", files / "visits.yaml", "--json")
    found = json.loads(attacked.stdout)["people"]["people"]
    assert found["narrowed"] == 1
    (finding,) = found["findings"]
    assert (finding["low"], finding["high"]) == (1, 4)


def test_a_file_that_is_already_blanked_is_refused_and_nothing_is_written(files):
    write(files / "visits.csv", ["county", "sex", "people"], [("Alpine", "F", "*"), *ROWS[1:]])
    out = files / "masked.csv"
    result = run("mask", files / "visits.csv", "--declare", files / "visits.yaml", "-o", out)
    assert isinstance(result.exception, MaskingError)
    assert not out.exists()


def test_margins_that_are_not_sums_are_refused_and_the_last_output_stands(files):
    out, _ = masked(files)
    before = out.read_bytes()
    write(files / "visits.csv", ["county", "sex", "people"], [*ROWS[:-1], ("California", "All", 9)])
    result = run("mask", files / "visits.csv", "--declare", files / "visits.yaml", "-o", out)
    assert isinstance(result.exception, MaskingError)
    assert out.read_bytes() == before
