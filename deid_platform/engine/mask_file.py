"""Masks and attacks tables from anywhere: a file, a declaration, no zone."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from deid_platform.core.errors import DeliveryError, MaskingError
from deid_platform.core.masking import Attack, PublishedTable, attack
from deid_platform.core.masking.certificate import decode
from deid_platform.core.masking.derivation import Bound, Deriver
from deid_platform.core.masking.verify import verify
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Publication
from deid_platform.engine.assess import FileTable, assess_relation
from deid_platform.engine.mask import (
    MaskResult,
    TableNames,
    declared,
    mask_table,
    published_text,
)
from deid_platform.engine.masking_model import published_table, rules_of
from deid_platform.engine.masking_table import MaskingCells, read_cells
from deid_platform.engine.sql import identifier

_IN_MEMORY = TableNames(
    source="temp.main.delivered",
    candidate="memory.main.masked",
    evidence="memory.main.masking_evidence",
    certificate="memory.main.masking_certificate",
)
_WORKED = 20
"""How many derivations a report works out unless asked for all."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AttackReport:
    """What a reader can work out of a published file, and how."""

    publication: Publication
    cells: MaskingCells
    attacks: Mapping[str, Attack]
    tables: Mapping[str, PublishedTable]
    policy: DdgPolicy
    worked: int

    @property
    def holds(self) -> bool:
        """Whether no small cell is recovered, known too narrowly, or left undecided."""
        return all(found.holds for found in self.attacks.values())

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values; it names cells by their labels."""
        return {
            "table": self.publication.name,
            "cells": self.cells.layout.cells,
            "safe": self.holds,
            "people": {
                people: {
                    **found.summary(),
                    "hidden": int(self.tables[people].hidden.sum()),
                    "interval_widths": widths(found),
                    "findings": self._findings(people, found),
                }
                for people, found in self.attacks.items()
            },
        }

    def _findings(self, people: str, found: Attack) -> list[dict[str, Any]]:
        table = self.tables[people]
        deriver = Deriver(table, rules_of(self.policy))
        findings: list[dict[str, Any]] = []
        for cell in np.flatnonzero(found.recovered | found.narrowed).tolist():
            entry: dict[str, Any] = {
                "cell": self.cells.label_of(cell),
                "recovered": bool(found.recovered[cell]),
                "low": int(found.low[cell]),
                "high": int(found.high[cell]),
            }
            if len(findings) < self.worked:
                worked = deriver.derive(cell)
                entry["derivation"] = {
                    "at_least": self._told(worked.low, table),
                    "at_most": self._told(worked.high, table),
                }
            findings.append(entry)
        return findings

    def _told(self, bound: Bound, table: PublishedTable) -> dict[str, Any]:
        return {
            "value": bound.value,
            "sums": [
                {
                    "times": times,
                    "total": self.cells.label_of(total),
                    "along": axis,
                    "published": None if table.hidden[total] else int(table.people[total]),
                }
                for times, total, axis in bound.sums
            ],
            "taking": [
                {"times": times, "cell": self.cells.label_of(cell), "at": value}
                for times, cell, value in bound.known
            ],
        }


def widths(found: Attack) -> dict[str, int]:
    """How many watched cells have an interval of each width, from what is known to be possible."""
    watched = found.watched
    high = np.where(np.isfinite(found.reach_high), found.reach_high, found.low)
    low = np.where(np.isfinite(found.reach_low), found.reach_low, found.high)
    width = np.floor(np.maximum(high - low, 0) + 0.01)[watched]
    edges = [(0, 0), (1, 2), (3, 8), (9, 9), (10, 19), (20, None)]
    return {
        (f"{a}" if a == b else f"{a}-{b}" if b is not None else f"{a}+"): int(
            ((width >= a) & (width <= (np.inf if b is None else b))).sum()
        )
        for a, b in edges
    }


def mask_file(
    file: Path,
    publication: Publication,
    policy: DdgPolicy,
    out: Path,
    *,
    certificate: Path | None = None,
    by_score: bool = False,
    seconds: float | None = None,
) -> MaskResult:
    """Mask a table in a file into a CSV file; neither file is left half written.

    Args:
        file: CSV, Parquet or NDJSON with one row per cell, margins included.
        publication: its declaration.
        policy: the thresholds.
        out: the masked CSV.
        certificate: where the certificate goes, if it is wanted; it is restricted evidence.
        by_score: hide small counts only where the table's score or a high-risk subject asks for
            it. By default all are hidden.
        seconds: bound of the search for a cheaper pattern, and of the attack on the result.

    Raises:
        DeclarationError: the file does not have the declared columns.
        MaskingError: margins are not sums, or no safe pattern was found; nothing is written.
    """
    with FileTable(file) as table:
        required = True
        if by_score:
            required = assess_relation(
                table.con, table.source, publication, policy
            ).masking_required
        _text_columns_are_sound(table.con, publication)
        result = mask_table(
            table.con,
            _IN_MEMORY,
            publication,
            policy,
            masking_required=required,
            seconds=seconds,
        )
        header, rows = published_text(table.con, _IN_MEMORY.candidate, publication)
        stored = table.con.execute(f"select content from {_IN_MEMORY.certificate}").fetchone()
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    _write(out, text.getvalue().encode())
    if certificate is not None and stored is not None:
        _write(certificate, stored[0])
        certificate.chmod(0o600)
    return result


def attack_file(
    file: Path,
    publication: Publication,
    policy: DdgPolicy,
    *,
    seconds: float = 600.0,
    worked: int = _WORKED,
) -> AttackReport:
    """Attack a published table in a file, whoever masked it.

    What is not a number is taken as withheld; without annotation columns the codes say nothing.

    Raises:
        DeclarationError: the file does not have the declared columns.
        MaskingError: what is published contradicts itself.
    """
    with FileTable(file) as table:
        cells = read_cells(table.con, table.source, publication)
    attacks, tables = {}, {}
    rules = rules_of(policy)
    for people in publication.people_columns:
        tables[people] = published_table(cells, publication, people)
        attacks[people] = attack(tables[people], rules, seconds=seconds)
    return AttackReport(
        publication=publication,
        cells=cells,
        attacks=attacks,
        tables=tables,
        policy=policy,
        worked=worked,
    )


def verify_file(file: Path, publication: Publication, certificate: Path) -> list[str]:
    """Re-check a masked CSV file against its certificate, without solver.

    Raises:
        DeliveryError: a file cannot be read.
        MaskingError: the certificate is none.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            header, *rows = list(csv.reader(lines))
        content = certificate.read_bytes()
    except (OSError, UnicodeDecodeError, csv.Error, ValueError):
        raise DeliveryError(
            file.name, "the table or its certificate cannot be read", "check both paths"
        ) from None
    return verify(header, rows, declared(publication), decode(content))


def _text_columns_are_sound(con: duckdb.DuckDBPyConnection, publication: Publication) -> None:
    """A file that is to be masked has a number wherever people are counted."""
    for column in publication.people_columns:
        name = identifier(column)
        found = con.execute(
            f"select count(*) from {_IN_MEMORY.source} where "
            f"try_cast(replace(trim({name}::varchar), ',', '') as double) is null"
        ).fetchone()
        if found is not None and found[0]:
            raise MaskingError(
                f"{publication.name}: {column}",
                f"{found[0]} cells hold no number",
                "mask the table before anything in it is withheld; zeros are written 0",
            )


def _write(target: Path, content: bytes) -> None:
    """Write a whole file or none."""
    partial = target.with_name(f".{target.name}.partial")
    try:
        partial.write_bytes(content)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(target)
    except OSError:
        partial.unlink(missing_ok=True)
        raise DeliveryError(
            str(target), "the file cannot be written", "check its folder and free space"
        ) from None
