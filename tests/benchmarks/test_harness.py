"""The benchmark harness measures what ran, and notices a step that did not do its work."""

from __future__ import annotations

import time

import pytest

from benchmarks.end_to_end import COMPARISONS
from benchmarks.harness import Comparison, Step, Workspace, compare


def slow(workspace: Workspace) -> int:
    time.sleep(0.2)
    return workspace.visits


def quick(workspace: Workspace) -> int:
    time.sleep(0.02)
    with (workspace.folder / "turns").open("a") as turns:
        turns.write("quick ")
    return workspace.visits


def idle(workspace: Workspace) -> int:
    return 0


def prepare(workspace: Workspace) -> None:
    time.sleep(0.5)
    with (workspace.folder / "turns").open("a") as turns:
        turns.write("prepare ")


@pytest.fixture
def workspace(tmp_path):
    return Workspace(folder=tmp_path, visits=7)


def test_a_ratio_is_of_the_medians_of_steps_that_took_turns(workspace):
    comparison = Comparison(
        step=Step(name="slow", run=slow, prepare=prepare), peer=Step(name="quick", run=quick)
    )
    result = compare(comparison, workspace, 2)
    assert (workspace.folder / "turns").read_text() == "prepare quick prepare quick "
    assert result["rows"] == 7
    assert 0.2 <= result["ours"]["min_seconds"] <= result["ours"]["max_seconds"] < 0.5
    assert result["ratio"] == pytest.approx(
        result["ours"]["median_seconds"] / result["theirs"]["median_seconds"], abs=0.6
    )
    assert result["ours"]["peak_mb"] > 5


def test_a_step_that_makes_other_rows_than_its_peer_is_no_measurement(workspace):
    comparison = Comparison(step=Step(name="idle", run=idle), peer=Step(name="quick", run=quick))
    with pytest.raises(RuntimeError, match=r"idle: step and peer made \[0, 7\] rows"):
        compare(comparison, workspace, 1)


def test_every_step_of_the_path_has_a_peer_and_a_name_of_its_own():
    names = [step.name for c in COMPARISONS for step in (c.step, c.peer)]
    assert len(set(names)) == len(names)
    assert {"synth", "ingest", "deidentify_limited", "deidentify_deidentified"} <= set(names)
