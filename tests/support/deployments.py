"""Builders of throw-away deployments with keys."""

from __future__ import annotations

from pathlib import Path

from deid_platform.engine.deployment import Deployment
from deid_platform.engine.initialise import initialise


def temporary_deployment(folder: Path, project: Path | None = None) -> Deployment:
    """A deployment with folders and keys under ``folder``; no key from the environment."""
    deployment = Deployment(project=project or folder, home=folder / "home", environment={})
    initialise(deployment)
    return deployment


def land(deployment: Deployment, name: str, content: str | bytes) -> Path:
    """Put a file into the landing folder."""
    path = deployment.landing / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
