"""The record's own identifiers, however a note writes them."""

from __future__ import annotations

import time

import pytest

from deid_platform.core.text.spans import EntityClass
from deid_platform.engine.text.known import Known, KnownIdentifiers

RECORD = KnownIdentifiers(
    [
        Known(entity=EntityClass.PERSON, value="Guillermo Katzenberg"),
        Known(entity=EntityClass.PERSON, value="Rose Li"),
        Known(entity=EntityClass.PHONE, value="(415) 555-0132"),
        Known(entity=EntityClass.MEDICAL_RECORD, value="MR0049213"),
        Known(entity=EntityClass.DATE, value="1961-04-03"),
        Known(entity=EntityClass.ADDRESS, value="12 Elm Street"),
    ]
)


def found(text: str) -> set[str]:
    return {text[span.start : span.end] for span in RECORD.find(text)}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("saw GUILLERMO today", "GUILLERMO"),
        ("KATZENBERG, Guillermo", "KATZENBERG, Guillermo"),
        ("mr katzenberg left", "katzenberg"),
        ("G. Katzenberg agreed", "G. Katzenberg"),
        ("Katzenbreg was late", "Katzenbreg"),
        ("Mr. Kattzenburg", "Kattzenburg"),
        ("per GK at noon", "GK"),
        ("Guíllermo came", "Guíllermo"),
        ("call 415.555.0132", "415.555.0132"),
        ("+1 415 555 0132", "1 415 555 0132"),
        ("chart mr0049213.", "mr0049213"),
        ("born 4/3/61", "4/3/61"),
        ("born April 3, 1961", "April 3, 1961"),
        ("3 Apr visit", "3 Apr"),
        ("at 12 elm street", "12 elm street"),
        ("Rose smiled", "Rose"),
        ("Ms. Li smiled", "Li"),
    ],
)
def test_it_is_found(text, part):
    assert part in found(text)


@pytest.mark.parametrize(
    ("text"),
    ["the rose garden", "a good day", "temperature rose", "20 mg", "liquid", "back in list"],
)
def test_plain_words_are_left(text):
    assert found(text) == set()


def test_an_empty_record_finds_nothing():
    assert KnownIdentifiers([]).find("Guillermo Katzenberg, 415-555-0132") == []


def test_offsets_hold_where_folding_changes_lengths():
    text = "ﬁnal ﬃ — Ǆ Guillermo ß"
    assert [text[s.start : s.end] for s in RECORD.find(text)] == ["Guillermo"]


def test_hostile_text_takes_time_in_proportion_to_its_length():
    for piece in ("a", "1", "1 ", "Katzenber ", "é", "(1"):
        started = time.process_time()
        RECORD.find(piece * (100_000 // len(piece)))
        assert time.process_time() - started < 5, piece
