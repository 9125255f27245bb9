"""Whether the ledger authorises a release: the only place that says yes.

A blocking check in the scheduler only orders work. Whoever releases asks here, each time, with the
fingerprint of the table in hand. No flag, variable or YAML key is consulted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from deid_platform.core.errors import AuthorisationError
from deid_platform.core.workflow import Role, State, check_separation
from deid_platform.engine.gates import Stage, gates_for
from deid_platform.governance.chain import Records
from deid_platform.governance.events import GateEvaluated, RequestReleased
from deid_platform.governance.requests import (
    Actor,
    Binding,
    Request,
    digest_of,
    latest_candidate,
    next_approver,
    requests,
)


@dataclass(frozen=True, kw_only=True)
class GateStanding:
    """The latest results of the required gates on one content."""

    results: tuple[GateEvaluated, ...]
    missing: tuple[str, ...]

    @property
    def digest(self) -> str:
        """What an approval binds: which gates said what. Counts of what was merely seen, which
        grow with the raw zone, are not part of it."""
        return digest_of(
            [
                [one.gate, one.passed, one.rule, one.failures, one.policy_digest]
                for one in self.results
            ]
        )


@dataclass(frozen=True, kw_only=True)
class Authority:
    """Proof that the ledger authorises one release of one content; only `authorise` makes one."""

    request: Request
    release_id: str
    binding: Binding
    gates: GateStanding

    @property
    def already_released(self) -> RequestReleased | None:
        """The release event, where this release was recorded before."""
        return self.request.released


def candidate_gates() -> tuple[str, ...]:
    """Names of every gate that stands before a candidate: those of the folder, no list to edit."""
    return tuple(gate.name for gate in gates_for(Stage.CANDIDATE))


def candidate_asset(publication: str) -> str:
    """How gates name the candidate of a publication."""
    return f"candidate/{publication}"


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


def authorise(
    records: Records,
    publication: str,
    fingerprint: str,
    required_gates: Iterable[str],
    *,
    request: str | None = None,
    publication_digest: str | None = None,
    policy_digest: str | None = None,
) -> Authority:
    """Whether the ledger authorises the release of exactly this content, and by which request.

    Args:
        fingerprint: of the candidate, computed now by whoever asks.
        required_gates: every gate that stands before a candidate.
        request: the request to release; by default the one for this content.
        publication_digest: of the declaration as it is now, where the caller knows it.
        policy_digest: of the policy as it is now, where the caller knows it.

    Raises:
        AuthorisationError: naming each thing that is missing.
    """
    binding = current_binding(records, publication, fingerprint)
    declared = replace(
        binding,
        publication_digest=publication_digest or binding.publication_digest,
        policy_digest=policy_digest or binding.policy_digest,
    )
    missing = [
        f"{part} changed after the candidate was built" for part in declared.differences(binding)
    ]
    standing = gate_standing(records, binding, required_gates)
    missing += standing.missing
    known = requests(records, publication)
    chosen = known.get(request) if request else _request_for(known.values(), binding)
    if chosen is None:
        if request or not known:
            missing.append("there is no such request" if request else "nobody has requested it")
        else:
            missing.append("no request is for this content of the candidate")
    else:
        missing += _shortfalls(chosen, binding, standing)
    if missing or chosen is None:
        raise missing_error(request or publication, missing)
    return Authority(request=chosen, release_id=chosen.release_id, binding=binding, gates=standing)


def check_releaser(authority: Authority, actor: Actor) -> None:
    """Let neither the requester nor an approver carry out the release.

    Raises:
        AuthorisationError: naming both roles.
    """
    check_separation(
        authority.request.id, actor.identity, Role.DATA_ENGINEER, authority.request.held
    )


def current_binding(records: Records, publication: str, fingerprint: str | None) -> Binding:
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


def missing_error(where: str, missing: Iterable[str]) -> AuthorisationError:
    """The refusal that names everything missing, each once."""
    return AuthorisationError(
        where,
        "; ".join(dict.fromkeys(missing)),
        "nothing was released; see `deid request show` and run the gates again if they are stale",
    )


def _request_for(known: Iterable[Request], binding: Binding) -> Request | None:
    matching = [one for one in known if one.binding == binding]
    standing = [one for one in matching if one.state in (State.RELEASED, State.RELEASE_APPROVED)]
    chosen = standing or matching
    return chosen[-1] if chosen else None


def _shortfalls(request: Request, binding: Binding, standing: GateStanding) -> list[str]:
    missing = [
        f"{part} differs from what request {request.id} asks for"
        for part in request.binding.differences(binding)
    ]
    if request.publication != binding.publication:
        missing.append(f"request {request.id} is for another publication")
    if request.state is State.SUBMITTED:
        missing.append(f"an approval by a {next_approver(request).value} other than the requester")
    elif request.state not in (State.RELEASE_APPROVED, State.RELEASED):
        missing.append(f"request {request.id} is {request.state.value}")
    for approval in request.approvals:
        if approval.by == request.requester:
            missing.append("separation of duties: the approver is the requester")
        missing += [
            f"{part} differs from what the {approval.role.value} approved"
            for part in approval.binding.differences(binding)
        ]
        if approval.gates_digest != standing.digest:
            missing.append(f"the gate results differ from what the {approval.role.value} approved")
    return missing
