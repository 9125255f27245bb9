"""Masks and attacks tables from anywhere: a file, a declaration, no zone."""

from __future__ import annotations

import csv
import io
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from deid_platform.core.errors import DeliveryError
from deid_platform.core.masking import Attack, PublishedTable, attack
from deid_platform.core.masking.certificate import decode, stated
from deid_platform.core.masking.derivation import Bound, Deriver
from deid_platform.core.masking.model import Ints
from deid_platform.core.masking.ratios import PEOPLE
from deid_platform.core.masking.verify import verify
from deid_platform.core.masking_choice import Method, check_method
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Publication
from deid_platform.engine.assess import assess_relation
from deid_platform.engine.cell_file import SOURCE, delivered
from deid_platform.engine.mask import (
    MaskResult,
    TableNames,
    declared,
    mask_table,
    published_text,
)
from deid_platform.engine.masking_model import published_table, rules_of
from deid_platform.engine.masking_page import html
from deid_platform.engine.masking_report import masking_report
from deid_platform.engine.masking_table import MaskingCells, read_cells
from deid_platform.engine.percentage_table import percentage_table

_IN_MEMORY = TableNames(
    source=SOURCE,
    candidate="memory.main.masked",
    evidence="memory.main.masking_evidence",
    certificate="memory.main.masking_certificate",
)
Told = Callable[[str], object]
"""Takes what is being done, in a few words, for those who wait."""


