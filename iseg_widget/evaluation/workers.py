"""Workers on one machine: processes that keep the method, and how tasks are shared out.

A worker is asked for one task at a time, so that it is known which one it died over. Its objects
are redone by a new worker, each by itself, at most :data:`MOST_DEATHS` times.
"""

from __future__ import annotations

import multiprocessing
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any, Protocol

from iseg_widget.evaluation.jobs import Job, Task, unpack
from iseg_widget.evaluation.records import Record

MOST_DEATHS = 3
"""Workers that may die over an object before it is recorded as faulty."""

MOST_FALSE_STARTS = 3
"""Workers that may die in a row before they are ready."""


class WorkerDied(Exception):  # noqa: N818 (what happened, not whose error it is)
    """A worker is gone; the message says how."""


class Worker(Protocol):
    """A process, here or elsewhere, that evaluates one task at a time."""

    def ready(self) -> None:
        """Wait until the worker has loaded its job.

        Raises :class:`WorkerDied`, or what loading raised.
        """

    def evaluate(self, task: Task) -> list[Record]:
        """Evaluate a task; raises :class:`WorkerDied`."""

    def stop(self) -> None:
        """End the worker at once; whoever waits for it gets :class:`WorkerDied`."""


def run_workers(start: Callable[[], Worker], count: int, tasks: Iterable[Task]) -> Iterator[Record]:
    """Let ``count`` workers do all tasks; yield the records as they come.

    A task is taken from ``tasks`` only when a worker is free for it, so no more than ``count`` are
    in memory.

    Raises
    ------
    RuntimeError: workers die before they are ready.
    Exception: what loading the job raised in a worker.
    """
    crew = _Crew(start, count, tasks)
    try:
        for _ in range(count):
            crew.launch()
        while crew.assign():
            yield from crew.wait()
    finally:
        crew.close()


class _Crew:
    """Workers that are starting, idle or busy, and what is left to do."""

    def __init__(self, start: Callable[[], Worker], count: int, tasks: Iterable[Task]) -> None:
        self._start = start
        self._fresh = iter(tasks)
        self._again: deque[Task] = deque()
        self._starting: dict[Future[None], Worker] = {}
        self._alive: set[Worker] = set()
        self._idle: list[Worker] = []
        self._busy: dict[Future[list[Record]], tuple[Worker, Task]] = {}
        self._false_starts = 0
        # Each worker is waited for by a thread of its own.
        self._threads = ThreadPoolExecutor(count, "iseg-worker")

    def launch(self) -> None:
        worker = self._start()
        self._alive.add(worker)
        self._starting[self._threads.submit(worker.ready)] = worker

    def assign(self) -> bool:
        """Give every idle worker a task; return whether there is anything to wait for."""
        while self._idle:
            task = self._again.popleft() if self._again else next(self._fresh, None)
            if task is None:
                return bool(self._busy)
            worker = self._idle.pop()
            self._busy[self._threads.submit(worker.evaluate, task)] = worker, task
        return True

    def wait(self) -> list[Record]:
        """Wait for news; return the records that came with them."""
        futures: list[Future[Any]] = [*self._starting, *self._busy]
        records: list[Record] = []
        for future in wait(futures, return_when=FIRST_COMPLETED).done:
            if future in self._starting:
                self._started(future)
            else:
                records += self._finished(future)
        return records

    def _started(self, future: Future[None]) -> None:
        worker = self._starting.pop(future)
        try:
            future.result()
        except WorkerDied as death:
            self._bury(worker)
            self._false_starts += 1
            if self._false_starts >= MOST_FALSE_STARTS:
                raise RuntimeError(
                    f"{self._false_starts} workers in a row died while starting: {death}. A script "
                    "that asks for workers must do so under if __name__ == '__main__'"
                ) from death
            self.launch()
        else:
            self._false_starts = 0
            self._idle.append(worker)

    def _finished(self, future: Future[list[Record]]) -> list[Record]:
        worker, task = self._busy.pop(future)
        try:
            records = future.result()
        except WorkerDied as death:
            self._bury(worker)
            self.launch()
            task = replace(task, deaths=task.deaths + 1)
            if task.deaths >= MOST_DEATHS:
                return task.faulty(f"WorkerDied: {task.deaths} workers died over it, last: {death}")
            self._again.extend(task.split())
            return []
        self._idle.append(worker)
        return records

    def _bury(self, worker: Worker) -> None:
        self._alive.remove(worker)
        worker.stop()

    def close(self) -> None:
        for worker in self._alive:
            worker.stop()
        self._threads.shutdown(cancel_futures=True)


class LocalWorker:
    """A process on this machine, started afresh (``spawn``), which works with every library.

    Parameters
    ----------
    order: what :meth:`Order.pack <iseg_widget.evaluation.jobs.Order.pack>` returned.
    """

    def __init__(self, order: bytes) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._order: bytes | None = order
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        # With the other end closed here, either side learns from the pipe that the other is gone.
        theirs.close()

    def ready(self) -> None:
        """See :class:`Worker`."""
        order, self._order = self._order, None
        self._ask(order)

    def evaluate(self, task: Task) -> list[Record]:
        """See :class:`Worker`."""
        records: list[Record] = self._ask(task)
        return records

    def _ask(self, message: object) -> Any:
        try:
            self._pipe.send(message)
            answer, error = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            raise WorkerDied(f"exit code {self._process.exitcode}") from None
        if error is not None:
            raise error
        return answer

    def stop(self) -> None:
        """See :class:`Worker`."""
        self._process.kill()
        self._process.join()


def portable(error: Exception) -> Exception:
    """Return the error, or one that says the same when it does not survive pickling."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 (just written)
    except Exception:  # noqa: BLE001 (whatever its class does)
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _serve(pipe: Connection) -> None:
    """Answer messages until the other side is gone; the first one is the order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    job: Job | None = None
    try:
        while True:
            message = pipe.recv()
            answer: list[Record] | None = None
            failure: Exception | None = None
            try:
                if job is None:
                    job = unpack(message)
                else:
                    answer = job.evaluate(message)
            except Exception as error:  # noqa: BLE001 (it belongs to whoever asked)
                failure = portable(error)
            del message
            pipe.send((answer, failure))
    except (EOFError, OSError):
        return
