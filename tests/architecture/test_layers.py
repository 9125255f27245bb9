"""Imports point down, and each dangerous thing is done in one place."""

from __future__ import annotations

import ast
from collections.abc import Iterable

import pytest

from tests.architecture.source_tree import Module, calls, imports, modules

CORE, ENGINE = "deid_platform.core", "deid_platform.engine"
GOVERNANCE, ASSETS, CLI = "deid_platform.governance", "assets", "deid_platform.cli"
ABOVE = {
    CORE: (ENGINE, GOVERNANCE, ASSETS, CLI),
    ENGINE: (GOVERNANCE, ASSETS, CLI),
    GOVERNANCE: (ASSETS, CLI),
    ASSETS: (CLI,),
    CLI: (),
}
PURE = {"pydantic"}
PURE_STDLIB = {
    *("__future__", "abc", "bisect", "collections", "copy", "csv", "dataclasses", "datetime"),
    *("decimal", "enum", "fractions", "functools", "graphlib", "hashlib", "heapq", "io"),
    *("itertools", "json", "math", "operator", "re", "statistics", "string", "types", "typing"),
    *(
        "html",
        "textwrap",
        "unicodedata",
        "base64",
        "binascii",
        "zlib",
        "gzip",
        "struct",
        "ast",
        "numbers",
        "fnmatch",
    ),
}
CORE_MAY_ALSO = {
    # Scanning their own folder for what a newcomer adds.
    "deid_platform.core.transforms": {"ibis", "importlib", "pkgutil"},
    "deid_platform.core.masking": {"numpy", "highspy"},
    # Worked examples are handed to the masking model as it takes tables.
    "deid_platform.core.examples": {"numpy"},
    # PurePosixPath: a path as text, no file.
    "deid_platform.core.contract": {"pathlib"},
    # Runs alone too, as a program that takes three files.
    "deid_platform.core.masking.verify": {"pathlib", "sys"},
}
IMPURE_CALLS = {"open", "print", "input", "Path", "gzip.open", "gzip.GzipFile"} | {
    *("datetime.now", "datetime.utcnow", "date.today", "datetime.datetime.now"),
    *("datetime.date.today", "np.load", "np.save", "np.random.default_rng"),
}

PROGRAM_CALLS = {"deid_platform.core.masking.verify": {"Path", "print"}}
"""What the last lines of a module that also runs alone may call."""

CODE = modules("deid_platform", "assets")


def inside(name: str, packages: str | Iterable[str]) -> bool:
    packages = (packages,) if isinstance(packages, str) else packages
    return any(name == package or name.startswith(package + ".") for package in packages)


def of(package: str) -> list[Module]:
    return [module for module in CODE if inside(module.name, package)]


def layer(module: Module) -> str:
    """The layer a module belongs to; the package itself, which imports nothing, is the lowest."""
    return next((package for package in ABOVE if inside(module.name, package)), CORE)


def imported(module: Module) -> set[str]:
    return {name for name, _ in imports(module)}


def test_there_is_code_in_each_layer():
    assert {layer(module) for module in CODE} == set(ABOVE)


@pytest.mark.parametrize("module", CODE, ids=str)
def test_imports_point_down(module):
    above = ABOVE[layer(module)]
    assert [name for name in imported(module) if inside(name, above)] == []


@pytest.mark.parametrize("module", CODE, ids=str)
def test_imports_are_absolute(module):
    assert [name for name in imported(module) if name.startswith("relative.")] == []


@pytest.mark.parametrize("module", of(CORE), ids=str)
def test_core_imports_only_what_is_pure(module):
    allowed = PURE | PURE_STDLIB | {"deid_platform"}
    for package, more in CORE_MAY_ALSO.items():
        if inside(module.name, package):
            allowed = allowed | more
    assert {name.split(".")[0] for name in imported(module)} - allowed == set()


@pytest.mark.parametrize("module", of(CORE), ids=str)
def test_core_touches_no_file_clock_or_screen(module):
    allowed = PROGRAM_CALLS.get(module.name, set())
    assert (IMPURE_CALLS & set(calls(module))) - allowed == set()


def test_nothing_packed_holds_the_time_of_packing():
    """``gzip.compress`` writes the clock into its output unless it is told a time."""
    timed = [
        module.name
        for module in CODE
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "gzip.compress"
        and "mtime" not in {keyword.arg for keyword in node.keywords}
    ]
    assert timed == []


def test_only_assets_import_dagster():
    dagster = ("dagster", "dagster_dbt", "dagster_duckdb", "dagster_webserver")
    users = {module.name for module in CODE if any(inside(n, dagster) for n in imported(module))}
    assert {name for name in users if not inside(name, ASSETS)} == set()
    assert users, "the code location must use Dagster"


def test_only_the_database_module_opens_duckdb():
    openers = {
        module.name for module in CODE if "duckdb.connect" in {*calls(module), *imported(module)}
    }
    assert openers == {f"{ENGINE}.database"}


def test_only_publish_calls_an_export_target():
    """The types a target takes may be named elsewhere; only `publish` gets hold of a target."""
    targets = f"{GOVERNANCE}.targets"
    types = {targets, f"{targets}.Field", f"{targets}.Release"}
    users = {
        module.name
        for module in CODE
        if not inside(module.name, targets)
        and any(inside(name, targets) and name not in types for name in imported(module))
    }
    assert users == {f"{GOVERNANCE}.publish"}


def test_only_sending_calls_a_channel():
    channels = f"{GOVERNANCE}.channels"
    users = {
        module.name
        for module in CODE
        if not inside(module.name, channels)
        and any(inside(name, channels) for name in imported(module))
    }
    assert users == {f"{GOVERNANCE}.sending"}


def test_the_command_line_imports_the_code_location_inside_functions():
    loaded_with_the_module = [
        module.name
        for module in of(CLI)
        for name, node in imports(module)
        if inside(name, ASSETS) and node in module.tree.body
    ]
    assert loaded_with_the_module == []


def test_nothing_skips_a_gate():
    """No name of an argument, variable or option speaks of going round one."""
    words = ("skip_gate", "skip_check", "no_gate", "bypass", "ignore_gate", "force_release")
    named = {
        f"{module.name}: {name}"
        for module in CODE
        for node in ast.walk(module.tree)
        for name in names_of(node)
        if any(word in name.lower().replace("-", "_") for word in words)
    }
    assert named == set()


def names_of(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.arg):
        return [node.arg]
    if isinstance(node, ast.keyword) and node.arg:
        return [node.arg]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value] if node.value.startswith(("--", "DEID_")) else []
    return []
