"""``deid text``: what is printed, what is left alone, and what is never imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deid_platform.cli import build_app
from deid_platform.core.errors import DeliveryError

ROOT = Path(__file__).resolve().parents[2]
NOTE = ROOT / "docs" / "examples" / "note.txt"
GOLD = ROOT / "docs" / "examples" / "marked_notes.json"
HIDDEN = ("Oksana", "Verhoeven", "Tomasz", "03/14/2023", "00482213", "555-0132", "example.com")
LABELS = {"PERSON", "DATE_TIME", "PHONE_NUMBER", "EMAIL_ADDRESS", "GPE"}
RUNNER = CliRunner()


def run(*arguments: str | Path, text: str | None = None) -> Result:
    return RUNNER.invoke(build_app(), ["text", *map(str, arguments)], input=text)


def test_a_note_loses_its_identifiers_and_keeps_the_rest(tmp_path):
    out = tmp_path / "redacted.txt"

    done = run("redact", NOTE, "-o", out)

    redacted = out.read_text("utf-8")
    assert done.exit_code == 0
    assert [word for word in HIDDEN if word in redacted] == []
    assert "Known Parkinson disease; takes carbidopa 25 mg. Foley catheter removed.\n" in redacted
    assert redacted.count("\n") == NOTE.read_text("utf-8").count("\n")


def test_counts_go_beside_the_text_and_quote_none_of_it():
    done = run("redact", "-", text=NOTE.read_text("utf-8"))
    assert "person: 2" in done.stderr
    assert [word for word in HIDDEN if word in done.stderr + done.stdout] == []


def test_line_ends_and_spaces_are_kept_to_the_byte(tmp_path):
    file, out = tmp_path / "a.txt", tmp_path / "b.txt"
    file.write_bytes("pain\r\n\r\n  better\t today \x0c\n\u2028end".encode())
    assert run("redact", file, "-o", out).exit_code == 0
    assert out.read_bytes() == file.read_bytes()


def test_a_file_that_is_no_text_is_refused(tmp_path):
    file = tmp_path / "a.bin"
    file.write_bytes(b"\xff\xfe\x00")
    assert isinstance(run("redact", file).exception, DeliveryError)


def test_an_evaluation_gives_every_measure_with_its_interval():
    measures = json.loads(run("evaluate", "--gold", GOLD, "--json").stdout)
    for part in ("overlap", "iou_0.7"):
        total = measures[part]["all_phi"]
        assert total["marked"] == 5
        assert total["recall_95"][0] <= total["recall"] <= total["recall_95"][1]
        assert set(measures[part]["classes"]) == LABELS
    assert measures["not_identifiers"][0]["label"] == "AGE"


def test_a_report_shows_errors_to_its_owner_alone(tmp_path):
    report = tmp_path / "errors.html"
    assert run("evaluate", "--gold", GOLD, "--report", report).exit_code == 0
    assert report.stat().st_mode & 0o077 == 0
    assert "<h1>Text evaluation</h1>" in report.read_text("utf-8")


@pytest.mark.parametrize("heavy", ["spacy", "thinc", "presidio_analyzer", "re2"])
def test_help_loads_no_model(heavy):
    code = (
        "import sys; from deid_platform.cli import build_app; build_app(); "
        f"sys.exit('{heavy}' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
