"""What was asked for and decided: request, third party and release groups, from the ledger's steps.

Of a step, the public part tells who took it, in which role, when, under which conditions and with
which signature. What a step carries (findings, measurements, a determination's contents) is in the
annex, the request's own form apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from deid_platform.governance.chain import Entry, Records
from deid_platform.governance.packet.artefact import (
    Absent,
    Artefact,
    Audience,
    Group,
    json_artefact,
)
from deid_platform.governance.packet.facts import shown
from deid_platform.governance.packet.subject import Subject
from deid_platform.governance.register import applied_registers

_NOT_PUBLIC = frozenset({"exchange", "research", "restrictions", "legal_authority"})
"""Parts of a form that name contacts, disputes and approvals of others."""

_TERMS = ("title", "type", "what_is_sent", "methods", "purposes", "contract", "terms")


def requested(subject: Subject) -> tuple[list[Artefact], list[Absent]]:
    """Request, form and decisions, signed where they were."""
    request, steps = subject.authority.request, subject.facts.request
    form = form_of(steps)
    artefacts = [
        json_artefact(
            Group.REQUEST,
            "request",
            "Who asked for what, and why.",
            {
                "id": request.id,
                "publication": request.publication,
                "purpose": request.purpose,
                "requester": str(request.requester),
                "submitted_at": request.submitted_at,
                "method": str(form.get("method") or "ddg_aggregate").replace("_", " "),
                "method_justification": form.get("method_justification")
                or "A public table of counts: small numbers are scored and hidden.",
                "binding": asdict(subject.authority.binding),
            },
        ),
        json_artefact(
            Group.REQUEST,
            "decisions",
            "Every step of the request with identities, times and signatures, as the ledger "
            "holds it.",
            [shown(entry) for entry in steps],
        ),
        json_artefact(
            Group.DETERMINATION,
            "what_steps_carry",
            "Findings, measurements and determinations of each step.",
            [
                {"sequence": entry.sequence, "content": entry.payload["content"]}
                for entry in steps
                if entry.payload.get("content")
            ],
            Audience.RESTRICTED,
        ),
    ]
    absent = []
    if form:
        public = {name: value for name, value in form.items() if name not in _NOT_PUBLIC}
        artefacts.append(json_artefact(Group.REQUEST, "form", "The form as sent in.", public))
    else:
        absent.append(Absent(name="request/form", why="it was asked for without a form"))
    if not any(entry.payload.get("signature") for entry in steps):
        absent.append(
            Absent(
                name="request/signatures",
                why="identities were asserted on the host's accounts, not signed",
            )
        )
    return artefacts, absent


def third_party(records: Records, subject: Subject) -> tuple[list[Artefact], list[Absent]]:
    """The terms under which somebody outside the agency receives it, if anybody does."""
    name = str(form_of(subject.facts.request).get("third_party") or "")
    applied = applied_registers(records)
    known = applied[-1].register.third_parties.get(name) if applied and name else None
    if known is None:
        why = "no third party receives it" if not name else "the register does not list it"
        return [], [Absent(name="third_party/terms", why=why)]
    entry = known.model_dump(mode="json")
    return [
        json_artefact(
            Group.THIRD_PARTY,
            "terms",
            "Inventory entry, contract and terms of the recipient.",
            {"name": name, **{field: entry[field] for field in _TERMS}},
        )
    ], []


def released(subject: Subject) -> list[Artefact]:
    """Approval, location, access and data flow."""
    request, form = subject.authority.request, form_of(subject.facts.request)
    recipients = [
        one.get("who") or one.get("name") or one.get("role") or one.get("kind")
        for one in form.get("recipients") or ()
    ]
    who = ", ".join(str(one) for one in recipients) or "everybody: the files are public"
    return [
        json_artefact(
            Group.RELEASE,
            "release",
            "What goes where, approved by whom, and who may read it there.",
            {
                "id": subject.release.id,
                "request": request.id,
                "target": subject.target,
                "location": subject.destination,
                "destination": form.get("destination") or subject.destination,
                "access": who,
                "approvals": [
                    {"by": str(one.by), "role": one.role.value, "at": one.at}
                    for one in request.approvals
                ],
                "released_by": subject.by,
            },
        ),
        json_artefact(
            Group.RELEASE,
            "data_flow",
            "The way of the data, from source to destination.",
            {
                "sources": list(subject.sources),
                "path": ["landing", "raw", "limited", "candidate", "release", "outbox"],
                "method": subject.release.policy.title,
                "destination": subject.destination,
                "recipients": who,
            },
        ),
    ]


def form_of(steps: tuple[Entry, ...]) -> Mapping[str, Any]:
    """The form that was sent in last; empty where there was none."""
    forms = [
        content["form"]
        for entry in steps
        if isinstance(content := entry.payload.get("content"), dict) and content.get("form")
    ]
    return forms[-1] if forms else {}


def keep_until(steps: tuple[Entry, ...], at_least: date) -> date:
    """The day until which evidence is kept: that of the data, where they are kept longer (E-5)."""
    asked = str(form_of(steps).get("retention_until") or "")
    try:
        return max(at_least, date.fromisoformat(asked))
    except ValueError:
        return at_least
