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


DISTANCE_CAP = 255.0
"""Distance in pixels beyond which all pixels count as equally far (FCA-Net, FocusCut)."""


def gaussians(
    clicks: NDArray[np.floating], shape: tuple[int, int], sigma: float
) -> NDArray[np.float32]:
    """Gaussians of the distance to the nearest click (FCA-Net Sec. 3.1, Fig. 2; FocusCut).

    ``exp(-4 ln 2 (d / sigma)^2)`` with d the Euclidean distance in pixels, at most
    :data:`DISTANCE_CAP`. So ``sigma``, a radius in the paper's words, is the full width at half
    maximum: the value is 1 at a click and 1/2 at ``sigma / 2`` from it. Without a click of a kind
    the distance is the cap everywhere, and the map practically zero.

    Parameters
    ----------
    clicks: ``(N, 3)`` rows ``x, y, positive``.
    shape: ``(H, W)`` of the map.
    sigma: in pixels of the map.

    Returns
    -------
    ``(2, H, W)`` float32: positive map, negative map.
    """
    height, width = shape
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    squared = np.full((2, height, width), DISTANCE_CAP**2, np.float32)
    for x, y, positive in np.asarray(clicks, dtype=np.float64).reshape(-1, 3):
        kind = squared[0 if positive else 1]
        # Of the sum of exact squares only the last step rounds, as in a distance transform.
        np.minimum(kind, ((rows - y) ** 2 + (columns - x) ** 2).astype(np.float32), out=kind)
    return np.asarray(np.exp(squared * np.float32(-4 * math.log(2) / sigma**2)), np.float32)


def distance_maps(
    clicks: NDArray[np.floating], shape: tuple[int, int], cap: float = DISTANCE_CAP
) -> NDArray[np.float32]:
    """Euclidean distance to the nearest click (RIS-Net Eq. 1; iFCN), in pixels of the map.

    Distances end at ``cap``, as iFCN's and RIS-Net's maps do at 255; without a click of a kind the
    map is ``cap`` everywhere. A click outside the map counts like any other.

    Parameters
    ----------
    clicks: ``(N, 3)`` rows ``x, y, positive``.
    shape: ``(H, W)`` of the map.
    cap: largest distance, in pixels of the map.

    Returns
    -------
    ``(2, H, W)`` float32: positive map, negative map, values in 0..``cap``.
    """
    height, width = shape
    squared = np.full((2, height, width), cap * cap, np.float32)
    for x, y, positive in np.asarray(clicks, dtype=np.float64).reshape(-1, 3):
        # Beyond the cap a click changes nothing.
        top, bottom = max(0, math.floor(y - cap)), min(height, math.ceil(y + cap) + 1)
        left, right = max(0, math.floor(x - cap)), min(width, math.ceil(x + cap) + 1)
        if top >= bottom or left >= right:
            continue
        rows = ((np.arange(top, bottom) - y) ** 2).astype(np.float32)[:, None]
        columns = ((np.arange(left, right) - x) ** 2).astype(np.float32)[None, :]
        window = squared[0 if positive else 1, top:bottom, left:right]
        np.minimum(window, rows + columns, out=window)
    return np.sqrt(squared, out=squared)


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


def map_to_corner_crop(
    clicks: NDArray[np.floating],
    box: tuple[float, float, float, float],
    shape: tuple[int, int],
) -> NDArray[np.float32]:
    """Carry clicks into a crop as RITM's and FocalClick's published code does.

    ``x' = (x - x0) * W / (x1 - x0)``: neither the half-pixel convention nor the grid of the image's
    own resizing. Clicks outside the box keep out-of-range coordinates, but one beyond both the left
    and the top edge is dropped (``DistMaps`` takes it for an empty slot).
    """
    x0, y0, x1, y1 = box
    mapped = np.array(clicks, dtype=np.float64).reshape(-1, 3)
    mapped[:, 0] = (mapped[:, 0] - x0) * (shape[1] / (x1 - x0))
    mapped[:, 1] = (mapped[:, 1] - y0) * (shape[0] / (y1 - y0))
    return np.asarray(mapped[mapped[:, :2].max(axis=1) >= 0], dtype=np.float32)
