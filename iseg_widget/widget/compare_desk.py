"""What is done for a request to a comparison; everything here runs on the worker's thread.

All panes get the same clicks in the same groups: what queues up while any of them works becomes
one group for all. Each pane's answer is sent as soon as it is there. A pane that fails keeps its
error and its former mask, and the others go on; only if all fail does nothing happen.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from iseg_widget.clicks import Click, check_inside
from iseg_widget.protocol import Step
from iseg_widget.regions import Region
from iseg_widget.widget.actions import NewClick, Show, TellCancelled, WarmUp
from iseg_widget.widget.codec import encode_overlay
from iseg_widget.widget.compare_actions import (
    Change,
    Direction,
    Recall,
    RobotAct,
)
from iseg_widget.widget.compare_opening import Given, Opener
from iseg_widget.widget.compare_panes import Course, CourseHistory, Mask, Pane
from iseg_widget.widget.messages import compare as messages
from iseg_widget.widget.pyramid import PicturePyramid, TileServer
from iseg_widget.widget.tiles import base_fields
from iseg_widget.widget.worker import Job, Worker

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Published:
    """The state after a job, for the widget's traits."""

    clicks: tuple[Click, ...]
    masks: dict[str, Mask]


class CompareDesk:
    """Answers requests in order.

    Parameters
    ----------
    given: image, panes and so on.
    send: sends a reply to the page.
    publish: takes the new state.
    failed: takes an error nobody waits for (besides the reply).
    """

    def __init__(
        self,
        given: Given,
        *,
        send: Callable[[messages.Reply], None],
        publish: Callable[[Published], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._given = given
        self._send = send
        self._publish = publish
        self._failed = failed
        self.opener = Opener(given)
        self.tiles = TileServer(PicturePyramid(given.image))
        self._active = False
        self._warm: set[int] = set()
        self._rev = 0
        self.history = CourseHistory()
        self.panes = tuple(Pane(spec, self.opener.open) for spec in given.panes)
        # Nothing is loaded yet: all panes show the same mask.
        self._shown = [Region.of(self._mask(self.panes[0]))] * len(self.panes)
        self._revs = [0] * len(self.panes)
        self.worker = Worker(self.run, "iseg-compare")

    # What is there (any thread, while the worker waits)

    @property
    def masks(self) -> dict[str, Mask]:
        """Name of each pane and its current ``(H, W)`` bool mask."""
        return {pane.spec.name: self._mask(pane) for pane in self.panes}

    def _mask(self, pane: Pane) -> Mask:
        if pane.session is not None:
            return pane.session.mask
        if self._given.mask is not None:
            return self._given.mask
        return np.zeros(self._given.image.shape[:2], bool)

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
                self._send(messages.WorkingReply(pane=None))
                self._send(messages.ActivityReply(ids=(), what=None))

    def _dispatch(self, jobs: Sequence[Job]) -> None:
        outcome = None
        if jobs[0].joins:
            self._clicks(jobs)
        else:
            outcome = self._do(jobs[0])
        for job in jobs:
            if not job.outcome.done():
                job.outcome.set_result(outcome)

    def _do(self, job: Job) -> Any:
        match job.action:
            case Change() as change:
                return self._go([job], change.make(self.history), change.name)
            case Recall(what):
                return self._recall(job, what)
            case RobotAct(pane):
                return self._robot(job, pane)
            case WarmUp():
                return self._warm_up(job)
            case Show(name, picture):
                return self._show(name, picture=picture)
            case TellCancelled(name, ids):
                return self._told(ids, name)
            case other:
                raise TypeError(f"nothing to do for {other!r}")

    @property
    def _shape(self) -> tuple[int, int]:
        return self._given.image.shape[0], self._given.image.shape[1]

    def _show(self, name: str, *, picture: bool) -> None:
        if picture:
            self._send(messages.Picture(id=name, **base_fields(self.tiles.pyramid)))
        for number in range(len(self.panes)):
            self._send(self._pane_reply(number, None))
        self._send(self._course_reply((name,)))

    def _clicks(self, jobs: Sequence[Job]) -> None:
        good: list[Job] = []
        clicks: list[Click] = []
        for job in jobs:
            click = cast("NewClick", job.action).click
            try:
                check_inside(click, self._shape)
            except ValueError as error:
                self._fail([job], error)
            else:
                good.append(job)
                clicks.append(click)
        if not good:
            return
        try:
            self._go(good, (*self.history.now, tuple(clicks)))
        except CancelledError:
            for job in good:
                job.outcome.cancel()
            self._told(_ids(good))
        except Exception as error:  # noqa: BLE001 - everything is as it was
            self._fail(good, error)

    def _robot(self, job: Job, number: int) -> Click:
        given = self._given
        if given.truth is None:
            raise ValueError("the robot needs the ground truth: make the widget with truth=")
        if not 0 <= number < len(self.panes):
            raise ValueError(f"there is no pane {number}: there are {len(self.panes)}")
        pane = self.panes[number]
        if pane.error is not None:
            raise ValueError(f"{pane.spec.title} has no answer that the robot could correct")
        from iseg_widget.evaluation.robot import errors, next_click

        mask = self._mask(pane)
        if not any(error.any() for error in errors(mask, given.truth, given.ignore)):
            raise ValueError(f"the mask of {pane.spec.title} is the ground truth: nothing to click")
        click = next_click(mask, given.truth, self.history.clicks, given.ignore)
        self._go([job], (*self.history.now, (click,)), "robot click")
        return click

    def _recall(self, job: Job, what: Direction) -> bool:
        done = self.history.undo() if what == "undo" else self.history.redo()
        self.worker.commit()
        # A method that is not loaded has nothing to take back.
        self._follow([job], [pane for pane in self.panes if pane.session is not None])
        self._finish([job])
        return done

    def _go(
        self, jobs: Sequence[Job], course: Course, name: str = "click"
    ) -> dict[str, Step | None]:
        """Bring all panes to a new course, and keep it unless cancelled or answered by none.

        Raises ``ValueError`` when a click lies outside the image; nothing has changed then.
        """
        for group in course:
            for click in group:
                check_inside(click, self._shape)
        if course == self.history.now:
            self._finish(jobs)
            return self._steps()
        before = [pane.bookmark() for pane in self.panes]
        former, self.history = self.history, self.history.copy()
        self.history.commit(course, name)
        failures = self._follow(jobs, self.panes)
        lost = len(failures) == len(self.panes)
        if lost or not self.worker.commit():
            self.history = former
            for number, pane in enumerate(self.panes):
                pane.go_back(before[number])
                self._tell_pane(number)
            if lost:
                raise failures[0]
            raise CancelledError
        for pane in self.panes:
            pane.forget(self.history.reachable)
        self._finish(jobs)
        return self._steps()

    def _follow(self, jobs: Sequence[Job], panes: Sequence[Pane]) -> list[Exception]:
        failures: list[Exception] = []
        for number, pane in enumerate(self.panes):
            if pane not in panes:
                continue
            if not pane.knows(self.history.now):
                self._busy(jobs, "load" if pane.session is None else "segment", number)
            try:
                pane.follow(self.history.now)
            except Exception as error:  # noqa: BLE001 - shown in its pane; the others go on
                _log.debug("a pane failed", exc_info=True)
                failures.append(error)
            if self.worker.cancelled:
                break
            self._tell_pane(number)
        return failures

    def _steps(self) -> dict[str, Step | None]:
        return {
            pane.spec.name: None if pane.error is not None else pane.step for pane in self.panes
        }

    def _finish(self, jobs: Sequence[Job]) -> None:
        self._rev += 1
        self._send(self._course_reply(_ids(jobs)))
        self._publish(Published(self.history.clicks, self.masks))

    def _warm_up(self, job: Job) -> None:
        failures: list[Exception] = []
        height, width = self._shape
        middle = (Click((width - 1) / 2, (height - 1) / 2),)
        for number, pane in enumerate(self.panes):
            if number in self._warm:
                continue
            if self.worker.queued and not job.waited:
                return  # somebody is waiting: the real click warms as well
            self._busy([job], "load", number)
            loaded = pane.session is not None
            try:
                session = pane.open()
                if not loaded:
                    pane.follow(self.history.now)
                state = session.method.start(session.image, session.initial_mask)
                session.method.step(state, middle)
            except Exception as error:  # noqa: BLE001 - shown in its pane
                _log.debug("a method could not be warmed up", exc_info=True)
                failures.append(error)
                pane.note(error)
            else:
                self._warm.add(number)
            self._tell_pane(number)
        if failures and not cast("WarmUp", job.action).quiet:
            for failure in failures:
                self._failed(failure)

    # Replies

    def _busy(self, jobs: Sequence[Job], what: messages.Activity, pane: int) -> None:
        self._active = True
        self._send(messages.WorkingReply(pane=pane))
        self._send(messages.ActivityReply(ids=_ids(jobs), what=what))

    def _told(self, ids: tuple[str, ...], id: str | None = None) -> None:  # noqa: A002
        if ids or id is not None:
            self._send(messages.Cancelled(id=id or ids[-1], ids=ids))

    def _fail(self, jobs: Sequence[Job], error: Exception) -> None:
        ids = _ids(jobs)
        for job in jobs:
            if not job.outcome.done():
                job.outcome.set_exception(error)
        if jobs[0].waited:
            return
        title = _TITLES.get(type(jobs[0].action), "That did not work")
        message = describe(error)
        last = ids[-1] if ids else None
        self._send(messages.ErrorReply(id=last, ids=ids, title=title, message=message))
        self._failed(error)

    def _tell_pane(self, number: int) -> None:
        mask = Region.of(self._mask(self.panes[number]))
        previous, self._shown[number] = self._shown[number], mask
        self._revs[number] += 1
        self._send(self._pane_reply(number, previous))

    def _pane_reply(self, number: int, previous: Region | None) -> messages.PaneReply:
        pane = self.panes[number]
        overlay = encode_overlay(self._shown[number], previous)
        step = pane.step
        rev = self._revs[number]
        return messages.PaneReply(
            pane=number,
            rev=rev,
            base=rev - 1 if overlay.is_patch else None,
            grid=overlay.grid,
            box=overlay.box,
            loaded=pane.session is not None,
            error=None if pane.error is None else describe(pane.error),
            points=points_of(pane),
            views=() if step is None else step.views,
            seconds=None if step is None else step.seconds,
            area=self._shown[number].area,
            inferences=pane.inferences,
            data=overlay.data,
        )

    def _course_reply(self, ids: tuple[str, ...]) -> messages.CourseReply:
        done, undone = self.history.done, self.history.undone
        return messages.CourseReply(
            id=ids[-1] if ids else None,
            ids=ids,
            rev=self._rev,
            clicks=self.history.clicks,
            groups=tuple(len(group) for group in self.history.now),
            history=messages.HistoryEntry(
                done=len(done),
                undone=len(undone),
                undo=done[-1] if done else None,
                redo=undone[-1] if undone else None,
            ),
        )


def points_of(pane: Pane) -> tuple[tuple[int, float | None], ...]:
    """Return (clicks so far, IoU) of every step of a pane."""
    if pane.session is None:
        return ()
    points: list[tuple[int, float | None]] = []
    clicks = 0
    for step in pane.session.steps:
        clicks += len(step.clicks)
        points.append((clicks, step.iou))
    return tuple(points)


def describe(error: Exception) -> str:
    """Return an error for people: its message, and its kind unless that goes without saying."""
    if isinstance(error, ValueError) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _ids(jobs: Sequence[Job]) -> tuple[str, ...]:
    return tuple(job.id for job in jobs if job.id is not None)


_TITLES: dict[type, str] = {
    NewClick: "The click was not answered",
    RobotAct: "The robot did not click",
}
