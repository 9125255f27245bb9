"""Writes the generated visits, one file per month, all or none."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow as pa

from deid_platform.core.errors import DeclarationError, ZoneError
from deid_platform.engine.database import connect, lock_down
from deid_platform.engine.sql import literal
from deid_platform.engine.synthetic.canaries import Canaries
from deid_platform.engine.synthetic.draw import Source
from deid_platform.engine.synthetic.people import People
from deid_platform.engine.synthetic.scenario import FileFormat, Generated, Scenario
from deid_platform.engine.synthetic.timeline import Calendar, Timeline
from deid_platform.engine.synthetic.visits import Visits
from deid_platform.engine.synthetic.vocabulary import read_population

_BATCH = 1 << 15
_MOST_WORKERS = 4  # each holds some 150 MB
_FOLDER = "ed_visits"
_OPTIONS = {
    FileFormat.CSV: "format csv, header",
    FileFormat.PARQUET: "format parquet, compression zstd",
    FileFormat.NDJSON: "format json",
}


def generate(
    scenario: Scenario,
    out: Path,
    *,
    population: Path,
    file_format: FileFormat = FileFormat.CSV,
    canary_file: Path | None = None,
    force: bool = False,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Generated:
    """Write ``ed_visits/ed_visits-YYYY-MM.<extension>`` under ``out`` for each month.

    One row per visit, in order of arrival. The same scenario gives the same bytes, whatever the
    number of workers. Files appear only once all are complete.

    Args:
        scenario: who and when.
        out: the folder to write to, such as a landing folder.
        population: the seed ``county_population.csv`` of the dbt project.
        file_format: how to write.
        canary_file: where to list the canaries' markers; ``canaries.json`` in ``out`` if not given.
        force: replace files of the same months, in whatever format.
        workers: months made at once; one per processor, at most 4, if not given.
        progress: called with the number of visits of each month as it is done, in any order.

    Raises:
        DeclarationError: a file is there already, or the population seed is unusable.
        ZoneError: the folder cannot be written to.
    """
    folder = out / _FOLDER
    names = [f"ed_visits-{start:%Y-%m}" for start in scenario.month_starts()[:-1]]
    canary_file = (canary_file or out / "canaries.json") if scenario.canaries else None
    taken = _existing(folder, names)
    if canary_file and canary_file.exists():
        taken.append(canary_file)
    if taken and not force:
        raise DeclarationError(
            str(taken[0]),
            f"this file is there already ({len(taken)} in all)",
            "choose another folder or month, or give --force to replace them",
        )
    visits = _visits(scenario, population)
    timeline = visits.calendar.timeline()
    with _workplace(folder) as work:
        months = [
            timeline.between(start, end)
            for start, end in zip(
                scenario.month_starts()[:-1], scenario.month_starts()[1:], strict=True
            )
        ]

        def write(number: int) -> Path:
            file = work / f"{names[number]}.{file_format.value}"
            _write(visits, months[number], file, file_format)
            if progress:
                progress(len(months[number]))
            return file

        with ThreadPoolExecutor(workers or min(_MOST_WORKERS, os.cpu_count() or 1)) as pool:
            written = list(pool.map(write, range(len(names))))
        if canary_file:
            draft = canary_file.with_name(f".{canary_file.name}.writing")
            canary_file.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(_markers(visits, timeline), "utf-8")
            draft.replace(canary_file)
        files = tuple(file.replace(folder / file.name) for file in written)
        # Replaced first: at no moment is a month there in no format.
        for file in set(taken) - {*files, canary_file}:
            file.unlink()
    return Generated(
        people=scenario.people,
        visits=scenario.visits,
        canaries=scenario.canaries,
        files=files,
        canary_file=canary_file,
    )


def _visits(scenario: Scenario, population: Path) -> Visits:
    source = Source(seed=scenario.seed)
    people = People(
        source=source,
        population=read_population(population),
        canaries=Canaries(people=scenario.people, count=scenario.canaries),
    )
    calendar = Calendar(scenario=scenario, people=people, source=source)
    return Visits(calendar=calendar, people=people, source=source)


def _write(visits: Visits, month: Timeline, file: Path, file_format: FileFormat) -> None:
    """Stream one month through DuckDB's writer. One thread each: several months run at once."""
    first = visits.batch(month.part(0, min(_BATCH, len(month))))

    def batches() -> Iterator[object]:
        yield first
        for start in range(_BATCH, len(month), _BATCH):
            yield visits.batch(month.part(start, min(start + _BATCH, len(month))))

    con = connect(file.parent)
    try:
        con.execute("set threads = 1")
        lock_down(con, [file.parent])
        con.register("visits", pa.RecordBatchReader.from_batches(first.schema, batches()))
        con.execute(f"copy (from visits) to {literal(str(file))} ({_OPTIONS[file_format]})")
    except duckdb.Error:
        raise _unwritable(file.parent.parent) from None
    finally:
        con.close()


def _markers(visits: Visits, timeline: Timeline) -> str:
    """The canaries' markers and visit identifiers as one JSON list of texts."""
    canaries = visits.people.canaries
    theirs = timeline.number[canaries.are_among(timeline.person)]
    return json.dumps([*canaries.markers(), *visits.visit_ids(theirs).to_pylist()], indent=0)


def _existing(folder: Path, names: list[str]) -> list[Path]:
    """Files of these months in any format: two for one month would be a delivery too many."""
    wanted = set(names)
    found = sorted(folder.glob("ed_visits-*.*")) if folder.is_dir() else []
    return [file for file in found if file.name.split(".")[0] in wanted]


@contextlib.contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """A hidden folder on the same file system, gone afterwards."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
    except OSError:
        raise _unwritable(folder) from None
    try:
        yield work
    except OSError:
        raise _unwritable(folder) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _unwritable(folder: Path) -> ZoneError:
    return ZoneError(
        str(folder), "the files cannot be written", "check its owner, mode and free space"
    )
