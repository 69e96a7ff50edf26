"""How deep the pixels of an error lie: where the robot users click.

The depth of a pixel is its Euclidean distance to the nearest pixel outside the error, pixels
beyond the image's border included. Its square is a whole number, and everything is decided on
squares: OpenCV's float32 distances vary in their last digit with the position in memory, so that
equal depths come out in an order that differs from call to call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from iseg_widget.masks import box_of

Mask = NDArray[np.bool_]
Pixel = tuple[int, int]

FLOAT32_LIMIT = 1024.0
"""Squares of float32 distances round to the right whole number up to here (and well beyond)."""

SAME = 1.0 - 1e-6
"""Float32 distances with equal squares differ by less than this factor."""

CHAMFER_LEAST, CHAMFER_MOST = 0.982, 1.020
"""What OpenCV's 5 x 5 chamfer distance is at least and at most, in Euclidean distances.

Its steps cost 1, 1.4 and 2.1969; the extremes are 2.1969 / sqrt(5) and hypot(1, 0.1969).
"""


class Deepest(NamedTuple):
    """The deepest pixel of several errors: its squared depth, and which error it lies in."""

    squared: int
    error: int
    row: int
    column: int


def squared_depth(region: Mask) -> tuple[NDArray[np.float64], Pixel]:
    """Return the squared depth of every pixel in the region's box, and the box's first pixel.

    Parameters
    ----------
    region: ``(H, W)`` bool.

    Returns
    -------
    squared: ``(h, w)`` float64 whole numbers, 0 outside the region; ``(0, 0)`` when it is empty.
    corner: (row, column) of ``squared[0, 0]`` in ``region``.
    """
    found = _Error.of(region)
    if found is None:
        return np.zeros((0, 0)), (0, 0)
    return _square(_distance(found.padded)[1:-1, 1:-1]), found.corner


def deepest(regions: Sequence[Mask], clicked: Sequence[Pixel] = ()) -> Deepest | None:
    """Return the deepest pixel of several errors; ``None`` when no pixel is left.

    Of equally deep pixels it is the one in the last region, there the first in row-major order.

    Only the regions' boxes are looked at. That changes nothing: the ring of one pixel around a
    box holds no region pixel, and for every pixel beyond the ring one on the ring is nearer. With
    several regions a chamfer distance, which is quick, leaves the few pixels to be compared.

    Parameters
    ----------
    regions: ``(H, W)`` bool.
    clicked: pixels (row, column) that are not to be returned.
    """
    found = {n: error for n, region in enumerate(regions) if (error := _Error.of(region))}
    if len(found) == 1:
        ((number, error),) = found.items()
        best = error.whole(clicked)
        return None if best is None else Deepest(best[0], number, *best[1])
    rough = {number: error.rough(clicked) for number, error in found.items()}
    most = {number: float(depth.max()) for number, depth in rough.items()}
    limit = max(most.values(), default=0.0) * CHAMFER_LEAST / CHAMFER_MOST
    if limit == 0.0:
        return None
    compared = []
    for number, depth in rough.items():
        if most[number] >= limit:
            rows, columns = np.nonzero(depth >= limit)
            squared, pixel = found[number].best(rows, columns, most[number] / CHAMFER_LEAST)
            compared.append(Deepest(squared, number, *pixel))
    return max(compared)


@dataclass(frozen=True, slots=True)
class _Error:
    """A region cut to its box, with a ring of one pixel: ``padded`` is ``(h + 2, w + 2)``."""

    padded: NDArray[np.uint8]
    corner: Pixel

    @classmethod
    def of(cls, region: Mask) -> _Error | None:
        box = box_of(region)
        if box is None:
            return None
        x0, y0, x1, y1 = box
        padded = np.zeros((y1 - y0 + 2, x1 - x0 + 2), np.uint8)
        padded[1:-1, 1:-1] = region[y0:y1, x0:x1]
        return cls(padded, (y0, x0))

    def _without(self, depth: NDArray[np.floating], clicked: Sequence[Pixel]) -> None:
        y0, x0 = self.corner
        for row, column in clicked:
            if y0 <= row < y0 + depth.shape[0] and x0 <= column < x0 + depth.shape[1]:
                depth[row - y0, column - x0] = 0.0

    def rough(self, clicked: Sequence[Pixel]) -> NDArray[np.floating]:
        """Chamfer distance of every pixel in the box, 0 where clicked."""
        depth = _float(cv2.distanceTransform(self.padded, cv2.DIST_L2, 5))[1:-1, 1:-1]
        self._without(depth, clicked)
        return depth

    def whole(self, clicked: Sequence[Pixel]) -> tuple[int, Pixel] | None:
        """The deepest pixel by a transform of the whole box: squared depth, (row, column)."""
        depth = _distance(self.padded)[1:-1, 1:-1]
        self._without(depth, clicked)
        largest = float(depth.max())
        if largest == 0.0:
            return None
        rows, columns = np.nonzero(depth >= largest * SAME)
        return self._first(rows, columns, _square(depth[rows, columns]))

    def best(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp], reach: float
    ) -> tuple[int, Pixel]:
        """The deepest of some pixels (in row-major order), none of them deeper than ``reach``."""
        return self._first(rows, columns, self._squared_at(rows + 1, columns + 1, int(reach) + 2))

    def _first(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp], squared: NDArray[np.float64]
    ) -> tuple[int, Pixel]:
        first = int(np.argmax(squared))
        y0, x0 = self.corner
        return int(squared[first]), (y0 + int(rows[first]), x0 + int(columns[first]))

    def _squared_at(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp], reach: int
    ) -> NDArray[np.float64]:
        """Squared depth at pixels of ``padded``, by transforms of windows around them.

        A window holds everything within ``reach`` of the pixels that it serves. When the windows
        come to more than the box, the box is transformed.
        """
        result = np.empty(len(rows))
        left = np.ones(len(rows), bool)
        budget = self.padded.size
        while left.any():
            first = int(np.argmax(left))
            served = left & (np.abs(rows - rows[first]) <= reach)
            served &= np.abs(columns - columns[first]) <= reach
            top, start = (max(0, int(at[served].min()) - reach) for at in (rows, columns))
            bottom, end = (int(at[served].max()) + reach + 1 for at in (rows, columns))
            window = self.padded[top:bottom, start:end]
            budget -= window.size
            if budget < 0:
                return _square(_distance(self.padded)[rows, columns])
            depth = _distance(np.ascontiguousarray(window))
            result[served] = _square(depth[rows[served] - top, columns[served] - start])
            left &= ~served
        return result


def _distance(region: NDArray[np.uint8]) -> NDArray[np.floating]:
    """Distance to the nearest 0 of a map that has one, such that :func:`_square` is exact."""
    depth = _float(cv2.distanceTransform(region, cv2.DIST_L2, cv2.DIST_MASK_PRECISE))
    if depth.max() >= FLOAT32_LIMIT:
        from scipy.ndimage import distance_transform_edt

        depth = np.asarray(distance_transform_edt(region))
    return depth


def _square(depth: NDArray[np.floating]) -> NDArray[np.float64]:
    """Square distances between pixels; these are whole numbers."""
    return np.asarray(np.rint(np.square(depth, dtype=np.float64)))


def _float(depth: object) -> NDArray[np.floating]:
    return np.asarray(depth)
