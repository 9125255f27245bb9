"""`python -m benchmarks`: run them all, print one JSON document and keep it in results/."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import duckdb

from benchmarks import assessment, end_to_end
from benchmarks.harness import Workspace, compare, run_once

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run the chosen comparisons in the order in which data flows."""
    names = [c.step.name for c in (*end_to_end.COMPARISONS, *assessment.COMPARISONS)]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--visits", type=int, default=1_000_000, help="visits in all (1,000,000)")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each step (3)")
    parser.add_argument("--only", choices=names, action="append", help="a step; may be repeated")
    parser.add_argument("--folder", type=Path, help="where to work; nothing is left in it")
    given = parser.parse_args()
    if given.visits < 1_000 or given.repeats < 1:
        parser.error("--visits must be 1000 or more, --repeats 1 or more")
    began = datetime.datetime.now(datetime.UTC)
    if given.folder is not None:
        given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=given.folder) as folder:
        workspace = Workspace(folder=Path(folder), visits=given.visits)
        results = _run(workspace, given.repeats, set(given.only or names))
    document = {
        "began": began.isoformat(timespec="seconds"),
        "machine": _machine(),
        "visits": given.visits,
        "comparisons": results,
    }
    text = json.dumps(document, indent=2) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{began:%Y%m%dT%H%M%SZ}-{given.visits}.json").write_text(text, "utf-8")
    sys.stdout.write(text)


def _run(workspace: Workspace, repeats: int, wanted: set[str]) -> list[dict[str, Any]]:
    """A later step reads what an earlier one made, so one that is not wanted runs once, untimed."""
    alone = [c for c in assessment.COMPARISONS if c.step.name in wanted]
    results = [compare(comparison, workspace, repeats) for comparison in alone]
    if len(alone) == len(wanted):
        return results
    end_to_end.set_up(workspace)
    last = max(n for n, c in enumerate(end_to_end.COMPARISONS) if c.step.name in wanted)
    for comparison in end_to_end.COMPARISONS[: last + 1]:
        sys.stderr.write(f"{comparison.step.name}\n")
        if comparison.step.name in wanted:
            results.append(compare(comparison, workspace, repeats))
        else:
            run_once(comparison.step, workspace)
    return results


def _machine() -> dict[str, object]:
    return {
        "processors": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "duckdb": duckdb.__version__,
        "free_disk_gb": shutil.disk_usage(tempfile.gettempdir()).free // 10**9,
    }


if __name__ == "__main__":
    main()
