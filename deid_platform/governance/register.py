"""The register in force: the last one that somebody entitled to it applied and signed.

The ledger holds each applied register whole, so that any past decision can be judged by the
register of its time. A register is applied by a data coordinator or a director of the one in
force; the first, where there is none, by one of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from deid_platform.core.contract import first_of
from deid_platform.core.errors import AuthorisationError, DeclarationError, LedgerError
from deid_platform.core.register import Register
from deid_platform.core.register.changes import RegisterChange, register_changes
from deid_platform.core.register.checks import register_problems
from deid_platform.core.workflow import Identity, Role
from deid_platform.governance.chain import GENESIS, Entry, Records, ledger_id
from deid_platform.governance.events import Event
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.plain import canonical_json
from deid_platform.governance.register_events import RegisterApplied
from deid_platform.governance.signatures import Decision, check_signed, signature_lines

SUBJECT = "register"
STEP = "register.apply"
APPLIERS = frozenset({Role.DATA_COORDINATOR, Role.DIRECTOR})
"""Who may put a register in force."""


@dataclass(frozen=True, kw_only=True)
class AppliedRegister:
    """A register with the entry that put it in force."""

    register: Register
    entry: Entry

    @property
    def since(self) -> datetime:
        """When it came into force."""
        return datetime.fromisoformat(self.entry.at)


def applied_registers(records: Records) -> tuple[AppliedRegister, ...]:
    """Every register that was ever in force, oldest first, each verified by the one before it.

    Raises:
        LedgerError: one was not applied by somebody entitled to it, or its content is not what
            was signed.
    """
    found: list[AppliedRegister] = []
    ledger = ledger_id(records)
    for entry in records.entries(kinds=[RegisterApplied]):
        found.append(_checked(entry, found[-1] if found else None, ledger))
    return tuple(found)


def register_in_force(records: Records) -> Register:
    """The register applied last.

    Raises:
        AuthorisationError: none was applied yet.
        LedgerError: see `applied_registers`.
    """
    found = applied_registers(records)
    if not found:
        raise AuthorisationError(
            SUBJECT,
            "no register is in force, so nobody may decide anything",
            "apply one: deid register apply",
        )
    return found[-1].register


def register_as_of(records: Records, sequence: int) -> Register:
    """The register that was in force when an entry was recorded.

    Raises:
        AuthorisationError: none was.
        LedgerError: see `applied_registers`.
    """
    found = [one for one in applied_registers(records) if one.entry.sequence < sequence]
    if not found:
        raise AuthorisationError(
            f"ledger entry {sequence}", "no register was in force then", "nothing was entitled"
        )
    return found[-1].register


def current_or_none(records: Records) -> Register | None:
    """The register in force, or None before the first is applied.

    Raises:
        LedgerError: see `applied_registers`.
    """
    found = applied_registers(records)
    return found[-1].register if found else None


def plan(old: Register | None, new: Register) -> tuple[RegisterChange, ...]:
    """What applying a register would change, in the order of its sections."""
    return register_changes(old.content if old else {}, new.content)


def apply_decision(
    records: Records, new: Register, *, person: Identity | str, role: Role, at: datetime
) -> Decision:
    """What must be signed to put a register in force in place of the one there is now."""
    found = applied_registers(records)
    old = found[-1].register if found else None
    return Decision(
        request=SUBJECT,
        step=STEP,
        decision="apply",
        person=str((old or new).identity(person)),
        role=role.value,
        at=at.isoformat(timespec="seconds"),
        ledger=ledger_id(records),
        register_digest=(old or new).digest,
        fingerprints=_change(new.digest, found[-1] if found else None),
    )


def apply(
    ledger: Ledger,
    new: Register,
    *,
    decision: Decision,
    signature: str,
    os_user: str,
    clock: Callable[[], datetime],
) -> Entry:
    """Put a register in force, if it is sound and the decision to do so is signed.

    Args:
        decision: of `apply_decision`; `signature` is over its payload.

    Raises:
        DeclarationError: entries of the register do not fit together.
        AuthorisationError: the signature does not count, its holder may not, or another register
            came into force meanwhile.
    """

    def command(records: Records) -> list[Event]:
        at = clock()
        problems = register_problems(new, at)
        if problems:
            raise first_of(problems)
        found = applied_registers(records)
        before = found[-1] if found else None
        old = before.register if before else None
        if old is not None and old.digest == new.digest:
            raise AuthorisationError(SUBJECT, "this register is in force already", "change nothing")
        event = RegisterApplied(
            register=SUBJECT,
            digest=new.digest,
            previous=old.digest if old else GENESIS,
            content=dict(new.content),
            role=decision.role,
            by=decision.person,
            os_user=os_user,
            signed=decision.plain(),
            signature=signature_lines(signature),
        )
        _check_applied(event, new, before, at, ledger_id(records))
        return [event]

    return ledger.decide(command)[0]


def _checked(entry: Entry, before: AppliedRegister | None, ledger: str) -> AppliedRegister:
    where = f"ledger entry {entry.sequence}"
    event = entry.event
    if not isinstance(event, RegisterApplied):
        raise LedgerError(where, "not a register", "verify the ledger: deid audit verify")
    # The content's hash is the key: the chain's hash covers it, but that is verified elsewhere.
    try:
        register = _parsed(canonical_json(entry.payload["content"]))
    except DeclarationError:
        register = None
    if register is None or register.digest != event.digest:
        raise LedgerError(
            where,
            "the register is not the one that was signed",
            "nothing is authorised under it: restore the ledger and find out who changed it",
        )
    # The first register may be the first entry: it was signed for a ledger that was empty.
    known = GENESIS if entry.sequence == 1 else ledger
    try:
        _check_applied(event, register, before, datetime.fromisoformat(entry.at), known)
    except AuthorisationError as error:
        raise LedgerError(
            where,
            f"nobody entitled to it put this register in force ({error.what})",
            "nothing is authorised under it: restore the ledger and find out who changed it",
        ) from None
    return AppliedRegister(register=register, entry=entry)


def _change(digest: str, before: AppliedRegister | None) -> dict[str, str]:
    """What a signature names: ``follows`` makes it fit once, though a register comes back."""
    return {
        "register": digest,
        "previous": before.register.digest if before else GENESIS,
        "follows": before.entry.hash if before else GENESIS,
    }


def _check_applied(
    event: RegisterApplied,
    new: Register,
    before: AppliedRegister | None,
    at: datetime,
    ledger: str,
) -> None:
    decision = event.decided
    wanted = _change(event.digest, before)
    if (
        dict(decision.fingerprints) != wanted
        or event.previous != wanted["previous"]
        or (decision.request, decision.step, decision.decision) != (SUBJECT, STEP, "apply")
        or (decision.person, decision.role) != (event.by, event.role)
    ):
        raise AuthorisationError(
            SUBJECT,
            "what was signed is not this change of the register in force",
            "look at the plan again and sign anew",
        )
    if Role(decision.role) not in APPLIERS:
        raise AuthorisationError(
            SUBJECT,
            f"a {decision.role} may not apply a register",
            "a data_coordinator or director does, with a key of the register in force",
        )
    judge = before.register if before else new
    check_signed(decision, "\n".join(event.signature), judge, at, ledger=ledger)
    if before is not None:
        _check_gain(judge, new, decision.person)


def _check_gain(old: Register, new: Register, person: str) -> None:
    """Nobody gives themselves a role, or goes on holding one, by a register that they apply."""
    before, after = old.person(person), new.people.get(old.identity(person).name)
    gained = sorted(
        {one.role.value for one in after.roles if one not in before.roles} if after else ()
    )
    if gained:
        raise AuthorisationError(
            SUBJECT,
            f"it grants {' and '.join(gained)} to {person}, who applies it",
            "another data_coordinator or director applies what grants you a role",
        )


@lru_cache(maxsize=64)
def _parsed(content: str) -> Register:
    return Register.parse(json.loads(content), "register in the ledger")
