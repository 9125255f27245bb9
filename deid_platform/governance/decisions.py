"""What people do to a release request: each a command in, one event out.

A decision is taken inside the ledger's lock: what it was based on cannot change before it is
recorded. A refusal is recorded too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from deid_platform.core.errors import AuthorisationError
from deid_platform.core.workflow import (
    Action,
    Role,
    State,
    check_role,
    check_separation,
    check_state,
)
from deid_platform.governance.authority import (
    candidate_gates,
    current_binding,
    gate_standing,
    missing_error,
)
from deid_platform.governance.chain import Records
from deid_platform.governance.events import (
    ActionRefused,
    Event,
    RequestApproved,
    RequestRecalled,
    RequestRejected,
    RequestSubmitted,
    RequestWithdrawn,
)
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.requests import Actor, Binding, Request, request_of, requests

_REQUEST_ID = re.compile(r"[a-z0-9][a-z0-9-]{2,62}")
_LONGEST_PURPOSE = 500


def submit(
    ledger: Ledger,
    *,
    request: str,
    publication: str,
    purpose: str,
    actor: Actor,
    fingerprint: str | None = None,
) -> Request:
    """Ask for the release of the candidate as it stands.

    Args:
        request: an id for it, new.
        fingerprint: of ``limited.candidate.<publication>``, where the caller can read it. People
            who ask and decide hold no key of that zone: they go by what the pipeline recorded
            last, and the release compares the table itself.

    Raises:
        AuthorisationError: the candidate is not one the pipeline recorded last, the purpose is
            missing, a service asks, or the content was requested already.
    """
    purpose = purpose.strip()

    def command(records: Records) -> list[Event]:
        check_role(publication, Action.SUBMIT, actor.identity, Role.REQUESTER)
        check_state(publication, State.DRAFT, Action.SUBMIT)
        if not 10 <= len(purpose) <= _LONGEST_PURPOSE or not purpose.isprintable():
            raise AuthorisationError(
                publication,
                "the purpose is too short, too long or not one printable line",
                f"say in 10 to {_LONGEST_PURPOSE} characters what the table is for",
            )
        if not _REQUEST_ID.fullmatch(request):
            raise AuthorisationError(
                "request id", "not lower-case letters, digits and dashes", "choose another"
            )
        if request in requests(records):
            raise AuthorisationError(request, "this request exists already", "choose another id")
        binding = current_binding(records, publication, fingerprint)
        for other in requests(records, publication).values():
            if other.binding == binding and other.state in (
                State.SUBMITTED,
                State.RELEASE_APPROVED,
                State.RELEASED,
            ):
                raise AuthorisationError(
                    publication,
                    f"request {other.id} already asks for exactly this content",
                    "go on with that one",
                )
        return [
            RequestSubmitted(
                request=request,
                **_fields(binding),
                purpose=purpose,
                by=str(actor.identity),
                os_user=actor.os_user,
            )
        ]

    _decide(ledger, publication, Action.SUBMIT, actor, command, None)
    return request_of(ledger, request)


def approve(
    ledger: Ledger,
    *,
    request: str,
    role: Role,
    actor: Actor,
    fingerprint: str | None = None,
) -> Request:
    """Approve a request, bound to what it asks for and to the gate results as they stand.

    Args:
        fingerprint: as for `submit`.

    Raises:
        AuthorisationError: naming the rule: wrong state or role, the requester approves, the
            candidate changed, or a gate did not pass.
    """
    known = request_of(ledger, request)

    def command(records: Records) -> list[Event]:
        now = request_of(records, request)
        check_separation(request, actor.identity, role, now.held)
        check_role(request, Action.APPROVE, actor.identity, role)
        check_state(request, now.state, Action.APPROVE)
        _check_unchanged(now, current_binding(records, now.publication, fingerprint))
        standing = gate_standing(records, now.binding, candidate_gates())
        if standing.missing:
            raise missing_error(request, standing.missing)
        return [
            RequestApproved(
                request=request,
                **_fields(now.binding),
                gates=tuple(result.gate for result in standing.results),
                gates_digest=standing.digest,
                role=role.value,
                by=str(actor.identity),
                os_user=actor.os_user,
            )
        ]

    _decide(ledger, known.publication, Action.APPROVE, actor, command, request)
    return request_of(ledger, request)


def reject(ledger: Ledger, *, request: str, reason: str, role: Role, actor: Actor) -> Request:
    """Refuse a request for good.

    Raises:
        AuthorisationError: wrong state, role or person.
    """
    return _end(ledger, Action.REJECT, RequestRejected, request, reason, role, actor)


def recall(ledger: Ledger, *, request: str, reason: str, role: Role, actor: Actor) -> Request:
    """Declare that a release must no longer be used.

    Raises:
        AuthorisationError: wrong state, role or person.
    """
    return _end(ledger, Action.RECALL, RequestRecalled, request, reason, role, actor)


def withdraw(ledger: Ledger, *, request: str, reason: str, actor: Actor) -> Request:
    """Take one's own request back.

    Raises:
        AuthorisationError: it is another person's, or past that.
    """
    known = request_of(ledger, request)

    def command(records: Records) -> list[Event]:
        now = request_of(records, request)
        check_state(request, now.state, Action.WITHDRAW)
        if actor.identity != now.requester:
            raise AuthorisationError(
                request, "only its requester may withdraw a request", "an approver may reject it"
            )
        return [
            RequestWithdrawn(
                request=request,
                publication=now.publication,
                reason=_reason(request, reason),
                by=str(actor.identity),
                os_user=actor.os_user,
            )
        ]

    _decide(ledger, known.publication, Action.WITHDRAW, actor, command, request)
    return request_of(ledger, request)


def record_refusal(
    ledger: Ledger,
    error: AuthorisationError,
    *,
    publication: str,
    action: Action,
    actor: Actor,
    request: str | None,
) -> None:
    """Note that somebody tried what the rules forbid."""
    ledger.append(
        ActionRefused(
            publication=publication,
            action=action.value,
            reasons=tuple(error.what.split("; ")),
            by=str(actor.identity),
            os_user=actor.os_user,
            request=request,
        )
    )


def _decide(
    ledger: Ledger,
    publication: str,
    action: Action,
    actor: Actor,
    command: Callable[[Records], list[Event]],
    request: str | None,
) -> None:
    try:
        ledger.decide(command)
    except AuthorisationError as error:
        record_refusal(
            ledger, error, publication=publication, action=action, actor=actor, request=request
        )
        raise


def _end(
    ledger: Ledger,
    action: Action,
    event: type[RequestRejected] | type[RequestRecalled],
    request: str,
    reason: str,
    role: Role,
    actor: Actor,
) -> Request:
    known = request_of(ledger, request)

    def command(records: Records) -> list[Event]:
        now = request_of(records, request)
        check_separation(request, actor.identity, role, now.held)
        check_role(request, action, actor.identity, role)
        check_state(request, now.state, action)
        return [
            event(
                request=request,
                publication=now.publication,
                reason=_reason(request, reason),
                role=role.value,
                by=str(actor.identity),
                os_user=actor.os_user,
            )
        ]

    _decide(ledger, known.publication, action, actor, command, request)
    return request_of(ledger, request)


def _check_unchanged(request: Request, binding: Binding) -> None:
    changed = request.binding.differences(binding)
    if changed:
        raise AuthorisationError(
            request.id,
            " and ".join(changed) + " changed after the request",
            "withdraw it and request the release of what is there now",
        )


def _reason(where: str, reason: str) -> str:
    reason = reason.strip()
    if not reason or len(reason) > _LONGEST_PURPOSE or not reason.isprintable():
        raise AuthorisationError(
            where, "a reason of one printable line is needed", "say why in --reason"
        )
    return reason


def _fields(binding: Binding) -> dict[str, Any]:
    return {
        "publication": binding.publication,
        "fingerprint": binding.fingerprint,
        "publication_digest": binding.publication_digest,
        "policy_digest": binding.policy_digest,
        "score_sheet_digest": binding.score_sheet_digest,
    }
