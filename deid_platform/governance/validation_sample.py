"""A sample of a candidate for the eyes of its validator: shown once, never stored.

Seeing it takes the signature of a person who may validate this request. That it was seen, by whom
and how many rows, is recorded; the rows are not.
"""

from __future__ import annotations

from dataclasses import dataclass

from deid_platform.core.errors import AuthorisationError
from deid_platform.core.steps import Fact
from deid_platform.core.workflow import Role, State, check_separation
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.fingerprint import fingerprint
from deid_platform.engine.sql import qualified
from deid_platform.governance.chain import Records, ledger_id
from deid_platform.governance.events import Event
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.register import register_in_force
from deid_platform.governance.request_events import SampleShown
from deid_platform.governance.requests import Actor, request_of
from deid_platform.governance.signatures import Decision, check_signed, signature_lines

_MOST = 200
STEP = "see_sample"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Rows of a masked candidate. Hold it only as long as somebody looks at it."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __repr__(self) -> str:
        return f"Sample({len(self.rows)} rows)"


def show_sample(
    deployment: Deployment, ledger: Ledger, *, request: str, actor: Actor, rows: int, seed: str
) -> Sample:
    """Some rows of the executed candidate, drawn by a seed, after who sees them is proved.

    Raises:
        AuthorisationError: not a validator of this request, no signature, or the table is not the
            one that was executed.
        ZoneError: the LIMITED zone cannot be read.
    """
    if not 1 <= rows <= _MOST:
        raise AuthorisationError(request, f"a sample has 1 to {_MOST} rows", "ask for fewer")
    if actor.sign is None:
        raise AuthorisationError(
            request, "a sample is shown against a signature", "sign with your own key: --key FILE"
        )
    decision = _decision(ledger, request, actor, rows, ledger.now().isoformat(timespec="seconds"))
    signature = actor.sign(decision.payload())

    def command(records: Records) -> list[Event]:
        now = _decision(records, request, actor, rows, decision.at)
        register = register_in_force(records)
        check_signed(now, signature, register, ledger.now(), ledger=ledger_id(records))
        return [
            SampleShown(
                request=request,
                publication=request_of(records, request).publication,
                rows=rows,
                role=Role.VALIDATOR.value,
                by=now.person,
                os_user=actor.os_user,
                signed=now.plain(),
                signature=signature_lines(signature),
            )
        ]

    one = request_of(ledger, request)
    with open_zone(deployment, None, reading=[Zone.LIMITED]) as con:
        table = qualified(Zone.LIMITED.value, "candidate", one.publication)
        if fingerprint(con, table) != decision.fingerprints[Fact.DATA.value]:
            raise AuthorisationError(
                request, "the table is not the one that was executed", "execute it again"
            )
        ledger.decide(command)
        found = con.execute(
            f"select * from {table} order by hash(concat_ws('|', ?, columns(*)::varchar)) limit ?",
            [seed, rows],
        )
        columns = tuple(column[0] for column in found.description or ())
        return Sample(
            columns=columns,
            rows=tuple(
                tuple("" if cell is None else str(cell) for cell in row) for row in found.fetchall()
            ),
        )


def _decision(records: Records, request: str, actor: Actor, rows: int, at: str) -> Decision:
    one = request_of(records, request)
    register = register_in_force(records)
    who = register.identity(actor.identity)
    check_separation(request, who, Role.VALIDATOR, one.held)
    if one.state is not State.EXECUTED:
        raise AuthorisationError(
            request, f"the request is {one.state.value}", "a sample is looked at when validating"
        )
    return Decision(
        request=request,
        step=STEP,
        decision="see",
        person=str(who),
        role=Role.VALIDATOR.value,
        at=at,
        ledger=ledger_id(records),
        register_digest=register.digest,
        fingerprints={Fact.DATA.value: one.facts[Fact.DATA]},
        answers={"rows": str(rows)},
    )
