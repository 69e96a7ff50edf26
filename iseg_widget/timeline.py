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
from iseg_widget.masks import Box, Mask, PackedMask
from iseg_widget.protocol import Method, State, Step
from iseg_widget.thresholds import Thresholded

DEFAULT_THRESHOLD = 0.5
"""Of methods whose options name none."""


RECENT = 24
EVERY = 8


@dataclass(eq=False)
class Entry:
    """One step: what the user did, and what came of it.

    ``state`` is ``None`` when it was let go of; timelines share entries, so for all of them.
    """

    action: Action
    state: State | None
    step: Step

    @property
    def clicks(self) -> tuple[Click, ...]:
        """Clicks of the action."""
        return self.action.clicks


Timeline = tuple[Entry, ...]


def mask_of(timeline: Timeline, initial: PackedMask | None, shape: tuple[int, int]) -> Mask:
    """Return the mask at the end of a timeline: the initial one, or nothing, before any step."""
    if timeline:
        return timeline[-1].step.mask
    return np.zeros(shape, bool) if initial is None else initial.unpack()


def carried(action: Action, was: Mask, now: Mask) -> Action:
    """Return an edit that changes the same pixels of another mask: those that ``was`` lacked.

    ``was`` is the mask that the user edited, ``now`` the one there is instead. Any other action
    stays as it is.
    """
    if action.edited is None:
        return action
    edited = action.edited.unpack()
    return replace(action, edited=PackedMask.pack(np.where(edited ^ was, edited, now)))


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
    initial: PackedMask | None
    trace: bool

    def answer(self, timeline: Timeline, action: Action) -> Entry:
        """Return the step that an action leads to at the end of a timeline.

        Raises
        ------
        ValueError: a threshold, and no network has been asked yet.
        """
        before = self.state_after(timeline)
        if action.edited is not None:
            state, step = self.method.edit(before, action.edited.unpack())
        elif action.threshold is not None:
            known = thresholded(timeline, usual_threshold(self.method))
            if known is None:
                raise ValueError("there is no probability to put a threshold on: click first")
            state, step = self.method.edit(before, known.mask(action.threshold))
            step = replace(step, soft=known.soft)
        elif action.box is not None:
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
            again = self.answer(timeline[:place], timeline[place].action)
            timeline[place].state = again.state
        return timeline[-1].state if timeline else self.start

    def forget(self, timeline: Timeline) -> None:
        """Let old steps go of what can be computed again; traced steps keep everything."""
        for place in range(len(timeline) - RECENT):
            entry = timeline[place]
            if place % EVERY == EVERY - 1 or entry.state is None or entry.step.trace:
                continue
            entry.state = None
            if not isinstance(entry.step.soft, _Forgotten):
                soft = _Forgotten(entry.step.soft.shape, self, timeline[:place], entry.action)
                entry.step = replace(entry.step, soft=soft)


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
