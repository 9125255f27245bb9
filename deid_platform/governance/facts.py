"""What a decision is about, as the ledger knows it: content, rules, code, checks, recipients."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from deid_platform.core.errors import AuthorisationError
from deid_platform.core.intake import Form
from deid_platform.core.register import Register
from deid_platform.core.steps import Fact
from deid_platform.engine.gates import Stage, gates_for
from deid_platform.governance.chain import Records
from deid_platform.governance.events import CandidateBuilt, GateEvaluated
from deid_platform.governance.plain import canonical_json


class _Bound(Protocol):
    @property
    def publication(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def publication_digest(self) -> str: ...
    @property
    def policy_digest(self) -> str: ...
    @property
    def score_sheet_digest(self) -> str | None: ...


@dataclass(frozen=True, kw_only=True)
class Binding:
    """One content of one candidate, and the rules and the code it was made by."""

    publication: str
    fingerprint: str
    publication_digest: str
    policy_digest: str
    score_sheet_digest: str | None
    code_version: str | None = None

    @classmethod
    def of(cls, event: _Bound) -> Binding:
        """The binding that an event carries."""
        return cls(
            publication=event.publication,
            fingerprint=event.fingerprint,
            publication_digest=event.publication_digest,
            policy_digest=event.policy_digest,
            score_sheet_digest=event.score_sheet_digest,
            code_version=getattr(event, "code_version", None),
        )

    def facts(self) -> dict[Fact, str]:
        """The same by name, as decisions bind it."""
        return {
            Fact.DATA: self.fingerprint,
            Fact.DECLARATION: self.publication_digest,
            Fact.POLICY: self.policy_digest,
            Fact.SCORE_SHEET: self.score_sheet_digest or "",
            Fact.CODE: self.code_version or "",
        }

    def differences(self, other: Binding) -> tuple[str, ...]:
        """What differs, in words a person can act on."""
        mine, theirs = self.facts(), other.facts()
        return tuple(fact.words for fact in Fact if mine.get(fact) != theirs.get(fact))


@dataclass(frozen=True, kw_only=True)
class GateStanding:
    """The latest results of the required automated checks on one content."""

    results: tuple[GateEvaluated, ...]
    missing: tuple[str, ...]

    @property
    def digest(self) -> str:
        """What a decision binds: which gates said what. Counts of what was merely seen, which
        grow with the raw zone, are not part of it."""
        return digest_of(
            [
                [one.gate, one.passed, one.rule, one.failures, one.policy_digest]
                for one in self.results
            ]
        )


def digest_of(value: Any) -> str:
    """SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()


def candidate_gates() -> tuple[str, ...]:
    """Names of every gate that stands before a candidate: those of the folder, no list to edit."""
    return tuple(gate.name for gate in gates_for(Stage.CANDIDATE))


def candidate_asset(publication: str) -> str:
    """How gates name the candidate of a publication."""
    return f"candidate/{publication}"


def latest_candidate(records: Records, publication: str) -> CandidateBuilt | None:
    """The candidate that the pipeline recorded last."""
    last: CandidateBuilt | None = None
    for entry in records.entries(kinds=[CandidateBuilt], subject=publication):
        event = entry.event
        if isinstance(event, CandidateBuilt):
            last = event
    return last


def gate_standing(
    records: Records, binding: Binding, required_gates: Iterable[str]
) -> GateStanding:
    """The latest result of each required gate for exactly this content and policy.

    Raises:
        AuthorisationError: no gate is required, which would authorise anything.
    """
    required = sorted(set(required_gates))
    if not required:
        raise AuthorisationError(
            binding.publication, "no gate is required before it", "restore engine/gates"
        )
    latest: dict[str, GateEvaluated] = {}
    for entry in records.entries(
        kinds=[GateEvaluated], subject=candidate_asset(binding.publication)
    ):
        event = entry.event
        if isinstance(event, GateEvaluated) and event.fingerprint == binding.fingerprint:
            latest[event.gate] = event
    missing = []
    for name in required:
        result = latest.get(name)
        if result is None:
            missing.append(f"gate {name} was not evaluated on this content")
        elif not result.passed:
            missing.append(f"gate {name} did not pass ({result.rule})")
        elif result.policy_digest != binding.policy_digest:
            missing.append(f"gate {name} was evaluated under another policy")
    return GateStanding(
        results=tuple(latest[name] for name in required if name in latest), missing=tuple(missing)
    )


def current_binding(records: Records, publication: str, fingerprint: str | None = None) -> Binding:
    """What the pipeline recorded last of a candidate, held against the table's fingerprint.

    Raises:
        AuthorisationError: no candidate was recorded, or the table is not the last one.
    """
    candidate = latest_candidate(records, publication)
    if candidate is None:
        raise AuthorisationError(
            publication,
            "the pipeline has recorded no candidate of it",
            "build it with `deid run`; a table made by hand cannot be released",
        )
    if fingerprint is not None and candidate.fingerprint != fingerprint:
        raise AuthorisationError(
            publication,
            "the candidate table is not the one the pipeline recorded last",
            "build it again with `deid run`; a changed table cannot be released",
        )
    return Binding.of(candidate)


def recipients_digest(form: Form, register: Register) -> str:
    """Digest of who receives the data and where: the form's words and the register's entries."""
    destination = register.destinations.get(form.destination)
    party = register.third_parties.get(form.third_party)
    return digest_of(
        [
            [[one.kind, one.name] for one in form.recipients],
            destination.model_dump(mode="json") if destination else form.destination,
            party.model_dump(mode="json") if party else form.third_party,
        ]
    )


def facts_now(
    records: Records,
    form: Form,
    register: Register,
    binding: Binding,
    required_gates: Iterable[str] | None = None,
) -> dict[Fact, str]:
    """Every fact of a request as it is now; checks that did not all pass have no digest."""
    standing = gate_standing(
        records, binding, candidate_gates() if required_gates is None else required_gates
    )
    return {
        **binding.facts(),
        Fact.FORM: form.digest,
        Fact.RECIPIENTS: recipients_digest(form, register),
        Fact.CHECKS: "" if standing.missing else standing.digest,
    }
