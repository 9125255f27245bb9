"""What happened to a release after it was proved: deliveries, transfers, recall, destruction."""

from __future__ import annotations

from typing import Any

from deid_platform.governance.ledger import Ledger
from deid_platform.governance.packet.facts import about_request
from deid_platform.governance.packet.verify import released

_TOLD = ("destination", "recipient", "channel", "target", "files", "bytes", "reason", "successor")


def since_release(ledger: Ledger, release: str) -> list[dict[str, Any]]:
    """Entries about the release's request from its release on, oldest first.

    Raises:
        EvidenceError: the ledger knows no such release.
    """
    entry = released(ledger, release)
    found = about_request(ledger, entry.payload["publication"], entry.payload["request"])
    return [
        {
            "sequence": one.sequence,
            "at": one.at,
            "kind": one.kind,
            "by": one.payload.get("by"),
            "says": ", ".join(
                f"{name} {one.payload[name]}" for name in _TOLD if one.payload.get(name)
            ),
            "hash": one.hash,
        }
        for one in found
        if one.sequence >= entry.sequence
    ]
