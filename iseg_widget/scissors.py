"""Intelligent scissors: a line along edges between two points (Mortensen and Barrett 1995).

The search is OpenCV's, on a part of the image around both points that is made smaller where it is
large, so that an answer takes some hundredths of a second on an image of any size.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from iseg_widget.images import RGB
from iseg_widget.views import cut, resize

SIDE = 384
"""Longest side in pixels of what is searched."""
MARGIN = 0.4
LEAST_MARGIN = 24
"""How far the line may leave the box of both points: a share of its longer side, and in pixels."""
FINENESS = 0.75
"""Corners nearer than this to the line between their neighbours, in pixels searched, go."""

_CANNY = 32, 100
_LARGEST_GRADIENT = 200

Point = tuple[float, float]


def live_wire(image: RGB, start: Point, end: Point) -> NDArray[np.float64]:
    """Return the line along edges from ``start`` to ``end``.

    Parameters
    ----------
    image: ``(H, W, 3)`` uint8 RGB.
    start, end: ``(x, y)`` in pixels; outside the image the nearest pixel counts.

    Returns
    -------
    ``(N, 2)`` float64 corners ``x, y``, from ``start`` to ``end`` themselves.

    Raises
    ------
    ValueError: a coordinate is not finite.
    """
    ends = np.array([start, end], np.float64)
    if not np.isfinite(ends).all():
        raise ValueError(f"points must be finite, got {start!r} and {end!r}")
    height, width = image.shape[:2]
    held = np.clip(ends, 0, [width - 1, height - 1])
    low, high = held.min(axis=0), held.max(axis=0)
    margin = max(LEAST_MARGIN, MARGIN * float((high - low).max()))
    x0, y0 = (max(0, int(value)) for value in low - margin)
    x1, y1 = (
        min(limit, int(value) + 2)
        for value, limit in zip(high + margin, (width, height), strict=True)
    )
    factor = min(1.0, SIDE / max(x1 - x0, y1 - y0))
    size = max(1, round((y1 - y0) * factor)), max(1, round((x1 - x0) * factor))
    if min(size) < 3 or np.hypot(*(ends[1] - ends[0])) < 2:
        return ends
    seen = np.ascontiguousarray(resize(cut(image, (x0, y0, x1, y1)), size))
    scale = np.array([(x1 - x0) / size[1], (y1 - y0) / size[0]])
    # Pixels of the part, by their centres.
    places = (held - [x0, y0] + 0.5) / scale - 0.5
    grid = np.clip(np.rint(places), 0, [size[1] - 1, size[0] - 1]).astype(int)
    tool = cv2.segmentation.IntelligentScissorsMB()
    tool.setEdgeFeatureCannyParameters(*_CANNY)
    tool.setGradientMagnitudeMaxLimit(_LARGEST_GRADIENT)
    tool.applyImage(seen)
    tool.buildMap((int(grid[0, 0]), int(grid[0, 1])))
    found = tool.getContour((int(grid[1, 0]), int(grid[1, 1])))
    line = cv2.approxPolyDP(found.reshape(-1, 1, 2), FINENESS, False).reshape(-1, 2)
    corners = (line + 0.5) * scale - 0.5 + [x0, y0]
    return np.concatenate([ends[:1], corners[1:-1], ends[1:]])
