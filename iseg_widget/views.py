"""Crops: boxes to look at, cutting them out, and pasting results back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]

_Scalar = TypeVar("_Scalar", bound=np.generic)


def whole(shape: tuple[int, int]) -> Box:
    """Box of the whole image of ``shape`` (H, W)."""
    return 0, 0, shape[1], shape[0]


def expand(box: Box, ratio: float, shape: tuple[int, int], smallest: int = 1) -> Box:
    """Expand a half-open box about its centre by ``ratio`` and cut it to the image.

    FocalClick's r_TC and r_FC (Sec. 3.1). Both sides are at least ``smallest`` pixels long
    before the cut.
    """
    x0, y0, x1, y1 = box
    spans = []
    for low, high, limit in ((x0, x1, shape[1]), (y0, y1, shape[0])):
        half = max(ratio * (high - low), smallest) / 2
        centre = (low + high) / 2
        start = max(0, int(np.floor(centre - half)))
        stop = min(limit, int(np.ceil(centre + half)))
        spans.append((start, max(stop, start + 1)))
    return spans[0][0], spans[1][0], spans[0][1], spans[1][1]


def intersect(first: Box, second: Box) -> Box | None:
    """Common part of two half-open boxes, ``None`` when there is none."""
    x0, y0 = max(first[0], second[0]), max(first[1], second[1])
    x1, y1 = min(first[2], second[2]), min(first[3], second[3])
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def cut(array: NDArray[_Scalar], box: Box) -> NDArray[_Scalar]:
    """Return the part of an ``(H, W, …)`` array in ``box``, a view of it."""
    x0, y0, x1, y1 = box
    return array[y0:y1, x0:x1]


def resize(array: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Resize ``(h, w)`` or ``(h, w, C)`` to ``shape`` (H, W), half-pixel convention.

    Along each axis: reduces by area averaging, enlarges bilinearly. Bool arrays come back as
    float32 coverage.
    """
    if array.dtype == np.bool_:
        array = array.astype(np.float32)
    reduced = (min(array.shape[0], shape[0]), min(array.shape[1], shape[1]))
    for size, method in ((reduced, cv2.INTER_AREA), (shape, cv2.INTER_LINEAR)):
        if array.shape[:2] != size:
            array = cv2.resize(
                np.ascontiguousarray(array), (size[1], size[0]), interpolation=method
            )
    return array


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logistic function, safe for large values, float32."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)), dtype=np.float32)


@dataclass(frozen=True)
class Patch:
    """A crop-sized result: ``values`` ``(h, w)`` float16 logits that belong to ``box``."""

    box: Box
    values: NDArray[np.float16]


@dataclass(frozen=True)
class Layers:
    """Probability of a whole image as a stack of pasted patches; later ones cover earlier ones.

    Logits are interpolated, then squashed, as FocalClick's code does. Pixels that no patch
    covers have the probability of ``base`` (a mask), or 0 without one.
    """

    shape: tuple[int, int]
    patches: tuple[Patch, ...] = ()
    base: NDArray[np.uint8] | None = None

    def pasted(self, patch: Patch) -> Layers:
        """Return the stack with one more patch; patches it covers entirely are dropped."""
        kept = tuple(p for p in self.patches if intersect(p.box, patch.box) != p.box)
        covers = patch.box == whole(self.shape)
        return Layers(self.shape, (*kept, patch), None if covers else self.base)

    def render(self, box: Box | None = None) -> NDArray[np.float32]:
        """Return probabilities in ``box``, ``(h, w)`` float32; only that window is computed."""
        window = box or whole(self.shape)
        x0, y0, x1, y1 = window
        if self.base is None:
            out = np.zeros((y1 - y0, x1 - x0), np.float32)
        else:
            bits = np.unpackbits(self.base[y0:y1], axis=1, count=self.shape[1])
            out = bits[:, x0:x1].astype(np.float32)
        for patch in self.patches:
            common = intersect(patch.box, window)
            if common is not None:
                target = cut(out, (common[0] - x0, common[1] - y0, common[2] - x0, common[3] - y0))
                target[...] = sigmoid(_resample(patch, common))
        return out


def mask_layers(mask: NDArray[np.bool_]) -> Layers:
    """Return a mask as probabilities 0 and 1, packed by rows."""
    return Layers((mask.shape[0], mask.shape[1]), (), np.packbits(mask, axis=1))


def _resample(patch: Patch, window: Box) -> NDArray[np.float32]:
    """Values of a patch at the pixels of ``window``, which lies in its box."""
    values = patch.values.astype(np.float32)
    x0, y0, x1, y1 = patch.box
    shrinks = y1 - y0 < values.shape[0] or x1 - x0 < values.shape[1]
    if window == patch.box or shrinks or (y1 - y0) * (x1 - x0) <= 4 * values.size:
        full = resize(values, (y1 - y0, x1 - x0))
        inside = (window[0] - x0, window[1] - y0, window[2] - x0, window[3] - y0)
        return np.asarray(cut(full, inside), dtype=np.float32)
    # A small window of a much enlarged patch: interpolate there only.
    scale_x = values.shape[1] / (x1 - x0)
    scale_y = values.shape[0] / (y1 - y0)
    matrix = np.array(
        [
            [scale_x, 0, (window[0] - x0 + 0.5) * scale_x - 0.5],
            [0, scale_y, (window[1] - y0 + 0.5) * scale_y - 0.5],
        ]
    )
    size = (window[2] - window[0], window[3] - window[1])
    return np.asarray(
        cv2.warpAffine(
            values,
            matrix,
            size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        dtype=np.float32,
    )
