"""The steps of a session: what was done, what came of it, and how little is kept of old ones.

A step's mask is packed and small, but what the method remembers after it (its state, and the
logits its probability is made of) may be some hundred kilobytes. Of the latest :data:`RECENT`
steps all of that is kept; of older ones only every :data:`EVERY`-th keeps it, and the others are
computed again from there when they are needed: after going far back, or when somebody asks for
an old probability. Masks, views and figures of all steps stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from iseg_widget.actions import Action
from iseg_widget.boxes import answer_box
from iseg_widget.clicks import Click
from iseg_widget.masks import Box, Mask
from iseg_widget.protocol import Method, State, Step
from iseg_widget.regions import Region
from iseg_widget.thresholds import Thresholded
from iseg_widget.views import whole

DEFAULT_THRESHOLD = 0.5
"""Of methods whose options name none."""


RECENT = 16
EVERY = 16


@dataclass(eq=False)
class Entry:
    """One step: what the user did, and what came of it.

    ``state`` is ``None`` when it was let go of, or when nobody asked for it yet, as after an edit;
    timelines share entries, so for all of them.
    """

    action: Action
    state: State | None
    step: Step

    @property
    def clicks(self) -> tuple[Click, ...]:
        """Clicks of the action."""
        return self.action.clicks


Timeline = tuple[Entry, ...]


def mask_of(timeline: Timeline, initial: Region | None, shape: tuple[int, int]) -> Mask:
    """Return the mask at the end of a timeline: the initial one, or nothing, before any step."""
    if timeline:
        return timeline[-1].step.mask
    return np.zeros(shape, bool) if initial is None else initial.unpack()


def region_of(timeline: Timeline, initial: Region | None, shape: tuple[int, int]) -> Region:
    """Return the mask at the end of a timeline, cut to its box."""
    if timeline:
        return Region.stored(timeline[-1].step.packed)
    return Region(shape) if initial is None else initial


def carried(action: Action, was: Region, now: Region) -> Action:
    """Return an edit that changes the same pixels of another mask: those that ``was`` lacked.

    ``was`` is the mask that the user edited, ``now`` the one there is instead. Any other action
    stays as it is.
    """
    if action.edited is None or was == now:
        return action
    box = action.edited.changed(was)
    if box is None:
        return replace(action, edited=now)
    edited, before, there = (mask.window(box) for mask in (action.edited, was, now))
    return replace(action, edited=now.patched(box, np.where(edited ^ before, edited, there)))


def usual_threshold(method: Method) -> float:
    """Return the probability above which a method's pixels belong to the mask."""
    return float(getattr(method.options, "threshold", DEFAULT_THRESHOLD))


def unthresholded(timeline: Timeline) -> Timeline:
    """Return a timeline without the threshold at its end, which another one replaces."""
    if timeline and timeline[-1].action.threshold is not None:
        return timeline[:-1]
    return timeline


def thresholded(timeline: Timeline, usual: float) -> Thresholded | None:
    """Return the last probability of a network and the mask that came of it and of edits since.

    ``usual`` is the method's threshold. ``None`` when no click has been answered yet.
    """
    kept = unthresholded(timeline)
    value: float | None = None
    for entry in reversed(kept):
        if entry.clicks:
            in_force = usual if value is None else value
            return Thresholded(entry.step.soft, kept[-1].step.packed, in_force)
        value = entry.action.threshold if value is None else value
    return None


@dataclass(frozen=True)
class Scene:
    """All that the answer to an action depends on beside the steps before it.

    ``image`` is ``(H, W, 3)`` uint8 RGB, ``start`` the method's state before any step.
    """

    method: Method
    image: NDArray[np.uint8]
    start: State
    initial: Region | None
    trace: bool

    def answer(self, timeline: Timeline, action: Action) -> Entry:
        """Return the step that an action leads to at the end of a timeline.

        A mask that no network is asked for is the user's; the method takes it when it is next
        asked, the last of several.

        Raises
        ------
        ValueError: a threshold, and no network has been asked yet.
        """
        if action.edited is not None:
            return Entry(action, None, Step((), Certain(action.edited), action.edited))
        if action.threshold is not None:
            known = thresholded(timeline, usual_threshold(self.method))
            if known is None:
                raise ValueError("there is no probability to put a threshold on: click first")
            return Entry(action, None, Step((), known.soft, known.region(action.threshold)))
        before = self.state_after(timeline)
        if action.box is not None:
            shape = (self.image.shape[0], self.image.shape[1])
            previous = mask_of(timeline, self.initial, shape)
            state, step = answer_box(
                self.method,
                before,
                self.image,
                previous,
                action.box,
                action.clicks,
                trace=self.trace,
            )
        else:
            state, step = self.method.step(before, action.clicks, trace=self.trace)
        return Entry(action, state, step)

    def state_after(self, timeline: Timeline) -> State:
        """Return the method's state at the end of a timeline, computed again if need be."""
        known = len(timeline)
        while known and timeline[known - 1].state is None:
            known -= 1
        for place in range(known, len(timeline)):
            entry, following = timeline[place], timeline[place + 1 : place + 2]
            if not entry.action.by_hand:
                entry.state = self.answer(timeline[:place], entry.action).state
            elif not (following and following[0].action.by_hand):
                # Of masks in a row the last is all that the method gets to know.
                states = (earlier.state for earlier in reversed(timeline[:place]))
                before = next((state for state in states if state is not None), self.start)
                entry.state = self.method.edit(before, entry.step.mask)[0]
        return timeline[-1].state if timeline else self.start

    def forget(self, timeline: Timeline) -> None:
        """Let old steps go of what can be computed again; traced steps keep everything."""
        asked = [place for place, entry in enumerate(timeline) if not entry.action.by_hand]
        kept = {place // EVERY: place for place in asked}
        for place in range(len(timeline) - RECENT):
            entry = timeline[place]
            if kept.get(place // EVERY) == place or entry.step.trace:
                continue
            entry.state = None
            if not isinstance(entry.step.soft, (_Forgotten, Certain)):
                soft = _Forgotten(entry.step.soft.shape, self, timeline[:place], entry.action)
                entry.step = replace(entry.step, soft=soft)


@dataclass(frozen=True, eq=False)
class Certain:
    """Probability of a mask that the user drew, 0 or 1: see :class:`.protocol.SoftMask`."""

    region: Region

    @property
    def shape(self) -> tuple[int, int]:
        """``(H, W)`` of the image."""
        return self.region.shape

    def render(self, box: Box | None = None) -> NDArray[np.float32]:
        """Return the mask as numbers."""
        return self.region.window(box or whole(self.shape)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class _Forgotten:
    """Probability of a step that let go of it: see :class:`.protocol.SoftMask`."""

    shape: tuple[int, int]
    scene: Scene
    before: Timeline
    action: Action

    def render(self, box: Box | None = None) -> NDArray[np.float32]:
        """Compute the step again, and its probability."""
        return self.scene.answer(self.before, self.action).step.soft.render(box)
