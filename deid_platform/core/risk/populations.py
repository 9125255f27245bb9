"""How many people a label stands for, and who says so.

In order: a column of the table, the declaration with its source, the policy's references. A
label that is a declared group adds up the populations of its members (A-04, R-517).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from deid_platform.core.policy import DdgPolicy, ReferencePopulation
from deid_platform.core.publication import Characteristic
from deid_platform.core.risk.labels import Names, fold, without_qualifiers


@dataclass(frozen=True, kw_only=True)
class People:
    """People in a group: estimate, margin of error and who says so."""

    estimate: int
    margin: int | None = None
    warning: str | None = None
    source: str = ""
    declared: bool = False


def people_of(
    policy: DdgPolicy,
    declared: Characteristic,
    label: str,
    members: Mapping[str, int],
    references: Sequence[str],
) -> People | None:
    """The people a label stands for, or None where nothing says."""
    if label in members:
        return People(estimate=members[label], source="a column of the table", declared=True)
    if label in declared.populations:
        source = declared.population_source or "the declaration"
        return People(
            estimate=declared.populations[label],
            margin=declared.margins.get(label),
            source=source,
            declared=True,
        )
    names = (declared.reference,) if declared.reference else references
    tables = [policy.references[name] for name in names if name and name in policy.references]
    meanings = declared.groups.get(label, (declared.labels.get(label, label),))
    found = [_look_up(tables, meaning) for meaning in meanings]
    known = [people for people in found if people is not None]
    if len(known) < len(found):
        return None
    if len(known) == 1:
        return known[0]
    return People(
        estimate=sum(people.estimate for people in known), source=known[0].source, declared=False
    )


def _look_up(tables: Sequence[ReferencePopulation], meaning: str) -> People | None:
    for table in tables:
        names = _names(table.title, tuple(table.populations), _frozen(table))
        name = next(
            (name for spelling in spellings(meaning) if (name := names.find(spelling)) is not None),
            None,
        )
        if name is not None:
            population = table.populations[name]
            return People(
                estimate=population.estimate,
                margin=population.margin,
                warning=population.warning,
                source=f"{table.source}, {table.vintage}",
            )
    return None


def spellings(meaning: str) -> list[str]:
    """A name, without "County" and without qualifiers: as a reference may list it."""
    text = fold(meaning)
    plain = text.removesuffix(" county").removesuffix(" co.").removeprefix("county of ")
    return [text, plain, without_qualifiers(text)]


def _frozen(table: ReferencePopulation) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple(sorted(table.aliases.items()))


@lru_cache(maxsize=64)
def _names(
    title: str, names: tuple[str, ...], aliases: tuple[tuple[str, tuple[str, ...]], ...]
) -> Names:
    """The names of a reference table, built once for all its labels."""
    del title
    return Names(names, dict(aliases))
