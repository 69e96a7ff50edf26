"""The words that all rooms share: ``Method``, ``State``, ``Step``, ``View``, ``Trace``.

A method is stateless. ``start`` gives the state before any click; ``step`` takes a state and new
clicks and returns a new state and what the user gets. Both are immutable, so undo means keeping
the old state. States must stay small (clicks, packed masks, crop-sized logits): a history of
hundreds of steps on a large image has to fit beside the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from iseg_widget.clicks import Click

Trace = Mapping[str, NDArray[Any]]
"""Named intermediate arrays (click maps, coarse logits, boundary map, …), filled when asked."""

State = Any
"""What a method remembers between clicks: immutable, private to the method."""

VIEW_KINDS = ("target_crop", "focus_crop", "focus_view", "zoom_in", "roi")


@dataclass(frozen=True, slots=True)
class View:
    """A crop that a method looked at.

    ``kind`` is one of :data:`VIEW_KINDS`; ``box`` is half-open ``(x0, y0, x1, y1)`` in pixels of
    the image.
    """

    kind: str
    box: tuple[int, int, int, int]

    def to_dict(self) -> dict[str, Any]:
        """Return the view as it goes to JSON."""
        return {"kind": self.kind, "box": list(self.box)}


class SoftMask(Protocol):
    """A probability for every pixel, built when asked for."""

    @property
    def shape(self) -> tuple[int, int]:
        """``(H, W)`` of the image."""

    def render(self, box: tuple[int, int, int, int] | None = None) -> NDArray[np.float32]:
        """Return the probabilities in ``box`` (the whole image without one), ``(h, w)`` float32."""


class StoredMask(Protocol):
    """A mask kept in little memory."""

    def unpack(self) -> NDArray[np.bool_]:
        """Return the ``(H, W)`` bool mask."""


@dataclass(frozen=True)
class Step:
    """The answer to a click (or to several that came together, or to a manual edit).

    Attributes
    ----------
    clicks: the new clicks of this step; empty for a manual edit.
    soft, packed: where :attr:`probability` and :attr:`mask` come from.
    views: the crops that were looked at.
    trace: named intermediate arrays; empty unless tracing was asked for.
    seconds: time the method took.
    iou: against the session's ground truth, if it has one.
    """

    clicks: tuple[Click, ...]
    soft: SoftMask
    packed: StoredMask
    views: tuple[View, ...] = ()
    trace: Trace = field(default_factory=dict)
    seconds: float = 0.0
    iou: float | None = None

    @property
    def probability(self) -> NDArray[np.float32]:
        """``(H, W)`` float32: what the networks say for the whole image after pasting."""
        return self.soft.render()

    @property
    def mask(self) -> NDArray[np.bool_]:
        """``(H, W)`` bool: what the user gets (threshold, progressive merge, manual edits)."""
        return self.packed.unpack()


@runtime_checkable
class Method(Protocol):
    """A segmentation procedure: where to look after a click, and how a mask comes from it."""

    @property
    def name(self) -> str:
        """Registry name, e.g. ``"focalclick"``."""

    @property
    def options(self) -> Any:
        """The frozen options dataclass the method was built with."""

    def start(self, image: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> State:
        """Return the state before any click.

        ``image`` is ``(H, W, 3)`` uint8 RGB; ``mask`` an existing ``(H, W)`` bool mask that is to
        be corrected.
        """

    def step(
        self, state: State, clicks: Sequence[Click], *, trace: bool = False
    ) -> tuple[State, Step]:
        """Answer new clicks; earlier ones are in the state."""

    def edit(self, state: State, mask: NDArray[np.bool_]) -> tuple[State, Step]:
        """Take a mask the user drew; later clicks correct it and keep its pixels."""


@runtime_checkable
class BatchMethod(Method, Protocol):
    """A method that can answer clicks on several objects in one pass of its networks."""

    def step_many(
        self, states: Sequence[State], clicks: Sequence[Sequence[Click]]
    ) -> list[tuple[State, Step]]:
        """Answer ``clicks[i]``, which are new to ``states[i]``, for every object ``i``.

        The answers are those of :meth:`Method.step` up to rounding; ``Step.seconds`` is an equal
        share of the time that all of them took. Raises what ``step`` would raise for any of them.
        """


@runtime_checkable
class BoxMethod(Method, Protocol):
    """A method whose own crops can be those of a box that the user drew."""

    def box(
        self,
        state: State,
        box: tuple[int, int, int, int],
        clicks: Sequence[Click],
        *,
        trace: bool = False,
    ) -> tuple[State, Step]:
        """Answer new clicks as :meth:`Method.step` does, but look at ``box`` for them.

        ``box`` is half-open ``x0, y0, x1, y1`` in the image, tight around the object; margins are
        the method's. Only the answer within the box is taken (:mod:`iseg_widget.boxes`).
        """


def step_many(
    method: Method, states: Sequence[State], clicks: Sequence[Sequence[Click]]
) -> list[tuple[State, Step]]:
    """Answer new clicks on several objects: at once by a :class:`BatchMethod`, else in turn.

    Raises
    ------
    ValueError: there are not as many states as groups of clicks.
    """
    if len(states) != len(clicks):
        raise ValueError(f"got {len(states)} states and clicks for {len(clicks)} objects")
    if isinstance(method, BatchMethod):
        return method.step_many(states, clicks)
    return [method.step(state, new) for state, new in zip(states, clicks, strict=True)]
