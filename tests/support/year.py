"""A department's year: four tables under one ledger, whose clock the test sets."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from deid_platform.core.declaration import parse_publication
from deid_platform.core.determination import VERY_SMALL_RISK
from deid_platform.core.workflow import Action, Role
from deid_platform.governance import automation
from deid_platform.governance.determinations import Knowledge
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.requests import Request
from deid_platform.governance.step_checks import QUESTIONS
from tests.support.evidence import VISITS, build
from tests.support.governance import BLOCK, World, deployed, the_policy, write_manifest
from tests.support.people import (
    EXPERT,
    LEGAL,
    PIPELINE,
    REVIEWER,
    SECURITY,
    put_people_in_force,
)

PUBLIC, ANALYSTS, STUDY, EXCHANGE = (
    *("visits_by_county", "visits_by_acuity"),
    *("visits_for_the_study", "visits_for_social_services"),
)
FLOWS = {
    PUBLIC: "ed_open_data",
    ANALYSTS: "ed_analytics",
    STUDY: "ed_research",
    EXCHANGE: "ed_exchange",
}
LIAISON, SUBCOMMITTEE, UNDERSECRETARY = "tess.wong", "rita.sol", "uma.li"
COORDINATOR, THEIR_COORDINATOR, THEIR_DEPUTY = "lena.voss", "sam.price", "vera.lind"
_BY_ACUITY = {
    "title": "Visits by acuity",
    "dimensions": {
        "acuity": {"kind": "other", "total": "All"},
        "visit_year": {"kind": "time"},
    },
    "figures": {"visit_count": {"people": "person_count", "denominator": "population_count"}},
}
ACUITY: dict[int, dict[str, tuple[int, int]]] = {
    2023: {"Emergent": (911, 853), "Urgent": (7_113, 6_029), "Minor": (1_723, 1_511)},
    2024: {"Emergent": (977, 883), "Urgent": (7_307, 6_121), "Minor": (1_811, 1_583)},
}


@dataclass
class Year:
    """The tables of the year by name, and the day it is."""

    worlds: dict[str, World]
    share: Path
    today: datetime
    requested: int = field(default=0)

    def on(self, month: int, day: int) -> None:
        """Go on to another day of the year, at noon."""
        then = datetime(self.today.year, month, day, 12, tzinfo=UTC)
        assert then > self.today, "the year goes forward"
        self.today = then

    def now(self) -> datetime:
        """The time; each look at it takes a second."""
        self.today += timedelta(seconds=1)
        return self.today

    @property
    def ledger(self) -> Ledger:
        """The one ledger."""
        return self.worlds[PUBLIC].ledger

    def ask(self, name: str, **fields: Any) -> str:
        """Request a table as it stands; the request's id."""
        self.requested += 1
        world = self.worlds[name]
        world.requested = self.requested - 1
        return world.submit(**{**FORMS[name], **fields}).id

    def withdraw_files(self, release: str) -> None:
        """What the platform's engineer does by hand after a recall or an expiry."""
        (folder,) = self.worlds[PUBLIC].deployment.outbox.glob(f"*/{release}")
        shutil.rmtree(folder)


def a_year(folder: Path, ledger_url: str) -> Year:
    """A department at the beginning of 2025, its four tables built."""
    deployment = deployed(folder, ledger_url)
    share = folder / "share"
    share.mkdir()
    year = Year(worlds={}, share=share, today=datetime(2025, 1, 6, 9, tzinfo=UTC))
    ledger = Ledger(deployment.ledger_url, clock=year.now)
    blocks = {name: _BY_ACUITY if name == ANALYSTS else BLOCK for name in FLOWS}
    write_manifest(deployment, blocks)
    for name, block in blocks.items():
        year.worlds[name] = World(
            deployment=deployment,
            publication=parse_publication(name, {**block, "policy": "calhhs_ddg_2"}, name=name),
            policy=the_policy(),
            ledger=ledger,
        )

    def change(content: dict[str, Any]) -> None:
        for name, flow in FLOWS.items():
            content["data_flows"][flow]["datasets"].append(name)
        # The study fetches encrypted archives from a share instead of from a server of its own.
        content["destinations"]["bay_university_sftp"] |= {
            "zone": "release",
            "channel": "outbox",
            "settings": {"folder": str(share)},
            "parameters": {},
        }

    put_people_in_force(ledger, change)
    for name, world in year.worlds.items():
        build(world, ACUITY if name == ANALYSTS else VISITS)
    return year


def _elements(*kinds: str) -> list[dict[str, str]]:
    area, kind = kinds
    names = {
        area: (kind, "The comparison is between them"),
        "visit_year": ("year", "The trend is by year"),
        "visit_count": ("measure", "What is analysed"),
        "person_count": ("measure", "Decides on hiding"),
        "population_count": ("measure", "The denominator"),
    }
    return [{"name": n, "kind": k, "justification": why} for n, (k, why) in names.items()]


