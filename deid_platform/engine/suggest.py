"""Tries designs of a table on its own cells and scores each.

Merged cells add up people, which is exact where each person is in one of the merged groups and an
upper bound otherwise (pooled periods); where the table shows a total, a dropped dimension takes
that. A chosen design is then built from records and assessed like any other table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from deid_platform.core.faults import AssessmentFault, Fault
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Dimension, Kind, Publication
from deid_platform.core.risk.high_risk import high_risk_labels
from deid_platform.core.risk.part_score import score_part
from deid_platform.core.risk.publication_scoring import PartFacts, variables_of
from deid_platform.core.risk.suggestions import (
    DROP,
    KEEP,
    Design,
    Suggestion,
    designs,
    kept,
    pareto,
    recodes,
    splits,
)
from deid_platform.engine.cells import CELLS, Cells, normal_form

_SUMMED = (Kind.RESIDENCE_GEOGRAPHY, Kind.SERVICE_GEOGRAPHY, Kind.INSURANCE, Kind.MEANS_TESTED)


def suggest(
    con: duckdb.DuckDBPyConnection, source: str, publication: Publication, policy: DdgPolicy
) -> list[Suggestion]:
    """The designs that no other beats in score, blanks and loss, best score first.

    Raises:
        AssessmentError: the table is not what its declaration says, or a recode cannot be scored.
    """
    cells = normal_form(con, source, publication)
    try:
        available = _recode(con, cells, publication)
        risky = {
            column: high_risk_labels(
                publication.name, publication, column, _distinct(con, f"d{number}"), policy
            )
            for number, column in enumerate(publication.dimension_columns)
        }
        tried = (
            _tried(con, cells, publication, policy, design, available, risky)
            for design in designs(publication, available)
        )
        return pareto(one for one in tried if one is not None)
    finally:
        con.execute(f"drop table if exists {CELLS}")


Recodes = Mapping[str, Mapping[str, Mapping[str, str]]]


def _distinct(con: duckdb.DuckDBPyConnection, column: str) -> list[str]:
    rows = con.execute(f"select distinct {column} from {CELLS} order by 1").fetchall()
    return [str(row[0]) for row in rows]


def _recode(
    con: duckdb.DuckDBPyConnection, cells: Cells, publication: Publication
) -> dict[str, dict[str, dict[str, str]]]:
    """Add a label column per dimension and recode: `d0_1` is the first recode of the first."""
    available: dict[str, dict[str, dict[str, str]]] = {}
    for number, (column, dimension) in enumerate(publication.dimensions.items()):
        labels = [one for one in _distinct(con, f"d{number}") if one != dimension.total]
        available[column] = recodes(dimension, labels)
        for position, mapping in enumerate(available[column].values(), start=1):
            name = f"d{number}_{position}"
            con.execute(f"alter table {CELLS} add column {name} varchar")
            con.execute(
                f"update {CELLS} set {name} = coalesce(element_at(map(?, ?), d{number})[1], "
                f"d{number})",
                [list(mapping), list(mapping.values())],
            )
    del cells
    return available


def _tried(
    con: duckdb.DuckDBPyConnection,
    cells: Cells,
    publication: Publication,
    policy: DdgPolicy,
    design: Design,
    available: Recodes,
    risky: Mapping[str, frozenset[str]],
) -> Suggestion | None:
    """One design scored; None where it shows no place or no period, so that it has no score."""
    shown = kept(publication, design)
    parts = splits(publication, design) if design.split else (shown,)
    recoded = _recoded(publication, design, available)
    score: int | None = None
    blanks = number = 0
    expert = False
    for part in parts:
        facts, risky_small, count = _facts(con, publication, policy, design, available, part, risky)
        variables = variables_of(recoded, facts, policy)
        try:
            scored = score_part(publication.name, part, facts.smallest, variables, policy)
        except AssessmentFault as fault:
            if fault.fault in (Fault.NO_GEOGRAPHY, Fault.NO_TIME):
                return None
            raise AssessmentFault(
                Fault.NO_SUGGESTION,
                publication.name,
                f"a permitted recode cannot be scored ({fault.fault.code})",
                "correct the labels under `coarser`",
            ) from None
        number += count
        expert = expert or bool(scored.expert_review)
        if scored.total is not None:
            score = scored.total if score is None else max(score, scored.total)
            over = scored.total >= policy.score_threshold or policy.always_suppress_small
            blanks += facts.small_cells if over else risky_small
    return Suggestion(
        changes=design.changes,
        score=score,
        blanks=blanks,
        cells=number,
        loss=round(max(0.0, 1 - number / cells.count), 4),
        expert_review=expert,
    )


def _label(publication: Publication, design: Design, available: Recodes, column: str) -> str:
    number = publication.dimension_columns.index(column)
    choice = design.choices[column]
    if choice == KEEP:
        return f"d{number}"
    return f"d{number}_{list(available[column]).index(choice) + 1}"


def _facts(
    con: duckdb.DuckDBPyConnection,
    publication: Publication,
    policy: DdgPolicy,
    design: Design,
    available: Recodes,
    part: Sequence[str],
    risky: Mapping[str, frozenset[str]],
) -> tuple[PartFacts, int, int]:
    """The cells of one part of a design: its facts, its high-risk small cells, its cells."""
    keys = [_label(publication, design, available, column) for column in part]
    columns = publication.dimension_columns
    gone = [column for column in columns if column not in part]
    where = [f"t{columns.index(column)}" for column in gone if publication.dimensions[column].total]
    within = " and ".join(where) or "true"
    people = [f"p{number}" for number in range(len(publication.people_columns))]
    summed = ", ".join(f"sum({one}) as {one}" for one in people)
    hidden = [(columns.index(column), sorted(labels)) for column, labels in risky.items() if labels]
    marked = " or ".join(f"list_contains(?, d{number})" for number, _ in hidden) or "false"
    largest = policy.min_people - 1
    small = " or ".join(f"{one} between 1 and {largest}" for one in people)
    least = ", ".join(f"min({one}) filter (where {one} > 0)" for one in people)
    merged = (
        f"select {', '.join(keys)}, {summed}, bool_or({marked}) as risky from {CELLS} "
        f"where {within} group by {', '.join(keys)}"
    )
    found = con.execute(
        f"select count(*), count(*) filter (where {small}), "
        f"count(*) filter (where risky and ({small})), {least} from ({merged})",
        [labels for _, labels in hidden],
    ).fetchone() or (0, 0, 0)
    smallest = [int(value) for value in found[3:] if value is not None]
    facts = PartFacts(
        dimensions=tuple(part),
        labels={
            column: tuple(
                label
                for label in _distinct(con, key)
                if label != publication.dimensions[column].total
            )
            for column, key in zip(part, keys, strict=True)
        },
        smallest=min(smallest) if smallest else None,
        small_cells=int(found[1]),
    )
    return facts, int(found[2]), int(found[0])


def _recoded(publication: Publication, design: Design, available: Recodes) -> Publication:
    """The declaration of a design: merged places and programs add up their populations."""
    dimensions: dict[str, Dimension] = {}
    for column, dimension in publication.dimensions.items():
        choice = design.choices[column]
        if choice in (KEEP, DROP) or dimension.kind not in _SUMMED:
            dimensions[column] = dimension
            continue
        groups: dict[str, tuple[str, ...]] = {}
        for label, coarser in available[column][choice].items():
            meanings = dimension.groups.get(label, (dimension.labels.get(label, label),))
            groups[coarser] = (*groups.get(coarser, ()), *meanings)
        merged = {name: meanings for name, meanings in groups.items() if len(meanings) > 1}
        dimensions[column] = dimension.model_copy(update={"groups": {**dimension.groups, **merged}})
    return publication.model_copy(update={"dimensions": dimensions})
