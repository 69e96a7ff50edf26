"""FocusCut's rules, one by one: where to look, how wide, and how results are pasted.

Lin et al., "FocusCut: Diving into a focus view in interactive segmentation" (CVPR 2022). Pixels
are (row, column), boxes half-open ``(x0, y0, x1, y1)``, masks ``(H, W)`` bool.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.masks import box_of, components_at
from iseg_widget.networks.layers import resize
from iseg_widget.views import Box, cut, intersect, sigmoid, whole

SMALLEST_RADIUS = 5
"""Smallest focus scope in pixels of the image, and the one at which later turns stop. Not in the
paper; the published code has it."""

SMALLEST_RATIO = 0.2
"""Smallest change of the scope from turn to turn (published code; the paper has none)."""

REFERENCE_SIDE = 384
"""Side in pixels of the focus view in which epsilon is measured (Alg. 3)."""

ZOOM_MARGIN = 0.4
ZOOM_OVERLAP = 0.5
"""The zoomed view is longer than the object by :data:`ZOOM_MARGIN` of its shorter side, and stays
as it was while it overlaps the new one by :data:`ZOOM_OVERLAP` (published code)."""


@dataclass(frozen=True)
class FocusPoint:
    """A click with a focus view: its pixel, and its focus scope before omega (Alg. 2)."""

    pixel: tuple[int, int]
    radius: int


@dataclass(frozen=True)
class Focus:
    """What the network said of one focus view; ``box`` may reach beyond the image.

    ``logits`` ``(h, w)`` float32, of the network's resolution for an input of ``size`` (h, w). They
    are not rounded: a pixel that crosses the threshold is fed back, and may move many others.
    """

    box: Box
    size: tuple[int, int]
    logits: NDArray[np.float32]

    def probability(self) -> NDArray[np.float32]:
        """Return the probability at the size of the network's input, ``(h, w)`` float32."""
        coarse = torch.from_numpy(self.logits)[None, None]
        return sigmoid(resize(coarse, self.size)[0, 0].numpy())

    def at_pixels(self) -> NDArray[np.float32]:
        """Return the probability at the pixels of ``box``, float32."""
        return linear(self.probability(), (self.box[3] - self.box[1], self.box[2] - self.box[0]))


@dataclass(frozen=True)
class FocusCutProbability:
    """Probability of a whole image: the zoomed view, and turns of focus views written into it."""

    shape: tuple[int, int]
    view: Focus
    turns: tuple[tuple[Focus, ...], ...] = ()

    def render(self, box: Box | None = None) -> NDArray[np.float32]:
        """Return probabilities in ``box`` (default: everywhere), ``(h, w)`` float32."""
        full = np.zeros(self.shape, np.float32)
        cut(full, self.view.box)[...] = self.view.at_pixels()
        for turn in self.turns:
            write_turn(full, turn)
        return full if box is None else cut(full, box).copy()


