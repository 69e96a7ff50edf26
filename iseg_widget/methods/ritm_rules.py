"""Where RITM looks, and how its crops are cut, clicked and pasted back (``transforms/zoom_in.py``).

The conventions are those of the published code of RITM and of its relatives: resizing keeps corners
on corners (``align_corners``) and averages nothing. Boxes are half-open ``(x0, y0, x1, y1)``, masks
``(H, W)`` bool, sizes ``(h, w)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.encode import disks
from iseg_widget.masks import box_of
from iseg_widget.networks.layers import resize
from iseg_widget.views import Box, cut, sigmoid
from iseg_widget.views import resize as resize_averaging

Array = NDArray[np.float32]


# Regions


def grow(box: Box, ratio: float, shape: tuple[int, int], smallest: float = 1.0) -> Box:
    """Expand a box about its centre and cut it to the image (``misc.py: expand_bbox``).

    Both sides become ``ratio`` times as long, at least ``smallest`` pixels; the inclusive ends are
    rounded half to even, so a side may come out a pixel longer.
    """
    spans = []
    for low, high, limit in ((box[0], box[2], shape[1]), (box[1], box[3], shape[0])):
        centre, half = 0.5 * (low + high - 1), 0.5 * max(ratio * (high - low), smallest)
        spans.append((max(0, round(centre - half)), min(limit, round(centre + half) + 1)))
    return spans[0][0], spans[1][0], spans[0][1], spans[1][1]


def object_region(
    mask: NDArray[np.bool_], clicks: Sequence[Click], ratio: float = 1.4, smallest: float = 200.0
) -> Box | None:
    """Return the region to zoom in on: the object, grown; ``None`` where there is none yet.

    Parameters
    ----------
    mask: what the last answer called object. Positive clicks alone are no object.
    clicks: all clicks; the pixels of the positive ones belong to the object.
    ratio, smallest: see :func:`grow`.
    """
    box = box_of(mask)
    if box is None:
        return None
    x0, y0, x1, y1 = box
    for click in clicks:
        if click.positive:
            row, column = click.pixel
            x0, y0 = min(x0, column), min(y0, row)
            x1, y1 = max(x1, column + 1), max(y1, row + 1)
    return grow((x0, y0, x1, y1), ratio, (mask.shape[0], mask.shape[1]), smallest)


def holds(region: Box, clicks: Sequence[Click]) -> bool:
    """Whether a region holds all positive clicks; its last row and column count as outside."""
    return all(
        region[1] <= row < region[3] - 1 and region[0] <= column < region[2] - 1
        for row, column in (click.pixel for click in clicks if click.positive)
    )


def overlap(first: Box, second: Box) -> float:
    """Product of the intersections over unions along both axes (``misc.py: get_bbox_iou``)."""
    product = 1.0
    for axis in (0, 1):
        low, high = (first[axis], second[axis]), (first[axis + 2], second[axis + 2])
        product *= max(0, min(high) - max(low)) / (max(high) - min(low))
    return product


def keeps(kept: Box, region: Box, clicks: Sequence[Click], least: float = 0.5) -> bool:
    """Whether the last region stays instead of the new one.

    It does while it holds the positive clicks and overlaps the new one by at least ``least``.
    """
    return holds(kept, clicks) and overlap(region, kept) >= least


# Crops


def crop_size(box: Box, longest: int) -> tuple[int, int]:
    """Size at which a box is seen: its longer side becomes ``longest``, the aspect stays."""
    width, height = box[2] - box[0], box[3] - box[1]
    scale = longest / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def crop_image(
    image: NDArray[np.uint8], box: Box, size: tuple[int, int], *, averaging: bool = False
) -> Array:
    """Return the part of an ``(H, W, 3)`` image in ``box`` at ``size``, ``(3, h, w)`` in 0..1.

    With ``averaging`` a reduction averages areas instead of picking points.
    """
    pixels = cut(image, box)
    if averaging:
        pixels = resize_averaging(pixels, size)
    planes = np.array(pixels.transpose(2, 0, 1), order="C")  # a copy: images are read-only
    with torch.inference_mode():
        tensor = torch.from_numpy(planes)[None].float().div_(255.0)
        return np.asarray(resize(tensor, size)[0].numpy())


def resize_map(values: Array, size: tuple[int, int]) -> Array:
    """Resize an ``(h, w)`` map to ``size``, corners on corners."""
    if values.shape == size:
        return values
    with torch.inference_mode():
        tensor = torch.from_numpy(np.ascontiguousarray(values))[None, None]
        return np.asarray(resize(tensor, size)[0, 0].numpy())


def crop_clicks(
    clicks: Sequence[Click], box: Box, size: tuple[int, int], *, compat: bool = False
) -> Array:
    """Carry clicks into a crop of ``box`` at ``size``; returns ``(N, 3)`` rows ``x, y, positive``.

    They fall on the same grid as the image's pixels, corners on corners. With ``compat`` they are
    scaled by the ratio of the sides, as published, which drifts from that grid by up to a pixel of
    the crop (``_transform_clicks``). Clicks outside the box keep coordinates outside.
    """
    points = np.array([(c.x, c.y, float(c.positive)) for c in clicks]).reshape(-1, 3)
    for axis in (0, 1):
        pixels, cells = box[axis + 2] - box[axis], size[1 - axis]
        if not compat:
            pixels, cells = max(1, pixels - 1), cells - 1
        points[:, axis] = (points[:, axis] - box[axis]) * (cells / pixels)
    return np.asarray(points, np.float32)


def mirror_clicks(points: Array, width: int) -> Array:
    """Mirror ``(N, 3)`` clicks left to right in a map of ``width`` columns."""
    mirrored = points.copy()
    mirrored[:, 0] = width - 1 - points[:, 0]
    return mirrored


def click_maps(
    points: Array, size: tuple[int, int], radius: float, *, compat: bool = False
) -> Array:
    """Positive and negative disks, ``(2, h, w)``, of clicks in pixels of the map.

    A click outside still paints what of its disk is inside. With ``compat`` one that is beyond both
    the left and the top edge paints nothing, as published (``ops.py: DistMaps``).
    """
    drawn = points[points[:, :2].max(axis=1) >= 0] if compat else points
    return disks(drawn, size, radius)


@dataclass(frozen=True)
class ZoomProbability:
    """Probability of a whole image from the answer to one crop; 0 elsewhere.

    As published: logits are enlarged to the size of the crop as it was fed and squashed, and
    probabilities are brought to the size of ``box``, always with aligned corners.

    Attributes
    ----------
    shape: ``(H, W)`` of the image.
    box: where the answer is pasted.
    size: ``(h, w)`` of the network's input.
    logits: of the network's resolution, float32. They are not rounded: the probability is fed back.
    """

    shape: tuple[int, int]
    box: Box
    size: tuple[int, int]
    logits: Array

    def at_input(self) -> Array:
        """Return the probability at the size of the network's input, ``(h, w)`` float32."""
        return sigmoid(resize_map(self.logits, self.size))

    def at_pixels(self) -> Array:
        """Return the probability at the pixels of ``box``, float32."""
        x0, y0, x1, y1 = self.box
        return resize_map(self.at_input(), (y1 - y0, x1 - x0))

    def render(self, box: Box | None = None) -> Array:
        """Return the probability in ``box`` (default: everywhere), ``(h, w)`` float32."""
        full = np.zeros(self.shape, np.float32)
        cut(full, self.box)[...] = self.at_pixels()
        return full if box is None else cut(full, box).copy()

    def exceeds(self, threshold: float) -> NDArray[np.bool_]:
        """Return where the probability is above ``threshold``, ``(H, W)`` bool."""
        full = np.zeros(self.shape, bool)
        np.greater(self.at_pixels(), threshold, out=cut(full, self.box))
        return full
