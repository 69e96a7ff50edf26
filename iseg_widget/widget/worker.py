"""The one thread that works for a widget, and the queue in front of it.

Whoever asks (a comm handler on the main thread or on a subshell thread, or a notebook cell) only
enqueues. Jobs run in order; neighbours in the queue that may be answered together (clicks) are
run together. The thread starts with the first job and holds no reference to the widget while it
waits, so a widget that is dropped can be collected.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from iseg_widget.widget.cores import leave_a_core
from iseg_widget.widget.timing import now

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Job:
    """Something to do.

    Attributes
    ----------
    action: what; its meaning is the runner's.
    id: the page's request, ``None`` for jobs from Python.
    joins: whether it may be answered together with its neighbours that join as well.
    drops: whether cancelling drops it.
    waited: whether somebody waits for the outcome, and so gets its errors.
    rev: the revision that the page showed when it asked; ``None`` for jobs from Python.
    outcome: result or exception, for those who wait.
    arrived, taken: when it was made and when the thread took it (:func:`.timing.now`).
    """

    action: object
    id: str | None = None
    joins: bool = False
    drops: bool = False
    waited: bool = False
    rev: int | None = None
    outcome: Future[Any] = field(default_factory=Future)
    arrived: float = field(default_factory=now)
    taken: float = 0.0


class _Queue:
    """What the thread and its users share."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.jobs: deque[Job] = deque()
        self.running: tuple[Job, ...] = ()
        self.dropped = False  # the running jobs were cancelled
        self.committed = False  # too late for that
        self.closed = False

    def take(self) -> tuple[Job, ...]:
        """Wait for the next jobs that run together; none when closed."""
        with self.changed:
            self.changed.wait_for(lambda: self.jobs or self.closed)
            if self.closed:
                return ()
            taken = [self.jobs.popleft()]
            while taken[0].joins and self.jobs and self.jobs[0].joins:
                taken.append(self.jobs.popleft())
            start = now()
            for job in taken:
                job.taken = start
            self.running, self.dropped, self.committed = tuple(taken), False, False
            return self.running

    def finish(self) -> None:
        with self.changed:
            self.running = ()
            self.changed.notify_all()

    def close(self) -> list[Job]:
        with self.changed:
            self.closed = True
            left = list(self.jobs)
            self.jobs.clear()
            self.changed.notify_all()
            return left


Run = Callable[[Sequence[Job]], None]


def _work(queue: _Queue, runner: weakref.WeakMethod[Run]) -> None:
    limited = False
    while jobs := queue.take():
        run = runner()
        if run is None:
            return
        limited = limited or leave_a_core()
        try:
            run(jobs)
        except Exception as error:  # noqa: BLE001 - whatever happens, the thread goes on
            _log.exception("a job failed without an answer")
            for job in jobs:
                if not job.outcome.done():
                    job.outcome.set_exception(error)
        finally:
            del run, jobs
            queue.finish()


class Worker:
    """Runs jobs one after another on a thread of its own.

    Parameters
    ----------
    run: bound method that carries out jobs that run together; held weakly. It sets their
        outcomes; what it raises is set as theirs.
    name: of the thread.
    """

    def __init__(self, run: Run, name: str = "iseg-widget") -> None:
        self._queue = _Queue()
        self._run: weakref.WeakMethod[Run] = weakref.WeakMethod(run)
        self._name = name
        self._thread: threading.Thread | None = None
        weakref.finalize(run.__self__, self._queue.close)  # type: ignore[attr-defined]

    def submit(self, job: Job, *, first: bool = False) -> None:
        """Enqueue a job (in front of all others if ``first``). ``RuntimeError`` when closed."""
        queue = self._queue
        with queue.changed:
            if queue.closed:
                raise RuntimeError("the widget is closed")
            if first:
                queue.jobs.appendleft(job)
            else:
                queue.jobs.append(job)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=_work, args=(queue, self._run), name=self._name, daemon=True
                )
                self._thread.start()
            queue.changed.notify_all()

    def cancel(self) -> tuple[Job, ...]:
        """Take out the queued jobs that drop, and mark the running ones; return those taken out.

        A running job goes on, but :meth:`commit` then tells it to leave no trace.
        """
        queue = self._queue
        with queue.changed:
            removed = tuple(job for job in queue.jobs if job.drops)
            queue.jobs = deque(job for job in queue.jobs if not job.drops)
            queue.dropped = not queue.committed and any(job.drops for job in queue.running)
            queue.changed.notify_all()
        for job in removed:
            job.outcome.cancel()
        return removed

    def commit(self) -> bool:
        """Whether the running jobs still count; once true, they can no longer be cancelled."""
        with self._queue.changed:
            self._queue.committed = not self._queue.dropped
            return self._queue.committed

    @property
    def cancelled(self) -> bool:
        """Whether the running jobs were cancelled, and so far no :meth:`commit` came before."""
        with self._queue.changed:
            return self._queue.dropped

    @property
    def queued(self) -> int:
        """Number of jobs that wait."""
        return len(self._queue.jobs)

    @property
    def is_current(self) -> bool:
        """Whether the caller is the worker's own thread."""
        return threading.current_thread() is self._thread

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is queued or running; at once on the worker's own thread.

        Returns ``False`` when ``timeout`` seconds were not enough.
        """
        queue = self._queue
        if self.is_current:
            return True
        with queue.changed:
            return queue.changed.wait_for(
                lambda: queue.closed or not (queue.jobs or queue.running), timeout
            )

    def close(self) -> None:
        """Stop after the running job; queued ones are cancelled. May be called again."""
        for job in self._queue.close():
            job.outcome.cancel()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the thread to end after :meth:`close`."""
        if self._thread is not None and not self.is_current:
            self._thread.join(timeout)
