"""What the ledger records of the register."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deid_platform.governance.events import Event
from deid_platform.governance.signatures import Signed


@dataclass(frozen=True, kw_only=True)
class RegisterApplied(Signed, Event, kind="register.applied", subject="register"):
    """A register was put in force, whole, in place of the one with the previous digest."""

    register: str
    digest: str
    previous: str
    content: dict[str, Any]
    role: str
    by: str
    os_user: str
