"""A pipeline killed at any point, from execution to release, loses and repeats nothing."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from deid_platform.core.errors import AuthorisationError
from deid_platform.core.workflow import Action, State
from deid_platform.engine.deployment import Deployment
from deid_platform.governance.automation import take
from deid_platform.governance.events import DeliveryMade, RequestReleased
from deid_platform.governance.request_events import StepRecorded
from deid_platform.governance.requests import request_of
from tests.support.governance import NAME, ROWS, World, opened, world
from tests.support.people import PIPELINE
from tests.support.releases import count, nothing_is_out, outbox, released_rows

POINTS = 20
SEED = 7_3
_WATCHED = ("open", "os.", "shutil.", "sqlite3.", "fcntl.", "tempfile.", "subprocess.")

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.governance.test_killed_requests"])


@dataclass(frozen=True)
class Stage:
    """A deployment before one step of a request, and how many points there are to be killed at."""

    deployment: Deployment
    request: str
    action: Action
    points: int


def carry_out(deployment: Deployment, request: str, action: Action) -> None:
    """One step, as the scheduler's run takes it."""
    one = opened(deployment)
    if action is Action.RELEASE:
        one.publish(request, actor=PIPELINE)
    else:
        take(one.ledger, PIPELINE, request, action)


def carry_out_until(
    deployment: Deployment, request: str, action: Action, point: int, told: Path
) -> None:
    """The same, ended by the system at the ``point``-th thing it does to files; 0 for never."""
    done = 0

    def watch(event: str, _arguments: object) -> None:
        nonlocal done
        if event.startswith(_WATCHED):
            done += 1
            if done == point:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    carry_out(deployment, request, action)
    told.write_text(str(done))


def in_a_process(stage: Stage, deployment: Deployment, point: int, told: Path) -> int | None:
    process = _processes.Process(
        target=carry_out_until, args=(deployment, stage.request, stage.action, point, told)
    )
    process.start()
    process.join(timeout=120)
    return process.exitcode


def copied(deployment: Deployment, folder: Path) -> Deployment:
    return replace(deployment, home=Path(shutil.copytree(deployment.home, folder / "home")))


def prepared(one: World, request: str, action: Action, folder: Path) -> Stage:
    """Keep the state before a step, and count the points of the step on a copy of it."""
    kept = copied(one.deployment, folder / action.value)
    stage = Stage(kept, request, action, 0)
    told = folder / f"{action.value}.points"
    assert in_a_process(stage, copied(kept, folder / f"{action.value}-counted"), 0, told) == 0
    return replace(stage, points=int(told.read_text()))


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> list[Stage]:
    folder = tmp_path_factory.mktemp("killed")
    one = world(folder)
    one.build()
    request = one.submit().id
    one.review(request)
    reviewed = prepared(one, request, Action.RECORD_EXECUTION, folder)
    one.execute(request)
    one.validate(request)
    one.determine(request)
    one.approve_by_all(request)
    return [reviewed, prepared(one, request, Action.RELEASE, folder)]


@pytest.mark.parametrize("number", range(POINTS))
def test_a_pipeline_killed_anywhere_is_completed_once_and_only_with_every_approval(
    stages, tmp_path, number
):
    stage = stages[1] if number % 4 else stages[0]
    point = random.Random(f"{SEED} {number}").randint(1, stage.points)
    deployment = copied(stage.deployment, tmp_path)
    told = tmp_path / "points"
    assert in_a_process(stage, deployment, point, told) == -signal.SIGKILL
    one = opened(deployment)
    assert one.ledger.verify()
    assert request_of(one.ledger, stage.request).id == stage.request
    if not count(one, RequestReleased):
        assert nothing_is_out(one)

    carry_out(deployment, stage.request, stage.action)
    carry_out(deployment, stage.request, stage.action)
    assert one.ledger.verify()
    if stage.action is Action.RELEASE:
        assert request_of(one.ledger, stage.request).state is State.RELEASED
        assert count(one, RequestReleased) == count(one, DeliveryMade) == 1
        assert len(released_rows(one)) == len(ROWS)
        assert {Path(name).parts[0] for name in outbox(one)} == {NAME}
    else:
        assert request_of(one.ledger, stage.request).state is State.EXECUTED
        executed = [
            entry
            for entry in one.ledger.entries(kinds=[StepRecorded])
            if entry.payload["action"] == Action.RECORD_EXECUTION.value
        ]
        assert len(executed) == 1
        with pytest.raises(AuthorisationError):
            one.publish(stage.request, actor=PIPELINE)
        assert nothing_is_out(one)
