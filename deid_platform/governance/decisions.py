"""What people do to a release request: each a command in, one signed event out.

All rules are asked twice: before the person signs, and again inside the ledger's lock, where what
they signed must still be what there is to decide. A refusal is recorded too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from deid_platform.core.errors import AuthorisationError, DeidError
from deid_platform.core.intake import Form
from deid_platform.core.register import Register
from deid_platform.core.steps import Fact
from deid_platform.core.workflow import (
    AUTOMATIC,
    Action,
    Identity,
    Role,
    State,
    check_role,
    check_separation,
    check_state,
)
from deid_platform.governance.chain import Records, ledger_id
from deid_platform.governance.events import ActionRefused, Event
from deid_platform.governance.facts import current_binding, digest_of, facts_now
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.plain import Plain
from deid_platform.governance.register import register_in_force
from deid_platform.governance.request_events import DecisionRecorded, StepRecorded
from deid_platform.governance.requests import Actor, Request, request_of, requests
from deid_platform.governance.signatures import (
    Decision,
    check_holder,
    check_signed,
    signature_lines,
)
from deid_platform.governance.step_checks import check_step, form_of

_REQUEST_ID = re.compile(r"[a-z0-9][a-z0-9-]{2,62}")
_LONGEST_REASON = 500
_NEEDS_REASON = frozenset(
    {
        *(Action.RETURN, Action.REJECT, Action.WITHDRAW, Action.HOLD, Action.RECALL),
        *(Action.DISPUTE, Action.MEDIATE, Action.DECIDE_FOR, Action.DECIDE_AGAINST),
    }
)


@dataclass(frozen=True, kw_only=True)
class Command:
    """What somebody wants to do to a request.

    ``content`` is what the step carries (`governance.step_checks`). ``fingerprint`` is of the
    candidate's table where the caller can read it: people who decide hold no key of that zone, and
    go by what the pipeline recorded last.
    """

    action: Action
    request: str
    role: Role
    publication: str = ""
    reason: str = ""
    conditions: tuple[str, ...] = ()
    content: Mapping[str, Plain] = field(default_factory=dict)
    fingerprint: str | None = None


def act(ledger: Ledger, actor: Actor, command: Command) -> Request:
    """Take one step of a request, signed by who takes it.

    Raises:
        AuthorisationError: naming the rule: wrong state, role, person or key, something changed
            meanwhile, or the step's own conditions are not met. The refusal is recorded.
        DeclarationError: a form or a determination is incomplete.
    """
    try:
        before = _checked(ledger, actor, command, ledger.now())
        signature = _signed(actor, command, before.decision)

        def record(records: Records) -> list[Event]:
            at = ledger.now()
            now = _checked(records, actor, command, at, signed_at=before.decision.at)
            if now.decision != before.decision:
                raise AuthorisationError(
                    command.request,
                    "something changed between looking at it and deciding",
                    "look at it again, and decide on what is there now",
                )
            if signature:
                check_signed(now.decision, signature, now.register, at, ledger=ledger_id(records))
            return [_event(actor, command, now, signature)]

        ledger.decide(record)
    except AuthorisationError as error:
        record_refusal(
            ledger,
            error,
            publication=command.publication or _publication_of(ledger, command),
            action=command.action,
            actor=actor,
            request=command.request,
        )
        raise
    return request_of(ledger, command.request)


def submit(
    ledger: Ledger, *, request: str, form: Mapping[str, Any], actor: Actor, **more: Any
) -> Request:
    """Ask for a release by a complete form (`core.intake`).

    Args:
        request: an id for it, new.

    Raises:
        AuthorisationError: see `act`.
        FormError: naming everything that is wrong with the form.
    """
    return act(
        ledger,
        actor,
        Command(
            action=Action.SUBMIT,
            request=request,
            role=Role.REQUESTER,
            publication=str(form.get("dataset", "")) if isinstance(form, Mapping) else "",
            content={"form": dict(form)},
            **more,
        ),
    )


def record_refusal(
    ledger: Ledger,
    error: DeidError,
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
            reasons=tuple(part[:900] for part in error.what.split("; ")),
            by=str(actor.identity),
            os_user=actor.os_user,
            request=request,
        )
    )


def carried_out(
    request: Request, register: Register, actor: Actor, action: Action, facts: Mapping[Fact, str]
) -> StepRecorded:
    """The event of a step that the pipeline takes by itself."""
    return StepRecorded(
        request=request.id,
        publication=request.publication,
        action=action.value,
        role=Role.DATA_ENGINEER.value,
        by=str(actor.identity),
        os_user=actor.os_user,
        register_digest=register.digest,
        fingerprints={fact.value: value for fact, value in facts.items()},
    )


@dataclass(frozen=True, kw_only=True)
class _Checked:
    """A command that every rule lets pass, and what there is to sign."""

    decision: Decision
    register: Register
    publication: str
    facts: Mapping[Fact, str]
    content: dict[str, Plain]


def _checked(
    records: Records,
    actor: Actor,
    command: Command,
    at: datetime,
    signed_at: str | None = None,
) -> _Checked:
    register = register_in_force(records)
    who = register.identity(actor.identity)
    if command.action is Action.SUBMIT:
        request, form, publication = None, form_of(records, command.content, register, at), ""
        publication = form.dataset
        _check_new(records, command, form, publication)
    else:
        request = request_of(records, command.request)
        publication = request.publication
        if request.form is None and command.action not in (Action.REJECT, Action.WITHDRAW):
            raise AuthorisationError(
                command.request,
                "it was requested before decisions were signed",
                "withdraw it and request the release anew",
            )
        form = request.form or Form()
    check_separation(command.request, who, command.role, request.held if request else ())
    check_role(command.request, command.action, who, command.role)
    check_state(command.request, request.state if request else State.DRAFT, command.action)
    _check_entitled(command, who, register, at)
    if command.action in (Action.WITHDRAW, Action.RESUBMIT) and request:
        _check_own(command, who, request)
    if command.action is Action.RESUBMIT:
        form = form_of(records, command.content, register, at)
        if form.dataset != publication:
            raise AuthorisationError(
                command.request, "the form is for another dataset", "request that one anew"
            )
    binding = current_binding(records, publication, command.fingerprint)
    facts = facts_now(records, form, register, binding)
    content = check_step(records, command.action, command.role, request, facts, register,
                         who, dict(command.content), at)  # fmt: skip
    if command.action in (Action.SUBMIT, Action.RESUBMIT):
        content = {"form": form.document()}
    decision = Decision(
        request=command.request,
        step=command.action.value,
        decision=command.action.value,
        person=str(who),
        role=command.role.value,
        at=signed_at or at.isoformat(timespec="seconds"),
        ledger=ledger_id(records),
        register_digest=register.digest,
        policy_digest=binding.policy_digest,
        fingerprints={
            **{fact.value: value for fact, value in facts.items()},
            "content": digest_of(content),
            "follows": request.history[-1].hash if request else "",
        },
        conditions=command.conditions,
        reason=_reason(command),
    )
    return _Checked(
        decision=decision,
        register=register,
        publication=publication,
        facts=facts,
        content=content,
    )


def _check_entitled(command: Command, who: Identity, register: Register, at: datetime) -> None:
    if who.is_person:
        check_holder(who, command.role, register, at, where=command.request)
    else:
        register.service(who)


def _check_new(records: Records, command: Command, form: Form, publication: str) -> None:
    if not _REQUEST_ID.fullmatch(command.request):
        raise AuthorisationError(
            "request id", "not lower-case letters, digits and dashes", "choose another"
        )
    known = requests(records)
    if command.request in known:
        raise AuthorisationError(
            command.request, "this request exists already", "choose another id"
        )
    binding = current_binding(records, publication, command.fingerprint)
    for other in known.values():
        same_place = other.form is not None and other.form.destination == form.destination
        same_content = other.facts.get(Fact.DATA) == binding.fingerprint
        pending = other.state not in (
            *(State.REJECTED, State.WITHDRAWN, State.RELEASED, State.EXPIRED),
            *(State.RECALLED, State.SUPERSEDED),
        )
        if (
            other.publication == publication
            and same_place
            and (pending or (other.state is State.RELEASED and same_content))
        ):
            raise AuthorisationError(
                publication,
                f"request {other.id} already asks for exactly this",
                "go on with that one",
            )


def _check_own(command: Command, who: Identity, request: Request) -> None:
    if who != request.requester:
        raise AuthorisationError(
            command.request,
            f"only its requester may {command.action.value} a request",
            "a reviewer may return or reject it",
        )


def _signed(actor: Actor, command: Command, decision: Decision) -> str:
    if not actor.identity.is_person:
        if command.action not in AUTOMATIC:
            raise AuthorisationError(
                command.request, f"a service may not {command.action.value}", "a person decides"
            )
        return ""
    if actor.sign is None:
        raise AuthorisationError(
            command.request,
            "a decision counts only with a signature",
            "sign with your own key: --key FILE, or DEID_SIGNING_KEY",
        )
    return actor.sign(decision.payload())


def _event(actor: Actor, command: Command, now: _Checked, signature: str) -> Event:
    if not signature:
        return StepRecorded(
            request=command.request,
            publication=now.publication,
            action=command.action.value,
            role=command.role.value,
            by=str(actor.identity),
            os_user=actor.os_user,
            register_digest=now.register.digest,
            fingerprints={fact.value: value for fact, value in now.facts.items()},
            content=now.content,
            reason=now.decision.reason or "",
        )
    return DecisionRecorded(
        request=command.request,
        publication=now.publication,
        action=command.action.value,
        role=command.role.value,
        by=now.decision.person,
        os_user=actor.os_user,
        content=now.content,
        signed=now.decision.plain(),
        signature=signature_lines(signature),
    )


def _publication_of(ledger: Ledger, command: Command) -> str:
    known = requests(ledger, only=command.request).get(command.request)
    return known.publication if known else command.request


def _reason(command: Command) -> str | None:
    reason = command.reason.strip()
    if not reason and command.action not in _NEEDS_REASON:
        return None
    if not reason or len(reason) > _LONGEST_REASON or not reason.isprintable():
        raise AuthorisationError(
            command.request, "a reason of one printable line is needed", "say why in --reason"
        )
    return reason
