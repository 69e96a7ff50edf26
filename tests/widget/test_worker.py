from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import CancelledError

import pytest

from iseg_widget.widget.worker import Job, Worker


class Runner:
    """Keeps what it was asked; ``gate`` holds it back."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.batches: list[list[object]] = []
        self.kept: list[bool] = []
        self.worker = Worker(self.run)

    def run(self, jobs: Sequence[Job]) -> None:
        self.batches.append([job.action for job in jobs])
        self.entered.set()
        self.gate.wait(10)
        if jobs[0].action == "fail":
            raise ValueError("on purpose")
        self.kept.append(self.worker.commit())
        for job in jobs:
            job.outcome.set_result(job.action)

    def add(self, *actions: object, joins: bool = False, drops: bool = True) -> list[Job]:
        jobs = [Job(action, joins=joins, drops=drops) for action in actions]
        for job in jobs:
            self.worker.submit(job)
        return jobs

    def hold(self) -> None:
        """Make it busy."""
        self.gate.clear()
        self.entered.clear()
        self.add("first")
        assert self.entered.wait(10)


@pytest.fixture
def runner() -> Runner:
    return Runner()


def test_jobs_that_wait_are_joined_but_never_across_another(runner: Runner) -> None:
    runner.hold()
    runner.add(1, 2, 3, joins=True)
    runner.add("undo")
    runner.add(4, 5, joins=True)
    runner.gate.set()
    assert runner.worker.wait(10)
    assert runner.batches == [["first"], [1, 2, 3], ["undo"], [4, 5]]


def test_cancel_takes_out_what_waits_and_marks_what_runs(runner: Runner) -> None:
    runner.hold()
    (kept,) = runner.add("kept", drops=False)
    dropped = runner.add(1, 2)
    assert runner.worker.cancel() == tuple(dropped)
    runner.gate.set()
    assert kept.outcome.result(10) == "kept"
    assert runner.worker.wait(10)
    assert runner.kept == [False, True]
    with pytest.raises(CancelledError):
        dropped[0].outcome.result(0)


def test_a_committed_job_can_no_longer_be_cancelled(runner: Runner) -> None:
    runner.hold()
    assert runner.worker.commit()
    runner.worker.cancel()
    runner.gate.set()
    assert runner.worker.wait(10)
    assert runner.kept == [True]


@pytest.mark.usefixtures("caplog")
def test_a_failing_job_does_not_stop_the_thread(runner: Runner) -> None:
    bad, good = runner.add("fail", "good")
    with pytest.raises(ValueError, match="on purpose"):
        bad.outcome.result(10)
    assert good.outcome.result(10) == "good"


def test_wait_gives_up_after_its_time(runner: Runner) -> None:
    runner.hold()
    assert not runner.worker.wait(0.05)
    runner.gate.set()
    assert runner.worker.wait(10)


def test_closing_cancels_and_ends_the_thread(runner: Runner) -> None:
    runner.hold()
    (job,) = runner.add("never")
    runner.worker.close()
    runner.gate.set()
    runner.worker.join(10)
    assert job.outcome.cancelled()
    assert runner.batches == [["first"]]
    with pytest.raises(RuntimeError, match="closed"):
        runner.add("late")
    runner.worker.close()


def test_a_dropped_owner_ends_the_thread() -> None:
    runner = Runner()
    runner.add("one")
    assert runner.worker.wait(10)
    thread = runner.worker._thread
    assert thread is not None
    gone = weakref.ref(runner)
    del runner
    gc.collect()
    assert gone() is None
    thread.join(10)
    assert not thread.is_alive()


def test_jobs_from_many_threads_are_all_done(runner: Runner) -> None:
    def feed(start: int) -> None:
        for number in range(50):
            runner.add(start + number, joins=True)
            time.sleep(0)

    feeders = [threading.Thread(target=feed, args=(1000 * index,)) for index in range(4)]
    for feeder in feeders:
        feeder.start()
    for feeder in feeders:
        feeder.join()
    assert runner.worker.wait(10)
    done = [action for batch in runner.batches for action in batch]
    assert len(done) == 200
    for start in (0, 1000, 2000, 3000):
        own = [a for a in done if isinstance(a, int) and start <= a < start + 50]
        assert own == sorted(own)


class Piecewise(Runner):
    """Patient jobs consist of three pieces, each of which begins when the test lets it."""

    def __init__(self) -> None:
        self.pieces = threading.Semaphore(0)
        self.began = threading.Semaphore(0)
        self.course: list[object] = []
        super().__init__()

    def run(self, jobs: Sequence[Job]) -> None:
        for piece in range(3 if jobs[0].patient else 1):
            self.course.append((jobs[0].action, piece))
            if jobs[0].patient:
                self.began.release()
                assert self.pieces.acquire(timeout=10)
                self.worker.pause()
        for job in jobs:
            job.outcome.set_result(job.action)

    def ask(self, action: object) -> Job:
        job = Job(action, patient=True)
        self.worker.submit(job)
        return job


def test_a_patient_job_makes_room_after_the_piece_in_progress() -> None:
    runner = Piecewise()
    panel = runner.ask("panel")
    assert runner.began.acquire(timeout=10)
    clicks = runner.add("click", "click", joins=True)
    runner.pieces.release()  # the first piece ends
    assert clicks[1].outcome.result(10) == "click"
    assert not panel.outcome.done()
    for _ in range(3):
        runner.pieces.release()
    assert panel.outcome.result(10) == "panel"
    again = [("panel", 0), ("panel", 1), ("panel", 2)]
    assert runner.course == [("panel", 0), ("click", 0), *again]


def test_patient_jobs_wait_for_all_others_and_keep_their_order() -> None:
    runner = Piecewise()
    first = runner.ask(1)
    assert runner.began.acquire(timeout=10)
    runner.ask(2)
    runner.add("act", "act too")
    assert runner.worker.queued == 3
    for _ in range(7):
        runner.pieces.release()
    assert runner.worker.wait(10)
    assert first.outcome.done()
    order = [action for action, piece in runner.course if piece == 0]
    assert order == [1, "act", "act too", 1, 2]


def test_a_patient_job_ends_at_its_next_pause_when_the_worker_is_closed() -> None:
    runner = Piecewise()
    panel, waiting = runner.ask(1), runner.ask(2)
    assert runner.began.acquire(timeout=10)
    runner.worker.close()
    runner.pieces.release()
    runner.worker.join(10)
    assert panel.outcome.cancelled()
    assert waiting.outcome.cancelled()
    assert runner.course == [(1, 0)]


def test_what_is_not_patient_makes_no_room(runner: Runner) -> None:
    runner.hold()
    runner.add("next")
    runner.worker.pause()
    runner.gate.set()
    assert runner.worker.wait(10)
    assert runner.batches == [["first"], ["next"]]
