"""A session: one object on one image, what was done to it, and its history."""

from __future__ import annotations

import copy
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from iseg_widget.actions import LOG_VERSION, Action, check_box, check_log_version, check_threshold
from iseg_widget.boxes import box_click
from iseg_widget.clicks import Click, check_inside
from iseg_widget.images import read_image
from iseg_widget.masks import as_mask, iou, rle_decode
from iseg_widget.pieces import finished
from iseg_widget.protocol import Method, State, Step
from iseg_widget.regions import Region
from iseg_widget.strokes import scribble_clicks
from iseg_widget.thresholds import Thresholded
from iseg_widget.timeline import (
    Entry,
    Scene,
    Timeline,
    carried,
    mask_of,
    region_of,
    thresholded,
    unthresholded,
    usual_threshold,
)
from iseg_widget.views import cut


@dataclass(frozen=True)
class PendingStep:
    """Clicks that were taken up and wait for the method's answer; see :meth:`Session.prepare`.

    ``state`` and ``clicks`` are what :meth:`iseg_widget.protocol.Method.step` asks for.
    """

    clicks: tuple[Click, ...]
    state: State
    timeline: tuple[Any, ...]


class Session:
    """Everything that happens to one object on one image.

    Undo and redo move between whole timelines, which share their unchanged steps; so removing
    or moving a click in the middle, or a reset, is undone exactly as a click is.

    A session is not thread-safe: one thread at a time may use it.

    Parameters
    ----------
    method: from :func:`iseg_widget.load_method`.
    image: path, PIL image, or array (see :mod:`iseg_widget.images`).
    mask: ``(H, W)`` existing mask that is to be corrected.
    truth: ``(H, W)`` ground truth; every step then carries its IoU.
    ignore: ``(H, W)`` pixels that the IoU leaves out.
    trace: record named intermediate arrays with every step.

    Raises
    ------
    ValueError, TypeError: unreadable image, or a mask whose shape or type does not fit.
    """

    def __init__(
        self,
        method: Method,
        image: object,
        mask: ArrayLike | None = None,
        truth: ArrayLike | None = None,
        *,
        ignore: ArrayLike | None = None,
        trace: bool = False,
    ) -> None:
        self._method = method
        pixels = read_image(image)
        if isinstance(image, np.ndarray) and image.flags.writeable:
            # The history relies on pixels that stay; the caller may go on writing to theirs.
            pixels = pixels.copy() if np.may_share_memory(pixels, image) else pixels
        self._image = pixels
        self._image.flags.writeable = False
        shape = self.shape
        self._initial = None if mask is None else Region.of(as_mask(mask, shape))
        self._truth = None if truth is None else as_mask(truth, shape, "truth")
        self._ignore = None if ignore is None else as_mask(ignore, shape, "ignore")
        self._truth_area: int | None = None
        self.trace = trace
        self._start: State = method.start(
            self._image, None if self._initial is None else self._initial.unpack()
        )
        self._timeline: Timeline = ()
        self._undo: list[Timeline] = []
        self._redo: list[Timeline] = []

    # What is there

    @property
    def method(self) -> Method:
        """The method that answers."""
        return self._method

    @property
    def image(self) -> NDArray[np.uint8]:
        """``(H, W, 3)`` uint8 RGB, read-only."""
        return self._image

    @property
    def shape(self) -> tuple[int, int]:
        """``(H, W)`` of the image."""
        return self._image.shape[0], self._image.shape[1]

    @property
    def truth(self) -> NDArray[np.bool_] | None:
        """``(H, W)`` bool ground truth, if one was given."""
        return self._truth

    @property
    def ignore(self) -> NDArray[np.bool_] | None:
        """``(H, W)`` bool pixels that the IoU leaves out, if some were given."""
        return self._ignore

    @property
    def initial_mask(self) -> NDArray[np.bool_] | None:
        """``(H, W)`` bool: the mask the session began with, if one was given."""
        return None if self._initial is None else self._initial.unpack()

    @property
    def initial(self) -> Region | None:
        """The mask the session began with, cut to its box, if one was given."""
        return self._initial

    @property
    def clicks(self) -> tuple[Click, ...]:
        """All clicks in order."""
        return tuple(click for entry in self._timeline for click in entry.clicks)

    @property
    def groups(self) -> tuple[int, ...]:
        """Number of clicks of each step; 0 is a manual edit or another threshold."""
        return tuple(len(entry.clicks) for entry in self._timeline)

    @property
    def actions(self) -> tuple[Action, ...]:
        """What was done in each step."""
        return tuple(entry.action for entry in self._timeline)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the current timeline."""
        return tuple(entry.step for entry in self._timeline)

    @property
    def step(self) -> Step | None:
        """The latest step, ``None`` before the first."""
        return self._timeline[-1].step if self._timeline else None

    @property
    def mask(self) -> NDArray[np.bool_]:
        """``(H, W)`` bool: the current mask (the initial one, or nothing, before any step)."""
        return mask_of(self._timeline, self._initial, self.shape)

    @property
    def region(self) -> Region:
        """The current mask cut to its box: what it costs does not grow with the image."""
        return region_of(self._timeline, self._initial, self.shape)

    @property
    def probability(self) -> NDArray[np.float32]:
        """``(H, W)`` float32: what the networks said last (the mask as 0 and 1 before that)."""
        if self._timeline:
            return self._timeline[-1].step.probability
        return self.mask.astype(np.float32)

    @property
    def thresholded(self) -> Thresholded | None:
        """What :meth:`threshold` works on: the last probability that a network gave.

        ``None`` before the first click. Manual edits since then are part of its mask.
        """
        return thresholded(self._timeline, self._usual_threshold)

    @property
    def threshold_in_force(self) -> float:
        """The probability above which the mask begins: the method's, or the one last chosen."""
        last = self._timeline[-1].action.threshold if self._timeline else None
        known = self.thresholded
        if last is not None:
            return last
        return self._usual_threshold if known is None else known.threshold

    @property
    def can_undo(self) -> bool:
        """Whether :meth:`undo` has something to do."""
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        """Whether :meth:`redo` has something to do."""
        return bool(self._redo)

    # What a person does

    def click(self, x: float, y: float, positive: bool = True) -> Step:
        """Add a click at ``(x, y)`` pixels; (0, 0) is the centre of the top-left pixel.

        Raises ``ValueError`` outside the image; the session is then unchanged.
        """
        return self.click_many([Click(x, y, positive)])

    def click_many(self, clicks: Sequence[Click]) -> Step:
        """Add clicks that arrived together, as one step."""
        pending = self.prepare(clicks)
        answer = self._method.step(pending.state, pending.clicks, trace=self.trace)
        return self.accept(pending, answer)

    def prepare(self, clicks: Sequence[Click]) -> PendingStep:
        """Check new clicks and return what the method is to be asked; nothing changes yet.

        Whoever asks methods for several sessions at once (see
        :func:`iseg_widget.protocol.step_many`) hands each answer to :meth:`accept`; the two
        together are :meth:`click_many`.

        Raises
        ------
        ValueError: there is no click, or one lies outside the image.
        """
        if not clicks:
            raise ValueError("a step needs at least one click")
        for click in clicks:
            check_inside(click, self.shape)
        return PendingStep(
            tuple(clicks),
            self._scene.state_after(self._timeline),
            self._timeline,
        )

    def accept(self, pending: PendingStep, answer: tuple[State, Step]) -> Step:
        """Add the method's answer to clicks that :meth:`prepare` took up.

        Raises
        ------
        ValueError: the session has changed in between, so the answer belongs to no state of it.
        """
        if pending.timeline is not self._timeline:
            raise ValueError("the session has changed since these clicks were prepared")
        state, step = answer
        entry = Entry(Action(pending.clicks), state, self._scored(step))
        self._commit((*self._timeline, entry))
        return entry.step

    def act(self, action: Action) -> Step:
        """Do what an action of a log says; ``ValueError`` when it does not fit the image."""
        if action.threshold is not None:
            return self.threshold(action.threshold)
        action.check(self.shape)
        entry = self._answer(self._timeline, action)
        self._commit((*self._timeline, entry))
        return entry.step

    def edit(self, mask: ArrayLike | Region) -> Step:
        """Take a mask the user drew; later clicks correct it and keep its other pixels.

        Raises ``ValueError`` for another shape than the image's.
        """
        region = mask if isinstance(mask, Region) else Region.of(as_mask(mask, self.shape))
        return self.act(Action(edited=region))

    def box(
        self, x0: float, y0: float, x1: float, y1: float, *, clicks: Sequence[Click] = ()
    ) -> Step:
        """Draw a box around the object, or around a part of it that the mask lacks.

        It is turned into clicks and a crop by each method's rules; see :mod:`iseg_widget.boxes`.
        Outside of the box the mask stays as it is; later clicks refine the answer.

        Parameters
        ----------
        x0, y0, x1, y1: half-open, in pixels; cut to the image, and grown to whole pixels.
        clicks: what is known to be object and background in it; default: the centre is object.

        Raises
        ------
        ValueError: the box holds no pixel of the image, or a click lies outside the image.
        """
        box = check_box((x0, y0, x1, y1), self.shape)
        for click in clicks:
            check_inside(click, self.shape)
        return self.act(Action(tuple(clicks) or (box_click(box),), box=box))

    def scribble(
        self, points: ArrayLike, positive: bool = True, *, spacing: float | None = None
    ) -> Step:
        """Draw a line that is object, or background; it becomes clicks of one step.

        Parameters
        ----------
        points: ``(N, 2)`` rows ``x, y`` in pixels, the corners of the line.
        positive: whether it lies on the object.
        spacing: between clicks, in pixels; see :func:`iseg_widget.strokes.scribble_clicks`.
        """
        return self.click_many(scribble_clicks(points, self.shape, positive, spacing=spacing))

    def threshold(self, value: float) -> Step:
        """Choose another threshold for the last probability; nothing is computed by the method.

        Pixels whose mask does not come from the threshold (manual edits, progressive merge) stay.
        Thresholds chosen one after the other replace each other, each can be undone. Later clicks
        keep the mask and change what they point at, as after a manual edit.

        Raises
        ------
        ValueError: ``value`` does not lie between 0 and 1, or there is no probability yet.
        """
        action = Action(threshold=check_threshold(value))
        before = unthresholded(self._timeline)
        entry = self._answer(before, action)
        self._commit((*before, entry))
        return entry.step

    def remove(self, index: int) -> None:
        """Remove a click and recompute what came after it; pixels edited by hand stay."""
        self._change(index, None)

    def move(self, index: int, x: float, y: float) -> None:
        """Move a click and recompute what came after it; pixels edited by hand stay."""
        position = self._locate(index)
        old = self._timeline[position[0]].clicks[position[1]]
        moved = Click(x, y, old.positive)
        check_inside(moved, self.shape)
        self._change(index, moved)

    def undo(self) -> bool:
        """Go back to the exact state before the last action; ``False`` when there is none."""
        if not self._undo:
            return False
        self._redo.append(self._timeline)
        self._timeline = self._undo.pop()
        return True

    def redo(self) -> bool:
        """Go forward again; ``False`` when there is nothing undone."""
        if not self._redo:
            return False
        self._undo.append(self._timeline)
        self._timeline = self._redo.pop()
        return True

    def reset(self) -> None:
        """Go back to the beginning; can be undone."""
        if self._timeline:
            self._commit(())

    def checkpoint(self) -> object:
        """Return where the session is, history included, for :meth:`restore`."""
        return self._timeline, tuple(self._undo), tuple(self._redo)

    def restore(self, checkpoint: object) -> None:
        """Go back to a :meth:`checkpoint` of this session as if nothing had happened since.

        Unlike :meth:`undo` it leaves no trace: what happened since cannot be redone.
        """
        timeline, undo, redo = cast("tuple[Timeline, tuple[Timeline, ...], Any]", checkpoint)
        self._timeline, self._undo, self._redo = timeline, list(undo), list(redo)

    def copy(self) -> Session:
        """Return an independent session at the same place of the same history.

        Nothing is computed and nothing large is copied: image, masks and states are shared. What
        :meth:`prepare` took up in the one may be handed to :meth:`accept` of the other while
        neither has changed.
        """
        other = copy.copy(self)
        other.restore(self.checkpoint())
        return other

    def traced(self, index: int = -1) -> Step:
        """Answer a step again, from the state before it, and record its trace.

        The session stays as it is. A step that no network answered (a manual edit, another
        threshold) is returned as it is.

        Parameters
        ----------
        index: number of the step in :attr:`steps`; negative ones count from the end.

        Raises
        ------
        ValueError: there is no such step.
        """
        count = len(self._timeline)
        if not -count <= index < count:
            raise ValueError(f"there is no step {index}: the session has {count}")
        entry = self._timeline[index]
        if not (entry.clicks or entry.action.box) or entry.step.trace:
            return entry.step
        scene = Scene(self._method, self._image, self._start, self._initial, trace=True)
        return self._scored(scene.answer(self._timeline[: index % count], entry.action).step)

    def with_method(self, method: Method) -> Session:
        """Return a new session with the same image and the history replayed by ``method``.

        Clicks, boxes and thresholds are answered anew; an edit changes the pixels that it changed
        here, and leaves the others as the method has them.
        """
        return finished(self.in_steps_with(method))

    def in_steps_with(self, method: Method) -> Generator[None, None, Session]:
        """Do what :meth:`with_method` does, and yield after every step."""
        other = Session(
            method,
            self._image,
            self.initial_mask,
            self._truth,
            ignore=self._ignore,
            trace=self.trace,
        )
        was = region_of((), self._initial, self.shape)
        for entry in self._timeline:
            other.act(carried(entry.action, was, other.region))
            was = Region.stored(entry.step.packed)
            yield
        return other

    # Log

    def log(self) -> dict[str, Any]:
        """Return the session as JSON-able data; :func:`replay` gives the same mask from it."""
        height, width = self.shape
        return {
            "version": LOG_VERSION,
            "method": self._method.name,
            "image": {"width": width, "height": height},
            "initial_mask": None if self._initial is None else self._initial.rle(),
            "actions": [entry.action.to_dict() for entry in self._timeline],
        }

    # How it is done

    def _answer(self, timeline: Timeline, action: Action) -> Entry:
        entry = self._scene.answer(timeline, action)
        return replace(entry, step=self._scored(entry.step))

    @property
    def _scene(self) -> Scene:
        return Scene(self._method, self._image, self._start, self._initial, self.trace)

    @property
    def _usual_threshold(self) -> float:
        return usual_threshold(self._method)

    def _scored(self, step: Step) -> Step:
        if self._truth is None:
            return step
        return replace(step, iou=self._iou(Region.stored(step.packed)))

    def _iou(self, region: Region) -> float:
        """As :func:`iseg_widget.masks.iou` has it, looking at the mask's box alone."""
        truth, ignore = self._truth, self._ignore
        if truth is None or ignore is not None:
            return iou(region.mask(), cast("Any", truth), ignore)
        if self._truth_area is None:
            self._truth_area = int(np.count_nonzero(truth))
        common = 0
        if region.box is not None:
            common = int(np.count_nonzero(cut(truth, region.box) & region.crop()))
        union = region.area + self._truth_area - common
        return 1.0 if union == 0 else common / union

    def _commit(self, timeline: Timeline) -> None:
        self._undo.append(self._timeline)
        self._redo.clear()
        self._timeline = timeline
        self._scene.forget(timeline)

    def _locate(self, index: int) -> tuple[int, int]:
        """Return (step, position within it) of a click."""
        count = len(self.clicks)
        if not 0 <= index < count:
            raise ValueError(f"there is no click {index}: the session has {count}")
        for number, entry in enumerate(self._timeline):
            if index < len(entry.clicks):
                return number, index
            index -= len(entry.clicks)
        raise AssertionError("unreachable")

    def _change(self, index: int, new: Click | None) -> None:
        number, position = self._locate(index)
        changed = self._timeline[number].action
        group = list(changed.clicks)
        group[position : position + 1] = [] if new is None else [new]
        timeline = self._timeline[:number]
        if group:
            action = replace(changed, clicks=tuple(group))
            timeline = (*timeline, self._answer(timeline, action))
        before = self._timeline[: number + 1]
        for entry in self._timeline[number + 1 :]:
            action, usual = entry.action, self._usual_threshold
            if action.threshold is not None and thresholded(timeline, usual) is None:
                continue  # the click whose probability it was for is gone
            if action.threshold is not None:
                timeline = unthresholded(timeline)  # two in a row count as the latter
            was, now = (region_of(steps, self._initial, self.shape) for steps in (before, timeline))
            timeline = (*timeline, self._answer(timeline, carried(action, was, now)))
            before = (*before, entry)
        self._commit(timeline)


