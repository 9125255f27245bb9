"""A deployment with one masked candidate, its gates passed, and people who act on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from deid_platform.core.declaration import parse_publication
from deid_platform.core.masking.certificate import encode, stated
from deid_platform.core.masking.verify import FORMAT, digest
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Publication
from deid_platform.core.workflow import Action, Role, State
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.initialise import initialise
from deid_platform.engine.mask import TableNames, declared, published_text
from deid_platform.engine.masking_model import rules_of
from deid_platform.engine.publications import load_policy
from deid_platform.engine.running_code import code_version
from deid_platform.governance import decisions
from deid_platform.governance.events import CandidateBuilt, GateEvaluated
from deid_platform.governance.facts import candidate_asset, candidate_gates
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.publish import Published, current_fingerprint, publish
from deid_platform.governance.requests import Actor, Request
from deid_platform.governance.step_checks import QUESTIONS
from tests.support.people import (
    DEPUTY,
    DIRECTOR,
    ENGINEER,
    EXPERT,
    PIPELINE,
    REQUESTER,
    REVIEWER,
    STEWARD,
    VALIDATOR,
    actor,
    appoint,
)

CHECKOUT = Path(__file__).parents[2]
ANA, BEN, DANA = (actor(name) for name in (REQUESTER, STEWARD, ENGINEER))
NAME = "visits_by_county"
BLOCK = {
    "title": "Visits by county",
    "dimensions": {
        "county": {"kind": "residence_geography", "total": "California"},
        "visit_year": {"kind": "time"},
    },
    "figures": {"visit_count": {"people": "person_count", "denominator": "population_count"}},
}
Row = tuple[str, int, int | None, int | None, int, int]
ROWS: tuple[Row, ...] = (
    ("Alpine", 2023, None, None, 1200, 1),
    ("Mono", 2023, None, None, 13000, 2),
    ("Inyo", 2023, 0, 0, 18000, 0),
    ('O"Neil, North', 2023, 40, 30, 19000, 0),
    ("California", 2023, 67, 53, 51200, 0),
    ("Alpine", 2024, 25, 20, 1200, 0),
)
HIDDEN = {("Alpine", "2023"): (5, 4), ("Mono", "2023"): (22, 19)}
"""Visits and people of the hidden cells."""


def form(**fields: Any) -> dict[str, Any]:
    """A complete request form for the one publication, with some fields changed."""
    complete = {
        "dataset": NAME,
        "unit": "Epidemiology",
        "purpose": "public_release",
        "secondary_use": True,
        "description": "The yearly open data table",
        "sources": ["visits"],
        "period": "2023 to 2024",
        "population": "Residents with a visit",
        "data_elements": [
            {"name": "county", "kind": "sub_state_geography", "justification": "Shown by county"},
            {"name": "visit_year", "kind": "year", "justification": "Shown by year"},
            {"name": "visit_count", "kind": "measure", "justification": "What is published"},
            {"name": "person_count", "kind": "measure", "justification": "Decides on hiding"},
            {"name": "population_count", "kind": "measure", "justification": "The denominator"},
        ],
        "recipients": [{"name": "Everybody", "kind": "public"}],
        "destination": "open_data",
        "retention_until": "permanent",
        "frequency": "yearly",
        "record_level": False,
        "method": "ddg_aggregate",
        "method_justification": "A public aggregate goes through the guideline",
        "publication_intent": "open_data",
        "open_data": {
            "individual": False,
            "prohibited": False,
            "sole_source_without_sensitivities": True,
            "mandate": True,
        },
        "is_research": False,
        "funds_transfer": False,
    }
    return {name: value for name, value in (complete | fields).items() if value is not None}


@dataclass
class World:
    """Everything a release needs; ``build`` makes a candidate as the pipeline would."""

    deployment: Deployment
    publication: Publication
    policy: DdgPolicy
    ledger: Ledger
    requested: int = field(default=0)

    @property
    def name(self) -> str:
        """The publication's name."""
        return self.publication.name

    def build(self, rows: Iterable[Row] = ROWS, failing: Sequence[str] = ()) -> str:
        """Write the candidate, record it and its gates; its fingerprint."""
        self.write(rows)
        return self.record(failing)

    def record(self, failing: Sequence[str] = ()) -> str:
        """Record the table as it is, and its gates, as the pipeline would; its fingerprint."""
        content = current_fingerprint(self.deployment, self.name)
        self.ledger.append(
            CandidateBuilt(
                publication=self.name,
                fingerprint=content,
                publication_digest=self.publication.digest,
                policy_digest=self.policy.digest,
                rows=len(ROWS),
                score_sheet_digest="5" * 64,
                columns=self.publication.table_columns,
                code_version=code_version(self.deployment),
            )
        )
        self.evaluate(content, failing=failing)
        return content

    def write(self, rows: Iterable[Row]) -> None:
        """Write the candidate table and nothing else."""
        with open_zone(self.deployment, Zone.LIMITED) as con:
            con.execute("create schema if not exists candidate")
            con.execute(
                f"create or replace table candidate.{self.name} (county varchar, "
                "visit_year integer, visit_count bigint, person_count bigint, "
                "population_count bigint, visit_count_annotation integer)"
            )
            con.executemany(
                f"insert into candidate.{self.name} values (?, ?, ?, ?, ?, ?)", list(rows)
            )
            self.certify(con)

    def certify(self, con: duckdb.DuckDBPyConnection) -> None:
        """Write the certificate that masking would: hidden counts, and two ways to move them."""
        names = TableNames.of_zone(self.publication)
        header, rows = published_text(con, names.candidate, self.publication)
        hidden = {
            (row[0], row[1]): place
            for place, row in enumerate(rows)
            if row[header.index("person_count")] == ""
        }
        pair = [hidden[cell] for cell in HIDDEN if cell in hidden]
        certificate = {
            "format": FORMAT,
            "table": digest(header, rows, declared(self.publication)),
            "rules": stated(rules_of(self.policy)),
            "people": {
                "person_count": {
                    "base": [HIDDEN.get(cell, (1, 1))[1] for cell in hidden],
                    "figures": {"visit_count": [HIDDEN.get(cell, (1, 1))[0] for cell in hidden]},
                    "gated": list(range(len(rows))),
                    "inexact": [],
                    "solved": [],
                    "witnesses": [
                        {"cells": pair, "amounts": [amount, -amount]}
                        for amount in (6, -3)
                        if len(pair) == len(HIDDEN)
                    ],
                }
            },
        }
        con.execute("create schema if not exists masking")
        con.execute(f"create or replace table {names.certificate} (content blob)")
        con.execute(f"insert into {names.certificate} values (?)", [encode(certificate)])

    def evaluate(
        self, content: str, *, gates: Sequence[str] | None = None, failing: Sequence[str] = ()
    ) -> None:
        """Record gate results on a content."""
        self.ledger.append_all(
            GateEvaluated(
                table=candidate_asset(self.name),
                gate=gate,
                fingerprint=content,
                passed=gate not in failing,
                rule="a rule",
                failures=int(gate in failing),
                policy_digest=self.policy.digest,
            )
            for gate in (candidate_gates() if gates is None else gates)
        )

    def submit(self, actor: Actor = ANA, **fields: Any) -> Request:
        """Request the candidate as it stands."""
        self.requested += 1
        return decisions.submit(
            self.ledger,
            request=f"req-{self.requested:04}",
            form=form(**{"dataset": self.name, **fields}),
            actor=actor,
            fingerprint=current_fingerprint(self.deployment, self.name),
        )

    def act(
        self, request: str, action: Action, by: str | Actor, role: Role, **content: Any
    ) -> Request:
        """One step of a request."""
        command = {name: content.pop(name) for name in ("reason", "conditions") if name in content}
        return decisions.act(
            self.ledger,
            by if isinstance(by, Actor) else actor(by),
            decisions.Command(
                action=action,
                request=request,
                role=role,
                content=content,
                **command,
            ),
        )

    def review(self, request: str) -> Request:
        """Start the review and approve for execution."""
        self.act(request, Action.START_REVIEW, REVIEWER, Role.PRIVACY_REVIEWER)
        return self.act(
            request,
            Action.APPROVE_FOR_EXECUTION,
            REVIEWER,
            Role.PRIVACY_REVIEWER,
            answers=dict.fromkeys(QUESTIONS, True),
        )

    def execute(self, request: str) -> Request:
        """Have the pipeline record what it ran."""
        return self.act(request, Action.RECORD_EXECUTION, PIPELINE, Role.DATA_ENGINEER)

    def validate(self, request: str) -> Request:
        """Validate as the second person."""
        return self.act(
            request,
            Action.VALIDATE,
            VALIDATOR,
            Role.VALIDATOR,
            verdict="passed",
            sampled=20,
            findings="Twenty rows looked at, none tells on anybody",
        )

    def determine(self, request: str) -> Request:
        """Determine by the score sheet, as the expert."""
        return self.act(
            request,
            Action.DETERMINE,
            EXPERT,
            Role.EXPERT,
            explanation="Small cells are hidden and the certificate holds",
        )

    def approve(self, request: str, actor: Actor = BEN, role: Role = Role.DATA_STEWARD) -> Request:
        """Approve the release in one role, by default as the data steward."""
        return self.act(request, Action.APPROVE_RELEASE, actor, role)

    def up_to(self, request: str, state: State) -> Request:
        """Take a request through every step that leads to a state."""
        steps: dict[State, Callable[[str], Request]] = {
            State.APPROVED_FOR_EXECUTION: self.review,
            State.EXECUTED: self.execute,
            State.VALIDATED: self.validate,
            State.LEGAL_CLEARED: self.determine,
            State.RELEASE_APPROVED: self.approve_by_all,
        }
        for reached, step in steps.items():
            one = step(request)
            if reached is state:
                return one
        raise AssertionError(state)

    def approve_by_all(self, request: str) -> Request:
        """The steward, the deputy director and the director."""
        self.approve(request)
        self.approve(request, actor(DEPUTY), Role.DEPUTY_DIRECTOR)
        return self.approve(request, actor(DIRECTOR), Role.DIRECTOR)

    def publish(self, request: str | None = None, actor: Actor = DANA) -> Published:
        """Release."""
        return publish(
            self.deployment,
            self.ledger,
            self.publication,
            self.policy,
            actor=actor,
            request=request,
        )

    def approved(self) -> Request:
        """A candidate, requested and approved by everybody who must."""
        self.build()
        return self.decided(self.submit().id)

    def decided(self, request: str) -> Request:
        """A request taken through every gate, each by another person."""
        return self.up_to(request, State.RELEASE_APPROVED)

    def recall(self, request: str, reason: str = "wrong year") -> Request:
        """Recall a release as the steward."""
        return self.act(request, Action.RECALL, STEWARD, Role.DATA_STEWARD, reason=reason)


