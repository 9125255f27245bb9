"""Assesses a publication in the limited zone, or a table from anywhere.

The counting is set-based SQL over the cells; the judging is `core.risk`. A file is read into
memory and nothing is written anywhere.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
from pathlib import Path
from typing import Any

import duckdb

from deid_platform.core.faults import AssessmentFault, DeclarationFault, Fault
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Publication
from deid_platform.core.risk.high_risk import high_risk_labels
from deid_platform.core.risk.publication_scoring import PartFacts, TableFacts, assess
from deid_platform.core.risk.score_sheet import Reliability, ScoreSheet
from deid_platform.core.zones import Zone
from deid_platform.engine.cells import CELLS, Cells, normal_form
from deid_platform.engine.database import connect, lock_down
from deid_platform.engine.sql import identifier, literal, qualified

ASSESSMENT_SCHEMA = "assessment"


def assess_publication(
    con: duckdb.DuckDBPyConnection,
    publication: Publication,
    policy: DdgPolicy,
    *,
    record: bool = True,
) -> ScoreSheet:
    """Assess ``limited.main.<publication>`` and keep the sheet beside the candidate.

    The sheet becomes ``limited.assessment.<publication>``: one row per part and component.

    Raises:
        DeclarationError: the declaration names what the policy does not list.
        AssessmentError: the table cannot be assessed.
    """
    source = qualified(Zone.LIMITED.value, "main", publication.name)
    try:
        sheet = assess_relation(con, source, publication, policy)
    except duckdb.CatalogException:
        raise AssessmentFault(
            Fault.NOT_MATERIALISED,
            publication.name,
            "its table is not in the limited zone",
            "materialise it, for example with `deid run`",
        ) from None
    if record:
        _record(con, sheet)
    return sheet


def assess_file(file: Path, publication: Publication, policy: DdgPolicy) -> ScoreSheet:
    """Assess a CSV, Parquet or NDJSON file; nothing is written.

    Raises:
        DeclarationError: the declaration names what the policy does not list.
        AssessmentError: the file cannot be read, or cannot be assessed.
    """
    with FileTable(file) as table:
        return assess_relation(table.con, table.source, publication, policy)


def assess_relation(
    con: duckdb.DuckDBPyConnection, source: str, publication: Publication, policy: DdgPolicy
) -> ScoreSheet:
    """Assess a table that a session can read, given as SQL text of the engine's making.

    Raises:
        DeclarationError: the declaration names what the policy does not list.
        AssessmentError: the table cannot be assessed.
    """
    return assess(publication, measure(con, source, publication, policy), policy)


def measure(
    con: duckdb.DuckDBPyConnection, source: str, publication: Publication, policy: DdgPolicy
) -> TableFacts:
    """Count what the assessment needs to know of a table's cells.

    Raises:
        DeclarationError: the declaration names what the policy does not list.
        AssessmentError: the table is not what its declaration says.
    """
    cells = normal_form(con, source, publication)
    try:
        labels = {column: _labels(con, cells, column) for column in publication.dimension_columns}
        risky = {
            column: high_risk_labels(publication.name, publication, column, labels[column], policy)
            for column in publication.dimension_columns
        }
        small = _any_small(cells, policy)
        denominators = " or ".join(
            f"coalesce({column} < {int(policy.denominator_pass_min)}, false)"
            for column in cells.denominators
        )
        marked = {column: sorted(found) for column, found in risky.items() if found}
        hidden = " or ".join(f"list_contains(?, {cells.label(column)})" for column in marked)
        counts = con.execute(
            f"select count(*) filter (where {small}), count(*) filter (where {denominators}), "
            f"count(*) filter (where ({hidden or 'false'}) and ({small})) from {CELLS}",
            list(marked.values()),
        ).fetchone() or (0, 0, 0)
        _check_side_by_side(con, cells)
        return TableFacts(
            cells=cells.count,
            small_numerators=int(counts[0]),
            small_denominators=int(counts[1]),
            unknown_denominators=_unknown_denominators(publication),
            high_risk_small=int(counts[2]),
            high_risk_columns=tuple(marked),
            parts=tuple(_part(con, cells, part, policy, labels) for part in publication.crossed),
            reliability=_reliability(con, cells, policy),
        )
    finally:
        con.execute(f"drop table if exists {CELLS}")


class FileTable:
    """A file as a table in memory, all columns as text unless the format types them."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.source = "temp.main.delivered"

    def __enter__(self) -> FileTable:
        self._spill = Path(tempfile.mkdtemp(prefix="deid-assess-"))
        self.con = connect(self._spill)
        try:
            self.con.execute(f"create temp table delivered as select * from {self._reader()}")
            lock_down(self.con)
        except (duckdb.Error, OSError, UnicodeDecodeError, csv.Error):
            self._close()
            raise AssessmentFault(
                Fault.UNREADABLE_FILE,
                self._file.name,
                "cannot be read as a table",
                "give a CSV with a header in UTF-8, a Parquet or an NDJSON file",
            ) from None
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _reader(self) -> str:
        path = literal(str(self._file))
        suffix = self._file.suffix.lower()
        if not self._file.is_file():
            raise OSError
        if suffix == ".parquet":
            return f"read_parquet({path})"
        if suffix in (".ndjson", ".jsonl", ".json"):
            return f"read_json({path}, format = 'auto')"
        delimiter, names = _header(self._file)
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
        return (
            f"read_csv({path}, auto_detect = false, header = true, delim = {literal(delimiter)}, "
            f"quote = '\"', escape = '\"', columns = {{{columns}}})"
        )

    def _close(self) -> None:
        self.con.close()
        shutil.rmtree(self._spill, ignore_errors=True)