def linear(array: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Resize to ``shape`` (H, W) bilinearly; as published, nothing is averaged."""
    return cv2.resize(array, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)


def nearest(mask: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Resize a mask to ``shape`` (H, W) without new values."""
    resized = cv2.resize(
        mask.astype(np.uint8), (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST
    )
    return np.asarray(resized, bool)


def to_view(clicks: Sequence[Click], box: Box, size: tuple[int, int]) -> NDArray[np.float64]:
    """Carry clicks into a view of ``box`` at ``size`` (h, w); clicks outside it are dropped.

    As published: the pixel's centre is scaled and truncated. Returns ``(N, 3)`` rows
    ``x, y, positive`` of whole numbers.
    """
    x0, y0, x1, y1 = box
    rows = []
    for click in clicks:
        row, column = click.pixel
        if x0 <= column < x1 and y0 <= row < y1:
            x = int((column - x0 + 0.5) * size[1] / (x1 - x0))
            y = int((row - y0 + 0.5) * size[0] / (y1 - y0))
            rows.append((x, y, float(click.positive)))
    return np.asarray(rows, np.float64).reshape(-1, 3)


def view_size(box: Box, short_side: int, max_side: int | None = None) -> tuple[int, int]:
    """Size ``(h, w)`` at which a box is seen: its shorter side becomes ``short_side``."""
    width, height = box[2] - box[0], box[3] - box[1]
    scale = short_side / min(width, height)
    if max_side is not None:
        scale = min(scale, max_side / max(width, height))
    return max(1, int(height * scale)), max(1, int(width * scale))


def padded(array: NDArray[Any], box: Box) -> NDArray[Any]:
    """Cut a box that may reach beyond the array; zeros (black) stand outside."""
    x0, y0, x1, y1 = box
    out = np.zeros((y1 - y0, x1 - x0, *array.shape[2:]), array.dtype)
    common = intersect(box, whole((array.shape[0], array.shape[1])))
    if common is not None:
        inside = (common[0] - x0, common[1] - y0, common[2] - x0, common[3] - y0)
        cut(out, inside)[...] = cut(array, common)
    return out


def _overlap(first: Box, second: Box) -> float:
    """Product of the intersections over unions along both axes."""
    product = 1.0
    for axis in (0, 1):
        low, high = (first[axis], second[axis]), (first[axis + 2], second[axis + 2])
        product *= max(0, min(high) - max(low)) / (max(high) - min(low))
    return product


def zoom_box(previous: NDArray[np.bool_], clicks: Sequence[Click], kept: Box) -> Box:
    """Box of the whole view: the object with a margin (Sec. 4.1, "Zoom-In"; published code).

    Parameters
    ----------
    previous: mask before this click.
    clicks: all clicks; the positive ones belong to the object, negative ones may be left out.
    kept: the last box, which stays when it holds the positive clicks and still fits, or when
        there is no mask to go by.
    """
    pixels = [click.pixel for click in clicks if click.positive]
    height, width = previous.shape
    held = box_of(previous)
    holds = all(kept[0] <= c < kept[2] and kept[1] <= r < kept[3] for r, c in pixels)
    if held is None and (holds or not pixels):
        return kept
    known = [] if held is None else [(held[1], held[0]), (held[3] - 1, held[2] - 1)]
    rows, columns = zip(*pixels, *known, strict=True)
    x, y = min(columns), min(rows)
    sides = max(columns) + 1 - x, max(rows) + 1 - y
    side = max(sides) + int(ZOOM_MARGIN * min(sides))
    side = min(max(side, min(height, width) // 2), max(height, width))
    spans = [
        _span(start, length, side, limit)
        for start, length, limit in ((x, sides[0], width), (y, sides[1], height))
    ]
    box = spans[0][0], spans[1][0], spans[0][1], spans[1][1]
    return kept if holds and _overlap(kept, box) >= ZOOM_OVERLAP else box


def _span(start: int, length: int, side: int, limit: int) -> tuple[int, int]:
    """Half-open span of at most ``side`` in ``0..limit`` around ``length`` pixels at ``start``."""
    side = min(side, limit)
    low = start + length // 2 + 1 - side // 2
    low = min(max(low, start + length - side, 0), start, limit - side)
    return low, low + side


def focus_scope(
    previous: NDArray[np.bool_],
    current: NDArray[np.bool_],
    pixel: tuple[int, int],
    lam: float = 0.2,
) -> tuple[int, bool]:
    """Focus scope r~ in pixels and the focus judgement (Sec. 3.4, Alg. 2, lines 1 to 8).

    Parameters
    ----------
    previous, current: P' and P. The paper calls both global predictions; the published code
        compares the previous final mask with the current whole view.
    pixel: p, the click.
    lam: lambda.

    Returns
    -------
    r~, at least :data:`SMALLEST_RADIUS`, and whether to focus.
    """
    changed = previous ^ current
    if changed[pixel]:
        area = components_at(changed, [pixel], connectivity=4)
        rows, columns = np.nonzero(area)
        radius = int(max(np.abs(rows - pixel[0]).max(), np.abs(columns - pixel[1]).max()))
        judgement = bool(np.count_nonzero(area) < lam * np.count_nonzero(current))
        return max(SMALLEST_RADIUS, radius), judgement
    same = previous == previous[pixel]
    if same.all():
        return SMALLEST_RADIUS, True
    distance = cv2.distanceTransform(same.astype(np.uint8), cv2.DIST_C, 3)
    return max(SMALLEST_RADIUS, int(distance[pixel])), True


def scope_ratio(
    before: NDArray[np.bool_],
    after: NDArray[np.bool_],
    omega_hat: float = 1.1,
    epsilon: float = 2.0,
) -> float | None:
    """Factor of the next turn's scope, ``None``: stop (Sec. 3.5, Alg. 3, lines 3 to 12).

    Parameters
    ----------
    before, after: square masks of one focus view: as fed, and as predicted.
    omega_hat: relax coefficient.
    epsilon: pixels by which the change is eroded, in a view of :data:`REFERENCE_SIDE`.
    """
    changed = before ^ after
    side = changed.shape[0]
    if changed.all():
        return omega_hat
    depth = cv2.distanceTransform(changed.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    rows, columns = np.nonzero(depth >= epsilon * side / REFERENCE_SIDE)
    if len(rows) == 0:
        return None
    centre = side // 2
    farthest = int(max(np.abs(rows - centre).max(), np.abs(columns - centre).max()))
    return max(SMALLEST_RATIO, float(omega_hat * farthest / centre))


def write_turn(full: NDArray[np.float32], turn: Iterable[Focus]) -> None:
    """Write one turn's focus views into a probability, in place; where several meet, their mean."""
    image = whole((full.shape[0], full.shape[1]))
    pieces = [(view, common) for view in turn if (common := intersect(view.box, image))]
    if not pieces:
        return
    boxes = np.array([common for _, common in pieces])
    x0, y0 = (int(v) for v in boxes[:, :2].min(0))
    x1, y1 = (int(v) for v in boxes[:, 2:].max(0))
    total = np.zeros((y1 - y0, x1 - x0), np.float32)
    count = np.zeros_like(total)
    for view, common in pieces:
        here = (common[0] - x0, common[1] - y0, common[2] - x0, common[3] - y0)
        left, top = view.box[:2]
        inside = (common[0] - left, common[1] - top, common[2] - left, common[3] - top)
        cut(total, here)[...] += cut(view.at_pixels(), inside)
        cut(count, here)[...] += 1
    window = cut(full, (x0, y0, x1, y1))
    np.divide(total, count, out=window, where=count > 0)
