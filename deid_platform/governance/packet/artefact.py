"""What a packet is made of: named contents, each for everybody or for the few."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Group(StrEnum):
    """The groups of evidence of a release (governance specification, section 5)."""

    GOVERNANCE = "governance"
    REQUEST = "request"
    EXECUTION = "execution"
    VALIDATION = "validation"
    DETERMINATION = "determination"
    RELEASE = "release"
    THIRD_PARTY = "third_party"
    PUBLICATION = "publication"
    INDEX = "index"


class Audience(StrEnum):
    """Who may read an artefact. What is restricted lives in the sealed annex only."""

    PUBLIC = "public"
    RESTRICTED = "restricted"


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """One piece of evidence; ``name`` begins with its group."""

    group: Group
    title: str
    description: str
    media_type: str
    audience: Audience
    content: bytes
    extension: str

    @property
    def name(self) -> str:
        """How the manifest lists it: group, title and extension."""
        return f"{self.group.value}/{self.title}.{self.extension}"

    @property
    def digest(self) -> str:
        """SHA-256 of the content, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Absent:
    """A piece of evidence that this release does not have, and why."""

    name: str
    why: str


def json_artefact(
    group: Group,
    title: str,
    description: str,
    value: Any,
    audience: Audience = Audience.PUBLIC,
) -> Artefact:
    """An artefact of plain values."""
    return Artefact(
        group=group,
        title=title,
        description=description,
        media_type="application/json",
        audience=audience,
        content=json_bytes(value),
        extension="json",
    )


def csv_artefact(
    group: Group, title: str, description: str, header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> Artefact:
    """A restricted artefact of rows."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return Artefact(
        group=group,
        title=title,
        description=description,
        media_type="text/csv",
        audience=Audience.RESTRICTED,
        content=text.getvalue().encode(),
        extension="csv",
    )


def json_bytes(value: Any) -> bytes:
    """The one text of plain values that files of a packet hold: sorted, indented, UTF-8."""
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
