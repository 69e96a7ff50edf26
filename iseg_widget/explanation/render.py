"""Panels as pixels: colour scales that every kind of colour vision can order, and outlines.

Colour scales are made here from a few anchors in CIE L*a*b*: lightness runs evenly from end to end,
so that they read in grey as well; hues go from blue to yellow, or from vermilion to blue, never
from red to green.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from iseg_widget.explanation.panel import Panel
from iseg_widget.masks import Box
from iseg_widget.views import intersect, whole

Rgb = tuple[int, int, int]
Picture = NDArray[np.uint8]

POSITIVE: Rgb = (0, 158, 115)
NEGATIVE: Rgb = (213, 94, 0)
MASK: Rgb = (37, 132, 255)
VIEWS: dict[str, Rgb] = {
    "target_crop": (240, 228, 66),
    "zoom_in": (240, 228, 66),
    "focus_crop": (255, 143, 208),
    "focus_view": (255, 143, 208),
    "roi": (255, 180, 84),
}
"""The widget's colours (``js/src/layers.ts``)."""

WHITE: Rgb = (255, 255, 255)
GREY: Rgb = (150, 150, 150)
GROUND: Rgb = (238, 240, 243)
"""Of masks where there is no object, and beside pictures of another aspect than asked for."""
DARK: Rgb = (27, 27, 27)

_SCALES: dict[str, tuple[tuple[float, float, float], ...]] = {
    # (L*, a*, b*) at even distances.
    "value": ((13, 8, -30), (33, 2, -24), (53, -1, 2), (73, 0, 38), (93, -5, 62)),
    "attention": ((12, 18, -28), (37, 40, -32), (62, 44, 2), (92, 6, 24)),
    "difference": ((42, 44, 52), (68, 24, 40), (96, 0, 1), (66, -4, -38), (38, 12, -60)),
}
"""``value``: dark blue to yellow. ``attention``: dark violet to light peach. ``difference``:
vermilion (less) over white to blue (more), which is the mask's hue."""


@cache
def scale(name: str) -> Picture:
    """Return a colour scale ``(256, 3)`` uint8 RGB, from the smallest value to the largest.

    ``name``: ``"value"``, ``"attention"``, ``"difference"``, or ``"positive"`` and ``"negative"``
    for maps of clicks: near white to the click's colour; with ``-far`` the other way round, for
    distances.
    """
    if name.endswith("-far"):
        return np.asarray(scale(name[: -len("-far")])[::-1])
    if name in ("positive", "negative"):
        ends = np.array([GROUND, POSITIVE if name == "positive" else NEGATIVE], np.float32)
        share = np.linspace(0.0, 1.0, 256, dtype=np.float32)[:, None]
        return np.asarray(np.round(ends[0] * (1 - share) + ends[1] * share), np.uint8)
    anchors = np.array(_SCALES[name], np.float32)
    places = np.linspace(0, len(anchors) - 1, 256)
    columns = [np.interp(places, np.arange(len(anchors)), anchors[:, i]) for i in range(3)]
    lab = np.stack(columns, axis=1).astype(np.float32)[None]
    colours = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)[0]
    table = np.asarray(np.round(np.clip(colours, 0.0, 1.0) * 255.0), np.uint8)
    table.flags.writeable = False
    return table


def scale_of(panel: Panel) -> str | None:
    """Name of the panel's colour scale; ``None`` where it has none (images, masks, numbers)."""
    if panel.kind in ("image", "mask", "numbers"):
        return None
    if panel.kind in ("difference", "attention"):
        return panel.kind
    if panel.kind == "map" and panel.ink:
        return panel.ink + ("-far" if panel.unit else "")
    return "value"


def colours(panel: Panel) -> Picture:
    """Return a panel in colour at its own size, ``(h, w, 3)`` uint8; not for ``numbers``."""
    if panel.kind == "image":
        return np.asarray(panel.array, np.uint8)
    if panel.kind == "mask":
        return np.where(panel.array[:, :, None], MASK, GROUND).astype(np.uint8)
    name = scale_of(panel)
    if name is None:
        raise ValueError("numbers are drawn as bars and have no colours")
    low, high = panel.limits
    share = (panel.array.astype(np.float32) - low) / max(high - low, 1e-12)
    return scale(name)[np.clip(np.round(share * 255.0), 0, 255).astype(np.uint8)]


