"""What is printed may be of somebody else's making, and must not command the terminal."""

from __future__ import annotations

import pytest

from deid_platform.cli import console, visible


def test_escape_sequences_and_turned_text_are_printed_as_text(capsys):
    console.print("a\x1b[31mred\x1b]0;title\x07\u202e", highlight=False)
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert r"a\x1b[31mred\x1b]0;title\x07\u202e" in told


@pytest.mark.parametrize("text", ["two\nlines", "a\ttab", "Ñuñoa, São Paulo", "a\u00a0b"])
def test_what_people_write_stays_as_it_is(text):
    assert visible(text) == text
