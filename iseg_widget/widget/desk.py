"""What is done for a request: the one place where the widget meets session and method.

Everything here runs on the worker's thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from iseg_widget.clicks import Click, check_inside
from iseg_widget.protocol import Method, Step
from iseg_widget.session import Session
from iseg_widget.widget import messages
from iseg_widget.widget.actions import (
    Act,
    NewClick,
    Recall,
    Show,
    TellCancelled,
    UseMethod,
    WarmUp,
)
from iseg_widget.widget.codec import encode_overlay, encode_picture, to_grid
from iseg_widget.widget.messages import Activity
from iseg_widget.widget.worker import Job, Worker

_log = logging.getLogger(__name__)

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Published:
    """The state after a job, for the widget's traits."""

    clicks: tuple[Click, ...]
    mask: Mask
    method: str
    options: Any


@dataclass(frozen=True)
class Given:
    """What the widget was made with; masks are (H, W) bool, ``image`` (H, W, 3) uint8 RGB."""

    image: NDArray[np.uint8]
    method: str | Method
    mask: Mask | None = None
    truth: Mask | None = None
    ignore: Mask | None = None
    options: Any = None
    weights: Any = None
    device: Any = "auto"


Load = Callable[..., Method]


def _load(name: str, **keywords: Any) -> Method:
    from iseg_widget.methods.registry import load_method

    return load_method(name, **keywords)