_INTERNAL: dict[str, Any] = {
    "record_level": True,
    "publication_intent": "none",
    "open_data": None,
    "retention_until": "2026-12-31",
    "disposal": "Deleted from every copy, with a certificate",
}
FORMS: dict[str, dict[str, Any]] = {
    PUBLIC: {},
    ANALYSTS: {
        **_INTERNAL,
        "purpose": "analytics",
        "description": "The monthly dashboard of the department's analysts",
        "data_elements": _elements("acuity", "characteristic"),
        "recipients": [{"name": "Trained analysts", "kind": "internal"}],
        "destination": "analyst_snapshots",
        "method": "safe_harbor",
        "method_justification": "Broad internal analytics without any of the identifiers",
    },
    STUDY: {
        **_INTERNAL,
        "purpose": "research",
        "description": "A study of distances to emergency departments",
        "data_elements": _elements("county", "sub_state_geography"),
        "recipients": [{"name": "Principal investigator", "kind": "third_party"}],
        "destination": "bay_university_sftp",
        "third_party": "bay_university",
        "method": "expert_determination",
        "method_justification": "The study compares counties, which Safe Harbor takes away",
        "is_research": True,
        "research": {"cphs_approval": "2025-011", "irb_approval": "BU-2025-77"},
    },
    EXCHANGE: {
        **_INTERNAL,
        "purpose": "exchange",
        "description": "An evaluation of a programme by Social Services",
        "data_elements": _elements("county", "sub_state_geography"),
        "recipients": [{"name": "Program evaluation unit", "kind": "department"}],
        "destination": "agency_data_hub",
        "third_party": "social_services",
        "method": "expert_determination",
        "method_justification": "The evaluation compares counties",
        "exchange": {
            "use_case_name": "Programme evaluation 2025",
            "provider": "Example Department of Public Health",
            "receiver": "Example Department of Social Services",
            "submitter_contact": "Program evaluation unit",
            "receiver_contact": "Data office of Social Services",
            "description_purpose": "Whether the programme lowers visits",
            "data_types": "Counts by county and year",
            "output_use": "An internal report",
            "data_users": "Three analysts",
            "transfer_management": "The agency's data hub",
            "destruction_return": "Destroyed after the report",
            "critical_dates": "The report is due in December",
            "redisclosure": "not_permitted",
            "specialized_security": "None beyond the agreement",
        },
    },
}
DISPUTED = {
    "known_risks": "Counties with few people",
    "legal_authority": "Intra-agency data exchange agreement",
    "alternatives": "Regions instead of counties",
    "positions": "The provider would rather give regions",
}
"""What a proposal also says once it is disputed."""


def review(world: World, request: str, *roles: tuple[str, Role], started: bool = False) -> Request:
    """Start the review, unless it is, and have every reviewer approve."""
    if not started:
        world.act(request, Action.START_REVIEW, REVIEWER, Role.PRIVACY_REVIEWER)
    done: Request | None = None
    for name, role in roles:
        checks = role in (Role.PRIVACY_REVIEWER, Role.SECURITY_REVIEWER)
        answers = {"answers": dict.fromkeys(QUESTIONS, True)} if checks else {}
        done = world.act(request, Action.APPROVE_FOR_EXECUTION, name, role, **answers)
    assert done is not None
    return done


PRIVACY = (REVIEWER, Role.PRIVACY_REVIEWER)
BOTH = (PRIVACY, (SECURITY, Role.SECURITY_REVIEWER))


def carry_out(world: World, request: str) -> Request:
    """What the sensor does with a request that review has let pass."""
    (due,) = automation.due(world.ledger, Action.RECORD_EXECUTION, world.ledger.now().date())
    assert due.request == request
    with automation.recorded_run(world.ledger, due, f"run-{request}"):
        return automation.take(world.ledger, PIPELINE, request, Action.RECORD_EXECUTION)


def determination(valid_until: str) -> dict[str, Any]:
    """A complete Expert Determination."""
    return {
        "risk_statement": f"I determined that {VERY_SMALL_RISK}.",
        "attests_both_conditions": True,
        "document": "Report of the expert, record 2025-04",
        "documentation": "e" * 64,
        "explanation": "Class sizes, prior releases and linkage to registers were examined",
        "methods_outside_guidelines": False,
        "anticipated_recipients": "The two analysts of the study",
        "available_information": "Prior releases, census tables, news",
        "prt_approval": "PRT-2024-17",
        "valid_until": valid_until,
        "review_triggers": ["A county is added"],
    }


def by_expert(world: World, request: str, valid_until: str) -> Request:
    """From the review to the steward's approval, by Expert Determination and for a third party."""
    carry_out(world, request)
    world.validate(request)
    world.act(request, Action.DETERMINE, EXPERT, Role.EXPERT, **determination(valid_until))
    world.act(request, Action.CLEAR_LEGAL, LEGAL, Role.LEGAL, basis="The agreement with them")
    return world.approve(request)


def by_safe_harbor(world: World, request: str) -> Request:
    """From the review to the steward's approval: automated checks and a signed attestation."""
    carry_out(world, request)
    world.act(request, Action.VALIDATE, PIPELINE, Role.VALIDATOR)
    world.act(
        request,
        Action.DETERMINE,
        REVIEWER,
        Role.PRIVACY_REVIEWER,
        actual_knowledge=Knowledge.NONE.value,
        scenarios="Publicised events, occupations, prior releases",
    )
    return world.approve(request)