def _silent(_: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AttackReport:
    """What a reader can work out of a published file, and how."""

    publication: Publication
    cells: MaskingCells
    attacks: Mapping[str, Attack]
    tables: Mapping[str, PublishedTable]
    policy: DdgPolicy
    worked: int | None
    seconds: float

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
        ends = time.monotonic() + self.seconds
        findings: list[dict[str, Any]] = []
        for cell in np.flatnonzero(found.recovered | found.narrowed).tolist():
            entry: dict[str, Any] = {
                "cell": self.cells.label_of(cell),
                "recovered": bool(found.recovered[cell]),
                "low": int(found.low[cell]),
                "high": int(found.high[cell]),
            }
            wanted = self.worked is None or len(findings) < self.worked
            if wanted and time.monotonic() < ends:
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
                {"times": times, "along": axis, **self._sum(total, axis, table)}
                for times, total, axis in bound.sums
            ],
            "taking": [
                {"times": times, "cell": self.cells.label_of(cell), "at": value}
                for times, cell, value in bound.known
            ],
        }

    def _sum(self, total: int, axis: str, table: PublishedTable) -> dict[str, Any]:
        """A sum as a reader sees it: its total, what its shown members make, what is left."""
        groups, layout = table.layout.groups, table.layout
        of_axis = [k for k, one in enumerate(layout.axes) if one.name == axis]
        group = int(np.flatnonzero((groups.total == total) & np.isin(groups.axis, of_axis))[0])
        members = groups.members[groups.starts[group] : groups.starts[group + 1]]
        shown = int(table.people[members][~table.hidden[members]].sum())
        published = None if table.hidden[total] else int(table.people[total])
        return {
            "total": self.cells.label_of(total),
            "published": published,
            "shown_members": shown,
            "left_for_hidden": None if published is None else published - shown,
            "hidden_members": [
                self.cells.label_of(member) for member in members[table.hidden[members]].tolist()
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
    report: Path | None = None,
    by_score: bool = False,
    seconds: float | None = None,
    tell: Told = _silent,
) -> MaskResult:
    """Mask a table in a file into a CSV file; no file is left half written.

    Args:
        file: CSV, Parquet or NDJSON with one row per cell, margins included.
        publication: its declaration.
        policy: the thresholds.
        out: the masked CSV.
        certificate: where the certificate goes, if it is wanted; it is restricted evidence.
        report: where the page of pictures goes, if it is wanted.
        by_score: hide small counts only where the table's score or a high-risk subject asks for
            it. By default all are hidden.
        seconds: bound of the search for a cheaper pattern, and of the attack on the result.
        tell: is told of each stage.

    Raises:
        DeliveryError: a file cannot be read or written, or holds what no table of counts holds.
        DeclarationError: the file does not have the declared columns or totals.
        MaskingError: it is masked already, margins are not sums, or no safe pattern was found;
            nothing is written.
    """
    _check_targets(file, {"output": out, "certificate": certificate, "report": report})
    tell("reading")
    with delivered(file, publication) as table:
        table.check()
        table.check_unmasked()
        table.write_plainly()
        check_method(publication.name, publication.masking, policy)
        if publication.masking.method is Method.PERCENTAGES:
            tell("working out percentages, and attacking them")
            _write({out: (_csv(*percentage_table(table.con, SOURCE, publication, policy)), 0o666)})
            return MaskResult(publication=publication.name, maskings={}, inexact={}, amounts={})
        required = True
        if by_score:
            required = assess_relation(table.con, SOURCE, publication, policy).masking_required
        tell(f"masking {table.rows:,} cells, and attacking the result")
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
        page = None if report is None else masking_report(table.con, publication, _IN_MEMORY)
    tell("writing")
    files = {out: (_csv(header, rows), 0o666)}
    if certificate is not None and stored is not None:
        files[certificate] = (stored[0], 0o600)
    if report is not None and page is not None:
        files[report] = (html(page).encode(), 0o600)
    _write(files)
    return result


def attack_file(
    file: Path,
    publication: Publication,
    policy: DdgPolicy,
    *,
    seconds: float = 600.0,
    worked: int | None = None,
    tell: Told = _silent,
) -> AttackReport:
    """Attack a published table in a file, whoever masked it.

    A blank, a sign or a word in place of a number is a withheld value, and ``<11`` or ``1-10`` says
    what it says; without annotation columns the codes say nothing.

    Args:
        file: CSV, Parquet or NDJSON with one row per cell.
        publication: its declaration.
        policy: what counts as too narrow.
        seconds: bound of the linear programs; cells they leave open are undecided.
        worked: how many findings to work out; all, in the same time once more, by default.
        tell: is told of each stage.

    Raises:
        DeliveryError: the file cannot be read, or holds what no table of counts holds.
        DeclarationError: the file does not have the declared columns.
        MaskingError: what is published contradicts itself.
    """
    tell("reading")
    with delivered(file, publication) as table:
        table.check()
        cells = read_cells(table.con, SOURCE, publication)
        marks = {people: table.marked(people) for people in publication.people_columns}
    attacks, tables = {}, {}
    rules = rules_of(policy)
    for people in publication.people_columns:
        tell(f"attacking {people} in {cells.layout.cells:,} cells")
        tables[people] = _with_marks(published_table(cells, publication, people), *marks[people])
        attacks[people] = attack(tables[people], rules, seconds=seconds)
    return AttackReport(
        publication=publication,
        cells=cells,
        attacks=attacks,
        tables=tables,
        policy=policy,
        worked=worked,
        seconds=seconds,
    )


def verify_file(
    file: Path,
    publication: Publication,
    policy: DdgPolicy,
    certificate: Path,
    *,
    by_score: bool = False,
) -> list[str]:
    """Re-check a masked CSV file against its certificate, without solver.

    With ``by_score``, small counts may stand where the certificate says that the score lets them.

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
    rules = stated(rules_of(policy), every_small_cell=not by_score)
    return verify(header, rows, declared(publication), decode(content), rules)


def _csv(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def _with_marks(table: PublishedTable, least: Ints, most: Ints) -> PublishedTable:
    """The table with what the marks of its withheld values say of them."""
    low, high = table.told.get(PEOPLE, (least, most))
    return replace(
        table, told={**table.told, PEOPLE: (np.maximum(low, least), np.minimum(high, most))}
    )


def _check_targets(source: Path, targets: Mapping[str, Path | None]) -> None:
    """Refuse, before any work, to write where nothing can be or over what is read.

    Raises:
        DeliveryError: two paths are one file, or a target is a folder or in none.
    """
    taken = {source.resolve(): "input"}
    for role, target in targets.items():
        if target is None:
            continue
        if target.is_dir() or not target.parent.is_dir():
            raise DeliveryError(
                str(target), f"the {role} cannot be written there", "name a file in a folder"
            )
        other = taken.setdefault(target.resolve(), role)
        if other != role:
            raise DeliveryError(
                str(target), f"the {role} would overwrite the {other}", "choose another path"
            )


def _write(files: Mapping[Path, tuple[bytes, int]]) -> None:
    """Write whole files or none, each made with its mode; what was there is replaced."""
    suffix = secrets.token_hex(8)
    drafts = {target: target.with_name(f".{target.name}.{suffix}") for target in files}
    try:
        for target, (content, mode) in files.items():
            descriptor = os.open(drafts[target], os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "wb") as draft:
                draft.write(content)
                draft.flush()
                os.fsync(draft.fileno())
        for target, draft_file in drafts.items():
            draft_file.replace(target)
    except OSError:
        raise DeliveryError(
            ", ".join(map(str, files)),
            "the files cannot be written",
            "check the folder's owner and free space",
        ) from None
    finally:
        for draft_file in drafts.values():
            draft_file.unlink(missing_ok=True)
