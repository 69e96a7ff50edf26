"""Simulated ROIs of RIS-Net: click pairs, and boxes that slide between them (Sec. 3.2.1, Fig. 3).

An image trains the local branch with N_ROI boxes. Click pairs seldom give as many, so the rest is
drawn between neighbours: a box slides along the object's outline towards the next, the shorter way.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.masks import contours
from iseg_widget.methods.ris_net import roi_boxes
from iseg_widget.views import Box

N_ROI = 5
"""ROIs of an image (Sec. 3.2.1)."""


def _centre(box: Box) -> NDArray[np.float64]:
    """Centre ``x, y`` of a half-open box, pixel centres at integers."""
    return np.array([(box[0] + box[2] - 1) / 2, (box[1] + box[3] - 1) / 2])


def _nearest(outline: NDArray[np.int32], point: NDArray[np.float64]) -> tuple[int, float]:
    """Place on the outline that is nearest to ``point``, and its squared distance."""
    squared = ((outline - point) ** 2).sum(1)
    index = int(squared.argmin())
    return index, float(squared[index])


def centred_square(point: tuple[int, int], side: int, shape: tuple[int, int]) -> Box:
    """Square of ``side`` pixels about ``point`` (x, y), cut to an image of ``shape`` (H, W)."""
    x0, y0 = point[0] - side // 2, point[1] - side // 2
    return max(0, x0), max(0, y0), min(shape[1], x0 + side), min(shape[0], y0 + side)


def slide(
    first: Box,
    second: Box,
    outline: NDArray[np.int32],
    fraction: float,
    shape: tuple[int, int],
) -> Box:
    """Slide ``first`` along an outline towards ``second`` (Fig. 3a: b1 towards b2 gives b3).

    Parameters
    ----------
    first, second: ROIs in pixels.
    outline: closed, ``(N, 2)`` of ``x, y`` in order.
    fraction: 0..1 of the shorter of the two ways between the outline's places nearest to both.
    shape: ``(H, W)`` of the image.

    Returns
    -------
    A square of the first one's longer side, centred on the outline and cut to the image.
    """
    start, stop = (_nearest(outline, _centre(box))[0] for box in (first, second))
    length = len(outline)
    forward, backward = (stop - start) % length, (start - stop) % length
    step = round(fraction * forward) if forward <= backward else -round(fraction * backward)
    x, y = outline[(start + step) % length].tolist()
    return centred_square((x, y), max(first[2] - first[0], first[3] - first[1]), shape)


def neighbours(
    boxes: Sequence[Box], truth: NDArray[np.bool_]
) -> list[tuple[Box, Box, NDArray[np.int32]]]:
    """Pairs of ROIs that follow each other on an outline of the object, with that outline.

    Every ROI belongs to the outline nearest to its centre; ROIs of different outlines (several
    parts, holes) are no neighbours. Every pair is given both ways.
    """
    outlines = contours(truth)
    placed: dict[int, list[tuple[int, Box]]] = {}
    for box in boxes:
        found = [_nearest(outline, _centre(box)) for outline in outlines]
        if found:
            number = min(range(len(found)), key=lambda n: found[n][1])
            placed.setdefault(number, []).append((found[number][0], box))
    pairs = []
    for number, members in placed.items():
        ordered = [box for _, box in sorted(members)]
        following = ordered[1:] + ordered[:1] if len(ordered) > 2 else ordered[1:]
        for first, second in zip(ordered, following, strict=False):
            pairs += [(first, second, outlines[number]), (second, first, outlines[number])]
    return pairs


def sample_rois(
    clicks: NDArray[np.floating],
    truth: NDArray[np.bool_],
    rng: np.random.Generator,
    *,
    count: int = N_ROI,
) -> NDArray[np.int64]:
    """Draw the ROIs of a training image.

    Parameters
    ----------
    clicks: ``(N, 3)`` rows ``x, y, positive``, in the image.
    truth: the object, ``(H, W)`` bool.
    rng: source of randomness.
    count: N_ROI.

    Returns
    -------
    ``(count, 4)`` half-open boxes ``x0, y0, x1, y1``. Click pairs first, at random where there are
    too many; then boxes that slide between neighbours. With one box alone (one positive click, or
    the whole image for want of a negative one) all are that box.
    """
    given = [Click(float(x), float(y), bool(positive)) for x, y, positive in clicks]
    boxes = list(roi_boxes(given, (truth.shape[0], truth.shape[1])))
    if len(boxes) > count:
        chosen = rng.choice(len(boxes), count, replace=False)
        return np.array([boxes[index] for index in chosen], np.int64)
    pairs = neighbours(boxes, truth)
    known = len(boxes)
    shape = (truth.shape[0], truth.shape[1])
    while len(boxes) < count:
        if pairs:
            first, second, outline = pairs[int(rng.integers(len(pairs)))]
            boxes.append(slide(first, second, outline, float(rng.random()), shape))
        else:
            boxes.append(boxes[len(boxes) % known])
    return np.array(boxes, np.int64)
