"""What every file of the project keeps to."""

from __future__ import annotations

import ast
import re
import subprocess

import pytest

from tests.architecture.source_tree import ROOT, modules

LONGEST = 400
LONGER: dict[str, str] = {}
"""Modules over the limit, each with its reason."""
NAMELESS = {"utils", "util", "helpers", "helper", "common", "constants", "settings", "misc"}
PYTHON = modules("deid_platform", "assets", "tests", "benchmarks")
CODE = modules("deid_platform", "assets")
PUBLIC = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

# Written in parts, so that this file does not hold what it looks for.
HOSTS = ("py" + "pi.", "python" + "hosted", "anaconda" + ".org")
PRIVATE = ("/wo" + "rk/", "/tm" + "p/w/", "/ho" + "me/", "/Use" + "rs/", "/ro" + "ot/")
SIBLING = ".." + "/shared"


def tracked() -> list[str]:
    """Files in version control, and new ones it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return sorted(name for name in listed.split("\0") if name and (ROOT / name).is_file())


def texts(*, outside: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """Tracked text files with their content."""
    found = []
    for name in tracked():
        content = (ROOT / name).read_bytes()
        if not name.startswith(outside or ("\0",)) and b"\0" not in content[:8000]:
            found.append((name, content.decode("utf-8", errors="replace")))
    return found


@pytest.mark.parametrize("module", PYTHON, ids=str)
def test_a_module_has_a_name_of_its_own(module):
    assert module.name.rsplit(".", 1)[-1] not in NAMELESS


@pytest.mark.parametrize("module", CODE, ids=str)
def test_a_module_is_one_idea_long(module):
    lines = len(module.text.splitlines())
    assert lines <= LONGEST or module.name in LONGER, f"{lines} lines"


def test_an_exception_for_length_is_still_needed():
    lengths = {module.name: len(module.text.splitlines()) for module in CODE}
    assert [name for name in LONGER if lengths.get(name, 0) <= LONGEST] == []


@pytest.mark.parametrize("module", CODE, ids=str)
def test_no_rule_rests_on_assert(module):
    """``python -O`` removes them."""
    assert [node.lineno for node in ast.walk(module.tree) if isinstance(node, ast.Assert)] == []


@pytest.mark.parametrize("module", CODE, ids=str)
def test_everything_public_says_what_it_is(module):
    undocumented = [] if ast.get_docstring(module.tree) else [module.name]
    undocumented += [
        f"{module.name}.{name}" for name, node in public(module.tree) if not ast.get_docstring(node)
    ]
    assert undocumented == []


def public(tree: ast.Module | ast.ClassDef) -> list[tuple[str, PUBLIC]]:
    """Public functions and classes, and the public methods of the latter."""
    found: list[tuple[str, PUBLIC]] = []
    for node in tree.body:
        if isinstance(node, PUBLIC) and not node.name.startswith("_") and not stub(node):
            found.append((node.name, node))
            if isinstance(node, ast.ClassDef):
                found += [(f"{node.name}.{name}", inner) for name, inner in public(node)]
    return found


def stub(node: PUBLIC) -> bool:
    """An overload or a property's setter: its first definition speaks for it."""
    decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
    return any(d in ("overload", "typing.overload") or d.endswith(".setter") for d in decorators)


@pytest.mark.parametrize("module", CODE, ids=str)
def test_an_error_that_quotes_values_is_not_kept_as_a_cause(module):
    """DuckDB, pandera, pydantic and csv quote cells, and Dagster stores the text of a cause."""
    chained = [
        node.lineno
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Raise)
        and node.cause is not None
        and not (isinstance(node.cause, ast.Constant) and node.cause.value is None)
    ]
    assert chained == []


@pytest.mark.parametrize("module", CODE, ids=str)
def test_a_comment_promises_nothing(module):
    promises = re.compile(r"#.*\b(" + "TO" + r"DO|FIX" + r"ME|X" + r"XX|HA" + r"CK)\b")
    assert promises.findall(module.text) == []


def test_no_file_names_a_package_index():
    assert [name for name, text in texts() if any(host in text.lower() for host in HOSTS)] == []


def test_no_file_names_a_folder_of_one_machine():
    paths = re.compile("|".join(rf"(?<![\w.~$}}]){re.escape(path)}" for path in PRIVATE))
    assert [name for name, text in texts() if paths.search(text)] == []


def test_nothing_outside_the_tests_reads_beside_the_checkout():
    assert [name for name, text in texts(outside=("tests/",)) if SIBLING in text] == []


def test_the_dbt_project_is_not_a_python_package():
    assert [name for name in tracked() if re.match(r"dbt_project/.*__init__\.py$", name)] == []


def test_no_key_database_or_state_is_in_version_control():
    ending = re.compile(r"\.(duckdb|db|wal|key|pem)$|(^|/)var/|\.log$")
    assert [name for name in tracked() if ending.search(name)] == []
