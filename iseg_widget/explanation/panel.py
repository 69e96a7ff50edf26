"""One picture with its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.masks import Box

KINDS = (
    "image",
    "probability",
    "map",
    "mask",
    "difference",
    "attention",
    "boundary",
    "numbers",
)


@dataclass(frozen=True, eq=False)
class Panel:
    """A picture that explains a part of a step.

    Attributes
    ----------
    key: name of the recorded array, with ``/1``, ``/2``, … for its items; ``view/…`` is a crop of
        the image, ``step.mask`` and ``step.probability`` the answer; differences have names of
        their own.
    title: a few words.
    caption: one sentence, with the place in the paper.
    kind: one of :data:`KINDS`.
    array: ``(h, w, 3)`` uint8 RGB of an ``image``, ``(h, w)`` bool of a ``mask``, ``(n,)`` float32
        of ``numbers``, else ``(h, w)`` float32. ``h`` and ``w`` are those that were recorded and
        need not have the aspect of ``box``.
    box: where it lies in the image, half-open ``(x0, y0, x1, y1)`` in pixels; ``None`` where it
        has no place or an unknown one.
    group: heading under which it belongs: a part of the procedure.
    unit: of the values, e.g. ``"px"``.
    limits: smallest and largest value of the colour scale; all values lie between them.
    view: kind of the view that it covers (:data:`iseg_widget.protocol.VIEW_KINDS`), or empty.
    ink: ``"positive"`` or ``"negative"`` for a map of one kind of click.
    baseline: of ``numbers``: the value that changes nothing.
    described: whether the method is known; else title and caption are a guess from the name.
    """

    key: str
    title: str
    caption: str
    kind: str
    array: NDArray[Any]
    box: Box | None = None
    group: str = ""
    unit: str = ""
    limits: tuple[float, float] = (0.0, 1.0)
    view: str = ""
    ink: str = ""
    baseline: float = 0.0
    described: bool = True

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for an unknown kind or an array of another form."""
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        wanted = {"image": 3, "numbers": 1}.get(self.kind, 2)
        if self.array.ndim != wanted:
            raise ValueError(
                f"an array of kind {self.kind} has {wanted} dimensions, got {self.array.shape}"
            )

    @property
    def aspect(self) -> float:
        """Width by height as it lies in the image; 1.6 of numbers, which have none."""
        if self.kind == "numbers":
            return 1.6
        if self.box is not None:
            return (self.box[2] - self.box[0]) / (self.box[3] - self.box[1])
        return float(self.array.shape[1] / self.array.shape[0])


def clicks_on(panel: Panel, panels: Sequence[Panel], clicks: Sequence[Click]) -> Sequence[Click]:
    """Return the clicks to draw on a panel.

    On images those that lie in it; on attention to a click that one, if it is known which it is.

    Parameters
    ----------
    panel: one of ``panels``, which are all of a step's.
    clicks: in order.
    """
    if panel.box is None or panel.kind not in ("image", "attention"):
        return ()
    x0, y0, x1, y1 = panel.box
    inside = [c for c in clicks if x0 <= c.x + 0.5 < x1 and y0 <= c.y + 0.5 < y1]
    name, _, number = panel.key.partition("/")
    if panel.kind == "image":
        return inside
    count = sum(other.key.startswith(f"{name}/") for other in panels)
    # The clicks given may be those of one step only, or the method may have left some out.
    return [inside[int(number) - 1]] if number and count == len(inside) else ()


def in_range(values: NDArray[Any]) -> tuple[float, float]:
    """Smallest and largest value; of equal ones, one above."""
    if values.size == 0:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low, low + 1.0)


def steady(
    values: NDArray[Any], ends: Sequence[float] = (0.1, 0.25, 0.5, 1.0)
) -> tuple[float, float]:
    """Limits about 0: the first of ``ends`` that holds all values, so that scales stay few."""
    most = float(np.abs(values).max(initial=0.0))
    end = next((end for end in ends if most <= end), most)
    return -end, end
