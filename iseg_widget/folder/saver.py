"""Writing files on a thread of its own, so that who changes something does not wait for disks."""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field

_log = logging.getLogger(__name__)

Write = Callable[[], None]

RETRY = (0.5, 2.0, 5.0, 15.0)
"""Seconds until a write that failed is tried again: after the first time, the second, …"""


@dataclass(eq=False)
class _Task:
    key: str
    write: Write
    due: float
    order: int
    tries: int = 0


@dataclass(eq=False)
class _Shared:
    """What the thread and its users share."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    tasks: dict[str, _Task] = field(default_factory=dict)
    running: _Task | None = None
    errors: dict[str, Exception] = field(default_factory=dict)
    failed: int = 0  # tries so far
    hurry: int = 0
    closed: bool = False

    def take(self) -> _Task | None:
        """Wait for the next task that is due; ``None`` when closed and nothing is left."""
        with self.changed:
            while True:
                now = time.monotonic()
                ready = [
                    task
                    for task in self.tasks.values()
                    if task.due <= now or self.closed or (self.hurry and not task.tries)
                ]
                if ready:
                    task = min(ready, key=lambda t: (t.tries, t.order, t.due))
                    self.running = self.tasks.pop(task.key)
                    return task
                if self.closed:
                    return None
                soonest = min((task.due for task in self.tasks.values()), default=None)
                self.changed.wait(None if soonest is None else soonest - now)

    def make_due(self) -> None:
        """Let nothing wait any longer; ``changed`` must be held."""
        for task in self.tasks.values():
            task.due = min(task.due, time.monotonic())
        self.changed.notify_all()

    def finish(self, task: _Task, error: Exception | None) -> None:
        """Note how a task went."""
        with self.changed:
            self.running = None
            self.errors.pop(task.key, None)
            if error is not None:
                self.failed += 1
                self.errors[task.key] = error
                if not self.closed:
                    # A newer state of the same file may have come meanwhile.
                    again = self.tasks.setdefault(task.key, task)
                    again.tries = task.tries + 1
                    again.due = time.monotonic() + RETRY[min(again.tries, len(RETRY)) - 1]
            self.changed.notify_all()

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify_all()


def _work(shared: _Shared, told: weakref.WeakMethod[Callable[[], None]]) -> None:
    while (task := shared.take()) is not None:
        error: Exception | None = None
        try:
            task.write()
        except Exception as caught:  # noqa: BLE001 - full disk, lost network folder, …
            _log.debug("writing %s failed", task.key, exc_info=True)
            error = caught
        shared.finish(task, error)
        tell = told()
        if tell is not None:
            with contextlib.suppress(Exception):
                tell()
        del tell, task


class Saver:
    """Writes what it is given, the newest of each key; failed writes are tried again.

    It ends when it is closed or dropped, and writes what waits before that.

    Parameters
    ----------
    told: bound method, held weakly, that is called on the saver's thread after every write,
        whether it worked or not.
    name: of the thread.
    """

    def __init__(self, told: Callable[[], None], name: str = "iseg-saver") -> None:
        self._shared = _Shared()
        self._told = weakref.WeakMethod(told)
        self._name = name
        self._thread: threading.Thread | None = None
        self._at_exit = functools.partial(_call, weakref.WeakMethod(self._finish))
        atexit.register(self._at_exit)
        weakref.finalize(self, _dropped, self._shared, self._at_exit).atexit = False

    def put(self, key: str, write: Write, *, delay: float = 0.0, order: int = 0) -> None:
        """Have ``write()`` called ``delay`` seconds from now, or sooner.

        A write of the same key that waits is replaced but keeps its time, so a stream of changes
        does not put it off for ever. Of writes that are due, the lowest ``order`` comes first.
        ``RuntimeError`` when closed.
        """
        shared = self._shared
        with shared.changed:
            if shared.closed:
                raise RuntimeError("the saver is closed")
            task = _Task(key, write, time.monotonic() + delay, order)
            waiting = shared.tasks.get(key)
            if waiting is not None:
                task.due = min(task.due, waiting.due)
                task.tries = waiting.tries
            shared.tasks[key] = task
            if self._thread is None:
                self._thread = threading.Thread(
                    target=_work, args=(shared, self._told), name=self._name, daemon=True
                )
                self._thread.start()
            shared.changed.notify_all()

    def pending(self, order: int | None = None) -> bool:
        """Whether something is not written yet; of ``order`` or lower, if one is given."""
        with self._shared.changed:
            running = self._shared.running
            left = [*self._shared.tasks.values(), *([] if running is None else [running])]
            return any(order is None or task.order <= order for task in left)

    @property
    def error(self) -> Exception | None:
        """Why something could not be written; ``None`` when there is no such thing."""
        with self._shared.changed:
            return next(iter(self._shared.errors.values()), None)

    def hurry(self) -> None:
        """Have all that waits written now, without waiting for it."""
        with self._shared.changed:
            self._shared.make_due()

    def flush(self, timeout: float | None = None) -> bool:
        """Write all that waits, now; ``False`` when ``timeout`` seconds were not enough.

        Raises what a write raised; it stays in line for another try.
        """
        shared = self._shared
        if threading.current_thread() is self._thread:
            return not shared.tasks
        with shared.changed:
            failed = shared.failed
            shared.hurry += 1
            shared.make_due()
            try:
                done = shared.changed.wait_for(
                    lambda: not (shared.tasks or shared.running) or self._all_tried(failed), timeout
                )
            finally:
                shared.hurry -= 1
            error = next(iter(shared.errors.values()), None)
            if shared.failed > failed and error is not None:
                raise error
            return done

    def _all_tried(self, failed: int) -> bool:
        """Whether of what waits every write has failed, one of them since ``failed`` failures."""
        shared = self._shared
        return (
            shared.failed > failed
            and shared.running is None
            and all(task.tries for task in shared.tasks.values())
        )

    def close(self, timeout: float | None = None) -> None:
        """Write all that waits and stop. Raises what a write raised, after a last try."""
        try:
            self.flush(timeout)
        finally:
            self._shared.close()
            atexit.unregister(self._at_exit)

    def _finish(self) -> None:
        with contextlib.suppress(Exception):
            self.flush(30)


def _call(method: weakref.WeakMethod[Callable[[], None]]) -> None:
    """At the interpreter's end: write what waits."""
    found = method()
    if found is not None:
        found()


def _dropped(shared: _Shared, at_exit: Callable[[], None]) -> None:
    atexit.unregister(at_exit)
    shared.close()
