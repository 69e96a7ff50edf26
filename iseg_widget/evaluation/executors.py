"""Evaluation by any ``concurrent.futures.Executor``: threads, processes, MPI, Dask and the like."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path

from iseg_widget.evaluation.jobs import Job, Order, Task, build, unpack
from iseg_widget.evaluation.records import Record


def run_executor(
    executor: Executor, order: Order, tasks: Iterable[Task], in_flight: int
) -> Iterator[Record]:
    """Let an executor do all tasks; yield the records as they come.

    Threads share the method and the dataset. For any other executor both are written to a
    temporary file that its workers read, so they must see the same files as this process.

    Parameters
    ----------
    executor: stays the caller's, who shuts it down.
    order: what is to be done.
    tasks: are taken as there is room for them.
    in_flight: most tasks that wait or run at a time.

    Raises
    ------
    RuntimeError: the executor broke. It cannot be replaced here; ``workers=`` makes workers that
        are.
    Exception: what loading the job raised in a worker.
    """
    waiting = iter(tasks)
    with _job(executor, order) as evaluate:
        running: set[Future[list[Record]]] = set()
        try:
            while True:
                while len(running) < in_flight and (task := next(waiting, None)) is not None:
                    running.add(executor.submit(evaluate, task))
                task = None  # what is done is not kept
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield from future.result()
        except BrokenExecutor as error:
            raise RuntimeError(
                f"the executor broke ({error}); workers=N instead of executor= replaces workers "
                "that die, and with out= an evaluation goes on where it was"
            ) from error
        finally:
            for future in running:
                future.cancel()
            wait(running)


@contextmanager
def _job(executor: Executor, order: Order) -> Iterator[Callable[[Task], list[Record]]]:
    """Give the function that evaluates a task where the executor runs it."""
    if isinstance(executor, ThreadPoolExecutor):
        dataset = None if order.sends_samples else order.dataset
        yield Job(build(order.method), dataset, order.settings, order.batch).evaluate
        return
    handle, name = tempfile.mkstemp(prefix="iseg-job-", suffix=".pickle")
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(order.pack())
        yield partial(_evaluate, name)
    finally:
        path.unlink()


def _evaluate(path: str, task: Task) -> list[Record]:
    return _loaded(path).evaluate(task)


@lru_cache(maxsize=1)
def _loaded(path: str) -> Job:
    """Return the job in a file; a worker process keeps the latest."""
    return unpack(Path(path).read_bytes())