class Desk:
    """Answers requests in order.

    Parameters
    ----------
    given: image, method and so on.
    send: sends a reply to the page.
    publish: takes the new state.
    failed: takes an error nobody waits for (besides the reply).
    load: as :func:`iseg_widget.load_method`.
    """

    def __init__(
        self,
        given: Given,
        *,
        send: Callable[[messages.Reply], None],
        publish: Callable[[Published], None],
        failed: Callable[[Exception], None],
        load: Load = _load,
    ) -> None:
        self._given = given
        self._send = send
        self._publish_state = publish
        self._failed = failed
        self._load = load
        # Every method used so far, as it was used last: going back to one is quick.
        self._methods: dict[str, Method] = {}
        self._session: Session | None = None
        self._picture: tuple[str, bytes] | None = None
        self._warm = False
        self._active = False
        self._rev = 0
        self._inferences = 0
        self._shown = self._grid(self.mask)
        self.worker = Worker(self.run)

    # What is there (any thread, while the worker waits)

    @property
    def session(self) -> Session | None:
        """The session, ``None`` until the method is loaded."""
        return self._session

    @property
    def mask(self) -> Mask:
        """``(H, W)`` bool: the current mask."""
        if self._session is not None:
            return self._session.mask
        if self._given.mask is not None:
            return self._given.mask
        return np.zeros(self._given.image.shape[:2], bool)

    @staticmethod
    def _grid(mask: Mask) -> Mask:
        return np.ascontiguousarray(to_grid(mask))

    # Jobs

    def run(self, jobs: Sequence[Job]) -> None:
        """Carry out jobs that run together (several only if they are clicks)."""
        try:
            self._dispatch(jobs)
        except CancelledError:
            for job in jobs:
                job.outcome.cancel()
            self._told(_ids(jobs))
        except Exception as error:  # noqa: BLE001 - it becomes the page's or the caller's error
            _log.debug("request failed", exc_info=True)
            self._fail(jobs, error)
        finally:
            if self._active and self.worker.queued == 0:
                self._active = False
                self._send(messages.ActivityReply(ids=(), what=None))

    def _dispatch(self, jobs: Sequence[Job]) -> None:
        match jobs[0].action:
            case NewClick():
                self._clicks(jobs)
            case Act(do):
                self._act(jobs[0], do)
            case Recall(do):
                self._recall(jobs[0], do)
            case UseMethod() as change:
                self._change(jobs[0], change)
            case WarmUp():
                self._warm_up(jobs[0])
            case Show(name, picture):
                self._show(name, picture=picture)
            case TellCancelled(name, ids):
                self._told(ids, name)
            case other:
                raise TypeError(f"nothing to do for {other!r}")
        for job in jobs:
            if not job.outcome.done():
                job.outcome.set_result(None)

    def _show(self, name: str, *, picture: bool) -> None:
        if picture:
            if self._picture is None:
                self._picture = encode_picture(self._given.image)
            mime, data = self._picture
            height, width = self._given.image.shape[:2]
            self._send(messages.Picture(id=name, width=width, height=height, mime=mime, data=data))
        self._send(self._result((name,), None))

    def _clicks(self, jobs: Sequence[Job]) -> None:
        session = self._ready(jobs)
        good: list[Job] = []
        clicks: list[Click] = []
        for job in jobs:
            click = cast("NewClick", job.action).click
            try:
                check_inside(click, session.shape)
            except ValueError as error:
                self._fail([job], error)
            else:
                good.append(job)
                clicks.append(click)
        if not good:
            return
        self._busy(good, "segment")
        before = session.checkpoint()
        try:
            step = session.click_many(clicks)
        except Exception as error:  # noqa: BLE001 - the session is as it was
            self._fail(good, error)
            return
        self._inferences += 1
        if not self.worker.commit():
            session.restore(before)
            raise CancelledError
        self._publish(good)
        for job in good:
            job.outcome.set_result(step)

    def _act(self, job: Job, do: Callable[[Session], Any]) -> None:
        session = self._ready([job])
        self._busy([job], "segment")
        before = session.checkpoint()
        outcome = do(session)
        self._inferences += 1
        if not self.worker.commit():
            session.restore(before)
            raise CancelledError
        self._publish([job])
        job.outcome.set_result(outcome)

    def _recall(self, job: Job, do: Callable[[Session], bool | None]) -> None:
        self.worker.commit()
        outcome = False if self._session is None else do(self._session)
        self._publish([job])
        job.outcome.set_result(outcome)

    def _change(self, job: Job, change: UseMethod) -> None:
        self._busy([job], "load")
        method = self._build(change)
        old = self._session
        if old is None:
            new = self._open(method)
        else:
            self._busy([job], "replay")
            new = old.with_method(method)
            self._inferences += len(new.groups)
        if not self.worker.commit():
            raise CancelledError
        self._session = new
        self._methods[method.name] = method
        self._publish([job])

    def _warm_up(self, job: Job) -> None:
        if self._warm:
            return
        session = self._ready([job])
        if self.worker.queued:  # somebody is waiting: the real click warms as well
            return
        height, width = session.shape
        self._busy([job], "load")
        state = session.method.start(session.image, session.initial_mask)
        session.method.step(state, (Click((width - 1) / 2, (height - 1) / 2),))
        self._warm = True

    # Methods and session

    def _ready(self, jobs: Sequence[Job]) -> Session:
        if self._session is None:
            self._busy(jobs, "load")
            method = self._build(UseMethod(None, self._given.options))
            self._session = self._open(method)
            self._methods[method.name] = method
            self._tell_state()
        return self._session

    def _open(self, method: Method) -> Session:
        given = self._given
        return Session(method, given.image, given.mask, given.truth, ignore=given.ignore)

    def _build(self, change: UseMethod) -> Method:
        wanted, options = change.method, change.options
        if wanted is None:
            wanted = self._given.method if self._session is None else self._session.method
        if isinstance(wanted, str):
            if wanted not in self._methods:
                keywords = {"weights": self._weights(wanted), "device": self._given.device}
                return self._load(wanted, options=options, **keywords)
            wanted = self._methods[wanted]
        return wanted if options is None else _with_options(wanted, options)

    def _weights(self, name: str) -> Any:
        given = self._given.weights
        if isinstance(given, Mapping):
            return given.get(name)
        return given if name == self._given.method else None

    # Replies

    def _busy(self, jobs: Sequence[Job], what: Activity) -> None:
        self._active = True
        self._send(messages.ActivityReply(ids=_ids(jobs), what=what))

    def _told(self, ids: tuple[str, ...], id: str | None = None) -> None:  # noqa: A002
        if ids or id is not None:
            self._send(messages.Cancelled(id=id or ids[-1], ids=ids))

    def _fail(self, jobs: Sequence[Job], error: Exception) -> None:
        ids = _ids(jobs)
        for job in jobs:
            if not job.outcome.done():
                job.outcome.set_exception(error)
        if jobs[0].waited or jobs[0].action == WarmUp(quiet=True):
            return
        self._send(
            messages.ErrorReply(
                id=ids[-1] if ids else None,
                ids=ids,
                title=_title(jobs[0]),
                message=f"{error}" if isinstance(error, ValueError) else _describe(error),
            )
        )
        self._failed(error)

    def _publish(self, jobs: Sequence[Job]) -> None:
        """Send the new state to the page, then to the traits."""
        mask = self.mask
        previous, self._shown = self._shown, self._grid(mask)
        self._rev += 1
        self._send(self._result(_ids(jobs), previous))
        self._tell_state(mask)

    def _tell_state(self, mask: Mask | None = None) -> None:
        session = self._session
        if session is None:
            return
        method = session.method
        self._publish_state(
            Published(
                session.clicks,
                self.mask if mask is None else mask,
                method.name,
                method.options,
            )
        )

    def _result(self, ids: tuple[str, ...], previous: Mask | None) -> messages.Result:
        session = self._session
        step: Step | None = None if session is None else session.step
        overlay = encode_overlay(self._shown, previous)
        stats = messages.Stats(
            seconds=None if step is None else step.seconds,
            iou=None if step is None else step.iou,
            area=int(np.count_nonzero(self._shown)),
        )
        return messages.Result(
            id=ids[-1] if ids else None,
            ids=ids,
            rev=self._rev,
            base=self._rev - 1 if overlay.is_patch else None,
            grid=overlay.grid,
            box=overlay.box,
            clicks=() if session is None else session.clicks,
            can_undo=session is not None and session.can_undo,
            can_redo=session is not None and session.can_redo,
            views=() if step is None else step.views,
            inferences=self._inferences,
            stats=stats,
            data=overlay.data,
        )


def _ids(jobs: Sequence[Job]) -> tuple[str, ...]:
    return tuple(job.id for job in jobs if job.id is not None)


def _with_options(method: Method, options: Mapping[str, Any] | object) -> Method:
    from iseg_widget.methods.registry import with_options

    return with_options(method, options)


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


_TITLES: dict[type, str] = {
    NewClick: "The click was not answered",
    UseMethod: "The method was not changed",
    WarmUp: "The method could not be loaded",
}


def _title(job: Job) -> str:
    return _TITLES.get(type(job.action), "That did not work")
