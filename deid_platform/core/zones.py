"""The four zones, which are encrypted, and which may read which."""

from __future__ import annotations

from enum import StrEnum


class Zone(StrEnum):
    """Where a table lives; also the DuckDB catalog name under which its file is attached."""

    RAW = "raw"
    LIMITED = "limited"
    DEIDENTIFIED = "deidentified"
    RELEASE = "release"


ENCRYPTED: frozenset[Zone] = frozenset({Zone.RAW, Zone.LIMITED})
"""Zones that hold PHI. LIMITED is a limited data set in content, hence still PHI
(45 CFR 164.514(e))."""

READS: dict[Zone, frozenset[Zone]] = {
    Zone.RAW: frozenset(),
    Zone.LIMITED: frozenset({Zone.RAW}),
    Zone.DEIDENTIFIED: frozenset({Zone.RAW}),
    Zone.RELEASE: frozenset({Zone.LIMITED}),
}
"""What a writer of each zone may attach, read-only. The release zone reads LIMITED because a
candidate lives there until it is released."""
