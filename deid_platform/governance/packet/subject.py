"""What evidence is gathered of, and what was gathered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deid_platform.engine.running_code import RunningCode
from deid_platform.governance.authority import Authority
from deid_platform.governance.packet.artefact import Absent, Artefact
from deid_platform.governance.packet.facts import Facts
from deid_platform.governance.packet.masked import Picture
from deid_platform.governance.targets import Release


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The release that evidence is gathered of."""

    release: Release
    authority: Authority
    facts: Facts
    sources: tuple[str, ...]
    code: RunningCode
    table: str
    bundle: Path
    files: Mapping[str, str]
    target: str
    destination: str
    by: str
    built_at: str
    head: str


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was gathered: artefacts, what is absent and why, and the pictures of the report."""

    artefacts: tuple[Artefact, ...]
    absent: tuple[Absent, ...]
    pictures: tuple[Picture, ...]

    def value(self, name: str) -> Any:
        """The plain value of a JSON artefact; None where it is absent."""
        for one in self.artefacts:
            if one.name == f"{name}.json":
                return json.loads(one.content)
        return None
