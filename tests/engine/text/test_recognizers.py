"""Each recognizer against its own examples, and all of them against hostile text."""

from __future__ import annotations

import time

import pytest

from deid_platform.engine.text.patterns import PatternPass
from deid_platform.engine.text.recognizers import recognizers

ALL = recognizers()
ONE = {name: PatternPass({name: recognizer}) for name, recognizer in ALL.items()}
HOSTILE = (
    "1", "a", " ", "A", "-", "1-", "1 ", "(", "A.", "a@", "1.", ":", "a:", "Aa ", "1 St ", "x 1 ",
    "mother ", "A, ", "0-", "+1 ", "a.b", "é", "1/", "D", "call 1", "Mar 1, ",
)  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_a_recognizer_finds_what_its_examples_hold(name):
    for text, expected in ALL[name].finds.items():
        found = {text[span.start : span.end] for span in ONE[name].find(text)}
        for part in expected:
            assert any(part in one for one in found), (text, part, found)


@pytest.mark.parametrize("name", ALL)
def test_a_recognizer_leaves_what_its_examples_say(name):
    for text in ALL[name].leaves:
        assert [text[s.start : s.end] for s in ONE[name].find(text)] == [], text


@pytest.mark.parametrize("name", ALL)
def test_hostile_text_takes_time_in_proportion_to_its_length(name):
    for piece in HOSTILE:
        text = piece * (100_000 // len(piece))
        started = time.process_time()
        ONE[name].find(text)
        assert time.process_time() - started < 5, piece
