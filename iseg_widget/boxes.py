"""A box drawn around the object: how it is turned into clicks and a crop.

One rule for all methods:

1. the box becomes a positive click at its centre, unless other clicks are given;
2. a method with crops of its own (:class:`iseg_widget.protocol.BoxMethod`) looks at the box by its
   own rule; any other answers as if the image were the target crop of the box (FocalClick
   Sec. 3.1: expanded by r_TC = 1.4);
3. the object lies in the box: outside, the mask stays what it was;
4. the result is a mask that exists (FocalClick Sec. 3.2): later clicks, in the box or outside of
   it, change what they point at and keep the rest.

By the third rule a method that only takes the click answers a box at least as well as the click
alone, whatever it says, if the object does lie in the box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.masks import Box, Mask, PackedMask
from iseg_widget.protocol import BoxMethod, Method, SoftMask, State, Step, View
from iseg_widget.views import cut, expand, intersect

R_TC = 1.4
"""Expansion of the target crop (FocalClick Sec. 3.1)."""

SMALLEST_CROP = 200
"""Smallest side of the target crop in pixels: networks that see the image at its own size need
surroundings (the value is RITM's ``min_crop_size``)."""

WORTH_CROPPING = 0.5
"""A crop with more than this of the image's area gains nothing; then the click is asked alone."""


def box_click(box: Box) -> Click:
    """Return the click that a box stands for: positive, at its centre."""
    return Click((box[0] + box[2] - 1) / 2, (box[1] + box[3] - 1) / 2)


@dataclass(frozen=True)
class BoxedProbability:
    """A probability in a box, and a mask around it.

    Attributes
    ----------
    shape: ``(H, W)`` of the image.
    box: where ``inner`` counts.
    inner: of the image whose first pixel is ``corner`` (x, y).
    outer: what is known outside of the box.
    """

    shape: tuple[int, int]
    box: Box
    inner: SoftMask
    corner: tuple[int, int]
    outer: PackedMask

    def render(self, box: Box | None = None) -> NDArray[np.float32]:
        """Return the probability in ``box`` (default: everywhere), ``(h, w)`` float32."""
        window = box or (0, 0, self.shape[1], self.shape[0])
        out = cut(self.outer.unpack(), window).astype(np.float32)
        common = intersect(self.box, window)
        if common is not None:
            cut(out, _shifted(common, window[:2]))[...] = self.inner.render(
                _shifted(common, self.corner)
            )
        return out


def answer_box(
    method: Method,
    state: State,
    image: NDArray[np.uint8],
    previous: Mask,
    box: Box,
    clicks: Sequence[Click],
    *,
    trace: bool = False,
) -> tuple[State, Step]:
    """Answer a box by the rules of this module.

    Parameters
    ----------
    method: any.
    state: of the method.
    image: ``(H, W, 3)`` uint8 RGB.
    previous: ``(H, W)`` bool: the mask so far.
    box: half-open, in the image.
    clicks: what the box was turned into.
    trace: see :meth:`iseg_widget.protocol.Method.step`.
    """
    if isinstance(method, BoxMethod):
        after, step = method.box(state, box, clicks, trace=trace)
        inner, corner, found = step.soft, (0, 0), cut(step.mask, box)
    else:
        after, step, corner = _by_click(method, state, image, previous, box, clicks, trace=trace)
        inner, found = step.soft, cut(step.mask, _shifted(box, corner))
    mask = previous.copy()
    cut(mask, box)[...] = found
    following, edited = method.edit(after, mask)
    soft = BoxedProbability(mask.shape, box, inner, corner, PackedMask.pack(previous))
    return following, replace(step, clicks=tuple(clicks), soft=soft, packed=edited.packed)


def _by_click(
    method: Method,
    state: State,
    image: NDArray[np.uint8],
    previous: Mask,
    box: Box,
    clicks: Sequence[Click],
    *,
    trace: bool,
) -> tuple[State, Step, tuple[int, int]]:
    """Ask for the clicks, on the target crop where that shows more of the object.

    Returns the state, in which the clicks are known, the step, and the (x, y) of its first pixel.
    """
    after, step = method.step(state, clicks, trace=trace)
    crop = expand(box, R_TC, previous.shape, SMALLEST_CROP)
    area = (crop[2] - crop[0]) * (crop[3] - crop[1])
    inside = all(
        crop[0] <= column < crop[2] and crop[1] <= row < crop[3]
        for row, column in (click.pixel for click in clicks)
    )
    if previous.any() or not inside or area > WORTH_CROPPING * previous.size:
        return after, step, (0, 0)
    corner = crop[:2]
    small = method.start(np.ascontiguousarray(cut(image, crop)))
    moved = [replace(click, x=click.x - corner[0], y=click.y - corner[1]) for click in clicks]
    _, closer = method.step(small, moved, trace=trace)
    x, y = corner
    views = [
        replace(view, box=(view.box[0] + x, view.box[1] + y, view.box[2] + x, view.box[3] + y))
        for view in closer.views
    ]
    return (
        after,
        replace(
            closer,
            views=(View("target_crop", crop), *views),
            seconds=step.seconds + closer.seconds,
        ),
        corner,
    )


def _shifted(box: Box, corner: tuple[int, int]) -> Box:
    """Return a box in the pixels of an image whose first pixel is ``corner``."""
    x, y = corner
    return box[0] - x, box[1] - y, box[2] - x, box[3] - y