def _header(file: Path) -> tuple[str, list[str]]:
    """Delimiter and column names of a CSV file, from its first line.

    DuckDB's own detection skips lines that do not fit, and would lose rows in silence.
    """
    with file.open("r", encoding="utf-8-sig", newline="") as lines:
        first = lines.readline()
    delimiter = max(",;\t|", key=first.count)
    names = next(csv.reader([first], delimiter=delimiter), [])
    if not names or not all(names) or len(set(names)) != len(names):
        raise OSError
    return delimiter, names


def _labels(con: duckdb.DuckDBPyConnection, cells: Cells, column: str) -> tuple[str, ...]:
    label = cells.label(column)
    rows = con.execute(
        f"select distinct {label} from {CELLS} where not {cells.is_total(column)} order by 1"
    ).fetchall()
    return tuple(str(row[0]) for row in rows)


def _any_small(cells: Cells, policy: DdgPolicy) -> str:
    largest = int(policy.min_people) - 1
    return " or ".join(f"{people} between 1 and {largest}" for people in cells.people)


def _unknown_denominators(publication: Publication) -> int:
    return sum(
        1
        for figure in publication.figures.values()
        if not (figure.denominator or figure.denominator_total or figure.denominator_population)
    )


def _in_part(cells: Cells, part: tuple[str, ...]) -> str:
    """The rows of a part: every dimension that it does not show is at its total."""
    absent = [column for column in cells.publication.dimension_columns if column not in part]
    return " and ".join(cells.is_total(column) for column in absent) or "true"


def _check_side_by_side(con: duckdb.DuckDBPyConnection, cells: Cells) -> None:
    publication = cells.publication
    inside = " or ".join(f"({_in_part(cells, part)})" for part in publication.crossed)
    found = con.execute(f"select count(*) from {CELLS} where not ({inside})").fetchone()
    if found and found[0]:
        raise AssessmentFault(
            Fault.SIDE_BY_SIDE_CROSSED,
            f"{publication.name}: parts",
            f"{found[0]} rows cross dimensions that are declared side by side (R-521)",
            "take them out of the table, or declare the dimensions as crossed",
        )


def _part(
    con: duckdb.DuckDBPyConnection,
    cells: Cells,
    part: tuple[str, ...],
    policy: DdgPolicy,
    labels: dict[str, tuple[str, ...]],
) -> PartFacts:
    within = _in_part(cells, part)
    smallest = ", ".join(f"min({people}) filter (where {people} > 0)" for people in cells.people)
    found = con.execute(
        f"select count(*) filter (where {_any_small(cells, policy)}), {smallest} "
        f"from {CELLS} where {within}"
    ).fetchone() or (0,)
    least = [int(value) for value in found[1:] if value is not None]
    members = {
        column: _members(con, cells, column)
        for column in part
        if cells.publication.dimensions[column].population_column
    }
    return PartFacts(
        dimensions=part,
        labels={column: labels[column] for column in part},
        smallest=min(least) if least else None,
        small_cells=int(found[0]),
        members=members,
    )


