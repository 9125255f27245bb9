"""A release whose aggregate is there, assessed and masked in earnest, without dbt and Dagster."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from deid_platform.core.publication import Publication
from deid_platform.core.zones import Zone
from deid_platform.engine.assess import assess_publication
from deid_platform.engine.database import open_zone
from deid_platform.engine.fingerprint import fingerprint
from deid_platform.engine.mask import mask_publication
from deid_platform.engine.running_code import code_version
from deid_platform.governance.events import AssessmentRecorded, CandidateBuilt
from deid_platform.governance.publish import candidate_fingerprint
from tests.support.governance import World
from tests.support.governance import world as new_world

COUNTIES = {
    "Alpine": 1_200,
    "Inyo": 18_000,
    "Kern": 900_000,
    "Modoc": 9_000,
    "Mono": 13_000,
    "Napa": 138_000,
    "Sierra": 3_200,
    "Yolo": 217_000,
}
VISITS: dict[int, dict[str, tuple[int, int]]] = {
    2023: {
        "Alpine": (3, 2),
        "Inyo": (0, 0),
        "Kern": (7_113, 6_029),
        "Modoc": (9, 7),
        "Mono": (41, 37),
        "Napa": (911, 853),
        "Sierra": (6, 5),
        "Yolo": (1_723, 1_511),
    },
    2024: {
        "Alpine": (14, 12),
        "Inyo": (57, 49),
        "Kern": (7_307, 6_121),
        "Modoc": (8, 6),
        "Mono": (44, 39),
        "Napa": (977, 883),
        "Sierra": (4, 3),
        "Yolo": (1_811, 1_583),
    },
}
"""Visits and people by county, before masking."""
HIDDEN = (3, 2, 9, 7, 6, 5, 8, 4)
"""Counts that masking hides."""


def evidence_world(folder: Path) -> World:
    """A deployment whose candidate is masked from an aggregate."""
    world = new_world(folder)
    build(world)
    return world


def build(world: World, visits: dict[int, dict[str, tuple[int, int]]] = VISITS) -> None:
    """Write the aggregate, assess and mask it, and record all as the pipeline would."""
    publication, policy = world.publication, world.policy
    area = publication.dimension_columns[0]
    with open_zone(world.deployment, Zone.LIMITED) as con:
        con.execute(
            f"create or replace table main.{world.name} ({area} varchar, visit_year integer, "
            "visit_count bigint, person_count bigint, population_count bigint)"
        )
        con.executemany(
            f"insert into main.{world.name} values (?, ?, ?, ?, ?)",
            list(_rows(visits, publication)),
        )
        source = fingerprint(con, f"limited.main.{world.name}")
        sheet = assess_publication(con, publication, policy)
        mask_publication(con, publication, policy)
        content = candidate_fingerprint(con, publication.name)
    world.ledger.append_all(
        [
            AssessmentRecorded(
                publication=world.name,
                fingerprint=source,
                policy_digest=policy.digest,
                score_sheet_digest=sheet.digest,
            ),
            CandidateBuilt(
                publication=world.name,
                fingerprint=content,
                publication_digest=publication.digest,
                policy_digest=policy.digest,
                rows=sum(map(len, visits.values())),
                score_sheet_digest=sheet.digest,
                source_fingerprint=source,
                columns=publication.table_columns,
                code_version=code_version(world.deployment),
            ),
        ]
    )
    world.evaluate(content)


def release(world: World) -> str:
    """Request, approve and release what is there; the release's id."""
    request = world.submit()
    world.decided(request.id)
    return world.publish(request.id).release


def with_more(
    visits: dict[int, dict[str, tuple[int, int]]], year: int, county: str, value: tuple[int, int]
) -> dict[int, dict[str, tuple[int, int]]]:
    """The same visits with one cell changed."""
    return {**visits, year: {**visits[year], county: value}}


def _rows(
    visits: dict[int, dict[str, tuple[int, int]]], publication: Publication
) -> Iterable[tuple[str, int, int, int, int]]:
    whole = publication.dimensions[publication.dimension_columns[0]].total or ""
    for year, areas in visits.items():
        for area, (events, people) in areas.items():
            yield area, year, events, people, COUNTIES.get(area, 50_000)
        total = [sum(one[k] for one in areas.values()) for k in (0, 1)]
        population = sum(COUNTIES.get(area, 50_000) for area in areas)
        yield whole, year, total[0], total[1], population
