"""What the ledger records of scans for identifiers outside their zone."""

from __future__ import annotations

from dataclasses import dataclass, field

from deid_platform.governance.events import Event


@dataclass(frozen=True, kw_only=True)
class ScanCompleted(Event, kind="scan.completed", subject="area"):
    """One area was looked into, file by file.

    ``findings`` counts texts by class; ``files`` are the digests of the paths of files with
    findings and of files that could not be looked into, since a name given by a stranger may itself
    be an identifier. ``scanner`` is the version of what was looked for.
    """

    area: str
    looked_into: int
    sealed: int
    unreadable: int
    alarms: int
    findings: dict[str, int] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    source_columns: int = 0
    forms: int = 0
