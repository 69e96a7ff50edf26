"""Clicks to maps: the encodings that networks are fed with.

Every function takes clicks as an ``(N, 3)`` array of ``x, y, positive`` in pixels of the map.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def disks(
    clicks: NDArray[np.floating], shape: tuple[int, int], radius: float
) -> NDArray[np.float32]:
    """Binary disks (FocalClick Fig. 3; RITM).

    A pixel is 1 where its squared distance to a click is at most ``radius`` squared; centres may
    be fractional, and a click outside the map still paints the part of its disk that is inside.

    Parameters
    ----------
    clicks: ``(N, 3)`` rows ``x, y, positive``.
    shape: ``(H, W)`` of the map.
    radius: in pixels of the map.

    Returns
    -------
    ``(2, H, W)`` float32: positive map, negative map.
    """
    height, width = shape
    maps = np.zeros((2, height, width), np.float32)
    for x, y, positive in np.asarray(clicks, dtype=np.float64).reshape(-1, 3):
        top, bottom = max(0, math.ceil(y - radius)), min(height, math.floor(y + radius) + 1)
        left, right = max(0, math.ceil(x - radius)), min(width, math.floor(x + radius) + 1)
        if top >= bottom or left >= right:
            continue
        rows = np.arange(top, bottom)[:, None] - y
        columns = np.arange(left, right)[None, :] - x
        window = maps[0 if positive else 1, top:bottom, left:right]
        window[rows * rows + columns * columns <= radius * radius] = 1.0
    return maps


def map_to_crop(
    clicks: NDArray[np.floating],
    box: tuple[float, float, float, float],
    shape: tuple[int, int],
) -> NDArray[np.float32]:
    """Carry clicks into a crop that is resized to ``shape`` (H, W).

    ``box`` is half-open ``x0, y0, x1, y1``. Pixel centres map to pixel centres (half-pixel
    convention, as image resizing does). Clicks outside the box keep out-of-range coordinates.
    """
    x0, y0, x1, y1 = box
    mapped = np.array(clicks, dtype=np.float32).reshape(-1, 3)
    mapped[:, 0] = (mapped[:, 0] - x0 + 0.5) * (shape[1] / (x1 - x0)) - 0.5
    mapped[:, 1] = (mapped[:, 1] - y0 + 0.5) * (shape[0] / (y1 - y0)) - 0.5
    return mapped
