"""Generate, ingest, de-identify and aggregate emergency-department visits.

Each step has the peer that moves the same rows through DuckDB and does nothing else: same reader,
same kind of file, encrypted where the zone is. In `COMPARISONS` a step reads what the one before
it left behind.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import duckdb

from benchmarks.harness import Comparison, Step, Workspace
from deid_platform.core.contract import Contract
from deid_platform.core.zones import ENCRYPTED, Zone
from deid_platform.engine.database import attach_encrypted, connect, open_zone
from deid_platform.engine.dbt_manifest import dbt_executable, ensure_manifest, target_folder
from deid_platform.engine.declarations import load_contract, load_contracts, load_safe_harbor
from deid_platform.engine.deidentify import deidentify, ensure_tables, promote
from deid_platform.engine.delivery import available_partitions
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.ingest import ingest
from deid_platform.engine.initialise import initialise
from deid_platform.engine.sql import literal, qualified
from deid_platform.engine.synthetic import Scenario, generate

_MONTHS = 12
_TABLE = "ed_visits"


def set_up(workspace: Workspace) -> None:
    """Make the folders and keys of the deployment that the steps use."""
    initialise(_deployment(workspace))


def _deployment(workspace: Workspace) -> Deployment:
    return Deployment.from_environment({"DEID_HOME": str(workspace.folder / "home")})


def _contracts(workspace: Workspace) -> dict[str, Contract]:
    return load_contracts(_deployment(workspace))


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


def _deidentify(workspace: Workspace, zone: Zone) -> int:
    deployment, contracts = _deployment(workspace), _contracts(workspace)
    contract = contracts[_TABLE]
    with open_zone(deployment, zone, reading=[Zone.RAW]) as con:
        deidentify(
            con,
            contract,
            zone,
            available_partitions(deployment, contract),
            load_safe_harbor(deployment, contract.policy),
            system=[other for other in contracts.values() if other.system == contract.system],
        )
        rows = promote(con, contract, zone)
        # dbt's sources: the other systems deliver nothing here, and their tables are empty.
        for other in contracts.values():
            ensure_tables(con, other, zone)
    return rows


def _build(workspace: Workspace, zone: Zone, target: str, select: str, visits: str) -> int:
    """Run dbt as a program, its tests included, and count the visits in what it built."""
    deployment = _deployment(workspace)
    project = str(deployment.dbt_project)
    command = [
        *(str(dbt_executable()), "--quiet", "build", "--target", target, "--select", select),
        *("--project-dir", project, "--profiles-dir", project),
        *("--target-path", str(target_folder(deployment)), "--log-path", str(deployment.home)),
    ]
    environment = {"DEID_HOME": str(deployment.home), "DO_NOT_TRACK": "1"}
    subprocess.run(command, env=environment, check=True, stdout=sys.stderr)
    with open_zone(deployment, None, staging=zone) as con:
        return _one(con, visits)


def _copy_zone(workspace: Workspace, source: Zone, like: Zone) -> int:
    """Copy the visits of a zone into a file that is encrypted as the zone ``like`` is."""
    deployment = _deployment(workspace)
    with _bare(workspace, like) as con:
        file = deployment.zone_file(source)
        if source in ENCRYPTED:
            attach_encrypted(con, file, source.value, deployment.key(source), read_only=True)
        else:
            con.execute(f"attach {literal(str(file))} as {source.value} (read_only)")
        table = qualified(source, "main", _TABLE)
        return _one(con, f"create table copy.main.copied as from {table}")


def _without_zone(workspace: Workspace, zone: Zone) -> None:
    _deployment(workspace).zone_file(zone).unlink(missing_ok=True)


def _with_manifest(workspace: Workspace, zone: Zone) -> None:
    """Parsing the project is done once per version of it, not at every run."""
    ensure_manifest(_deployment(workspace))
    _deployment(workspace).staging_file(zone).unlink(missing_ok=True)


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


def _peer(name: str, source: Zone, like: Zone) -> Step:
    run = partial(_copy_zone, source=source, like=like)
    return Step(name=name, run=run, prepare=_without_copy)


COMPARISONS = (
    Comparison(
        step=Step(name="synth", run=_generate),
        peer=Step(name="duckdb_reads_and_writes_csv", run=_rewrite_csv),
    ),
    Comparison(
        step=Step(name="ingest", run=_ingest, prepare=partial(_without_zone, zone=Zone.RAW)),
        peer=Step(name="duckdb_reads_csv_into_encrypted", run=_copy_landing, prepare=_without_copy),
    ),
    Comparison(
        step=Step(
            name="deidentify_limited",
            run=partial(_deidentify, zone=Zone.LIMITED),
            prepare=partial(_without_zone, zone=Zone.LIMITED),
        ),
        peer=_peer("duckdb_copies_raw_into_encrypted", Zone.RAW, Zone.LIMITED),
    ),
    Comparison(
        step=Step(
            name="deidentify_deidentified",
            run=partial(_deidentify, zone=Zone.DEIDENTIFIED),
            prepare=partial(_without_zone, zone=Zone.DEIDENTIFIED),
        ),
        peer=_peer("duckdb_copies_raw", Zone.RAW, Zone.DEIDENTIFIED),
    ),
    Comparison(
        step=Step(
            name="dbt_publications",
            run=partial(
                _build,
                zone=Zone.LIMITED,
                target="publications",
                select="path:seeds path:models/publications path:models/intermediate",
                visits="select sum(visit_count)::bigint from staging.main.ed_visits_by_county_year "
                "where county = 'California'",
            ),
            prepare=partial(_with_manifest, zone=Zone.LIMITED),
        ),
        peer=_peer("duckdb_copies_limited_encrypted", Zone.LIMITED, Zone.LIMITED),
    ),
    Comparison(
        step=Step(
            name="dbt_marts",
            run=partial(
                _build,
                zone=Zone.DEIDENTIFIED,
                target="marts",
                select="path:models/marts",
                visits="select count(*) from staging.main.ed_visits",
            ),
            prepare=partial(_with_manifest, zone=Zone.DEIDENTIFIED),
        ),
        peer=_peer("duckdb_copies_deidentified", Zone.DEIDENTIFIED, Zone.DEIDENTIFIED),
    ),
)
"""In the order in which data flows. The time of a dbt step includes dbt's start, a dozen seconds
whatever the number of visits."""
