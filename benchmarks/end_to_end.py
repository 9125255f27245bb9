"""Generate, ingest, de-identify and aggregate emergency-department visits.

Each step has the peer that moves the same rows through DuckDB and does nothing else: same reader,
same kind of file, encrypted where the zone is. In `COMPARISONS` a step reads what the one before
it left behind.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb

from benchmarks.harness import Comparison, Step, Workspace
from deid_platform.core.contract import Contract
from deid_platform.core.zones import ENCRYPTED, Zone
from deid_platform.engine.database import attach_encrypted, connect, open_zone
from deid_platform.engine.declarations import load_contract
from deid_platform.engine.delivery import available_partitions
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.ingest import ingest
from deid_platform.engine.initialise import initialise
from deid_platform.engine.sql import literal
from deid_platform.engine.synthetic import Scenario, generate

_MONTHS = 12
_TABLE = "ed_visits"


def set_up(workspace: Workspace) -> None:
    """Make the folders and keys of the deployment that the steps use."""
    initialise(_deployment(workspace))


def _deployment(workspace: Workspace) -> Deployment:
    return Deployment.from_environment({"DEID_HOME": str(workspace.folder / "home")})


def _contract(workspace: Workspace) -> Contract:
    return load_contract(_deployment(workspace).contracts / f"{_TABLE}.yaml")


def _generate(workspace: Workspace) -> int:
    deployment = _deployment(workspace)
    scenario = Scenario.of(
        people=workspace.visits * 3 // 5, months=_MONTHS, visits=workspace.visits
    )
    population = deployment.dbt_project / "seeds" / "county_population.csv"
    return generate(scenario, deployment.landing, population=population, force=True).visits


def _rewrite_csv(workspace: Workspace) -> int:
    with _bare(workspace, None) as con:
        out = literal(str(workspace.folder / "copy.csv"))
        return _one(con, f"copy (from {_landed(workspace)}) to {out} (header)")


def _ingest(workspace: Workspace) -> int:
    deployment, contract = _deployment(workspace), _contract(workspace)
    with open_zone(deployment, Zone.RAW, files=[deployment.landing]) as con:
        return sum(
            ingest(con, deployment, contract, partition).rows_loaded
            for partition in available_partitions(deployment, contract)
        )


def _copy_landing(workspace: Workspace) -> int:
    with _bare(workspace, Zone.RAW) as con:
        return _one(con, f"create table copy.main.copied as from {_landed(workspace)}")


def _landed(workspace: Workspace) -> str:
    """All months, read by DuckDB's own reader with the types that the contract declares."""
    types = ", ".join(
        f"{literal(name)}: {literal(column.type.value)}"
        for name, column in _contract(workspace).columns.items()
    )
    files = literal(str(_deployment(workspace).landing / _TABLE / "*.csv"))
    return f"read_csv({files}, header = true, columns = {{{types}}})"


def _without(zone: Zone, workspace: Workspace) -> None:
    _deployment(workspace).zone_file(zone).unlink(missing_ok=True)


def _without_raw(workspace: Workspace) -> None:
    _without(Zone.RAW, workspace)


def _without_copy(workspace: Workspace) -> None:
    _copy_file(workspace).unlink(missing_ok=True)


def _copy_file(workspace: Workspace) -> Path:
    return workspace.folder / "copy.duckdb"


@contextlib.contextmanager
def _bare(workspace: Workspace, like: Zone | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB with nothing but the file ``copy``, encrypted if the zone ``like`` is."""
    with tempfile.TemporaryDirectory(dir=workspace.folder) as spill:
        con = connect(Path(spill))
        try:
            if like in ENCRYPTED:
                key = _deployment(workspace).key(Zone(like))
                attach_encrypted(con, _copy_file(workspace), "copy", key, read_only=False)
            elif like is not None:
                con.execute(f"attach {literal(str(_copy_file(workspace)))} as copy")
            yield con
        finally:
            con.close()


def _one(con: duckdb.DuckDBPyConnection, statement: str) -> int:
    """The one number a statement returns; of a copy, the rows it copied."""
    row = con.execute(statement).fetchone()
    return int(row[0]) if row else 0


COMPARISONS = (
    Comparison(
        step=Step(name="synth", run=_generate),
        peer=Step(name="duckdb_reads_and_writes_csv", run=_rewrite_csv),
    ),
    Comparison(
        step=Step(name="ingest", run=_ingest, prepare=_without_raw),
        peer=Step(name="duckdb_copy_encrypted", run=_copy_landing, prepare=_without_copy),
    ),
)