def replay(
    method: Method,
    image: object,
    log: Mapping[str, Any],
    *,
    trace: bool = False,
    truth: ArrayLike | None = None,
    ignore: ArrayLike | None = None,
) -> Session:
    """Repeat a logged session.

    Parameters
    ----------
    method: answers the clicks; the same method and options give the same mask.
    image: of the size named in the log.
    log: what :meth:`Session.log` returned.
    trace, truth, ignore: see :class:`Session`.

    Raises
    ------
    ValueError: the log has another version or lacks parts, or belongs to an image of another size.
    """
    steps = replay_in_steps(method, image, log, trace=trace, truth=truth, ignore=ignore)
    return finished(steps)


def replay_in_steps(
    method: Method,
    image: object,
    log: Mapping[str, Any],
    *,
    trace: bool = False,
    truth: ArrayLike | None = None,
    ignore: ArrayLike | None = None,
) -> Generator[None, None, Session]:
    """Do what :func:`replay` does, and yield after every step."""
    check_log_version(log)
    missing = sorted({"image", "actions"} - set(log))
    if missing:
        raise ValueError(f"the log lacks {', '.join(missing)}: it is not what Session.log returned")
    pixels = read_image(image)
    size = (log["image"]["height"], log["image"]["width"])
    if pixels.shape[:2] != size:
        raise ValueError(
            f"the log belongs to an image of {size[1]} x {size[0]} pixels, "
            f"got {pixels.shape[1]} x {pixels.shape[0]}"
        )
    initial = log.get("initial_mask")
    mask = None if initial is None else rle_decode(initial)
    session = Session(method, pixels, mask, truth, ignore=ignore, trace=trace)
    for action in log["actions"]:
        session.act(Action.from_dict(action))
        yield
    return session
