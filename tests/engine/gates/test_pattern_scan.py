"""No text of the table is written like an identifier."""

import pytest

from deid_platform.engine.gates.subjects import Stage
from tests.engine.gates.tables import CANARY, broken, put, record, run, zones


def scanned(*texts, kind="varchar", table="deidentified.main.visits", **facts):
    with zones() as con:
        put(con, table, f"note {kind}", *[(text,) for text in texts])
        return run("pattern_scan", con, record(**facts))


def test_clinical_text_passes():
    result = scanned("Acute viral pharyngitis", "195662009", "8302-2", None)
    assert result.passed
    assert result.counts["distinct_texts"] == 3


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        (f"{CANARY}@mail.example", "email"),
        (f"{CANARY} 999-17-5017", "ssn"),
        (f"{CANARY} (415) 555-2671", "phone"),
        (f"{CANARY} mrn 44321", "medical_record_number"),
        (f"https://portal.example/{CANARY}", "url"),
        (f"{CANARY} 10.0.0.1", "ipv4"),
        (f"{CANARY} on 2024-03-01", "date"),
        (f"{CANARY} at 37.77493, -122.41942", "coordinates"),
    ],
)
def test_a_written_identifier_stops_the_table(text, pattern):
    result = scanned("fever", text, text)
    assert broken(result) == {pattern: 2}
    assert result.counts[f"note/{pattern}"] == 2


def test_a_typed_date_is_a_date_too():
    assert broken(scanned("2024-03-01", kind="date")) == {"date": 1}


def test_a_text_in_a_list_is_seen():
    assert broken(scanned(["a", f"{CANARY}@mail.example"], kind="varchar[]")) == {"email": 1}


def test_a_limited_table_may_hold_dates_and_no_mail():
    texts = ("2024-03-01", "a@mail.example")
    result = scanned(*texts, table="limited.main.visits", stage=Stage.LIMITED)
    assert broken(result) == {"email": 1}


def test_a_declared_dimension_of_time_may_hold_months():
    assert scanned("2024-03", timed=frozenset({"note"})).passed


def test_a_declared_value_is_exempt_and_another_is_not():
    vocabulary = {"note": frozenset({"Seen 01/2020-02/2020, see www.example.org"})}
    declared = "Seen 01/2020-02/2020, see www.example.org"
    assert scanned(declared, vocabulary=vocabulary).passed
    assert not scanned(declared + "x", vocabulary=vocabulary).passed


def test_a_table_without_text_passes_and_says_that_it_looked_at_none():
    result = scanned(3, kind="integer")
    assert result.passed
    assert result.counts["text_columns"] == 0
