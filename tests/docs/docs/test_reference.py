"""Pages of the reference that are made from the code are in step with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from docs.generate import HEADER, REFERENCE, pages, table, write_pages

PAGES = pages()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_generated_page_says_what_the_code_says(name):
    written = (REFERENCE / name).read_text("utf-8")

    assert written == PAGES[name], "run `make docs` and commit the pages"


def test_no_page_claims_to_be_generated_that_is_not():
    generated = {file.name for file in REFERENCE.glob("*.md") if HEADER.strip() in file.read_text()}

    assert generated == set(PAGES)


def test_another_process_writes_the_same_bytes(tmp_path):
    # Another process has another hash seed, which would show where a page depends on set order.
    code = "import sys; from pathlib import Path; from docs.generate import write_pages; "
    code += "write_pages(Path(sys.argv[1]))"
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=REFERENCE.parents[1], check=True
    )

    assert {file.name: file.read_text("utf-8") for file in tmp_path.iterdir()} == PAGES


def test_writing_twice_changes_nothing(tmp_path):
    assert {file.name for file in write_pages(tmp_path)} == set(PAGES)
    assert write_pages(tmp_path) == []


def test_a_pipe_in_a_cell_does_not_make_a_column():
    assert table(("a",), [("x | y\nz",)]) == "| a |\n| --- |\n| x \\| y z |"


def test_every_gate_command_and_transform_has_its_place():
    from deid_platform.core.transforms import TRANSFORMS
    from deid_platform.engine.gates import Stage, gates_for

    for name in TRANSFORMS:
        assert f"\n## {name}\n" in PAGES["transforms.md"]
    for gate in {gate.name for stage in Stage for gate in gates_for(stage)}:
        assert f"\n## {gate}\n" in PAGES["gates.md"]
    for module in Path(REFERENCE.parents[1] / "deid_platform" / "cli").glob("[a-z]*.py"):
        assert "register" not in module.read_text() or f"## `deid {module.stem}" in PAGES["cli.md"]
