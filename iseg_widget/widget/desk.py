"""What is done for a request: the one place where the widget meets annotation and method.

Everything here runs on the worker's thread.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from iseg_widget.annotation import AnnotatedObject, Annotation
from iseg_widget.clicks import Click, check_inside
from iseg_widget.pieces import finished
from iseg_widget.protocol import Method, Step
from iseg_widget.regions import Region
from iseg_widget.session import Session
from iseg_widget.widget import messages
from iseg_widget.widget.actions import (
    Act,
    Ask,
    NewClick,
    Show,
    Swap,
    TellCancelled,
    UseMethod,
    WarmUp,
    about_image,
)
from iseg_widget.widget.messages import Activity
from iseg_widget.widget.pyramid import PicturePyramid, TileServer
from iseg_widget.widget.screen import Screen, Shown
from iseg_widget.widget.tiles import base_fields
from iseg_widget.widget.timing import Passage, TimingLog, now
from iseg_widget.widget.worker import Job, Preempted, Worker

if TYPE_CHECKING:
    from iseg_widget.widget.queue import Album

_log = logging.getLogger(__name__)

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Published:
    """The state after a job, for the widget's traits; ``method`` is ``None`` until one is loaded.

    ``clicks`` and ``mask`` are the active object's; the mask is unpacked by those who look at it.
    """

    clicks: tuple[Click, ...]
    mask: Region
    objects: tuple[AnnotatedObject, ...]
    active: int | None
    labels: Mapping[str, str]
    rule: str
    method: str | None
    options: Any
    image_size: tuple[int, int]


@dataclass(frozen=True)
class Given:
    """What answers: a method, or the name of one with its options, weights and device."""

    method: str | Method
    options: Any = None
    weights: Any = None
    device: Any = "auto"


Load = Callable[..., Method]

QUICK = 0.25
"""Seconds of an inference that is not announced: messages would cost it a part of them."""

_T = TypeVar("_T")


def _load(name: str, **keywords: Any) -> Method:
    from iseg_widget.methods.registry import load_method

    return load_method(name, **keywords)


class Desk:
    """Answers requests in order.

    Parameters
    ----------
    annotation: what is worked on; its method is loaded when first needed.
    given: that method.
    send: sends a reply to the page.
    publish: takes the new state.
    clicked: takes the clicks that have become part of it.
    failed: takes an error nobody waits for (besides the reply).
    load: as :func:`iseg_widget.load_method`.
    """

    def __init__(
        self,
        annotation: Annotation,
        given: Given,
        *,
        send: Callable[[messages.Reply], None],
        publish: Callable[[Published], None],
        clicked: Callable[[tuple[Click, ...]], None],
        failed: Callable[[Exception], None],
        load: Load = _load,
    ) -> None:
        self.annotation = annotation
        self._given = given
        self._send = send
        self._publish_state = publish
        self._clicked = clicked
        self._failed = failed
        self._load = load
        # Every method used so far, as it was used last: going back to one is quick.
        self._methods: dict[str, Method] = {}
        self.tiles = TileServer(PicturePyramid(annotation.image))
        self._warm = False
        self._active = False
        self._quick = False
        self._inferences = 0
        self.timing = TimingLog()
        self._aids: dict[type[Any], Any] = {}
        self._replaying: tuple[tuple[object, ...], Generator[None, None, None]] | None = None
        self._screen = Screen(annotation)
        self.opened = 0  # first revision of the image
        self.album: Album | None = None
        """The images, when there are several."""
        self.worker = Worker(self.run)

    # What is there (any thread, while the worker waits)

    @property
    def session(self) -> Session | None:
        """A copy of the active object's session; ``None`` where one would first have to be made.

        That is so until the method is loaded, and on reopened objects until they are changed.
        """
        annotation = self.annotation
        if annotation.method is None or annotation.active is None:
            return None
        if annotation.needs_replay():
            return None
        return annotation.session()

    def replayed_session(self) -> Session | None:
        """Return :attr:`session`, replayed from a file's log if need be, for a patient answer."""
        annotation = self.annotation
        if annotation.method is not None and annotation.active is not None:
            what = annotation, annotation.active, annotation.region_of(annotation.active)
            if annotation.needs_replay():
                begun = self._replaying
                if begun is None or any(a is not b for a, b in zip(begun[0], what, strict=True)):
                    begun = self._replaying = what, annotation.replaying()
                with contextlib.suppress(ValueError):  # its method is not there: none to show
                    finished(begun[1], self.pause)
                self._replaying = None
        return self.session

    @property
    def mask(self) -> Mask:
        """``(H, W)`` bool: the active object's mask; empty when no object is active."""
        return self.region.mask()

    @property
    def region(self) -> Region:
        """The active object's mask, cut to its box."""
        annotation = self.annotation
        if annotation.active is None:
            return Region(annotation.shape)
        return annotation.region_of(annotation.active)

    @property
    def clicks(self) -> tuple[Click, ...]:
        """The active object's clicks."""
        active = self.annotation.active
        return () if active is None else self.annotation.info(active).clicks

    @property
    def answering(self) -> Method | None:
        """The method of the active object, else that of new ones; ``None`` until it is loaded."""
        session = self.session
        return self.annotation.method if session is None else session.method

    @property
    def given(self) -> Given:
        """What answers until another method is chosen."""
        return self._given

    def aid(self, make: type[_T]) -> _T:
        """Return the desk's own ``make()``, which answers to questions may be kept in."""
        if make not in self._aids:
            self._aids[make] = make()
        return cast("_T", self._aids[make])

    @property
    def rev(self) -> int:
        """Revision of the state that the page has been sent."""
        return self._screen.rev

    def pause(self) -> None:
        """Let others go first, if there are any; called between the pieces of a patient answer."""
        self.worker.pause()

    # Jobs

    def run(self, jobs: Sequence[Job]) -> None:
        """Carry out jobs that run together (several only if they are clicks)."""
        try:
            jobs = self._of_this_image(jobs)
            if jobs:
                self._dispatch(jobs)
            for job in jobs:
                if not job.outcome.done():
                    job.outcome.set_result(None)
        except CancelledError:
            left = _open(jobs)
            for job in left:
                job.outcome.cancel()
            self._told(_ids(left))
        except Preempted:
            raise
        except Exception as error:
            _log.debug("request failed", exc_info=True)
            left = _open(jobs)
            if not left:  # all were answered: then it is a mistake of ours, for the worker's log
                raise
            self._fail(left, error)
        finally:
            if self._active and self.worker.queued == 0:
                self._active = False
                self._send(messages.ActivityReply(ids=(), what=None))

    def _dispatch(self, jobs: Sequence[Job]) -> None:
        match jobs[0].action:
            case NewClick():
                self._clicks(jobs)
            case Act() as act:
                self._act(jobs[0], act)
            case Ask(answer=answer):
                self._send(answer(self, jobs[0].id or ""))
            case Swap(find):
                self._swap(jobs[0], find)
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

    def _of_this_image(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Refuse what the page meant for an image that it still showed."""
        late = [job for job in jobs if job.rev is not None and job.rev < self.opened]
        late = [job for job in late if about_image(job.action)]
        if late:
            self._fail(late, ValueError("It was meant for the image that was open before."))
        return [job for job in jobs if job not in late]

    def _show(self, name: str, *, picture: bool) -> None:
        if picture:
            self._send(messages.Picture(id=name, **self._base()))
        self._send(self._result((name,), None))

    def _base(self) -> dict[str, Any]:
        """The picture as it is sent first, and what there is of it beyond that."""
        return base_fields(self.tiles.pyramid)

    def _swap(self, job: Job, find: Callable[[Desk], Annotation]) -> None:
        self._busy([job], "open")
        new, old = find(self), self.annotation
        if new is not old:
            new.method = old.method
            self.annotation = new
            self.tiles.close()
            self.tiles = TileServer(PicturePyramid(new.image))
            self._aids.clear()
            self._screen = Screen(new, self._screen.rev + 1)
            self.opened = self._screen.rev
            self._send(messages.queue.Opened(rev=self.opened, **self._base()))
        self._send(self._result(_ids([job]), None))
        self._tell_state()
        job.outcome.set_result(None)

    def _clicks(self, jobs: Sequence[Job]) -> None:
        good: list[Job] = []
        clicks: list[Click] = []
        for job in jobs:
            click = cast("NewClick", job.action).click
            try:
                check_inside(click, self.annotation.shape)
            except ValueError as error:
                self._fail([job], error)
            else:
                good.append(job)
                clicks.append(click)
        if good:
            self._carry_out(good, clicking(clicks))

    def _act(self, job: Job, act: Act) -> None:
        self._carry_out([job], act)

    def _carry_out(self, jobs: Sequence[Job], act: Act) -> None:
        """Do it, unless it is cancelled or fails: then nothing has happened."""
        annotation = self.annotation
        if act.asks:
            self._ready(jobs)
            # A page marks its own clicks; of quick ones no other page needs to hear.
            if not (self._quick and all(_clicked(job) for job in jobs)):
                self._busy(jobs, "segment")
        before, began = annotation.checkpoint(), now()
        try:
            outcome = act.do(annotation)
        except BaseException:
            annotation.restore(before)
            raise
        answered = now()
        if act.asks:
            self._inferences += 1
            self._quick = answered - began < QUICK
        self._commit_or_restore(before)
        self._publish(jobs, answered)
        if act.clicks:
            self._clicked(act.clicks)
        for job in jobs:
            job.outcome.set_result(outcome)

    def _change(self, job: Job, change: UseMethod) -> None:
        self._busy([job], "load")
        self._quick = False
        method = self.build(change)
        annotation = self.annotation
        before = annotation.checkpoint()
        active = annotation.active
        if active is not None and annotation.method is not None:
            self._busy([job], "replay")
            annotation.use_method(method, active)
            self._inferences += len(annotation.session(active).groups)
        self._commit_or_restore(before)
        annotation.method = method
        self._methods[method.name] = method
        self._publish([job])

    def _commit_or_restore(self, before: object) -> None:
        if not self.worker.commit():
            self.annotation.restore(before)
            raise CancelledError

    def _warm_up(self, job: Job) -> None:
        if self._warm:
            return
        self._ready([job])
        if self.worker.queued:  # somebody is waiting: the real click warms as well
            return
        session, method = self.session, self.annotation.method
        if method is None:
            return
        height, width = self.annotation.shape
        self._busy([job], "load")
        mask = None if session is None else session.initial_mask
        state = method.start(self.annotation.image, mask)
        method.step(state, (Click((width - 1) / 2, (height - 1) / 2),))
        self._warm = True

    # Methods

    def _ready(self, jobs: Sequence[Job]) -> None:
        """Load the method, if that was not done yet."""
        if self.annotation.method is None:
            self._busy(jobs, "load")
            method = self.build(UseMethod(None, self._given.options))
            self.annotation.method = method
            self._methods[method.name] = method
            self._tell_state()

    def build(self, change: UseMethod) -> Method:
        """Return the method that is asked for, loaded if need be; it answers nothing yet."""
        wanted, options = change.method, change.options
        if wanted is None:
            wanted = self.answering or self._given.method
        if isinstance(wanted, str):
            if wanted not in self._methods:
                keywords = {"weights": self.weights_of(wanted), "device": self._given.device}
                return self._load(wanted, options=options, **keywords)
            wanted = self._methods[wanted]
        return wanted if options is None else _with_options(wanted, options)

    def weights_of(self, name: str) -> Any:
        """Return the weights that were given for a method; ``None``: its packaged ones."""
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

    def _publish(self, jobs: Sequence[Job], answered: float = 0.0) -> None:
        """Send the new state to the page, then to the traits."""
        before = self._screen.update(self.annotation)
        self._send(self._result(_ids(jobs), before))
        sent = now()
        for job in jobs:
            if job.id is not None and isinstance(job.action, NewClick):
                self.timing.passed(job.id, Passage(job.arrived, job.taken, answered, sent))
        self._tell_state()

    def _tell_state(self) -> None:
        annotation, method = self.annotation, self.answering
        self._publish_state(
            Published(
                clicks=self.clicks,
                mask=self.region,
                objects=annotation.objects,
                active=annotation.active,
                labels=annotation.labels,
                rule=annotation.rule,
                method=None if method is None else method.name,
                options=None if method is None else method.options,
                image_size=(annotation.shape[1], annotation.shape[0]),
            )
        )

    def _result(self, ids: tuple[str, ...], before: Shown | None) -> messages.Result:
        annotation, screen, session = self.annotation, self._screen, self.session
        step: Step | None = None if session is None else session.step
        overlay = screen.mask(before)
        others, others_data = screen.others(before)
        entries = tuple(_entry(item) for item in annotation.objects)
        return messages.Result(
            id=ids[-1] if ids else None,
            ids=ids,
            rev=screen.rev,
            base=screen.rev - 1 if overlay.is_patch else None,
            grid=overlay.grid,
            box=overlay.box,
            clicks=self.clicks,
            views=() if step is None else step.views,
            objects=entries,
            active=annotation.active,
            labels=tuple(annotation.labels.items()),
            rule=annotation.rule,
            others=others,
            history=messages.HistoryEntry(
                done=annotation.done,
                undone=annotation.undone,
                undo=annotation.undo_name,
                redo=annotation.redo_name,
            ),
            inferences=self._inferences,
            stats=messages.Stats(
                seconds=step.seconds if step is not None and step.clicks else None,
                iou=None if step is None else step.iou,
                area=next((e.area for e in entries if e.id == annotation.active), 0),
            ),
            mask_data=overlay.data,
            others_data=others_data,
        )


def clicking(clicks: Sequence[Click]) -> Act:
    """Return the action that adds clicks as one step."""
    made = tuple(clicks)
    return Act(lambda annotation: click_many(annotation, made), asks=True, clicks=made)


def click_many(annotation: Annotation, clicks: Sequence[Click]) -> Step:
    """Click on the active object; where none is active, on a new one."""
    if annotation.active is not None:
        return annotation.click_many(clicks)
    with annotation.group("click"):
        annotation.add_object()
        return annotation.click_many(clicks)


def _entry(item: AnnotatedObject) -> messages.ObjectEntry:
    return messages.ObjectEntry(
        id=item.id,
        label=item.label,
        name=item.name,
        colour=item.colour,
        visible=item.visible,
        locked=item.locked,
        area=item.area,
        box=item.box,
        clicks=len(item.clicks),
    )


def _clicked(job: Job) -> bool:
    """Whether it is a click from a page."""
    return job.id is not None and isinstance(job.action, NewClick)


def _ids(jobs: Sequence[Job]) -> tuple[str, ...]:
    return tuple(job.id for job in jobs if job.id is not None)


def _open(jobs: Sequence[Job]) -> list[Job]:
    """Return those without an answer: clicks that run together may have been refused before."""
    return [job for job in jobs if not job.outcome.done()]


def _with_options(method: Method, options: Mapping[str, Any] | object) -> Method:
    from iseg_widget.methods.registry import with_options

    return with_options(method, options)


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


_TITLES: dict[type, str] = {
    NewClick: "The click was not answered",
    UseMethod: "The method was not changed",
    WarmUp: "The method could not be loaded",
    Show: "The picture could not be sent",
    TellCancelled: "That did not work",
}


def _title(job: Job) -> str:
    title: str = getattr(job.action, "title", "") or _TITLES[type(job.action)]
    return title
