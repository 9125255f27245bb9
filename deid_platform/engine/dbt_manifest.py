"""The dbt manifest of a deployment, parsed anew when a model, seed or profile is newer."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from deid_platform.core.errors import ToolError
from deid_platform.engine.deployment import Deployment


def target_folder(deployment: Deployment) -> Path:
    """Where dbt's artefacts of this deployment live: state, not source."""
    return deployment.home / "dbt"


def dbt_executable() -> Path:
    """The dbt beside the running Python, whatever the shell's search path says."""
    return Path(sys.executable).with_name("dbt")


def ensure_manifest(deployment: Deployment) -> Path:
    """Path of a manifest that is no older than the project it describes.

    Parsing writes to a folder of its own and the manifest is moved into place whole, so that
    processes that start together never read half of one.

    Raises:
        ToolError: dbt cannot parse the project.
    """
    manifest = target_folder(deployment) / "manifest.json"
    newest = max((file.stat().st_mtime for file in _sources(deployment.dbt_project)), default=0.0)
    if manifest.exists() and manifest.stat().st_mtime >= newest:
        return manifest
    manifest.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    work = Path(tempfile.mkdtemp(prefix="parse-", dir=manifest.parent))
    try:
        _parse(deployment, work)
        (work / "manifest.json").replace(manifest)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return manifest


def sources_of(deployment: Deployment, nodes: Iterable[str]) -> tuple[str, ...]:
    """Source tables that dbt nodes are made from, directly or through other models.

    Args:
        deployment: whose manifest tells what a model is made from.
        nodes: dbt's unique ids, such as ``source.deid.limited.ed_visits``.
    """
    manifest = target_folder(deployment) / "manifest.json"
    try:
        known = json.loads(manifest.read_text("utf-8"))["nodes"]
    except (OSError, ValueError, KeyError):
        known = {}
    waiting, seen, found = list(nodes), set(), set()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.startswith("source."):
            found.add(node.rpartition(".")[2])
        waiting += (known.get(node, {}).get("depends_on") or {}).get("nodes", [])
    return tuple(sorted(found))


def _sources(project: Path) -> list[Path]:
    return [
        file
        for folder in ("models", "seeds", "macros", "tests")
        for file in (project / folder).rglob("*")
        if file.is_file()
    ] + [project / "dbt_project.yml", project / "profiles.yml"]


def _parse(deployment: Deployment, work: Path) -> None:
    command = [
        str(dbt_executable()),
        "--quiet",
        "parse",
        "--no-partial-parse",
        "--project-dir",
        str(deployment.dbt_project),
        "--profiles-dir",
        str(deployment.dbt_project),
        "--target-path",
        str(work),
        "--log-path",
        str(work),
    ]
    environment = {
        **deployment.environment,
        "DEID_HOME": str(deployment.home),
        "DEID_PROJECT": str(deployment.project),
        "DO_NOT_TRACK": "1",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0 or not (work / "manifest.json").exists():
        tail = (done.stdout + done.stderr).strip().splitlines()[-12:]
        raise ToolError(
            str(deployment.dbt_project),
            "dbt cannot parse the project: " + " ".join(line.strip() for line in tail),
            "mend the model or its YAML and run `dbt parse` in that folder",
        )
