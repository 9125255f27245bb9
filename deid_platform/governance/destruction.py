"""Records that a receiver has shown that its copy of a release is gone."""

from __future__ import annotations

import re

from deid_platform.core.errors import AuthorisationError
from deid_platform.core.workflow import Role
from deid_platform.governance.chain import Records
from deid_platform.governance.events import Event
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.register import register_in_force
from deid_platform.governance.requests import Actor, request_of
from deid_platform.governance.signatures import Decision, signature_lines
from deid_platform.governance.transfer_decisions import (
    check_unchanged,
    confirm_decision,
    signature_of,
)
from deid_platform.governance.transfer_events import DestructionConfirmed
from deid_platform.governance.transfers import Standing, Transfer, refused, transfer_of

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST = 300


def confirm_destruction(
    ledger: Ledger,
    *,
    transfer: str,
    method: str,
    proof: str,
    actor: Actor,
    role: Role = Role.DATA_STEWARD,
) -> Transfer:
    """Record the receiver's proof that its copy is destroyed or returned.

    Args:
        method: how, in one line.
        proof: SHA-256 of the receiver's certificate, which is kept with the contract.
        role: the one in which the person acts, of `transfer_decisions.CONFIRMERS`.

    Raises:
        AuthorisationError: there is no such copy, it is destroyed already, the proof is no digest,
            the person may not, did not sign, or confirms what they sent.
    """
    method = method.strip()
    known = transfer_of(ledger, transfer)

    def asked(records: Records, at: str) -> tuple[Transfer, Decision]:
        now = transfer_of(records, transfer)
        _check(records, now, method, proof, actor)
        request = request_of(records, now.request)
        return now, confirm_decision(
            records, now, request, role, actor, at, method=method, proof=proof
        )

    try:
        _, decision = asked(ledger, ledger.now().isoformat(timespec="seconds"))
        signature = signature_of(actor, decision)

        def command(records: Records) -> list[Event]:
            now, current = asked(records, decision.at)
            check_unchanged(ledger, records, decision, current, signature)
            return [
                DestructionConfirmed(
                    transfer=transfer,
                    request=now.request,
                    publication=now.publication,
                    destination=now.destination,
                    method=method,
                    proof=proof,
                    role=decision.role,
                    by=decision.person,
                    os_user=actor.os_user,
                    signed=decision.plain(),
                    signature=signature_lines(signature),
                )
            ]

        ledger.decide(command)
    except AuthorisationError as error:
        refused(ledger, error, publication=known.publication, request=known.request, actor=actor)
        raise
    return transfer_of(ledger, transfer)


def _check(records: Records, now: Transfer, method: str, proof: str, actor: Actor) -> None:
    who = str(register_in_force(records).identity(actor.identity))
    wrong = []
    if now.standing is Standing.DESTROYED:
        wrong.append("its destruction is confirmed already")
    if who in {one.by for one in now.starts}:
        wrong.append("separation of duties: who sent a copy may not confirm its destruction")
    if not method or len(method) > _LONGEST or not method.isprintable():
        wrong.append("the method is not one printable line")
    if not _SHA256.fullmatch(proof):
        wrong.append("the proof is not a SHA-256 digest")
    if wrong:
        raise AuthorisationError(now.id, "; ".join(wrong), "nothing was recorded")
