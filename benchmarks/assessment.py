"""Assess a long table of 1,000,000 cells in five dimensions, beside one GROUP BY over its cells."""

from __future__ import annotations

import duckdb

from benchmarks.harness import Comparison, Step, Workspace
from deid_platform.core.declaration import parse_publication
from deid_platform.engine.assess import assess_relation
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.publications import load_policy

_SEXES, _AGES, _RACES, _PERIODS, _PLACES = 2, 20, 10, 50, 50
_PUBLICATION = parse_publication(
    "assessment benchmark",
    {
        "dimensions": {
            "place": {"kind": "residence_geography", "population_column": "population_count"},
            "age_group": {"kind": "age_range"},
            "sex": {"kind": "sex"},
            "race": {"kind": "race", "labels": {f"race {n}": "White" for n in range(_RACES)}},
            "period": {"kind": "time"},
        },
        "figures": {"visit_count": {"people": "person_count", "denominator": "population_count"}},
    },
    name="cells",
    policy="calhhs_ddg_2",
)


def _file(workspace: Workspace) -> str:
    return str(workspace.folder / "cells.duckdb")


def prepare(workspace: Workspace) -> None:
    """Make the cells, once."""
    if (workspace.folder / "cells.duckdb").exists():
        return
    with duckdb.connect(_file(workspace)) as con:
        con.execute(
            f"""
            create table cells as
            select
                'place ' || place as place,
                (5 * age) || '-' || (5 * age + 4) as age_group,
                if(sex = 0, 'Male', 'Female') as sex,
                'race ' || race as race,
                cast(2020 + period // 12 as varchar) || '-'
                    || lpad(cast(1 + period % 12 as varchar), 2, '0') as period,
                count as visit_count,
                count as person_count,
                30000 + place * 1000 as population_count
            from range({_PLACES}) as a(place), range({_AGES}) as b(age), range({_SEXES}) as c(sex),
                range({_RACES}) as d(race), range({_PERIODS}) as e(period),
                lateral (select hash(place, age, sex, race, period) % 400 as count)
            """
        )


def assess_cells(workspace: Workspace) -> int:
    """Assess the table; how many cells were looked at."""
    policy = load_policy("calhhs_ddg_2", Deployment.from_environment())
    with duckdb.connect(_file(workspace), read_only=True) as con:
        sheet = assess_relation(con, "cells", _PUBLICATION, policy)
    return sheet.condition.cells if sheet.condition else 0


def group_cells(workspace: Workspace) -> int:
    """One GROUP BY over the same cells; how many groups it makes."""
    with duckdb.connect(_file(workspace), read_only=True) as con:
        row = con.execute(
            "select count(*) from (select place, age_group, sex, race, period, "
            "sum(person_count) as people from cells group by all having sum(person_count) >= 0)"
        ).fetchone()
    return int(row[0]) if row else 0


COMPARISONS = (
    Comparison(
        step=Step(name="assess_a_million_cells", run=assess_cells, prepare=prepare),
        peer=Step(name="duckdb_groups_the_cells", run=group_cells, prepare=prepare),
    ),
)
