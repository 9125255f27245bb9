"""Decisions signed with people's own SSH keys.

What is signed is the canonical JSON of a `Decision`, in the namespace ``deid-decision``. The
private key stays with its owner: `signing.sign` runs ``ssh-keygen``, which uses a key file, an
agent or a security key. `verify` needs no program, and takes keys and validity from the register.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from deid_platform.core.errors import AuthorisationError
from deid_platform.core.register import NAMESPACE, Register, SshKey
from deid_platform.core.workflow import Action, Identity, Role
from deid_platform.governance.plain import Plain, canonical_json, check_plain
from deid_platform.governance.sshsig import SshSignature

_CLOCKS_DIFFER = timedelta(minutes=5)
_SIGNED_AHEAD = timedelta(days=7)
_REMEMBERED = 20_000
_verified: dict[tuple[bytes, SshSignature], bool] = {}


class Rule(StrEnum):
    """Why a signature does not count."""

    MALFORMED = "SIG-01 malformed"
    WRONG_NAMESPACE = "SIG-02 wrong namespace"
    PERSON_UNKNOWN = "SIG-03 person unknown"
    KEY_UNKNOWN = "SIG-04 key unknown"
    OTHER_PERSON = "SIG-05 another person's key"
    NOT_YET_VALID = "SIG-06 key not yet valid"
    EXPIRED = "SIG-07 key expired"
    REVOKED = "SIG-08 key revoked"
    TAMPERED = "SIG-09 not what was signed"
    ROLE_NOT_HELD = "SIG-10 role not held"
    TRAINING = "SIG-11 training missing or expired"
    OTHER_REGISTER = "SIG-12 signed under another register"
    OTHER_LEDGER = "SIG-13 signed for another ledger"
    OTHER_TIME = "SIG-14 signed at another time"
    OTHER_CONTENT = "SIG-15 signed for something else"
    OTHER_DEPARTMENT = "SIG-16 of another department"


_ABOVE = frozenset(
    {Role.AGENCY, Role.GOVERNANCE_LIAISON, Role.RISK_SUBCOMMITTEE, Role.UNDERSECRETARY}
)
_OF_A_SIDE = frozenset({Role.DATA_COORDINATOR, Role.DEPUTY_DIRECTOR})


class SignatureError(AuthorisationError):
    """A signature that does not count; ``rule`` says which rule it breaks."""

    def __init__(self, rule: Rule, where: str, what: str, do: str) -> None:
        super().__init__(where, f"{rule.value}: {what}", do)
        self.rule = rule
        self._parts = (rule, where, what, do)

    def __reduce__(self) -> tuple[type[SignatureError], tuple[Rule, str, str, str]]:  # type: ignore[override]
        """Pickle by the four parts."""
        return type(self), self._parts


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a person decides, whole: its canonical JSON is what they sign.

    ``fingerprints`` name every content the decision is bound to, ``ledger`` the ledger it is for
    (`ledger_id`), so that it can be replayed on nothing else.
    """

    request: str
    step: str
    decision: str
    person: str
    role: str
    at: str
    ledger: str
    register_digest: str
    policy_digest: str | None = None
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    conditions: tuple[str, ...] = ()
    answers: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None

    def plain(self) -> dict[str, Plain]:
        """The fields as plain JSON values.

        Raises:
            LedgerError: a field holds what the ledger does not.
        """
        return {
            name: check_plain(dict(value) if isinstance(value, Mapping) else value, name)
            for name, value in asdict(self).items()
        }

    def payload(self) -> bytes:
        """The bytes to sign."""
        return canonical_json(self.plain()).encode("ascii")

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Decision:
        """The decision that an event holds.

        Raises:
            SignatureError: a field that a decision does not have, or lacks.
        """
        try:
            return cls(**{**plain, "conditions": tuple(plain.get("conditions", ()))})
        except TypeError:
            raise SignatureError(
                Rule.MALFORMED, "decision", "not the fields of a decision", "sign it anew"
            ) from None


@dataclass(frozen=True, kw_only=True)
class Signed:
    """Mixed into every event that rests on a person's signature; goes before `Event`.

    The event's other fields of a decision's names (``request``, ``role``, ...) must say the same.
    """

    signed: dict[str, Any]
    signature: tuple[str, ...]

    @property
    def decided(self) -> Decision:
        """What was signed."""
        return Decision.of(self.signed)


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """The registered key that made a signature, and whose it is."""

    person: Identity
    key: SshKey


def signature_lines(armored: str) -> tuple[str, ...]:
    """An armored signature as an event holds it."""
    return tuple(armored.strip().splitlines())


def verify(
    payload: bytes, signature: str, identity: Identity | str, register: Register, at: datetime
) -> SigningKey:
    """The key of this person with which exactly these bytes were signed, valid at a time.

    Args:
        signature: armored, as ``ssh-keygen -Y sign`` prints it.
        at: when the signature was recorded.

    Raises:
        SignatureError: naming the rule that it breaks.
    """
    where = str(register.identity(identity))
    try:
        parsed = SshSignature.parse(signature)
    except ValueError:
        raise SignatureError(
            Rule.MALFORMED, where, "not an SSH signature", "sign with `ssh-keygen -Y sign`"
        ) from None
    if parsed.namespace != NAMESPACE:
        raise SignatureError(
            Rule.WRONG_NAMESPACE,
            where,
            "the signature was made for another purpose",
            f"sign with -n {NAMESPACE}",
        )
    key = _registered_key(parsed, where, register)
    _check_validity(key, where, at)
    if not _verifies(payload, parsed):
        raise SignatureError(
            Rule.TAMPERED,
            where,
            "the signature is not of this decision",
            "what was signed or the signature was changed: sign what is to be decided",
        )
    return SigningKey(person=register.identity(identity), key=key)


