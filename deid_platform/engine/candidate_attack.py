"""Attacks a candidate as its readers would: counts, the figures beside them, amounts of money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import duckdb
import numpy as np

from deid_platform.core.errors import MaskingError
from deid_platform.core.masking import Attack, attack
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Publication
from deid_platform.engine.mask import TableNames
from deid_platform.engine.masking_amounts import amounts_given_away
from deid_platform.engine.masking_model import linked_figures, published_table, rules_of
from deid_platform.engine.masking_table import MaskingCells, read_cells


@dataclass(frozen=True, kw_only=True, eq=False)
class CandidateAttack:
    """The attack on a candidate: one per column that counts people, and their sums."""

    by_people: Mapping[str, Attack]

    @property
    def watched(self) -> int:
        """Hidden small cells that had to withstand."""
        return sum(int(found.watched.sum()) for found in self.by_people.values())

    @property
    def recovered(self) -> int:
        """Hidden small cells of which a single value remains."""
        return sum(int(found.recovered.sum()) for found in self.by_people.values())

    @property
    def narrowed(self) -> int:
        """Hidden small cells of which a protected value is, or may be, ruled out."""
        return sum(
            int((found.narrowed | found.undecided).sum()) for found in self.by_people.values()
        )

    @property
    def holds(self) -> bool:
        """Whether the masking withstood."""
        return self.recovered == 0 and self.narrowed == 0


def attack_candidate(
    con: duckdb.DuckDBPyConnection, publication: Publication, policy: DdgPolicy
) -> CandidateAttack:
    """Attack ``limited.candidate.<publication>`` from what it publishes, per people column.

    Knows nothing of how the table was masked. The source is read for one purpose only: to say
    which hidden cells are small, and so must have withstood.

    Raises:
        MaskingError: the candidate contradicts itself or its source.
    """
    return attack_table(con, TableNames.of_zone(publication), publication, policy)


def attack_table(
    con: duckdb.DuckDBPyConnection,
    names: TableNames,
    publication: Publication,
    policy: DdgPolicy,
) -> CandidateAttack:
    """Attack any candidate beside its source; see `attack_candidate`."""
    cells = read_cells(con, names.candidate, publication)
    source = read_cells(con, names.source, publication)
    if not np.array_equal(cells.layout.keys, source.layout.keys):
        raise MaskingError(
            publication.name, "the candidate has other cells than its source", "mask it again"
        )
    rules = rules_of(policy)
    found = {}
    for people in publication.people_columns:
        true = source.integers(people)
        table = published_table(cells, publication, people, true)
        small = (true >= 1) & (true <= rules.largest_small)
        result = attack(table, rules, small=small & table.hidden)
        result = _with_statistics(cells, publication, people, result)
        money = amounts_given_away(cells, source, publication, people, small, policy)
        found[people] = replace(result, narrowed=result.narrowed | (money & ~result.recovered))
    return CandidateAttack(by_people=found)


def _with_statistics(
    cells: MaskingCells, publication: Publication, people: str, result: Attack
) -> Attack:
    """A figure left standing in a hidden cell gives the cell away (M-5, A-23)."""
    standing = np.zeros(len(result.watched), dtype=bool)
    for figure in linked_figures(publication, people):
        standing |= ~np.isnan(cells.floats(figure))
    given_away = result.watched & standing
    return replace(
        result,
        recovered=result.recovered | given_away,
        narrowed=result.narrowed & ~given_away,
        undecided=result.undecided & ~given_away,
    )
