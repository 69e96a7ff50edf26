"""What widgets with a worker have in common: threads, callbacks, traits of the page, errors.

Threads. Messages arrive on the kernel's main thread or on a subshell thread; the handler only
enqueues. The worker sends the answers and sets the traits (ipykernel sends comm messages from any
thread). Traits set for the page (``set_state``) and by the worker exclude each other by a lock,
because traitlets and ipywidgets keep per-widget state while they notify. Whoever holds the lock,
or is the worker, is inside a callback and must not wait for the worker.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets

from iseg_widget.widget import messages
from iseg_widget.widget.actions import TellCancelled, WarmUp
from iseg_widget.widget.worker import Job, Worker

_log = logging.getLogger(__name__)

_STATIC = Path(__file__).parent / "static"
_NOT_BUILT = """export default { render({ el }) { el.textContent =
  "iseg_widget: the front end is not built (npm --prefix js ci && npm --prefix js run build)"; } };
"""

MIN_HEIGHT = 120
"""Least height of the picture on the page, in CSS pixels."""

ErrorCallback = Callable[[Exception], object]


def bundle(name: str) -> str:
    """Return a file of the front end as text; a script that says so where it is not built."""
    # The text, not the path: anywidget watches paths with callbacks that keep every widget alive.
    path = _STATIC / name
    missing = "" if name.endswith(".css") else _NOT_BUILT
    return f"{path.read_text(encoding='utf-8') if path.is_file() else missing}\n"


class ThreadedWidget(anywidget.AnyWidget):
    """A widget whose requests are carried out by a worker.

    Subclasses set :attr:`PAGE_TRAITS` and say what becomes of messages (:meth:`_parse`,
    :meth:`_job_of`).
    """

    PAGE_TRAITS: ClassVar[frozenset[str]] = frozenset()
    """What the page may set; all other traits are written by the kernel alone."""

    _worker: Worker

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._lock = threading.RLock()  # held while traits change on behalf of page or worker
        self._holder: int | None = None
        self._error_callbacks: list[ErrorCallback] = []
        super().__init__()
        self.on_msg(self._on_message)

    def on_error(self, callback: ErrorCallback, *, remove: bool = False) -> None:
        """Call ``callback(exception)`` for every error that the page shows.

        It is called on the widget's own thread.
        """
        if remove:
            self._error_callbacks.remove(callback)
        else:
            self._error_callbacks.append(callback)

    def close(self) -> None:
        """Stop the worker and remove the widget from the page."""
        if hasattr(self, "_worker"):
            self._worker.close()
        super().close()

    # Jobs

    def _do(self, action: object) -> Any:
        """Enqueue and, outside of callbacks, wait for the outcome."""
        waited = not self._in_callback
        job = Job(action, drops=not isinstance(action, WarmUp), waited=waited)
        self._worker.submit(job)
        try:
            return job.outcome.result() if waited else None
        except CancelledError:
            raise RuntimeError("cancelled in the widget") from None

    def _wait(self) -> None:
        if not self._in_callback:
            self._worker.wait()

    @property
    def _in_callback(self) -> bool:
        return self._worker.is_current or self._holder == threading.get_ident()

    @contextlib.contextmanager
    def _holding(self) -> Iterator[None]:
        with self._lock:
            before, self._holder = self._holder, threading.get_ident()
            try:
                yield
            finally:
                self._holder = before

    # Traits

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what the page set. Everything but :data:`PAGE_TRAITS` is the kernel's."""
        accepted = {name: value for name, value in sync_data.items() if name in self.PAGE_TRAITS}
        with self._holding():
            try:
                super().set_state(accepted)
            except traitlets.TraitError as error:
                self._show_error("The page sent a wrong value", error)

    def _set_traits(self, values: Mapping[str, Any]) -> None:
        """Set traits on the worker's thread; a failing observer stops nothing else."""
        with self._holding():
            for name, value in values.items():
                try:
                    self.set_trait(name, value)
                except Exception as error:  # noqa: BLE001 - a person's own callback
                    self._show_error(f"A callback on {name} failed", error)

    # Messages

    def _on_message(self, _: object, content: object, __: object) -> None:
        """Comm handler: enqueue, and say so."""
        try:
            request = self._parse(content)
        except messages.ProtocolError as error:
            self._show_error("The page sent a wrong message", error, error.id)
            return
        self._send_reply(messages.Received(id=request.id))
        self._take(request)

    def _parse(self, content: object) -> messages.Request:
        """Check a message of the page; raises :class:`.messages.ProtocolError`."""
        raise NotImplementedError

    def _job_of(self, request: messages.Request) -> Job:
        """Return the job that carries out a request (``ping`` and ``cancel`` are none)."""
        raise NotImplementedError

    def _take(self, request: messages.Request) -> None:
        """Enqueue a request; ``cancel`` overtakes those that wait."""
        worker = self._worker
        if isinstance(request, messages.Ping):
            return
        if isinstance(request, messages.Cancel):
            removed = tuple(job.id for job in worker.cancel() if job.id is not None)
            worker.submit(Job(TellCancelled(request.id, removed)), first=True)
            return
        worker.submit(self._job_of(request))
        if isinstance(request, messages.Hello):
            worker.submit(Job(WarmUp()))

    def _send_reply(self, reply: messages.Reply) -> None:
        content, buffers = reply.to_message()
        try:
            self.send(content, buffers)
        except Exception:  # noqa: BLE001 - the page missed it and will ask; what was done stays
            _log.exception("a message to the page was not sent")

    def _show_error(self, title: str, error: Exception, id: str | None = None) -> None:  # noqa: A002
        ids = () if id is None else (id,)
        self._send_reply(messages.ErrorReply(id=id, ids=ids, title=title, message=str(error)))
        self._report(error)

    def _report(self, error: Exception) -> None:
        for callback in tuple(self._error_callbacks):
            with contextlib.suppress(Exception):  # there is nobody left to tell
                callback(error)
