"""Determinations under Safe Harbor: what the engine attests, and what only a person can say.

The engine attests that the 18 identifiers are gone (45 CFR 164.514(b)(2)(i)). A person states that
nobody here actually knows how what is left could identify somebody (paragraph (ii)). A table is
de-identified by Safe Harbor only with both.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from deid_platform.core.errors import AuthorisationError
from deid_platform.core.workflow import Role
from deid_platform.governance.chain import Entry, Records, ledger_id
from deid_platform.governance.events import Event, SafeHarborAttested
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.register import register_as_of, register_in_force
from deid_platform.governance.request_events import KnowledgeStated
from deid_platform.governance.requests import Actor
from deid_platform.governance.signatures import Decision, check_signed, signature_lines, verify

_ROLES = frozenset({Role.DATA_STEWARD, Role.PRIVACY_REVIEWER})
_LONGEST = 900
_STEP = "state_actual_knowledge"


class Knowledge(StrEnum):
    """Whether the speaker knows how the remaining information could identify a person."""

    NONE = "none"
    UNSURE = "unsure"
    YES = "yes"


@dataclass(frozen=True, kw_only=True)
class SafeHarborDetermination:
    """Where one content of a table stands under Safe Harbor."""

    table: str
    attested: SafeHarborAttested | None
    statement: KnowledgeStated | None

    @property
    def missing(self) -> tuple[str, ...]:
        """What the determination lacks, in words; nothing where it stands."""
        lacks = []
        if self.attested is None:
            lacks.append("the pipeline has not attested that the 18 identifiers are removed")
        if self.statement is None:
            lacks.append("nobody has stated what they know of this content (164.514(b)(2)(ii))")
        elif self.statement.answer != Knowledge.NONE.value:
            lacks.append(
                f"the {self.statement.role} answered {self.statement.answer} on actual knowledge: "
                "this takes an Expert Determination"
            )
        return tuple(lacks)


def safe_harbor(records: Records, table: str, fingerprint: str) -> SafeHarborDetermination:
    """The determination of a table as it is now.

    The attestation is the latest one of the table: it speaks of columns, and each build of it
    records its own. The statement counts only for the content it was made on, and only with the
    signature of somebody who could make it.
    """
    attested: SafeHarborAttested | None = None
    statement: KnowledgeStated | None = None
    for entry in records.entries(kinds=[SafeHarborAttested, KnowledgeStated], subject=table):
        event = entry.event
        if isinstance(event, SafeHarborAttested):
            attested = event
        elif isinstance(event, KnowledgeStated) and event.fingerprint == fingerprint:
            statement = event if _holds(records, entry, event) else None
    return SafeHarborDetermination(table=table, attested=attested, statement=statement)


def check_safe_harbor(records: Records, table: str, fingerprint: str) -> None:
    """Let pass only a table whose determination is complete.

    Raises:
        AuthorisationError: naming what is missing.
    """
    missing = safe_harbor(records, table, fingerprint).missing
    if missing:
        raise AuthorisationError(
            table, "; ".join(missing), "complete its Safe Harbor determination first"
        )


def state_actual_knowledge(
    ledger: Ledger,
    *,
    table: str,
    fingerprint: str,
    answer: Knowledge,
    scenarios: str,
    role: Role,
    actor: Actor,
) -> SafeHarborDetermination:
    """Record what a steward or privacy reviewer knows.

    Args:
        scenarios: what was considered: revealing occupations, publicised events, relations
            between recipients and patients, what recipients hold already.

    Raises:
        AuthorisationError: another role, a service, no scenarios, or nothing was attested.
    """
    scenarios = scenarios.strip()
    if role not in _ROLES or not actor.identity.is_person:
        raise AuthorisationError(
            table,
            f"a {actor.identity.kind} in the role {role.value} may not state actual knowledge",
            "a person does, as data_steward or privacy_reviewer",
        )
    if not 10 <= len(scenarios) <= _LONGEST or not scenarios.isprintable():
        raise AuthorisationError(
            table, "the scenarios considered are missing", "name them in one printable line"
        )
    if safe_harbor(ledger, table, fingerprint).attested is None:
        raise AuthorisationError(
            table, "the pipeline has attested nothing about it", "build it with `deid run`"
        )
    if actor.sign is None:
        raise AuthorisationError(
            table,
            "a statement counts only with a signature",
            "sign with your own key: --key FILE, or DEID_SIGNING_KEY",
        )
    register = register_in_force(ledger)
    at = ledger.now()
    decision = Decision(
        request=table,
        step=_STEP,
        decision=answer.value,
        person=str(register.identity(actor.identity)),
        role=role.value,
        at=at.isoformat(timespec="seconds"),
        ledger=ledger_id(ledger),
        register_digest=register.digest,
        fingerprints={"data": fingerprint},
        answers={"scenarios": scenarios},
    )
    signature = actor.sign(decision.payload())

    def command(records: Records) -> list[Event]:
        check_signed(
            decision,
            signature,
            register_in_force(records),
            ledger.now(),
            ledger=ledger_id(records),
        )
        return [
            KnowledgeStated(
                table=table,
                fingerprint=fingerprint,
                answer=answer.value,
                scenarios=scenarios,
                role=role.value,
                by=decision.person,
                os_user=actor.os_user,
                signed=decision.plain(),
                signature=signature_lines(signature),
            )
        ]

    ledger.decide(command)
    return safe_harbor(ledger, table, fingerprint)


def _holds(records: Records, entry: Entry, event: KnowledgeStated) -> bool:
    """Whether a statement is what was signed, by somebody who could, with a key still trusted."""
    decision, signature = event.decided, "\n".join(event.signature)
    at = datetime.fromisoformat(entry.at)
    said = (decision.request, decision.step, decision.decision, decision.person, decision.role)
    if (
        said != (event.table, _STEP, event.answer, event.by, event.role)
        or decision.fingerprints.get("data") != event.fingerprint
        or decision.answers.get("scenarios") != event.scenarios
    ):
        return False
    try:
        check_signed(
            decision,
            signature,
            register_as_of(records, entry.sequence),
            at,
            ledger=ledger_id(records),
        )
        verify(decision.payload(), signature, event.by, register_in_force(records), at)
    except AuthorisationError:
        return False
    return True
