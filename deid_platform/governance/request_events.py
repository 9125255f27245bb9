"""The steps of a request: one kind of event for what people decide, one for what the pipeline does.

Beside `events`, because what a person signed is part of the first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from deid_platform.core.workflow import State
from deid_platform.governance.events import (
    Event,
    RequestApproved,
    RequestRecalled,
    RequestRejected,
    RequestReleased,
    RequestSubmitted,
    RequestSuperseded,
    RequestWithdrawn,
)
from deid_platform.governance.signatures import Signed


@dataclass(frozen=True, kw_only=True)
class DecisionRecorded(Signed, Event, kind="request.decided", subject="publication"):
    """A person took one step of a request, and signed it.

    What was signed names the digest of every fact they had before them (`core.steps.Fact`), the
    entry of this request that came before (``follows``) and ``content``: the form, a validation's
    findings, a determination.
    """

    request: str
    publication: str
    action: str
    role: str
    by: str
    os_user: str
    content: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StepRecorded(Event, kind="request.carried_out", subject="publication"):
    """The pipeline took one step of a request: it carries out and measures, and decides nothing.

    ``fingerprints`` hold the digest of every fact as it was (`core.steps.Fact`).
    """

    request: str
    publication: str
    action: str
    role: str
    by: str
    os_user: str
    register_digest: str
    fingerprints: dict[str, str]
    content: dict[str, Any] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class KnowledgeStated(Signed, Event, kind="determination.knowledge_stated", subject="table"):
    """A person says, signed, whether what is left in a table could identify somebody.

    Source: 45 CFR 164.514(b)(2)(ii).
    """

    table: str
    fingerprint: str
    answer: str
    scenarios: str
    role: str
    by: str
    os_user: str


@dataclass(frozen=True, kw_only=True)
class SampleShown(Signed, Event, kind="request.sample_shown", subject="publication"):
    """A validator was shown some rows of a masked candidate; the rows are nowhere kept."""

    request: str
    publication: str
    rows: int
    role: str
    by: str
    os_user: str


REQUEST_KINDS: tuple[type[Event], ...] = (
    DecisionRecorded,
    StepRecorded,
    RequestReleased,
    RequestSuperseded,
    RequestSubmitted,
    RequestApproved,
    RequestRejected,
    RequestWithdrawn,
    RequestRecalled,
)
"""What is told of a request. The last five were recorded before decisions were signed."""

UNSIGNED: dict[type[Event], State] = {
    RequestSubmitted: State.SUBMITTED,
    RequestApproved: State.SUBMITTED,
    RequestRejected: State.REJECTED,
    RequestWithdrawn: State.WITHDRAWN,
    RequestRecalled: State.RECALLED,
}
"""Where those five leave a request. An unsigned approval approves nothing."""
