"""Recorded decisions held against their signatures: each by the register of its own time.

A decision that was right when it was recorded may be in doubt later: its key was found to have been
untrustworthy before. The chain still holds then, but nothing may rest on that decision.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from deid_platform.core.errors import AuthorisationError, LedgerError
from deid_platform.governance.chain import GENESIS, Entry, Head, Records, ledger_id
from deid_platform.governance.events import Event, event_kinds
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.register import AppliedRegister, applied_registers
from deid_platform.governance.register_events import RegisterApplied
from deid_platform.governance.signatures import (
    Decision,
    Rule,
    SignatureError,
    Signed,
    SigningKey,
    check_signed,
)


@dataclass(frozen=True, kw_only=True)
class RecordedDecision:
    """A decision in the ledger whose signature counted when it was recorded.

    ``doubt`` says why it does not count any more, if so; a gate lets none pass that has one.
    """

    entry: Entry
    decision: Decision
    key: SigningKey
    doubt: str | None

    def check_beyond_doubt(self) -> None:
        """Refuse a decision that does not count any more.

        Raises:
            SignatureError: its key is revoked as of a time before it was recorded.
        """
        if self.doubt is not None:
            raise SignatureError(
                Rule.REVOKED,
                f"ledger entry {self.entry.sequence}",
                self.doubt,
                "have the decision taken again, with a key that is trusted",
            )


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What `verify_ledger` found: the chain holds, and so does every signature."""

    head: Head
    registers: int
    decisions: int
    doubtful: tuple[RecordedDecision, ...]


def recorded_decision(
    entry: Entry, registers: Sequence[AppliedRegister], ledger: str
) -> RecordedDecision:
    """The decision of one entry, verified by the register that was in force then.

    Args:
        registers: of `applied_registers`.
        ledger: of `ledger_id`.

    Raises:
        LedgerError: naming the entry and the rule its signature breaks.
    """
    where = f"ledger entry {entry.sequence}"
    event = entry.event
    if not isinstance(event, Signed):
        raise LedgerError(where, "it carries no signature", "only signed decisions count")
    # A register that pins itself is judged by itself; any other by the one before it.
    in_force = [one for one in registers if one.entry.sequence < entry.sequence]
    if not in_force and isinstance(event, RegisterApplied):
        in_force = [one for one in registers if one.entry.sequence == entry.sequence]
    if not in_force:
        raise LedgerError(where, "no register was in force then", "nobody was entitled to decide")
    judge = in_force[-1].register
    try:
        decision = event.decided
        key = check_signed(
            decision,
            "\n".join(event.signature),
            judge,
            datetime.fromisoformat(entry.at),
            ledger=GENESIS if entry.sequence == 1 else ledger,
        )
        _check_told(event, entry, decision)
    except AuthorisationError as error:
        raise LedgerError(
            where,
            f"its signature does not count ({error.what})",
            "nothing may rest on it: find out who recorded it",
        ) from None
    return RecordedDecision(
        entry=entry, decision=decision, key=key, doubt=_doubt(key, entry, registers[-1])
    )


def recorded_decisions(
    records: Records, *, subject: str | None = None, after: int = 0
) -> Iterator[RecordedDecision]:
    """Every signed decision in order, each verified.

    Raises:
        LedgerError: naming the first entry whose signature does not count.
    """
    registers = applied_registers(records)
    ledger = ledger_id(records)
    kinds = [kind for kind in event_kinds().values() if issubclass(kind, Signed)]
    for entry in records.entries(kinds=kinds, subject=subject, after=after):
        yield recorded_decision(entry, registers, ledger)


def verify_ledger(ledger: Ledger, pinned: Head | None = None) -> Verified:
    """Recompute the whole chain and verify every signature in it.

    Raises:
        LedgerError: naming the first bad link, or the first entry whose signature does not count.
    """
    head = ledger.verify(pinned)
    found = list(recorded_decisions(ledger))
    return Verified(
        head=head,
        registers=len(applied_registers(ledger)),
        decisions=len(found),
        doubtful=tuple(one for one in found if one.doubt is not None),
    )


def _check_told(event: Event, entry: Entry, decision: Decision) -> None:
    """What the event says beside the decision must be what was signed."""
    signed = decision.plain()
    told = {("person" if name == "by" else name): one for name, one in entry.payload.items()}
    for name in sorted(set(signed) & set(told)):
        if told[name] != signed[name]:
            raise SignatureError(
                Rule.OTHER_CONTENT,
                event.kind,
                f"its {name} is not the one that was signed",
                "sign what is recorded",
            )
    for name, answer in decision.answers.items():
        if name in told and answer != ("" if told[name] is None else str(told[name])):
            raise SignatureError(
                Rule.OTHER_CONTENT,
                event.kind,
                f"its {name} is not the one that was signed",
                "sign what is recorded",
            )


def _doubt(key: SigningKey, entry: Entry, latest: AppliedRegister) -> str | None:
    """Whether the newest register revokes the key as of a time before the entry."""
    known = latest.register.key_owner(key.key.blob)
    if known and known[1].is_revoked(datetime.fromisoformat(entry.at)):
        return f"the key {key.key.fingerprint} of {key.person} was revoked as of then"
    return None