def _members(con: duckdb.DuckDBPyConnection, cells: Cells, column: str) -> dict[str, int]:
    label = cells.label(column)
    number = label.removeprefix("d")
    rows = con.execute(
        f"select {label}, min(m{number}) from {CELLS} where not t{number} group by 1 order by 1"
    ).fetchall()
    return {str(row[0]): int(row[1]) for row in rows}


def _reliability(
    con: duckdb.DuckDBPyConnection, cells: Cells, policy: DdgPolicy
) -> Reliability | None:
    """How many estimates of a survey are too unreliable to show (S-1, S-2; A-26)."""
    publication = cells.publication
    survey = publication.survey
    if survey is None:
        if publication.product == "survey":
            raise DeclarationFault(
                Fault.UNKNOWN_SURVEY,
                f"{publication.name}: survey",
                "a survey without its design columns",
                "declare `survey` with its name and sample_column",
            )
        return None
    rule = policy.surveys.get(survey.name)
    least = policy.settings.survey_min_sample.value
    tests: list[tuple[str, str]] = []
    if rule is None:
        tests.append(("sample", f"survey_sample < {int(least)}"))
    else:
        if rule.min_denominator is not None:
            tests.append(("sample", f"survey_sample < {int(rule.min_denominator)}"))
        if rule.min_numerator is not None:
            tests.append(("numerator", f"survey_numerator < {int(rule.min_numerator)}"))
        if rule.max_rse_pct is not None:
            tests.append(("rse", f"survey_rse > {float(rule.max_rse_pct)}"))
        share = "survey_numerator / nullif(survey_sample, 0)"
        if rule.min_proportion is not None:
            tests.append(("numerator", f"{share} < {float(rule.min_proportion)}"))
        if rule.max_proportion is not None:
            tests.append(("numerator", f"{share} >= {float(rule.max_proportion)}"))
    for name, _ in tests:
        if not getattr(survey, f"{name}_column"):
            raise DeclarationFault(
                Fault.UNKNOWN_SURVEY,
                f"{publication.name}: survey",
                f"its reliability rule needs {name}_column",
                "declare the column",
            )
    condition = " or ".join(f"coalesce({test}, true)" for _, test in tests)
    found = con.execute(f"select count(*) filter (where {condition}) from {CELLS}").fetchone()
    return Reliability(
        rule="S-2" if rule else "S-1",
        source=rule.source if rule else "5.2",
        unreliable_cells=int(found[0]) if found else 0,
    )


def _record(con: duckdb.DuckDBPyConnection, sheet: ScoreSheet) -> None:
    """Replace ``limited.assessment.<publication>`` by this sheet, in one transaction."""
    table = qualified(Zone.LIMITED.value, ASSESSMENT_SCHEMA, sheet.publication)
    schema = f"{identifier(Zone.LIMITED.value)}.{identifier(ASSESSMENT_SCHEMA)}"
    fields: dict[str, Any] = {
        "outcome": sheet.outcome.value,
        "score": sheet.score,
        "threshold": sheet.threshold,
        "policy": sheet.policy,
        "policy_digest": sheet.policy_digest,
        "sheet_digest": sheet.digest,
    }
    columns = ", ".join(f"{name} {kind}" for name, kind in _SHEET_COLUMNS.items())
    rows = sheet.rows() or [dict.fromkeys(name for name in _SHEET_COLUMNS if name not in fields)]
    values = [
        [({**row, "publication": sheet.publication} | fields).get(name) for name in _SHEET_COLUMNS]
        for row in rows
    ]
    marks = ", ".join("?" for _ in _SHEET_COLUMNS)
    con.execute("begin")
    try:
        con.execute(f"create schema if not exists {schema}")
        con.execute(f"create or replace table {table} ({columns})")
        con.executemany(f"insert into {table} values ({marks})", values)
        con.execute("commit")
    except duckdb.Error:
        con.execute("rollback")
        raise


_SHEET_COLUMNS = {
    "publication": "varchar",
    "part": "integer",
    "dimensions": "varchar",
    "component": "varchar",
    "variable": "varchar",
    "matched_row": "varchar",
    "band": "varchar",
    "points": "integer",
    "rules": "varchar",
    "readings": "varchar",
    "source": "varchar",
    "outcome": "varchar",
    "score": "integer",
    "threshold": "integer",
    "policy": "varchar",
    "policy_digest": "varchar",
    "sheet_digest": "varchar",
}
