"""Whether the ledger authorises a release: the only place that says yes.

A blocking check in the scheduler only orders work. Whoever releases asks here, each time, with the
fingerprint of the table in hand; and each time every gate, every binding and every signature is
checked anew. No flag, variable or YAML key is consulted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from deid_platform.core.errors import AuthorisationError
from deid_platform.core.intake import Form
from deid_platform.core.steps import Fact, Step, required_steps, rule_of, step_of
from deid_platform.core.workflow import (
    AUTOMATIC,
    Role,
    State,
    check_role,
    check_separation,
)
from deid_platform.governance.chain import Records, ledger_id
from deid_platform.governance.events import RequestReleased
from deid_platform.governance.facts import (
    Binding,
    GateStanding,
    current_binding,
    digest_of,
    gate_standing,
)
from deid_platform.governance.register import AppliedRegister, applied_registers
from deid_platform.governance.request_events import DecisionRecorded
from deid_platform.governance.requests import (
    Actor,
    Decision,
    Request,
    requests,
)
from deid_platform.governance.signatures import check_signed, verify


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


def authorise(
    records: Records,
    publication: str,
    fingerprint: str,
    required_gates: Iterable[str],
    *,
    at: datetime,
    request: str | None = None,
    publication_digest: str | None = None,
    policy_digest: str | None = None,
    code_version: str | None = None,
) -> Authority:
    """Whether the ledger authorises the release of exactly this content, and by which request.

    Args:
        fingerprint: of the candidate, computed now by whoever asks.
        required_gates: every automated check that stands before a candidate.
        at: now.
        request: the request to release; by default the one for this content.
        publication_digest: of the declaration as it is now, where the caller knows it.
        policy_digest: of the policy as it is now, where the caller knows it.
        code_version: of the code as it is now, where the caller knows it.

    Raises:
        AuthorisationError: naming each thing that is missing.
    """
    binding = current_binding(records, publication, fingerprint)
    standing = gate_standing(records, binding, required_gates)
    known = requests(records, publication)
    chosen = known.get(request) if request else _request_for(known.values(), binding)
    repeated = chosen is not None and chosen.state is State.RELEASED
    declared = replace(
        binding,
        publication_digest=publication_digest or binding.publication_digest,
        policy_digest=policy_digest or binding.policy_digest,
        # The bytes of a release that is completed are compared with those recorded.
        code_version=binding.code_version if repeated else code_version or binding.code_version,
    )
    missing = [
        f"{part} changed after the candidate was built" for part in declared.differences(binding)
    ]
    missing += standing.missing
    if chosen is None:
        if request or not known:
            missing.append("there is no such request" if request else "nobody has requested it")
        else:
            missing.append("no request is for this content of the candidate")
    else:
        missing += _shortfalls(chosen, binding)
        missing += _expiry(chosen, at)
        missing += invalid_signatures(records, chosen)
    if missing or chosen is None:
        raise missing_error(request or publication, missing)
    return Authority(request=chosen, release_id=chosen.release_id, binding=binding, gates=standing)


def check_releaser(authority: Authority, actor: Actor) -> None:
    """Let neither the requester nor anybody who decided carry out the release.

    Raises:
        AuthorisationError: naming both roles.
    """
    check_separation(
        authority.request.id, actor.identity, Role.DATA_ENGINEER, authority.request.held
    )


def missing_error(where: str, missing: Iterable[str]) -> AuthorisationError:
    """The refusal that names everything missing, each once."""
    return AuthorisationError(
        where,
        "; ".join(dict.fromkeys(missing)),
        "nothing was released; see `deid request show` and run the gates again if they are stale",
    )


def invalid_signatures(records: Records, request: Request) -> list[str]:
    """Why a decision of a request does not count; empty where every signature holds.

    Each is judged by the register of its time, and its key by the register of now: a key revoked
    since, from before it signed, takes the decision away.
    """
    applied = applied_registers(records)
    if not applied:
        return ["no register is in force, so nobody was entitled to decide"]
    ledger = ledger_id(records)
    wrong = []
    for number, one in enumerate(request.decisions):
        step = step_of(one.action)
        if step is not None and one not in request.standing.get(step.step, ()):
            continue
        try:
            _check_decision(request, one, applied, ledger)
            _check_follows(request, number)
        except AuthorisationError as error:
            wrong.append(f"the {one.role.value}'s {one.action.value} does not count: {error.what}")
    for index, one in enumerate(request.decisions):
        before = [(other.by, other.role) for other in request.decisions[:index]]
        try:
            check_separation(request.id, one.by, one.role, before)
        except AuthorisationError as error:
            wrong.append(error.what)
    return wrong


def _check_decision(
    request: Request, one: Decision, applied: tuple[AppliedRegister, ...], ledger: str
) -> None:
    check_role(request.id, one.action, one.by, one.role)
    then = [known.register for known in applied if known.entry.sequence < one.sequence]
    if not then:
        raise AuthorisationError(request.id, "no register was in force then", "decide it anew")
    if not isinstance(one.event, DecisionRecorded):
        if one.by.is_person or one.action not in AUTOMATIC:
            raise AuthorisationError(request.id, "it is not signed", "sign it")
        then[-1].service(one.by)
        return
    at = datetime.fromisoformat(one.at)
    decision, signature = one.event.decided, "\n".join(one.event.signature)
    said = (decision.request, decision.step, decision.role, decision.person)
    if said != (request.id, one.action.value, one.role.value, str(one.by)) or (
        decision.fingerprints.get("content") != digest_of(dict(one.event.content))
    ):
        raise AuthorisationError(request.id, "something else was signed", "decide it anew")
    check_signed(decision, signature, then[-1], at, ledger=ledger)
    verify(decision.payload(), signature, one.by, applied[-1].register, at)


def _check_follows(request: Request, number: int) -> None:
    """A signature fits one moment of a request's history: it cannot be used a second time."""
    event = request.decisions[number].event
    if isinstance(event, DecisionRecorded):
        index = next(
            place
            for place, entry in enumerate(request.history)
            if entry.sequence == request.decisions[number].sequence
        )
        before = request.history[index - 1].hash if index else ""
        if event.decided.fingerprints.get("follows", "") != before:
            raise AuthorisationError(
                request.id, "it was signed at another point of the history", "decide it anew"
            )


