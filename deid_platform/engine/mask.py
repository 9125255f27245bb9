"""Masks a publication's table and attacks the candidate as a reader would.

The table is read, sorted by its dimensions, as numpy columns; `core.masking` decides; the codes go
back as one Arrow table that is joined by row number. No cell value passes through Python code.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from deid_platform.core.errors import MaskingError
from deid_platform.core.masking import (
    COMPLEMENTARY,
    SHOWN,
    SMALL,
    Masking,
    MaskingRules,
    MaskingTable,
    mask,
)
from deid_platform.core.masking.certificate import certify, decode, encode
from deid_platform.core.masking.model import Bools
from deid_platform.core.masking.verify import DDG, verify
from deid_platform.core.masking_choice import MaskingChoice, Method, check_method
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Publication
from deid_platform.engine.linked_tables import elsewhere
from deid_platform.engine.masking_amounts import amounts_to_hide
from deid_platform.engine.masking_model import (
    masking_table,
    rules_of,
)
from deid_platform.engine.masking_select import (
    RESULT,
    candidate_select,
    evidence_select,
    numbered,
)
from deid_platform.engine.masking_table import MaskingCells, read_cells
from deid_platform.engine.shown_statistics import figure_codes
from deid_platform.engine.sql import identifier, qualified

_ATTACK_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True)
class TableNames:
    """The tables that masking reads and writes, as quoted SQL."""

    source: str
    candidate: str
    evidence: str
    certificate: str

    @classmethod
    def of_zone(cls, publication: Publication) -> TableNames:
        """The tables of a publication in the limited zone."""
        name = publication.name
        return cls(
            source=qualified("limited", "main", name),
            candidate=qualified("limited", "candidate", name),
            evidence=qualified("limited", "masking", name),
            certificate=qualified("limited", "masking", f"{name}_certificate"),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskResult:
    """What masking did to one publication: one `Masking` per column that counts people.

    ``amounts`` say, per amount of money, in which cells it is hidden although their people are not.
    """

    publication: str
    maskings: Mapping[str, Masking]
    inexact: Mapping[str, tuple[str, ...]]
    amounts: Mapping[str, Bools]

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Per people column: cells, zeros, hidden cells and the people in them."""
        return {people: masking.counts() for people, masking in self.maskings.items()}

    def metadata(self) -> dict[str, Any]:
        """Aggregates for asset metadata and the ledger; no cell value."""
        return {
            "publication": self.publication,
            "people": {
                people: {
                    **masking.counts(),
                    "attack": masking.audit.summary(),
                    "above_least_loss": masking.pattern.gap,
                    "totals_not_exact_along": list(self.inexact[people]),
                }
                for people, masking in self.maskings.items()
            },
            "amounts_also_hidden": {n: int(cells.sum()) for n, cells in self.amounts.items()},
        }


def mask_publication(
    con: duckdb.DuckDBPyConnection,
    publication: Publication,
    policy: DdgPolicy,
    *,
    masking_required: bool = True,
    linked: Sequence[Publication] = (),
) -> MaskResult:
    """Write ``limited.candidate.<publication>`` and its evidence from ``limited.main``.

    The candidate has the columns of the source, hidden figures null, and one annotation column
    per figure. Its evidence and its certificate go to ``limited.masking``. Either all of them are
    replaced, or the last good ones stay.

    Args:
        con: a session that writes the limited zone.
        publication: the declaration of the table.
        policy: its thresholds.
        masking_required: the score's verdict. When false, only high-risk subjects are masked,
            unless the policy always hides small counts (A-05).
        linked: publications that share cells with this one and are masked already: what their
            candidates show is shown here, and what they hide is hidden (M-14).

    Raises:
        DeclarationError: the table does not have the declared columns.
        MaskingError: margins are not sums of their rows, no safe pattern was found, or a linked
            candidate was made from other data.
    """
    names = TableNames.of_zone(publication)
    con.execute("create schema if not exists limited.candidate")
    con.execute("create schema if not exists limited.masking")
    return mask_table(
        con, names, publication, policy, masking_required=masking_required, linked=linked
    )


def mask_table(
    con: duckdb.DuckDBPyConnection,
    names: TableNames,
    publication: Publication,
    policy: DdgPolicy,
    *,
    masking_required: bool = True,
    seconds: float | None = None,
    linked: Sequence[Publication] = (),
) -> MaskResult:
    """Mask any table that a session can read; see `mask_publication`.

    ``seconds`` bound the search for a cheaper pattern, and then the attack on the result.
    """
    check_method(publication.name, publication.masking, policy)
    if publication.masking.method is Method.PERCENTAGES:
        raise MaskingError(
            f"{publication.name}: masking.method",
            "percentages replace the counts of a file (`deid mask`), not those of a publication",
            "take it out of the declaration, or mask the table as a file",
        )
    started = time.monotonic()
    cells = read_cells(con, names.source, publication)
    rules = rules_of(policy)
    gate_all = masking_required or policy.always_suppress_small or bool(publication.subjects)
    maskings, inexact = {}, {}
    for people in publication.people_columns:
        others = elsewhere(con, names.source, publication, people, linked)
        table = masking_table(
            cells, publication, people, policy, gate_all=gate_all, elsewhere=others
        )
        inexact[people] = tuple(axis.name for axis in table.layout.axes if not axis.exact)
        masking = _masked_as_wished(
            table,
            rules,
            publication.masking,
            expired=lambda: seconds is not None and time.monotonic() - started > seconds,
            attack_seconds=_ATTACK_SECONDS if seconds is None else seconds,
        )
        telling = others is not None and bool((others.unlabelled & (masking.codes > SMALL)).any())
        maskings[people] = masking.without_labels() if telling else masking
    result = MaskResult(
        publication=publication.name,
        maskings=maskings,
        inexact=inexact,
        amounts=amounts_to_hide(cells, publication, maskings, policy),
    )
    _write(con, names, publication, cells, result)
    return result


