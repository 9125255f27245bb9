"""How a text is written for comparison: case, punctuation and separators do not matter."""

from __future__ import annotations


def words_of(text: str) -> str:
    """SQL for the words of a text in lower case, one space apart."""
    return f"trim(regexp_replace(lower({text}), '[^\\p{{L}}\\p{{N}}]+', ' ', 'g'))"


def form_of(words: str) -> str:
    """SQL for what is compared: words, joined where one has a digit, as in a number or code."""
    return f"if(regexp_matches({words}, '[0-9]'), replace({words}, ' ', ''), {words})"
