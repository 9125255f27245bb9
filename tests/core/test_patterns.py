"""What identifiers look like, in Python and in DuckDB alike."""

import re

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid_platform.core.patterns import HINT, PATTERNS

WRITTEN = {
    "email": ["ann@mail.example", "a.b+c@x-y.co.uk", "reach ANN@MAIL.EXAMPLE now"],
    "ssn": ["999-17-5017", "999 17 5017", "ssn 123-45-6789."],
    "ssn_plain": ["123456789", "ssn=078051120;"],
    "phone": ["(415) 555-2671", "415-555-2671", "+14155552671", "1-877-267-2323", "415 555 2671"],
    "phone_plain": ["4155552671", "14155552671"],
    "medical_record_number": ["MRN0001234", "mrn: 44321", "medical record number 88123"],
    "url": ["https://portal.example/a", "www.example.org"],
    "ipv4": ["10.0.0.1", "at 192.168.100.200 today", "from (10.0.0.1).", "10.0.0.1."],
    "ipv6": ["fe80::1", "2001:0db8:0000:0000:0000:ff00:0042:8329"],
    "date": [
        "2024-03-01",
        "2024-03",
        "3/4/21",
        "03/04/2021",
        "31.12.2020",
        "March 3, 2024",
        "May 2019",
        "3 March 2024",
        "2024-03-01T10:00:00Z",
    ],
    "date_plain": ["20240317"],
    "coordinates": ["37.77493, -122.41942", "(37.7749;-122.4194)"],
}
HARMLESS = [
    "Acute viral pharyngitis (disorder)",
    "8302-2",  # LOINC
    "2019-8",  # LOINC, in the shape of a year and a month
    "195662009",  # SNOMED CT
    "1187604002",  # SNOMED CT of ten digits
    "00074-3799-02",  # NDC
    "F11.20",
    "65 and over",
    "0-17",
    "2024",
    "120/80",
    "10:20:30",
    "2.16.840.1.113883",  # OID
    "1.2.840.10008.5.1.4.1.1.66",  # OID with four small numbers in a row
    "may have fever",
]


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, ts in WRITTEN.items() for t in ts])
def test_a_written_identifier_is_found_by_both_engines(name, text):
    pattern = PATTERNS[name]
    assert pattern.found_in(text)
    assert in_duckdb(pattern.regex, text)
    assert in_duckdb(HINT, text), "the first look must not lose it"


@pytest.mark.parametrize("text", HARMLESS)
def test_clinical_codes_and_labels_are_not_identifiers(text):
    assert [name for name, pattern in PATTERNS.items() if pattern.found_in(text)] == []


def test_every_pattern_has_an_example_here():
    assert set(WRITTEN) == set(PATTERNS)


@given(st.text(st.sampled_from("0123456789-/.@: ()+aeMRN:wjan"), max_size=24))
def test_python_and_duckdb_read_the_patterns_alike(text):
    for pattern in PATTERNS.values():
        assert bool(re.search(pattern.regex, text, re.ASCII)) == in_duckdb(pattern.regex, text)


@given(st.text(st.sampled_from("0123456789-/.@: ()+abcwjan"), max_size=24))
def test_a_text_without_the_hint_holds_no_pattern(text):
    if not re.search(HINT, text):
        assert not any(pattern.found_in(text) for pattern in PATTERNS.values())


CONNECTION = duckdb.connect()


def in_duckdb(regex, text):
    row = CONNECTION.execute("select regexp_matches(?, ?)", [text, regex]).fetchone()
    return bool(row and row[0])
