"""What the ledger records: one frozen dataclass per kind of event.

An event holds names, rules, counts and digests, never a cell value. Whoever records it supplies
ids; the ledger supplies the time. An event's canonical JSON is what its hash covers, so a field is
added only with a default, and never renamed. More kinds stand in modules named ``*_events``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from deid_platform.core.errors import LedgerError
from deid_platform.governance.plain import Plain, check_plain

if TYPE_CHECKING:
    from deid_platform.core.attestation import SafeHarborAttestation
    from deid_platform.engine.gates import GateResult

_KINDS: dict[str, type[Event]] = {}


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all events. A subclass names its ``kind`` and which field is its ``subject``."""

    kind: ClassVar[str]
    subject_field: ClassVar[str]

    def __init_subclass__(cls, *, kind: str, subject: str) -> None:
        cls.kind = kind
        cls.subject_field = subject
        _KINDS[kind] = cls

    def __post_init__(self) -> None:
        self.payload()

    @property
    def subject(self) -> str:
        """The table or publication that the event is about."""
        return str(getattr(self, self.subject_field))

    def payload(self) -> dict[str, Plain]:
        """The fields as plain JSON values.

        Raises:
            LedgerError: a field holds what the ledger does not.
        """
        return {
            one.name: check_plain(getattr(self, one.name), f"{self.kind}: {one.name}")
            for one in fields(self)
        }


@cache
def event_kinds() -> Mapping[str, type[Event]]:
    """Every kind of event there is: those of this module and of each ``*_events`` beside it."""
    package = __name__.rpartition(".")[0]
    for info in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if info.name.endswith("_events"):
            importlib.import_module(f"{package}.{info.name}")
    return _KINDS


def event_from(kind: str, payload: dict[str, Any]) -> Event:
    """Rebuild an event from what the ledger holds.

    Raises:
        LedgerError: a kind or a field that this version does not know.
    """
    try:
        return event_kinds()[kind](
            **{
                name: tuple(value) if isinstance(value, list) else value
                for name, value in payload.items()
            }
        )
    except (KeyError, TypeError):
        raise LedgerError(
            f"ledger event {kind}",
            "this version does not know the event or one of its fields",
            "read the ledger with the version that wrote it, or a newer one",
        ) from None


@dataclass(frozen=True, kw_only=True)
class DeliveryIngested(Event, kind="delivery.ingested", subject="table"):
    """One delivery is in the raw zone: rows in = rows loaded + rows quarantined."""

    table: str
    partition: str
    files: tuple[str, ...]
    delivery_digest: str
    contract_digest: str
    rows_in: int
    rows_loaded: int
    rows_quarantined: int


@dataclass(frozen=True, kw_only=True)
class TableDeidentified(Event, kind="table.deidentified", subject="table"):
    """One table was written to the limited or the de-identified zone by its contract."""

    table: str
    zone: str
    partitions: tuple[str, ...]
    rows: int
    contract_digest: str
    policy_digest: str
    actions: dict[str, str] = field(default_factory=dict)
    fingerprint: str | None = None


@dataclass(frozen=True, kw_only=True)
class SafeHarborAttested(Event, kind="determination.safe_harbor", subject="table"):
    """The 18 identifiers are removed from a table, 45 CFR 164.514(b)(2)(i).

    ``treatments`` says what became of each source column, ``identifiers`` which class it holds.
    ``actual_knowledge`` is no statement: that is `ActualKnowledgeStated`, made by a person.
    """

    table: str
    contract_digest: str
    policy_digest: str
    treatments: dict[str, str]
    by: str
    actual_knowledge: str = "not stated: 164.514(b)(2)(ii) takes the statement of a person"
    fingerprint: str | None = None
    identifiers: dict[str, str] = field(default_factory=dict)
    oldest_age: int | None = None
    zip3_profile: str | None = None
    zip3_vintage: str | None = None
    zip3_digest: str | None = None
    reference_year: int | None = None

    @classmethod
    def of(
        cls, attestation: SafeHarborAttestation, *, table: str, fingerprint: str, by: str
    ) -> SafeHarborAttested:
        """The event of what the engine attests of a table's content."""
        return cls(
            table=table,
            contract_digest=attestation.contract_digest,
            policy_digest=attestation.policy_digest,
            treatments={
                one.column: one.action if one.output else "drop" for one in attestation.treatments
            },
            by=by,
            fingerprint=fingerprint,
            identifiers={
                one.column: one.identifier.value for one in attestation.treatments if one.identifier
            },
            oldest_age=attestation.oldest_age,
            zip3_profile=attestation.zip3_profile,
            zip3_vintage=attestation.zip3_vintage,
            zip3_digest=attestation.zip3_digest,
            reference_year=attestation.reference_year,
        )


@dataclass(frozen=True, kw_only=True)
class ActualKnowledgeStated(Event, kind="determination.actual_knowledge", subject="table"):
    """What somebody once said, unsigned, of actual knowledge: read, and determines nothing."""

    table: str
    fingerprint: str
    answer: str
    scenarios: str
    role: str
    by: str
    os_user: str