def _masked_as_wished(
    table: MaskingTable,
    rules: MaskingRules,
    choice: MaskingChoice,
    *,
    expired: Callable[[], bool],
    attack_seconds: float,
) -> Masking:
    """Mask a table, and say so where it is the cells to publish that leave no safe pattern."""
    try:
        return mask(table, rules, expired=expired, attack_seconds=attack_seconds)
    except MaskingError:
        if not choice.must_publish or expired():
            raise
    mask(replace(table, must_publish=None), rules, expired=expired, attack_seconds=attack_seconds)
    raise MaskingError(
        f"{table.name}: masking.must_publish",
        "no pattern that leaves all of these cells shown protects every small cell",
        "take cells out of it, or publish coarser groups",
    )


def verify_candidate(
    con: duckdb.DuckDBPyConnection, publication: Publication, rules: Mapping[str, int] = DDG
) -> list[str]:
    """Re-check the candidate against its certificate, without solver; empty when it holds."""
    return verify_table(con, TableNames.of_zone(publication), publication, rules)


def verify_table(
    con: duckdb.DuckDBPyConnection,
    names: TableNames,
    publication: Publication,
    rules: Mapping[str, int] = DDG,
) -> list[str]:
    """Re-check any candidate against its certificate; see `verify_candidate`."""
    try:
        stored = con.execute(f"select content from {names.certificate}").fetchone()
    except duckdb.CatalogException:
        stored = None
    if stored is None:
        return ["there is no certificate"]
    header, rows = published_text(con, names.candidate, publication)
    return verify(header, rows, declared(publication), decode(stored[0]), rules)


def published_text(
    con: duckdb.DuckDBPyConnection, table: str, publication: Publication
) -> tuple[list[str], list[list[str]]]:
    """A table as it is published: header and rows as text, in the order of the dimensions."""
    header = [row[0] for row in con.execute(f"describe {table}").fetchall()]
    texts = ", ".join(f"coalesce({identifier(c)}::varchar, '')" for c in header)
    order = ", ".join(map(identifier, publication.dimension_columns))
    rows = con.execute(f"select {texts} from {table} order by {order}").fetchall()
    return header, [list(row) for row in rows]


def declared(publication: Publication) -> dict[str, Any]:
    """The declaration as the verifier takes it."""
    declaration: dict[str, Any] = publication.model_dump(mode="json")
    return declaration


def _write(
    con: duckdb.DuckDBPyConnection,
    names: TableNames,
    publication: Publication,
    cells: MaskingCells,
    result: MaskResult,
) -> None:
    """Replace candidate, evidence and certificate together, once the certificate is verified."""
    number = {people: k for k, people in enumerate(publication.people_columns)}
    columns: dict[str, Any] = {"row": np.arange(1, cells.layout.cells + 1)}
    for people, k in number.items():
        masking = result.maskings[people]
        columns[f"code_{k}"] = masking.codes.astype(np.int32)
        columns[f"reason_{k}"] = masking.reasons.astype(np.int32)
        columns[f"block_{k}"] = masking.block
        columns[f"low_{k}"] = masking.audit.low
        columns[f"high_{k}"] = masking.audit.high
    codes = {people: masking.codes for people, masking in result.maskings.items()}
    for k, (name, own) in enumerate(figure_codes(cells, publication, codes).items()):
        more = result.amounts.get(name, np.zeros(len(own), dtype=bool)) & (own == SHOWN)
        columns[f"figure_{k}"] = np.where(more, COMPLEMENTARY, own).astype(np.int32)
    con.register(RESULT, pa.table(columns))
    rows = numbered(names.source, publication)
    try:
        con.execute("begin transaction")
        con.execute(
            f"create or replace table {names.candidate} as "
            f"{candidate_select(publication, cells, number)} from {rows} order by _row"
        )
        con.execute(
            f"create or replace table {names.evidence} as {evidence_select(publication, number)}"
            f" from {rows} order by _row"
        )
        header, texts = published_text(con, names.candidate, publication)
        certificate = certify(result.maskings, header, texts, declared(publication))
        if verify(header, texts, declared(publication), certificate, certificate["rules"]):
            raise MaskingError(
                publication.name,
                "the certificate of the masked table does not hold",
                "the last good candidate stands; report the shape of this table",
            )
        con.execute(f"create or replace table {names.certificate} (content blob)")
        con.execute(f"insert into {names.certificate} values (?)", [encode(certificate)])
        con.execute("commit")
    except duckdb.Error:
        con.execute("rollback")
        raise MaskingError(
            publication.name,
            "the candidate could not be written",
            "the last good candidate stands; check the zone and run again",
        ) from None
    except MaskingError:
        con.execute("rollback")
        raise
    finally:
        con.unregister(RESULT)
