"""What somebody gives with --from, or puts among the declarations, to stop the reader."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from deid_platform.core.errors import DeclarationError
from deid_platform.engine.declarations import read_yaml

LEVELS = "abcdefghij"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join(['*' + before] * 9)}]\n"
    for before, after in itertools.pairwise(LEVELS)
)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "- " * 5_000 + "a",
        BOMB,
        "a: &a\n  b: *a\n",
        "a: 2024-02-31",
        "a: " + "9" * 5_000,
    ],
    ids=["deep list", "deep block", "aliases", "holds itself", "no such day", "long number"],
)
def test_a_hostile_text_is_refused_as_a_declaration(tmp_path: Path, text: str):
    file = tmp_path / "form.yaml"
    file.write_text(text)
    with pytest.raises(DeclarationError):
        read_yaml(file)


def test_a_value_used_in_several_places_is_read(tmp_path: Path):
    file = tmp_path / "form.yaml"
    file.write_text("a: &a [1, 2]\nb: *a\n")
    assert read_yaml(file) == {"a": [1, 2], "b": [1, 2]}
