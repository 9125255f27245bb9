"""What the ledger records: one frozen dataclass per kind of event.

An event holds names, rules, counts and digests, never a cell value. Whoever records it supplies
ids; the ledger supplies the time. An event's canonical JSON is what its hash covers, so a field is
added only with a default, and never renamed.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from deid_platform.core.errors import LedgerError

if TYPE_CHECKING:
    from deid_platform.engine.gates import GateResult

Plain: TypeAlias = "str | int | float | bool | list[Plain] | dict[str, Plain] | None"
"""What an event's payload may be made of."""

_LONGEST_TEXT = 1_000


def canonical_json(value: Plain) -> str:
    """The one text of a value: sorted keys, no spaces, ASCII."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def check_plain(value: object, where: str = "event") -> Plain:
    """Pass JSON's own types through and refuse all else.

    Exact types only: a DataFrame, a row, a numpy scalar or an enum is a caller's mistake, and
    bytes or a date may be a cell.

    Raises:
        LedgerError: a value of another type, a non-finite number, a long or unprintable text.
    """
    if value is None or type(value) in (bool, int):
        return value  # type: ignore[return-value]
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is str and len(value) <= _LONGEST_TEXT and (value.isprintable() or not value):
        return value
    if type(value) in (list, tuple):
        return [check_plain(item, where) for item in value]  # type: ignore[attr-defined]
    if type(value) is dict:
        return {
            _key(key, where): check_plain(item, f"{where}.{key}") for key, item in value.items()
        }
    raise LedgerError(
        where,
        f"a value of type {type(value).__name__} that the ledger does not hold",
        "record names, counts and digests: printable text under 1,000 characters, finite "
        "numbers, and lists and objects of those",
    )


def _key(key: object, where: str) -> str:
    if type(key) is not str or not key.isprintable() or len(key) > _LONGEST_TEXT:
        raise LedgerError(where, "an object key that is not a name", "key it by a name")
    return key


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


def event_from(kind: str, payload: dict[str, Any]) -> Event:
    """Rebuild an event from what the ledger holds.

    Raises:
        LedgerError: a kind or a field that this version does not know.
    """
    try:
        return _KINDS[kind](
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
    """A table meets 45 CFR 164.514(b)(2)(i): what became of each of the 18 identifier classes.

    ``treatments`` maps each class to what removes it, or to the fact that the source declares
    none of it. ``actual_knowledge`` is the statement under 164.514(b)(2)(ii); see `determinations`
    for who may make it.
    """

    table: str
    contract_digest: str
    policy_digest: str
    treatments: dict[str, str]
    actual_knowledge: str
    by: str
    fingerprint: str | None = None


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
    """A publication's aggregate was assessed under the DDG; the score sheet is kept by digest."""

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


@dataclass(frozen=True, kw_only=True)
class RequestSubmitted(Event, kind="request.submitted", subject="publication"):
    """A person asks that one content of one candidate be released."""

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
    ledger does not know. `DeliveryMade` follows when the bytes are in place.
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