@dataclass(frozen=True, kw_only=True)
class GateEvaluated(Event, kind="gate.evaluated", subject="table"):
    """A gate looked at one content of one table.

    ``table`` is the asset's name, such as ``candidate/ed_visits_by_county``.
    """

    table: str
    gate: str
    fingerprint: str
    passed: bool
    rule: str
    failures: int = 0
    policy_digest: str | None = None
    counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls, result: GateResult, *, fingerprint: str, policy_digest: str | None = None
    ) -> GateEvaluated:
        """The event of a gate's result on the content with that fingerprint."""
        return cls(
            table=result.table,
            gate=result.gate,
            fingerprint=fingerprint,
            passed=result.passed,
            rule=result.rule,
            failures=sum(result.violations.values()),
            policy_digest=policy_digest,
            counts={**result.counts, **result.violations},
        )


@dataclass(frozen=True, kw_only=True)
class TablePromoted(Event, kind="table.promoted", subject="table"):
    """A checked table was moved from staging to its zone."""

    table: str
    zone: str
    fingerprint: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class AssessmentRecorded(Event, kind="assessment.recorded", subject="publication"):
    """A publication was assessed under the DDG; ``fingerprint`` is of the unmasked aggregate."""

    publication: str
    fingerprint: str
    policy_digest: str
    score_sheet_digest: str
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CandidateBuilt(Event, kind="candidate.built", subject="publication"):
    """A masked candidate was written to ``limited.candidate``; ``blanks`` counts cells by code."""

    publication: str
    fingerprint: str
    publication_digest: str
    policy_digest: str
    rows: int
    blanks: dict[str, int] = field(default_factory=dict)
    score_sheet_digest: str | None = None
    source_fingerprint: str | None = None
    columns: tuple[str, ...] = ()
    code_version: str | None = None


@dataclass(frozen=True, kw_only=True)
class RequestSubmitted(Event, kind="request.submitted", subject="publication"):
    """A person asked for a release. This and the next three were not signed: they are only read."""

    request: str
    publication: str
    fingerprint: str
    publication_digest: str
    policy_digest: str
    score_sheet_digest: str | None
    purpose: str
    by: str
    os_user: str


@dataclass(frozen=True, kw_only=True)
class RequestApproved(Event, kind="request.approved", subject="publication"):
    """A person approved a request, having before them these digests and these gate results."""

    request: str
    publication: str
    fingerprint: str
    publication_digest: str
    policy_digest: str
    score_sheet_digest: str | None
    gates: tuple[str, ...]
    gates_digest: str
    role: str
    by: str
    os_user: str


@dataclass(frozen=True, kw_only=True)
class RequestRejected(Event, kind="request.rejected", subject="publication"):
    """An approver refused a request for good."""

    request: str
    publication: str
    reason: str
    role: str
    by: str
    os_user: str


@dataclass(frozen=True, kw_only=True)
class RequestWithdrawn(Event, kind="request.withdrawn", subject="publication"):
    """The requester took the request back."""

    request: str
    publication: str
    reason: str
    by: str
    os_user: str


@dataclass(frozen=True, kw_only=True)
class RequestReleased(Event, kind="request.released", subject="publication"):
    """The release was authorised and is about to leave; the bundle is fixed by its digest.

    Recorded before any byte is where others can read it, so that nothing is ever out that the
    ledger does not know. `DeliveryMade` follows when the bytes are in place. ``packet_digest`` is
    of the evidence packet's attestation, which covers the rest of it; ``platform_key`` is the
    public key that signed it.
    """

    request: str
    release: str
    publication: str
    fingerprint: str
    target: str
    manifest_digest: str
    rows: int
    by: str
    os_user: str
    packet_digest: str | None = None
    platform_key: str | None = None


@dataclass(frozen=True, kw_only=True)
class DeliveryMade(Event, kind="release.delivered", subject="publication"):
    """The bundle of a release is at its destination."""

    request: str
    release: str
    publication: str
    target: str
    destination: str
    manifest_digest: str
    files: int
    bytes: int
    by: str
    os_user: str


@dataclass(frozen=True, kw_only=True)
class RequestRecalled(Event, kind="request.recalled", subject="publication"):
    """A release must no longer be used."""

    request: str
    publication: str
    reason: str
    role: str
    by: str
    os_user: str


@dataclass(frozen=True, kw_only=True)
class RequestSuperseded(Event, kind="request.superseded", subject="publication"):
    """A newer release of the same publication took this one's place."""

    request: str
    publication: str
    successor: str


@dataclass(frozen=True, kw_only=True)
class ActionRefused(Event, kind="action.refused", subject="publication"):
    """Somebody tried what the rules forbid; nothing else happened."""

    publication: str
    action: str
    reasons: tuple[str, ...]
    by: str
    os_user: str
    request: str | None = None


@dataclass(frozen=True, kw_only=True)
class SnapshotPublished(Event, kind="snapshot.published", subject="zone"):
    """An immutable copy of a zone was put where analysts or portals read."""

    zone: str
    snapshot: str
    digest: str
    tables: int


@dataclass(frozen=True, kw_only=True)
class KeyRotated(Event, kind="key.rotated", subject="zone"):
    """A zone was encrypted anew; ``content`` covers its tables, which are the same as before.

    ``old_key`` and ``new_key`` are digests that tell keys apart and from which none can be found.
    """

    zone: str
    files: tuple[str, ...]
    tables: int
    rows: int
    content: str
    old_key: str
    new_key: str
