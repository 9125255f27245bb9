"""Transfers as signed decisions: who sends a copy, and who has seen the proof that one is gone.

Both are asked twice, like every decision: before the person signs, and inside the ledger's lock,
where what they signed must still be what there is to decide.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime

from deid_platform.core.errors import AuthorisationError
from deid_platform.core.workflow import Role, check_separation
from deid_platform.governance.chain import Records, ledger_id
from deid_platform.governance.destinations import Destination
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.register import register_in_force
from deid_platform.governance.requests import Actor, Request
from deid_platform.governance.signatures import Decision, check_holder, check_signed
from deid_platform.governance.transfers import Transfer, check_sendable, transfer_id

SENDERS = frozenset({Role.DATA_ENGINEER})
"""Who carries a release to a destination."""
CONFIRMERS = frozenset({Role.DATA_STEWARD, Role.THIRD_PARTY_MANAGER})
"""Who says that a receiver's copy is gone."""


def send_decision(
    records: Records,
    request: str,
    destination: Destination,
    retention_until: date | None,
    actor: Actor,
    at: str,
) -> Decision:
    """What a person signs to send a release to a destination.

    Raises:
        AuthorisationError: the release, the destination or the person does not allow it.
    """
    known = check_sendable(records, request, destination, retention_until)
    released = known.released
    return _decision(
        records,
        known,
        actor,
        Role.DATA_ENGINEER,
        SENDERS,
        at,
        step="transfer.send",
        decision="send",
        fingerprints={"manifest": released.manifest_digest if released else ""},
        answers={
            "transfer": transfer_id(known.release_id, destination),
            "release": known.release_id,
            "destination": destination.name,
            "retention_until": retention_until.isoformat() if retention_until else "",
        },
    )


def confirm_decision(
    records: Records,
    transfer: Transfer,
    request: Request,
    role: Role,
    actor: Actor,
    at: str,
    *,
    method: str,
    proof: str,
) -> Decision:
    """What a person signs who has seen that a receiver's copy is gone.

    Raises:
        AuthorisationError: the person may not say so.
    """
    return _decision(
        records,
        request,
        actor,
        role,
        CONFIRMERS,
        at,
        step="transfer.confirm_destruction",
        decision="confirm",
        fingerprints={},
        answers={"transfer": transfer.id, "method": method, "proof": proof},
    )


def signature_of(actor: Actor, decision: Decision) -> str:
    """The signature of who acts.

    Raises:
        AuthorisationError: they gave no key.
        ToolError: the key did not sign.
    """
    if actor.sign is None:
        raise AuthorisationError(
            decision.request,
            "a transfer counts only with a signature",
            "sign with your own key: --key FILE, or DEID_SIGNING_KEY",
        )
    return actor.sign(decision.payload())


def check_unchanged(ledger: Ledger, records: Records, signed: Decision, now: Decision,
                    signature: str) -> None:  # fmt: skip
    """Let a signature count only on what there is to decide now, inside the ledger's lock.

    Raises:
        AuthorisationError: something changed, or the signature does not count.
    """
    if now != signed:
        raise AuthorisationError(
            signed.request,
            "something changed between looking at it and deciding",
            "look at it again, and decide on what is there now",
        )
    check_signed(
        now, signature, register_in_force(records), ledger.now(), ledger=ledger_id(records)
    )


def _decision(
    records: Records,
    request: Request,
    actor: Actor,
    role: Role,
    allowed: Collection[Role],
    at: str,
    *,
    step: str,
    decision: str,
    fingerprints: Mapping[str, str],
    answers: Mapping[str, str],
) -> Decision:
    register = register_in_force(records)
    who = register.identity(actor.identity)
    if not who.is_person:
        raise AuthorisationError(
            request.id, f"a service may not {decision}", "a person does, by name and key"
        )
    if role not in allowed:
        names = " or ".join(sorted(one.value for one in allowed))
        raise AuthorisationError(
            request.id, f"the role {role.value} may not {decision}", f"this takes the role {names}"
        )
    check_separation(request.id, who, role, request.held)
    check_holder(who, role, register, datetime.fromisoformat(at), where=request.id)
    return Decision(
        request=request.id,
        step=step,
        decision=decision,
        person=str(who),
        role=role.value,
        at=at,
        ledger=ledger_id(records),
        register_digest=register.digest,
        fingerprints={**fingerprints, "follows": request.history[-1].hash},
        answers=dict(answers),
    )
