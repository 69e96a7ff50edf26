"""The steps of a session, and how little of the old ones is kept.

A step's mask is packed and small, but what the method remembers after it (its state, and the
logits its probability is made of) may be some hundred kilobytes. Of the latest :data:`RECENT`
steps all of that is kept; of older ones only every :data:`EVERY`-th keeps it, and the others are
computed again from there when they are needed: after going far back, or when somebody asks for
an old probability. Masks, views and figures of all steps stay as they were.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.masks import PackedMask
from iseg_widget.protocol import Method, State, Step

RECENT = 24
EVERY = 8


@dataclass(eq=False)
class Entry:
    """One step of the history: what the user did, and what came of it.

    ``state`` is ``None`` when it was let go of; timelines share entries, so that is so for all.
    """

    clicks: tuple[Click, ...]
    edited: PackedMask | None
    state: State | None
    step: Step


Timeline = tuple[Entry, ...]


@dataclass(frozen=True, eq=False)
class _Forgotten:
    """Probability of a step whose state was let go of."""

    shape: tuple[int, int]
    method: Method
    start: State
    before: Timeline
    clicks: tuple[Click, ...]
    edited: PackedMask | None

    def render(self, box: tuple[int, int, int, int] | None = None) -> NDArray[np.float32]:
        """Compute the step again, and its probability; see :class:`.protocol.SoftMask`."""
        state = state_after(self.method, self.start, self.before)
        _, step = answer(self.method, state, self.clicks, self.edited)
        return step.soft.render(box)


def answer(
    method: Method,
    state: State,
    clicks: tuple[Click, ...],
    edited: PackedMask | None,
    *,
    trace: bool = False,
) -> tuple[State, Step]:
    """Ask a method for the next step: an edit, or else clicks."""
    if edited is not None:
        return method.edit(state, edited.unpack())
    return method.step(state, clicks, trace=trace)


def state_after(method: Method, start: State, timeline: Timeline) -> State:
    """Return the state after the last step (``start`` if there is none), computed if need be."""
    known = len(timeline)
    while known and timeline[known - 1].state is None:
        known -= 1
    state: Any = timeline[known - 1].state if known else start
    for entry in timeline[known:]:
        state, _ = answer(method, state, entry.clicks, entry.edited)
    if timeline:
        timeline[-1].state = state
    return state


def forget(method: Method, start: State, timeline: Timeline) -> None:
    """Let old steps go of what can be computed again; traced steps keep everything."""
    for place in range(len(timeline) - RECENT):
        entry = timeline[place]
        if place % EVERY == EVERY - 1 or entry.state is None or entry.step.trace:
            continue
        entry.state = None
        if not isinstance(entry.step.soft, _Forgotten):
            shape, before = entry.step.soft.shape, timeline[:place]
            soft = _Forgotten(shape, method, start, before, entry.clicks, entry.edited)
            entry.step = replace(entry.step, soft=soft)
