"""Who approves secondary-use releases: every decision, and whether anybody did two things at once.

Source: governance specification, sections 4 and 9 (HICP Practice 7.3).
"""

from __future__ import annotations

from collections.abc import Iterator

from deid_platform.core.errors import AuthorisationError, EvidenceError
from deid_platform.core.raci import RACI
from deid_platform.core.workflow import Identity, Role, check_separation
from deid_platform.governance.answers.answer import Answer, Line, entries
from deid_platform.governance.chain import Entry
from deid_platform.governance.events import RequestReleased
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.packet.facts import about_request
from deid_platform.governance.recorded import verify_ledger

QUESTION = "Who approves secondary-use releases?"


def approvals(ledger: Ledger, release: str | None = None) -> Answer:
    """Who did what for one release, or for every release.

    Raises:
        EvidenceError: the ledger knows no such release.
        LedgerError: the chain does not hold, or a signature does not count.
    """
    doubtful = {one.entry.sequence: one.doubt for one in verify_ledger(ledger).doubtful}
    found = [
        entry
        for entry in ledger.entries(kinds=[RequestReleased])
        if release in (None, entry.payload["release"])
    ]
    if release is not None and not found:
        raise EvidenceError(
            release, "the ledger knows no such release", "list them with `deid audit coverage`"
        )
    lines = list(_raci())
    problems: list[str] = []
    for entry in found:
        about = about_request(ledger, entry.payload["publication"], entry.payload["request"])
        until = [one for one in about if one.sequence <= entry.sequence]
        lines += [_line(entry, one) for one in until if one.payload.get("by")]
        problems += _problems(entry, until)
        problems += [
            f"{entry.payload['release']}: ledger entry {one.sequence} is in doubt: "
            f"{doubtful[one.sequence]}"
            for one in until
            if one.sequence in doubtful
        ]
    return Answer(question=QUESTION, lines=tuple(lines), problems=tuple(problems))


def _raci() -> Iterator[Line]:
    for activity, row in RACI.items():
        accountable = [role.value for role, letters in row.items() if "A" in letters]
        yield Line(
            subject=f"rule: {activity.replace('_', ' ')}",
            says=f"accountable: {', '.join(accountable).replace('_', ' ')}",
            evidence=("docs/reference/release-workflow.md",),
        )


def _line(release: Entry, one: Entry) -> Line:
    role = _role(one)
    if str(one.payload["by"]).startswith("service:"):
        signed = "by the platform"
    else:
        signed = "signed" if one.payload.get("signature") else "asserted, not signed"
    return Line(
        subject=str(release.payload["release"]),
        says=f"{one.kind.replace('.', ' ').replace('_', ' ')}"
        f"{' ' + str(one.payload['action']).replace('_', ' ') if 'action' in one.payload else ''}: "
        f"{one.payload['by']}"
        f"{', ' + role.value.replace('_', ' ') if role else ''}, {one.at[:19]} ({signed})",
        evidence=entries([one.sequence]),
    )


def _problems(release: Entry, until: list[Entry]) -> Iterator[str]:
    name = str(release.payload["release"])
    held: list[tuple[Identity, Role]] = []
    for one in until:
        role = _role(one)
        if role is None or not one.payload.get("by"):
            continue
        person = Identity.parse(str(one.payload["by"]))
        try:
            check_separation(name, person, role, held)
        except AuthorisationError as error:
            yield f"{name}: {error.what} (ledger entry {one.sequence})"
        held.append((person, role))
    if not any(role is Role.DATA_STEWARD for _, role in held):
        yield f"{name}: no data steward approved it"


def _role(one: Entry) -> Role | None:
    """In which role an entry's actor acted; older kinds say it by what they are."""
    named = one.payload.get("role")
    if named in set(Role):
        return Role(named)
    return {
        "request.submitted": Role.REQUESTER,
        "request.withdrawn": Role.REQUESTER,
        "request.released": Role.DATA_ENGINEER,
    }.get(one.kind)
