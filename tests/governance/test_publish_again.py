"""A release repeated, killed, damaged or raced is one release with the same bytes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal

import pytest

from deid_platform.core.errors import AuthorisationError, GateError, ZoneError
from deid_platform.engine.deployment import Deployment
from deid_platform.governance import bundle
from deid_platform.governance import publish as publish_module
from deid_platform.governance.events import DeliveryMade, RequestReleased
from deid_platform.governance.ledger import Ledger
from tests.support.governance import NAME, ROWS, opened
from tests.support.people import actor
from tests.support.releases import another_world, count, nothing_is_out, outbox, released_rows


def test_a_release_repeated_changes_nothing_and_is_recorded_once(world):
    approved = world.approved()
    first, before = world.publish(approved.id), outbox(world)
    head = world.ledger.head()
    again = world.publish(approved.id)
    assert (first.new, again.new) == (True, False)
    assert outbox(world) == before
    assert world.ledger.head() == head
    assert count(world, RequestReleased) == count(world, DeliveryMade) == 1


@pytest.mark.parametrize(
    "step",
    [
        *("_copied", "describe", "write_manifest", "_record"),
        *("deliver", "_contents", "sync", "_record_delivery"),
    ],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_step_the_next_run_completes_the_same_release(
    world, tmp_path, monkeypatch, step, when
):
    reference = another_world(tmp_path)
    reference.approved()
    reference.publish()
    approved = world.approved()
    module = publish_module if hasattr(publish_module, step) else bundle
    original = getattr(module, step)

    class KilledError(BaseException):
        pass

    def killed(*args, **named):
        if when == "after":
            original(*args, **named)
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(module, step, killed)
        if step == "_contents":
            world.deployment.outbox.joinpath(NAME, approved.release_id).mkdir(parents=True)
        with pytest.raises(KilledError):
            world.publish(approved.id)
    if not count(world, RequestReleased):
        assert nothing_is_out(world)
    done = world.publish(approved.id)
    assert outbox(world) == outbox(reference)
    assert count(world, RequestReleased) == count(world, DeliveryMade) == 1
    assert len(released_rows(world)) == done.rows == len(ROWS)
    assert not list(world.deployment.scratch.glob("release-*"))
    assert world.ledger.verify()


def publish_and_die(deployment: Deployment, request: str, step: str) -> None:
    """Run in a process of its own: end it, without any clean-up, where ``step`` would begin."""
    setattr(publish_module, step, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
    opened(deployment).publish(request)


@pytest.mark.parametrize("step", ["write_manifest", "_record", "deliver", "_record_delivery"])
def test_a_process_killed_at_any_step_is_completed_by_the_next(world, tmp_path, step):
    reference = another_world(tmp_path)
    reference.approved()
    reference.publish()
    approved = world.approved()
    process = multiprocessing.get_context("spawn").Process(
        target=publish_and_die, args=(world.deployment, approved.id, step)
    )
    process.start()
    process.join(timeout=120)
    assert process.exitcode == -signal.SIGKILL
    assert world.publish(approved.id).new == (step in ("write_manifest", "_record"))
    assert outbox(world) == outbox(reference)
    assert count(world, RequestReleased) == count(world, DeliveryMade) == 1
    assert len(released_rows(world)) == len(ROWS)
    assert not list(world.deployment.scratch.glob("release-*"))


@pytest.mark.parametrize("damage", ["changed", "removed file", "added file", "removed all"])
def test_a_damaged_bundle_is_put_right_by_releasing_again(world, damage):
    approved = world.approved()
    done, before = world.publish(approved.id), outbox(world)
    if damage == "changed":
        (done.folder / done.files[1]).write_text("small cells")
    elif damage == "removed file":
        (done.folder / done.files[1]).unlink()
    elif damage == "added file":
        (done.folder / "extra.csv").write_text("x")
    else:
        shutil.rmtree(done.folder)
    world.publish(approved.id)
    assert outbox(world) == before


def test_processes_that_release_at_once_make_one_release(world):
    approved = world.approved()
    context = multiprocessing.get_context("spawn")
    runs = [
        context.Process(target=publish_if_free, args=(world.deployment, approved.id))
        for _ in range(3)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join(timeout=120)
    assert [run.exitcode for run in runs] == [0, 0, 0]
    assert not world.publish(approved.id).new
    assert count(world, RequestReleased) == count(world, DeliveryMade) == 1
    assert world.ledger.verify()


def publish_if_free(deployment: Deployment, request: str) -> None:
    """Release, or find that another process is at it."""
    with contextlib.suppress(ZoneError):
        opened(deployment).publish(request)


def test_an_outbox_that_cannot_be_written_is_completed_by_the_next_run(world):
    approved = world.approved()
    shutil.rmtree(world.deployment.outbox, ignore_errors=True)
    world.deployment.outbox.write_text("in the way")
    with pytest.raises(ZoneError, match="run the release again"):
        world.publish(approved.id)
    world.deployment.outbox.unlink()
    assert not world.publish(approved.id).new
    assert count(world, RequestReleased) == count(world, DeliveryMade) == 1


def test_a_release_repeated_by_another_ledger_process_is_still_one(world):
    approved = world.approved()
    world.publish(approved.id)
    world.ledger = Ledger.open(world.deployment.ledger_url)
    assert not world.publish(approved.id).new


def test_another_pattern_of_what_is_out_is_refused_at_the_door(world):
    """M-14: the earlier release shows O'Neil's count, this one Mono's; Alpine's is what is left."""
    world.approved()
    world.publish()
    before = outbox(world)
    world.build(
        (
            ("Alpine", 2023, None, None, 1200, 1),
            ("Mono", 2023, 15, 13, 13000, 0),
            ("Inyo", 2023, 0, 0, 18000, 0),
            ('O"Neil, North', 2023, None, None, 19000, 2),
            ("California", 2023, 67, 53, 51200, 0),
            ("Alpine", 2024, 25, 20, 1200, 0),
        )
    )
    world.decided(world.submit().id)
    with pytest.raises(GateError, match="releases that are out"):
        world.publish()
    assert outbox(world) == before


def test_the_requester_completes_no_release_under_another_spelling(world):
    approved = world.approved()
    world.publish(approved.id)
    alias = actor("Ana.Ruiz@health.example", "ana.ruiz")
    with pytest.raises(AuthorisationError, match="separation of duties"):
        world.publish(approved.id, actor=alias)
