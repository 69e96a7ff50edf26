"""Crops: boxes to look at, cutting them out, and pasting results back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from iseg_widget.enlarging import enlarged_exceeds, worthwhile

Box = tuple[int, int, int, int]

_Scalar = TypeVar("_Scalar", bound=np.generic)


class Sampled(Protocol):
    """A mask that can be looked at on a grid."""

    def sampled(self, rows: range, columns: range) -> NDArray[np.bool_]:
        """Return the pixels where ``rows`` and ``columns`` cross, bool."""


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


def hull(first: Box, second: Box) -> Box:
    """Smallest half-open box that holds two."""
    return (
        min(first[0], second[0]),
        min(first[1], second[1]),
        max(first[2], second[2]),
        max(first[3], second[3]),
    )


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


def reduce_mask(mask: Sampled, box: Box, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the part of a mask in ``box`` at the size ``shape`` (H, W): mostly object or not.

    A box much larger than ``shape`` is sampled on a grid four times as fine, not pixel by pixel.
    ``mask`` is a :class:`iseg_widget.regions.Region`.
    """
    x0, y0, x1, y1 = box
    step_y, step_x = max(1, (y1 - y0) // (4 * shape[0])), max(1, (x1 - x0) // (4 * shape[1]))
    sampled = mask.sampled(range(y0 + step_y // 2, y1, step_y), range(x0 + step_x // 2, x1, step_x))
    return np.asarray(resize(sampled, shape) > 0.5)


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logistic function, safe for large values, float32."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)), dtype=np.float32)


def logit(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Inverse of :func:`sigmoid`; 0 and 1 become minus and plus infinity."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(probabilities) - np.log1p(-probabilities), dtype=np.float32)


def resize_corners(array: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Resize ``(h, w)`` or ``(h, w, C)`` to ``shape`` (H, W) bilinearly, corner on corner.

    The outermost pixels keep their places (``align_corners`` in PyTorch) and nothing is averaged
    when reducing, as RITM's and FocalClick's published code does. Returns float32.
    """
    rows, columns = (
        np.linspace(0.0, before - 1.0, after) if after > 1 else np.zeros(1)
        for before, after in zip(array.shape[:2], shape, strict=True)
    )
    return _bilinear(array, rows, columns)


def _bilinear(
    array: NDArray[Any], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Values at every crossing of fractional ``rows`` and ``columns``, which lie in the array."""
    out = array
    for axis, positions in enumerate((rows, columns)):
        low = np.floor(positions).astype(np.intp)
        high = np.minimum(low + 1, array.shape[axis] - 1)
        share = (positions - low).astype(np.float32)
        share = share.reshape([-1 if a == axis else 1 for a in range(array.ndim)])
        lower = out.take(low, axis).astype(np.float32, copy=False)
        out = lower + share * (out.take(high, axis) - lower)
    return np.asarray(out, dtype=np.float32)


@dataclass(frozen=True)
class Patch:
    """A crop-sized result: ``values`` ``(h, w)`` float16 logits that belong to ``box``."""

    box: Box
    values: NDArray[np.floating]

    def at_pixels(self, window: Box) -> NDArray[np.float32]:
        """Return the logits at the pixels of ``window``, which lies in the box."""
        x0, y0, x1, y1 = self.box
        rows, columns = self.values.shape
        reduced = y1 - y0 < rows or x1 - x0 < columns
        if window == self.box or reduced or (y1 - y0) * (x1 - x0) <= 4 * rows * columns:
            full = resize(self.values.astype(np.float32), (y1 - y0, x1 - x0))
            inside = (window[0] - x0, window[1] - y0, window[2] - x0, window[3] - y0)
            return np.asarray(cut(full, inside), dtype=np.float32)
        # A small window of a much enlarged patch: interpolate there only.
        size = (window[3] - window[1], window[2] - window[0])
        return self.on_grid((float(window[0]), float(window[1])), (1.0, 1.0), size)

    def exceeds(self, cutoff: np.float32, window: Box) -> NDArray[np.bool_]:
        """Return where the logits at the pixels of ``window`` are above ``cutoff``."""
        if worthwhile((self.values.shape[0], self.values.shape[1]), window):
            return enlarged_exceeds(self.values, self.box, window, float(cutoff))
        return self.at_pixels(window) > cutoff

    def on_grid(
        self, start: tuple[float, float], step: tuple[float, float], size: tuple[int, int]
    ) -> NDArray[np.float32]:
        """Return the logits at ``size`` (rows, columns) points of the image, bilinearly.

        ``start`` and ``step`` are (x, y) in pixels of the image, pixel centres at integers.
        """
        x0, y0, x1, y1 = self.box
        scale_x = self.values.shape[1] / (x1 - x0)
        scale_y = self.values.shape[0] / (y1 - y0)
        matrix = np.array(
            [
                [scale_x * step[0], 0, (start[0] - x0 + 0.5) * scale_x - 0.5],
                [0, scale_y * step[1], (start[1] - y0 + 0.5) * scale_y - 0.5],
            ]
        )
        return np.asarray(
            cv2.warpAffine(
                self.values.astype(np.float32),
                matrix,
                (size[1], size[0]),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            ),
            dtype=np.float32,
        )


@dataclass(frozen=True)
class CornerPatch(Patch):
    """A patch whose outermost values belong to the outermost pixels (see :func:`resize_corners`).

    With ``squashed`` the values are probabilities, and those are interpolated; else logits.
    """

    squashed: bool = False

    def at_pixels(self, window: Box) -> NDArray[np.float32]:
        """See :meth:`Patch.at_pixels`."""
        size = (window[3] - window[1], window[2] - window[0])
        return self.on_grid((float(window[0]), float(window[1])), (1.0, 1.0), size)

    def exceeds(self, cutoff: np.float32, window: Box) -> NDArray[np.bool_]:
        """See :meth:`Patch.exceeds`."""
        return self.at_pixels(window) > cutoff

    def on_grid(
        self, start: tuple[float, float], step: tuple[float, float], size: tuple[int, int]
    ) -> NDArray[np.float32]:
        """See :meth:`Patch.on_grid`."""
        places = []
        for axis in (0, 1):  # x, y
            cells = self.values.shape[1 - axis] - 1
            pixels = self.box[axis + 2] - self.box[axis] - 1
            offsets = start[axis] - self.box[axis] + step[axis] * np.arange(size[1 - axis])
            places.append(np.clip(offsets * (cells / max(1, pixels)), 0.0, cells))
        values = _bilinear(self.values, places[1], places[0])
        return logit(values) if self.squashed else values


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

    def render(
        self, box: Box | None = None, shape: tuple[int, int] | None = None
    ) -> NDArray[np.float32]:
        """Return probabilities in ``box`` (default: everywhere), ``(h, w)`` float32.

        Only that window is computed. ``shape`` samples it on a grid of that many rows and
        columns instead of at every pixel, which is all that a reduced copy needs.
        """
        window = box or whole(self.shape)
        out = self._base(window, shape).astype(np.float32)
        for rows, columns, logits in self._pieces(window, (out.shape[0], out.shape[1])):
            out[rows, columns] = sigmoid(logits)
        return out

    def exceeds(self, threshold: float, box: Box | None = None) -> NDArray[np.bool_]:
        """Return where the probability in ``box`` is above ``threshold``, ``(h, w)`` bool.

        Equal to comparing :meth:`render`, but the logits are compared and never squashed.
        """
        window = box or whole(self.shape)
        cutoff = np.float32(np.log(threshold / (1.0 - threshold)))
        patches = list(self.patches)
        if patches and intersect(patches[0].box, window) == window:
            out = patches.pop(0).exceeds(cutoff, window)
        else:
            out = self._base(window, None) > threshold
        for patch in patches:
            common = intersect(patch.box, window)
            if common is None:
                continue
            x, y = window[:2]
            inside = (common[0] - x, common[1] - y, common[2] - x, common[3] - y)
            cut(out, inside)[...] = patch.exceeds(cutoff, common)
        return out

    def support(self) -> Box | None:
        """Return a box outside which the probability is 0; ``None`` when it is 0 everywhere."""
        boxes = [patch.box for patch in self.patches]
        if self.base is not None:
            rows = np.flatnonzero(self.base.any(axis=1))
            if len(rows):
                bytes_ = np.flatnonzero(self.base[rows[0] : rows[-1] + 1].any(axis=0))
                end = min(self.shape[1], 8 * (int(bytes_[-1]) + 1))
                boxes.append((8 * int(bytes_[0]), int(rows[0]), end, int(rows[-1]) + 1))
        found: Box | None = None
        for box in boxes:
            found = box if found is None else hull(found, box)
        return found

    def _base(self, window: Box, shape: tuple[int, int] | None) -> NDArray[Any]:
        """Values under all patches: the base mask, or zeros."""
        x0, y0, x1, y1 = window
        if self.base is None:
            return np.zeros(shape or (y1 - y0, x1 - x0), np.uint8)
        bits = np.unpackbits(self.base[y0:y1], axis=1, count=self.shape[1])[:, x0:x1]
        return bits if shape is None else resize(bits.astype(np.float32), shape)

    def _pieces(
        self, window: Box, shape: tuple[int, int]
    ) -> Iterator[tuple[slice, slice, NDArray[np.float32]]]:
        """Yield, for each patch in the window, the part of the grid it covers and its logits."""
        x0, y0, x1, y1 = window
        step_x, step_y = (x1 - x0) / shape[1], (y1 - y0) / shape[0]
        for patch in self.patches:
            common = intersect(patch.box, window)
            if common is None:
                continue
            if shape == (y1 - y0, x1 - x0):
                logits = patch.at_pixels(common)
                yield (
                    slice(common[1] - y0, common[3] - y0),
                    slice(common[0] - x0, common[2] - x0),
                    logits,
                )
                continue
            # Grid points whose centre lies in the patch.
            columns = slice(
                max(0, int(np.ceil((common[0] - x0) / step_x - 0.5))),
                min(shape[1], int(np.ceil((common[2] - x0) / step_x - 0.5))),
            )
            rows = slice(
                max(0, int(np.ceil((common[1] - y0) / step_y - 0.5))),
                min(shape[0], int(np.ceil((common[3] - y0) / step_y - 0.5))),
            )
            size = (rows.stop - rows.start, columns.stop - columns.start)
            if min(size) > 0:
                start = (
                    x0 + (columns.start + 0.5) * step_x - 0.5,
                    y0 + (rows.start + 0.5) * step_y - 0.5,
                )
                yield rows, columns, patch.on_grid(start, (step_x, step_y), size)


def mask_layers(mask: NDArray[np.bool_]) -> Layers:
    """Return a mask as probabilities 0 and 1, packed by rows."""
    return Layers((mask.shape[0], mask.shape[1]), (), np.packbits(mask, axis=1))
