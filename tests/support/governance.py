"""A deployment with one masked candidate, its gates passed, and people who act on it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from deid_platform.core.declaration import parse_publication
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Publication
from deid_platform.core.workflow import Role
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.initialise import initialise
from deid_platform.engine.publications import load_policy
from deid_platform.governance import decisions
from deid_platform.governance.authority import candidate_asset, candidate_gates
from deid_platform.governance.events import CandidateBuilt, GateEvaluated
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.publish import Published, current_fingerprint, publish
from deid_platform.governance.requests import Actor, Request

CHECKOUT = Path(__file__).parents[2]
ANA, BEN, DANA = (Actor.of(name, "tester") for name in ("ana.ruiz", "ben.cho", "dana.lee"))
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
    ("California", 2023, 64, 50, 51200, 0),
    ("Alpine", 2024, 25, 20, 1200, 0),
)


@dataclass
class World:
    """Everything a release needs; ``build`` makes a candidate as the pipeline would."""

    deployment: Deployment
    publication: Publication
    policy: DdgPolicy
    ledger: Ledger
    requested: int = field(default=0)

    def build(self, rows: Iterable[Row] = ROWS, failing: Sequence[str] = ()) -> str:
        """Write the candidate, record it and its gates; its fingerprint."""
        self.write(rows)
        return self.record(failing)

    def record(self, failing: Sequence[str] = ()) -> str:
        """Record the table as it is, and its gates, as the pipeline would; its fingerprint."""
        content = current_fingerprint(self.deployment, NAME)
        self.ledger.append(
            CandidateBuilt(
                publication=NAME,
                fingerprint=content,
                publication_digest=self.publication.digest,
                policy_digest=self.policy.digest,
                rows=len(ROWS),
                score_sheet_digest="5" * 64,
            )
        )
        self.evaluate(content, failing=failing)
        return content

    def write(self, rows: Iterable[Row]) -> None:
        """Write the candidate table and nothing else."""
        with open_zone(self.deployment, Zone.LIMITED) as con:
            con.execute("create schema if not exists candidate")
            con.execute(
                f"create or replace table candidate.{NAME} (county varchar, visit_year integer, "
                "visit_count bigint, person_count bigint, population_count bigint, "
                "visit_count_annotation integer)"
            )
            con.executemany(f"insert into candidate.{NAME} values (?, ?, ?, ?, ?, ?)", list(rows))

    def evaluate(
        self, content: str, *, gates: Sequence[str] | None = None, failing: Sequence[str] = ()
    ) -> None:
        """Record gate results on a content."""
        self.ledger.append_all(
            GateEvaluated(
                table=candidate_asset(NAME),
                gate=gate,
                fingerprint=content,
                passed=gate not in failing,
                rule="a rule",
                failures=int(gate in failing),
                policy_digest=self.policy.digest,
            )
            for gate in (candidate_gates() if gates is None else gates)
        )

    def submit(self, actor: Actor = ANA) -> Request:
        """Request the candidate as it stands."""
        self.requested += 1
        return decisions.submit(
            self.ledger,
            request=f"req-{self.requested:04}",
            publication=NAME,
            fingerprint=current_fingerprint(self.deployment, NAME),
            purpose="The yearly open data table",
            actor=actor,
        )

    def approve(self, request: str, actor: Actor = BEN, role: Role = Role.DATA_STEWARD) -> Request:
        """Approve as the data steward."""
        return decisions.approve(
            self.ledger,
            request=request,
            fingerprint=current_fingerprint(self.deployment, NAME),
            role=role,
            actor=actor,
        )

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
        """A candidate, requested and approved."""
        self.build()
        return self.approve(self.submit().id)


def world(folder: Path, ledger_url: str | None = None) -> World:
    """A deployment under a folder, with the policies of this checkout and one publication."""
    project = folder / "project"
    (project / "dbt_project").mkdir(parents=True)
    (project / "assets").symlink_to(CHECKOUT / "assets")
    (project / "dbt_project" / "seeds").symlink_to(CHECKOUT / "dbt_project" / "seeds")
    for name in ("dbt_project.yml", "profiles.yml"):
        (project / "dbt_project" / name).touch()
    environment = {} if ledger_url is None else {"DEID_LEDGER_URL": ledger_url}
    deployment = Deployment(project=project, home=folder / "home", environment=environment)
    initialise(deployment)
    return opened(deployment)


def opened(deployment: Deployment) -> World:
    """The world of a deployment that is there already."""
    return World(
        deployment=deployment,
        publication=parse_publication(NAME, {**BLOCK, "policy": "calhhs_ddg_2"}, name=NAME),
        policy=_policy(),
        ledger=Ledger.open(deployment.ledger_url),
    )


@cache
def _policy() -> DdgPolicy:
    checkout = Deployment(project=CHECKOUT, home=CHECKOUT, environment={})
    return load_policy("calhhs_ddg_2", checkout)


def write_manifest(deployment: Deployment) -> None:
    """The dbt manifest of the one publication."""
    node = {
        "resource_type": "model",
        "name": NAME,
        "description": "",
        "columns": {},
        "config": {"meta": {"publication": {**BLOCK, "policy": "calhhs_ddg_2"}}},
        "depends_on": {"nodes": []},
    }
    file = deployment.home / "dbt" / "manifest.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"nodes": {f"model.deid.{NAME}": node}}))