def render(panel: Panel, size: tuple[int, int]) -> Picture:
    """Paint a panel.

    Pictures keep the aspect that they have in the image, in the middle of what is asked for;
    numbers fill it. A crop is framed in its view's colour, as in the widget.

    Parameters
    ----------
    panel: from :func:`iseg_widget.explain`.
    size: ``(h, w)`` in pixels.

    Returns
    -------
    ``(h, w, 3)`` uint8 RGB.

    Raises
    ------
    ValueError: a side is less than 1.
    """
    height, width = size
    if height < 1 or width < 1:
        raise ValueError(f"size must be at least (1, 1), got {size!r}")
    if panel.kind == "numbers":
        return _bars(panel, size)
    fit = min(width, height * panel.aspect)
    inner = (min(height, max(1, round(fit / panel.aspect))), min(width, max(1, round(fit))))
    picture = _resized(colours(panel), inner, smooth=smooth(panel))
    if panel.kind == "image" and panel.view in VIEWS:
        _frame(picture, whole(inner), VIEWS[panel.view], thickness=_thickness(inner))
    out = np.empty((height, width, 3), np.uint8)
    out[:] = GROUND
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    out[top : top + inner[0], left : left + inner[1]] = picture
    return out


def smooth(panel: Panel) -> bool:
    """Whether values between pixels are interpolated; of masks and cells there are none."""
    return panel.kind in ("image", "probability", "difference", "boundary")


def _resized(picture: Picture, size: tuple[int, int], *, smooth: bool) -> Picture:
    smaller = size[0] <= picture.shape[0] and size[1] <= picture.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
    resized = cv2.resize(picture, (size[1], size[0]), interpolation=how)
    return np.array(resized, np.uint8)


def _bars(panel: Panel, size: tuple[int, int]) -> Picture:
    """Numbers as bars from the baseline, more in blue and less in vermilion."""
    height, width = size
    low, high = panel.limits
    room = np.clip((high - panel.array) / max(high - low, 1e-12), 0.0, 1.0)
    base = float(np.clip((high - panel.baseline) / max(high - low, 1e-12), 0.0, 1.0))
    out = np.empty((height, width, 3), np.uint8)
    out[:] = GROUND
    level = round(base * (height - 1))
    count = max(1, len(panel.array))
    for index, value in enumerate(panel.array):
        x0, x1 = (
            index * width // count,
            max(index * width // count + 1, (index + 1) * width // count),
        )
        if count * 4 <= width:
            x0, x1 = x0 + 1, x1 - 1
        top, bottom = sorted((round(float(room[index]) * (height - 1)), level))
        out[top : bottom + 1, x0:x1] = MASK if value >= panel.baseline else NEGATIVE
    out[level] = DARK
    return out


# Drawn on the image


def _thickness(size: Sequence[int]) -> int:
    return max(1, round(max(size[:2]) / 160))


def _frame(picture: Picture, box: Box, colour: Rgb, *, thickness: int) -> None:
    """Outline a half-open box, in place: what lies beyond the picture is not drawn."""
    x0, y0, x1, y1 = box
    inner = (x0 + thickness, y0 + thickness, x1 - thickness, y1 - thickness)
    edge = whole((picture.shape[0], picture.shape[1]))
    for part in (
        (x0, y0, x1, inner[1]),
        (x0, inner[3], x1, y1),
        (x0, y0, inner[0], y1),
        (inner[2], y0, x1, y1),
    ):
        common = intersect(part, edge)
        if common is not None:
            picture[common[1] : common[3], common[0] : common[2]] = colour


def outlined(image: Picture, boxes: Sequence[Box], kind: str) -> Picture:
    """Return a copy of the image with boxes outlined in the colour of a kind of view."""
    out = image.copy()
    thick = _thickness(image.shape)
    for box in boxes:
        shade = (box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1)
        _frame(out, shade, DARK, thickness=thick + 2)
        _frame(out, box, VIEWS.get(kind, WHITE), thickness=thick)
    return out


def scoped(image: Picture, rows: NDArray[Any]) -> Picture:
    """Return a copy of the image with focus scopes: rows of column, row, radius, focused or not."""
    out = image.copy()
    thick = _thickness(image.shape)
    for column, row, radius, focused in (tuple(int(v) for v in values) for values in rows):
        box = (column - radius, row - radius, column + radius + 1, row + radius + 1)
        shade = (box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1)
        _frame(out, shade, DARK, thickness=thick + 2)
        _frame(out, box, VIEWS["focus_view"] if focused else GREY, thickness=thick)
    return out