def _request_for(known: Iterable[Request], binding: Binding) -> Request | None:
    matching = [one for one in known if one.facts.get(Fact.DATA) == binding.fingerprint]
    standing = [one for one in matching if one.state in (State.RELEASED, State.RELEASE_APPROVED)]
    chosen = standing or matching
    return chosen[-1] if chosen else None


def _shortfalls(request: Request, binding: Binding) -> list[str]:
    missing = []
    if request.publication != binding.publication:
        missing.append(f"request {request.id} is for another publication")
    if request.state is State.RELEASED:
        facts = binding.facts()
        missing += [
            f"{fact.words} differs from what request {request.id} released"
            for fact in (Fact.DATA, Fact.DECLARATION, Fact.POLICY, Fact.SCORE_SHEET)
            if facts[fact] != request.facts.get(fact)
        ]
        return missing
    for step, facts_changed in request.reopened.items():
        words = " and ".join(fact.words for fact in facts_changed)
        missing.append(f"{words} changed after {step.value}, which is open again")
    if request.state is State.RELEASE_APPROVED:
        return missing
    if request.profile is None:
        missing.append(f"request {request.id} was never signed: withdraw it and request anew")
    elif request.state in (
        *(State.RETURNED, State.REJECTED, State.WITHDRAWN, State.ON_HOLD, State.DISPUTED),
        *(State.EXPIRED, State.RECALLED, State.SUPERSEDED),
    ):
        missing.append(f"request {request.id} is {request.state.value}")
    else:
        missing += outstanding(request)
    return missing


def outstanding(request: Request) -> list[str]:
    """In words, the decisions that a pending request still takes."""
    if request.profile is None:
        return []
    found = []
    for step in required_steps(request.profile):
        for signer in request.outstanding(step):
            if step is Step.EXECUTION:
                found.append("its execution by the pipeline")
            else:
                article = "an approval" if step is Step.APPROVAL else rule_of(step).action.value
                who = f"{'an' if signer.words[0] in 'aeiou' else 'a'} {signer.words}"
                found.append(f"{article} by {who} other than the requester")
    return found


def _expiry(request: Request, at: datetime) -> list[str]:
    until = valid_until(request)
    if until is not None and at.date().isoformat() > until:
        return [f"its determination expired on {until}"]
    return []


def valid_until(request: Request) -> str | None:
    """The last day of what a release rests on: of its determination, or of its retention."""
    found = []
    determined = request.determination
    if determined is not None and determined.content.get("valid_until"):
        found.append(str(determined.content["valid_until"]))
    form: Form | None = request.form
    if form is not None and form.retention_until not in (None, "permanent"):
        found.append(str(form.retention_until))
    return min(found) if found else None
