"""Files of cells that cannot be taken: what is told, where, and with which exit code."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deid_platform.cli import build_app
from deid_platform.core.errors import DeclarationError, DeliveryError, MaskingError

DECLARATION = """
policy: calhhs_ddg_2
dimensions:
  county: {kind: residence_geography, total: California}
  sex: {kind: sex, total: All}
figures:
  people: {people: people}
"""
HEADER = ["county", "sex", "people"]
ROWS = [
    ["Alpine", "F", "4"],
    ["Alpine", "M", "40"],
    ["Alpine", "All", "44"],
    ["Butte", "F", "60"],
    ["Butte", "M", "70"],
    ["Butte", "All", "130"],
    ["Colusa", "F", "30"],
    ["Colusa", "M", "90"],
    ["Colusa", "All", "120"],
    ["California", "F", "94"],
    ["California", "M", "200"],
    ["California", "All", "294"],
]
SECRET = "Zzyzx"
"""A label that no message may quote."""


def text(rows=ROWS, header=HEADER, delimiter=",", end="\n") -> str:
    lines = io.StringIO(newline="")
    csv.writer(lines, delimiter=delimiter, lineterminator=end).writerows([header, *rows])
    return lines.getvalue()


def changed(row: int, column: int, value: str) -> list[list[str]]:
    rows = [list(one) for one in ROWS]
    rows[row][column] = value
    return rows


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "visits.yaml").write_text(DECLARATION)
    (tmp_path / "visits.csv").write_text(text())
    return tmp_path


def run(command: str, folder: Path, *more: object, file: str = "visits.csv"):
    arguments = [command, folder / file, "--declare", folder / "visits.yaml", *more]
    return CliRunner().invoke(build_app(), [str(argument) for argument in arguments])


def masked(folder: Path, *more: object, file: str = "visits.csv"):
    return run("mask", folder, "-o", folder / "masked.csv", *more, file=file)


def refused(folder: Path, content: str | bytes, kind: type[Exception]) -> str:
    """What is told of a file that must not be masked."""
    written = content if isinstance(content, bytes) else content.encode()
    (folder / "visits.csv").write_bytes(written)
    done = masked(folder)
    assert isinstance(done.exception, kind), done.exception
    assert not (folder / "masked.csv").exists()
    assert SECRET not in str(done.exception)
    return str(done.exception)


def test_an_empty_file_is_refused(folder):
    assert "it is empty" in refused(folder, "", DeliveryError)
    assert "it is empty" in refused(folder, "\n\n", DeliveryError)


def test_a_file_with_a_header_only_is_refused(folder):
    assert "a header and no row" in refused(folder, text([]), DeliveryError)


def test_a_missing_file_a_folder_and_a_file_nobody_may_read_are_told_apart(folder):
    assert "no such file" in str(masked(folder, file="none.csv").exception)
    (folder / "sub.csv").mkdir()
    assert "it is a folder" in str(masked(folder, file="sub.csv").exception)
    if os.geteuid() != 0:
        (folder / "visits.csv").chmod(0)
        assert "it cannot be read" in str(masked(folder).exception)


def test_a_device_is_refused(folder):
    os.mkfifo(folder / "pipe.csv")
    assert "no regular file" in str(masked(folder, file="pipe.csv").exception)


def test_a_file_in_another_separator_is_taken_where_it_is_usual_and_refused_otherwise(folder):
    (folder / "visits.csv").write_text(text(delimiter=";"))
    assert masked(folder).exit_code == 0
    (folder / "masked.csv").unlink()
    told = refused(folder, text(delimiter="~"), DeliveryError)
    assert "header is one column" in told


def test_missing_columns_are_named(folder):
    told = refused(folder, text(header=["county", "gender", "people"]), DeclarationError)
    assert "columns sex are missing" in told
    told = refused(folder, text(header=["County", "sex", "people"]), DeclarationError)
    assert "just as they are declared" in told


def test_an_undeclared_column_is_refused(folder):
    rows = [[*row, "x"] for row in ROWS]
    told = refused(folder, text(rows, [*HEADER, "mrn"]), DeclarationError)
    assert "mrn are not declared" in told


def test_a_header_with_a_blank_or_a_repeated_name_is_refused(folder):
    assert "column 2 of its header" in refused(
        folder, text(header=["county", "", "people"]), DeliveryError
    )
    rows = [[*row, "x"] for row in ROWS]
    told = refused(folder, text(rows, [*HEADER, "sex"]), DeliveryError)
    assert "column 2 occurs twice" in told


def test_a_row_with_too_few_or_too_many_fields_is_told_by_its_line(folder):
    for rows in ([*ROWS, [SECRET, "F"]], [*ROWS, [SECRET, "F", "3", "4"]]):
        assert "line 14 has another number of fields" in refused(folder, text(rows), DeliveryError)


def test_a_quotation_mark_that_is_not_closed_is_told(folder):
    told = refused(folder, text() + f'"{SECRET},F,3\n', DeliveryError)
    assert "quotation mark" in told


def test_two_rows_of_one_cell_are_told_by_their_numbers(folder):
    rows = [*ROWS, [SECRET, "F", "20"], [SECRET, "F", "20"]]
    assert "rows 14 and 15 describe the same cell" in refused(folder, text(rows), DeliveryError)


@pytest.mark.parametrize("value", ["12,5", "4x", "1.234.567", "1 234", "inf", "0x1F", "4*", "4 %"])
def test_what_is_no_number_and_no_mark_is_told_by_its_row(folder, value):
    told = refused(folder, text(changed(1, 2, value)), DeliveryError)
    assert "column people: row 3 has" in told


@pytest.mark.parametrize("value", ["", "*", "S", "<11", "suppressed", "1-10", "n/a", "≥11"])
def test_a_value_that_is_withheld_already_is_refused(folder, value):
    told = refused(folder, text(changed(1, 2, value)), MaskingError)
    assert "row 3 has no number" in told


def test_many_wrong_rows_are_counted_and_the_first_are_named(folder):
    rows = [[county, sex, "-1"] for county, sex, _ in ROWS]
    told = refused(folder, text(rows), DeliveryError)
    assert "rows 2, 3, 4, 5, 6 and 7 more have a negative count of people" in told


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("-3", "a negative count of people"),
        ("3.5", "a fraction of a person"),
        ("9223372036854775808", "a count of people beyond 10^12"),
        ("1e300", "a count of people beyond 10^12"),
    ],
)
def test_a_number_that_counts_no_people_is_told_by_its_row(folder, value, what):
    told = refused(folder, text(changed(0, 2, value)), DeliveryError)
    assert f"column people: row 2 has {what}" in told


def test_thousands_written_with_commas_are_numbers(folder):
    rows = changed(1, 2, "1,040")
    rows[2][2], rows[10][2], rows[11][2] = "1,044", "1,200", "1,294"
    (folder / "visits.csv").write_text(text(rows))
    assert masked(folder).exit_code == 0
    assert '"' not in (folder / "masked.csv").read_text()


@pytest.mark.parametrize("label", ["", " ", "\u00a0"])
def test_a_blank_label_is_told_by_its_row(folder, label):
    told = refused(folder, text(changed(3, 0, label)), DeliveryError)
    assert "column county: row 5 has a blank label" in told


@pytest.mark.parametrize("label", [" All", "All ", "All\u00a0"])
def test_a_total_with_a_space_too_many_is_not_taken_for_a_group(folder, label):
    told = refused(folder, text(changed(2, 1, label)), DeliveryError)
    assert "column sex: row 4 has a label with a space" in told


def test_a_total_in_other_capitals_is_not_taken_for_a_group(folder):
    told = refused(folder, text(changed(2, 1, "ALL")), DeclarationError)
    assert "column sex: row 4 has the declared total in other capitals" in told


def test_a_declared_total_without_any_row_is_refused(folder):
    rows = [row for row in ROWS if row[1] != "All"]
    told = refused(folder, text(rows), DeclarationError)
    assert "column sex: no row has the label that is declared as its total" in told


def test_margins_that_are_not_sums_are_refused(folder):
    told = refused(folder, text(changed(11, 2, "9")), MaskingError)
    assert "margins along county, sex are not the sum of their rows" in told


@pytest.mark.parametrize("start", ["=", "+", "-", "@", " =", "＝"])
def test_a_label_that_a_spreadsheet_would_run_is_refused(folder, start):
    rows = [[f"{start}{SECRET}" if c == "Butte" else c, s, n] for c, s, n in ROWS]
    told = refused(folder, text(rows), DeliveryError)
    assert "begins like a spreadsheet formula" in told or "a space before" in told


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(folder):
    assert masked(folder).exit_code == 0
    plain = (folder / "masked.csv").read_bytes()
    (folder / "visits.csv").write_bytes(b"\xef\xbb\xbf" + text(end="\r\n").encode())
    assert masked(folder).exit_code == 0
    assert (folder / "masked.csv").read_bytes() == plain


def test_another_encoding_is_refused_with_the_first_line_that_shows_it(folder):
    rows = [["Cañada" if c == "Butte" else c, s, n] for c, s, n in ROWS]
    assert "line 5 is not UTF-8" in refused(folder, text(rows).encode("latin-1"), DeliveryError)
    mixed = text(rows).encode() + "Cañón,F,3\n".encode("cp1252")
    assert "line 14 is not UTF-8" in refused(folder, mixed, DeliveryError)
    assert "UTF-16" in refused(folder, text().encode("utf-16"), DeliveryError)
    assert "carriage return alone" in refused(folder, text(end="\r"), DeliveryError)


def test_the_output_may_not_take_the_place_of_what_is_read_nor_of_another_output(folder):
    before = (folder / "visits.csv").read_bytes()
    done = run("mask", folder, "-o", folder / "visits.csv")
    assert "the output would overwrite the input" in str(done.exception)
    (folder / "link.csv").symlink_to(folder / "visits.csv")
    done = run("mask", folder, "-o", folder / "link.csv")
    assert isinstance(done.exception, DeliveryError)
    assert (folder / "visits.csv").read_bytes() == before
    done = masked(folder, "--certificate", folder / "masked.csv")
    assert "the certificate would overwrite the output" in str(done.exception)
    done = run("mask", folder, "-o", folder)
    assert isinstance(done.exception, DeliveryError)
    done = run("mask", folder, "-o", folder / "none" / "masked.csv")
    assert isinstance(done.exception, DeliveryError)


def test_outputs_are_replaced_whole_and_the_proof_is_for_its_owner_only(folder):
    for name in ("masked.csv", "proof.bin", "page.html"):
        (folder / name).write_text("what was there before")
    old = os.umask(0o022)
    try:
        done = masked(
            folder, "--certificate", folder / "proof.bin", "--report", folder / "page.html"
        )
    finally:
        os.umask(old)
    assert done.exit_code == 0, done.exception
    modes = {
        name: stat.S_IMODE((folder / name).stat().st_mode)
        for name in ("masked.csv", "proof.bin", "page.html")
    }
    assert modes == {"masked.csv": 0o644, "proof.bin": 0o600, "page.html": 0o600}
    assert "restricted evidence" in (folder / "page.html").read_text()
    left = {path.name for path in folder.iterdir()}
    assert left == {"masked.csv", "page.html", "proof.bin", "visits.csv", "visits.yaml"}


def test_a_table_without_margins_needs_no_complement(folder):
    declared = DECLARATION.replace(", total: California", "").replace(", total: All", "")
    (folder / "visits.yaml").write_text(declared)
    inner = [row for row in ROWS if row[0] != "California" and row[1] != "All"]
    (folder / "visits.csv").write_text(text(inner))
    done = masked(folder, "--json")
    counts = json.loads(done.stdout)["people"]["people"]
    assert (counts["small_hidden"], counts["complementary_hidden"]) == (1, 0)


def test_only_some_margins_are_used_where_they_stand(folder):
    rows = [row for row in ROWS if row[:2] != ["California", "All"] and row[:2] != ["Butte", "All"]]
    (folder / "visits.csv").write_text(text(rows))
    done = masked(folder, "--certificate", folder / "proof.bin")
    assert done.exit_code == 0, done.exception
    done = run("attack", folder, "--certificate", folder / "proof.bin", file="masked.csv")
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("mark", ["", "*", "<11", "S", "suppressed"])
def test_whatever_stands_for_a_withheld_value_is_attacked(folder, mark):
    (folder / "foreign.csv").write_text(text(changed(0, 2, mark)))
    done = run("attack", folder, "--json", file="foreign.csv")
    assert done.exit_code == 14
    (finding,) = json.loads(done.stdout)["people"]["people"]["findings"]
    assert finding["cell"] == {"county": "Alpine", "sex": "F"}
    assert (finding["recovered"], finding["low"], finding["high"]) == (True, 4, 4)
    (used,) = finding["derivation"]["at_most"]["sums"]
    assert used["left_for_hidden"] == 4
    assert used["hidden_members"] == [{"county": "Alpine", "sex": "F"}]


@pytest.mark.parametrize(
    ("small", "large", "low", "high"),
    [
        ("<11", "*", 1, 10),
        ("1-10", "*", 1, 10),
        ("<=10", ">=11", 1, 10),
        ("*", "11+", 1, 33),
        ("*", ">38", 1, 5),
        ("<5", "*", 1, 4),
        ("*", "34 to 36", 8, 10),
    ],
)
def test_marks_that_tell_a_range_are_read_as_the_reader_reads_them(folder, small, large, low, high):
    rows = changed(0, 2, small)
    rows[1][2] = large
    rows = [["Alpine", *row[1:]] for row in rows[:3]]
    (folder / "visits.yaml").write_text(DECLARATION.replace(", total: California", ""))
    (folder / "foreign.csv").write_text(text(rows))
    done = run("attack", folder, "--json", file="foreign.csv")
    found = json.loads(done.stdout)["people"]["people"]["findings"]
    of = {one["cell"]["sex"]: (one["low"], one["high"]) for one in found}
    narrowed = low > 1 or high < 10
    assert of.get("F") == ((low, high) if narrowed else None)


def test_a_file_to_be_attacked_is_held_to_the_same_form(folder):
    for rows, kind in (
        ([], DeliveryError),
        (changed(1, 2, "12,5"), DeliveryError),
        (changed(2, 1, "ALL"), DeclarationError),
        ([*ROWS, ROWS[0]], DeliveryError),
    ):
        (folder / "foreign.csv").write_text(text(rows))
        done = run("attack", folder, file="foreign.csv")
        assert isinstance(done.exception, kind), done.exception