def check_signed(
    decision: Decision, signature: str, register: Register, at: datetime, *, ledger: str
) -> SigningKey:
    """Let a signed decision count only if its person could take it, in its role, at that time.

    Args:
        register: the one in force when it is, or was, recorded.
        at: when it is, or was, recorded.
        ledger: of `ledger_id`.

    Raises:
        SignatureError: naming the rule that it breaks.
    """
    where = f"{decision.request}: {decision.step}"
    if decision.ledger != ledger:
        raise SignatureError(
            Rule.OTHER_LEDGER, where, "the decision names another ledger", "sign it for this one"
        )
    if decision.register_digest != register.digest:
        raise SignatureError(
            Rule.OTHER_REGISTER,
            where,
            "another register is in force than when it was signed",
            "look at it again and sign anew",
        )
    _check_time(decision, where, at)
    key = verify(decision.payload(), signature, decision.person, register, at)
    check_holder(decision.person, Role(decision.role), register, at, where=where)
    _check_department(decision, register, where)
    return key


def check_holder(
    who: Identity | str, role: Role, register: Register, at: datetime, *, where: str
) -> None:
    """Let a person act only in a role that the register grants and that they are trained for.

    Raises:
        SignatureError: the role is not held, or a training is missing or expired.
    """
    identity = register.identity(who)
    if role not in register.roles(identity, at):
        raise SignatureError(
            Rule.ROLE_NOT_HELD,
            where,
            f"{identity} does not hold the role {role.value} now",
            "somebody who holds it must do this, or the register must grant it",
        )
    gaps = register.training_gaps(identity, role, at)
    if gaps:
        raise SignatureError(
            Rule.TRAINING,
            where,
            f"{identity} as {role.value}: {'; '.join(gaps)}",
            "complete the training and have it registered",
        )


def _check_department(decision: Decision, register: Register, where: str) -> None:
    """Let people of another department sign for their side of an exchange, and nothing else.

    They are in the register to do that; who of them signs which side is for the review to say.
    """
    if register.department_of(decision.person) == register.agency.department:
        return
    role = Role(decision.role)
    for_side = role in _OF_A_SIDE and decision.step == Action.APPROVE_FOR_EXECUTION.value
    if role not in _ABOVE | {Role.REQUESTER} and not for_side:
        raise SignatureError(
            Rule.OTHER_DEPARTMENT,
            where,
            f"a {role.value} of another department does not decide this",
            f"a {role.value} of the department itself must do this",
        )


def _registered_key(parsed: SshSignature, where: str, register: Register) -> SshKey:
    identity = Identity.parse(where)
    if identity.name not in register.people:
        raise SignatureError(
            Rule.PERSON_UNKNOWN,
            where,
            "not a person of the register",
            "a data coordinator adds people with `deid register apply`",
        )
    owner = register.key_owner(parsed.public_key)
    if owner is None:
        raise SignatureError(
            Rule.KEY_UNKNOWN,
            where,
            "signed with a key that the register does not have",
            "sign with a registered key, or have this one registered",
        )
    if owner[0] != identity:
        raise SignatureError(
            Rule.OTHER_PERSON,
            where,
            "signed with somebody else's key",
            "decide in your own name, with your own key",
        )
    return owner[1]


def _check_validity(key: SshKey, where: str, at: datetime) -> None:
    if key.is_revoked(at):
        raise SignatureError(
            Rule.REVOKED, where, f"the key {key.fingerprint} is revoked", "sign with a valid key"
        )
    if at < key.first_moment:
        raise SignatureError(
            Rule.NOT_YET_VALID, where, f"valid from {key.valid_from}", "sign with a valid key"
        )
    if at > key.last_moment:
        raise SignatureError(
            Rule.EXPIRED, where, f"valid until {key.valid_until}", "have a new key registered"
        )


def _check_time(decision: Decision, where: str, at: datetime) -> None:
    try:
        signed_at = datetime.fromisoformat(decision.at)
        aware = signed_at.tzinfo is not None
    except ValueError:
        aware = False
    if not aware or not at - _SIGNED_AHEAD <= signed_at <= at + _CLOCKS_DIFFER:
        raise SignatureError(
            Rule.OTHER_TIME,
            where,
            "not signed within the seven days before it was recorded",
            "look at it again and sign anew; check the clocks of both machines",
        )


def _verifies(payload: bytes, parsed: SshSignature) -> bool:
    """Verify once; a ledger is verified over and over, and by every release."""
    known = (hashlib.sha256(payload).digest(), parsed)
    if known not in _verified:
        if len(_verified) >= _REMEMBERED:
            _verified.clear()
        _verified[known] = parsed.verifies(payload)
    return _verified[known]
