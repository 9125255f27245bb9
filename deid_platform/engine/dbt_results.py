"""What one dbt run says of its tests: which belong to a model, and which of them passed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deid_platform.core.errors import GateError, ToolError

_PASSED = frozenset({"pass", "success"})
"""A test that only warns has not passed: no severity in a declaration lets a table through."""


def check_tests_passed(target: Path, model: str) -> int:
    """Count the dbt tests of a model, all of which ran in this very run and passed.

    A run that ends well may have left tests out: by a variable such as
    ``DBT_EXCLUDE_RESOURCE_TYPES``, or because somebody launched the model without its checks.

    Args:
        target: the folder of the run's own artefacts.
        model: name of the model.

    Raises:
        GateError: a test did not run or did not pass, or the model has none.
        ToolError: the run left no artefacts that can be read.

    Source: HICP 7.3, validation before anything is promoted.
    """
    manifest = _artefact(target / "manifest.json")
    statuses = {
        one["unique_id"]: one["status"] for one in _artefact(target / "run_results.json")["results"]
    }
    tests = [test for test, of in _tests(manifest).items() if model in of]
    open_tests = sum(statuses.get(test) not in _PASSED for test in tests)
    if not tests or open_tests:
        found = f"{open_tests} of its {len(tests)} dbt tests did not run, or did not pass"
        raise GateError(
            f"staging/{model}",
            found if tests else "no dbt test is declared for it",
            f"materialise staging/{model} with all of its checks; nothing was promoted",
        )
    return len(tests)


def _tests(manifest: dict[str, Any]) -> dict[str, set[str]]:
    """Every data test and unit test, and the names of the models it is about."""
    models = {
        identity: str(node["name"])
        for identity, node in manifest["nodes"].items()
        if node["resource_type"] == "model"
    }
    found = {
        identity: {models[on] for on in node["depends_on"]["nodes"] if on in models}
        for identity, node in manifest["nodes"].items()
        if node["resource_type"] == "test"
    }
    unit_tests = manifest.get("unit_tests", {}).items()
    return found | {identity: {str(one["model"])} for identity, one in unit_tests}


def _artefact(file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        raise ToolError(
            file.name, "dbt left no such file that can be read", "run the staging assets again"
        ) from None
    return content