def world(folder: Path, ledger_url: str | None = None) -> World:
    """A deployment under a folder, with the policies of this checkout and one publication."""
    made = opened(deployed(folder, ledger_url))
    appoint(made.ledger, (NAME,))
    return made


def deployed(folder: Path, ledger_url: str | None = None) -> Deployment:
    """A deployment under a folder, initialised, with nobody in its register yet."""
    project = folder / "project"
    (project / "dbt_project").mkdir(parents=True)
    (project / "assets").symlink_to(CHECKOUT / "assets")
    (project / "dbt_project" / "seeds").symlink_to(CHECKOUT / "dbt_project" / "seeds")
    for name in ("dbt_project.yml", "profiles.yml"):
        (project / "dbt_project" / name).touch()
    environment = {} if ledger_url is None else {"DEID_LEDGER_URL": ledger_url}
    deployment = Deployment(project=project, home=folder / "home", environment=environment)
    initialise(deployment)
    return deployment


def opened(deployment: Deployment) -> World:
    """The world of a deployment that is there already."""
    return World(
        deployment=deployment,
        publication=parse_publication(NAME, {**BLOCK, "policy": "calhhs_ddg_2"}, name=NAME),
        policy=the_policy(),
        ledger=Ledger.open(deployment.ledger_url),
    )


@cache
def the_policy() -> DdgPolicy:
    """The policy of the one publication."""
    checkout = Deployment(project=CHECKOUT, home=CHECKOUT, environment={})
    return load_policy("calhhs_ddg_2", checkout)


def write_manifest(
    deployment: Deployment, blocks: Mapping[str, Mapping[str, Any]] | None = None
) -> None:
    """The dbt manifest of the one publication, or of several by name."""
    nodes = {
        f"model.deid.{name}": {
            "resource_type": "model",
            "name": name,
            "description": "",
            "columns": {},
            "config": {"meta": {"publication": {**block, "policy": "calhhs_ddg_2"}}},
            "depends_on": {"nodes": []},
        }
        for name, block in (blocks or {NAME: BLOCK}).items()
    }
    file = deployment.home / "dbt" / "manifest.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"nodes": nodes}))
