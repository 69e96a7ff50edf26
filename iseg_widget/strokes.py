"""Drawing on a mask: brush, eraser, lasso, polygon, filling; and lines as clicks.

Pure functions from a mask and vectors to a new mask; whoever has a session hands the result to
``edit``. Points are ``(x, y)`` in pixels of the image, (0, 0) the centre of the top-left pixel, and
a pixel belongs to a shape when its centre does. A mask given as an array is copied; given as a
:class:`iseg_widget.regions.Region` it is changed where something is drawn and shared elsewhere, so
that a stroke costs what it covers and not what the image or the object does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TypeVar, cast

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from iseg_widget.clicks import Click
from iseg_widget.masks import Box, Mask, box_of
from iseg_widget.regions import Region
from iseg_widget.tiled import SIDE, within
from iseg_widget.views import cut, intersect

LARGEST_RADIUS = 5000.0
"""Of a brush, in pixels."""
MOST_POINTS = 20_000
"""Of a shape."""

SCRIBBLE_SPACING = 1 / 20
"""Between the clicks of a scribble, as a share of the image's longer side."""
SCRIBBLE_CLICKS = 12
"""Most clicks of a scribble; more of them would only blur into each other."""
SCRIBBLE_FINENESS = 4
SCRIBBLE_PARTS = 1 << 16
"""Places along a scribble that are looked at, a pixel and at most."""

NEAR = 128
"""Half the side of the window in which a part or a hole is looked for first."""

Points = NDArray[np.float64]

Drawn = TypeVar("Drawn", Mask, Region)


def as_points(points: ArrayLike, least: int = 1) -> Points:
    """Return points as ``(N, 2)`` float64.

    Raises ``ValueError`` unless there are ``least`` to :data:`MOST_POINTS` pairs of finite numbers.
    """
    try:
        array = np.asarray(points, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError("points are rows of two numbers, x and y") from error
    if array.ndim != 2 or array.shape[1] != 2 or not np.isfinite(array).all():
        raise ValueError(
            f"points are rows of two finite numbers, x and y; got an array of shape {array.shape}"
        )
    if not least <= len(array) <= MOST_POINTS:
        raise ValueError(f"got {len(array)} points; accepted are {least} to {MOST_POINTS}")
    return array


# Brush


def brush(mask: Drawn, points: ArrayLike, radius: float, *, erase: bool = False) -> Drawn:
    """Return the mask with a stroke painted on it, or erased.

    Parameters
    ----------
    mask: ``(H, W)`` bool, or a region.
    points: ``(N, 2)`` corners of the stroke's middle line; one point is a dot.
    radius: in pixels: the stroke is what lies no farther from the line. 0 paints the pixels whose
        centres the line meets.
    erase: take away instead of add.

    Raises
    ------
    ValueError: points are no points, or the radius is not within 0 and :data:`LARGEST_RADIUS`.
    """
    line = as_points(points)
    if not 0 <= radius <= LARGEST_RADIUS:
        raise ValueError(f"the radius must lie in 0..{LARGEST_RADIUS:g} pixels, got {radius!r}")
    return _drawn(mask, _stroke(line, float(radius)), erase=erase)


def _stroke(line: Points, radius: float) -> _Spans:
    """Rows of pixels of each segment's capsule (all points no farther than ``radius``)."""
    starts, ends = (line, line) if len(line) == 1 else (line[:-1], line[1:])
    low = np.ceil(np.minimum(starts[:, 1], ends[:, 1]) - radius).astype(np.int64)
    high = np.floor(np.maximum(starts[:, 1], ends[:, 1]) + radius).astype(np.int64)
    which, rows = _rows(low, high)
    (ax, ay), (bx, by) = starts[which].T, ends[which].T
    left, right = np.full(len(rows), np.inf), np.full(len(rows), -np.inf)
    for x, y in ((ax, ay), (bx, by)):  # the disks at both ends
        half = np.sqrt(np.maximum(0.0, radius**2 - (rows - y) ** 2))
        half[np.abs(rows - y) > radius] = np.nan
        left, right = np.fmin(left, x - half), np.fmax(right, x + half)
    # The band between them: |cross| <= radius * length and 0 <= dot <= length^2, both linear in x.
    dx, dy = bx - ax, by - ay
    length = np.hypot(dx, dy)
    first, last = np.full(len(rows), -np.inf), np.full(len(rows), np.inf)
    for factor, offset, least, most in (
        (-dy, dx * (rows - ay), -radius * length, radius * length),
        (dx, dy * (rows - ay), np.zeros(len(rows)), length**2),
    ):
        with np.errstate(divide="ignore", invalid="ignore"):
            ends_x = ax + np.stack([least - offset, most - offset]) / factor
        flat = factor == 0
        never = flat & ((offset < least) | (offset > most))
        near, far = np.sort(ends_x, axis=0)
        first = np.where(flat, np.where(never, np.inf, first), np.fmax(first, near))
        last = np.where(flat, np.where(never, -np.inf, last), np.fmin(last, far))
    band = (first <= last) & (length > 0)
    left = np.where(band, np.fmin(left, first), left)
    right = np.where(band, np.fmax(right, last), right)
    return _Spans(rows, left, right)


# Lasso and polygon


def polygon(mask: Drawn, points: ArrayLike, *, erase: bool = False) -> Drawn:
    """Return the mask with the inside of a closed outline added, or taken away.

    Parameters
    ----------
    mask: ``(H, W)`` bool, or a region.
    points: ``(N, 2)`` corners, three at least; the last is joined to the first. Where the outline
        crosses itself, all that it winds around is inside, so a lasso leaves no hole.
    erase: take away instead of add.

    Raises
    ------
    ValueError: points are no points, or fewer than three.
    """
    starts = as_points(points, 3)
    ends = np.roll(starts, -1, axis=0)
    # An edge owns the rows from its upper end to just before its lower end.
    low = np.ceil(np.minimum(starts[:, 1], ends[:, 1])).astype(np.int64)
    high = np.ceil(np.maximum(starts[:, 1], ends[:, 1])).astype(np.int64) - 1
    which, rows = _rows(low, high)
    (ax, ay), (bx, by) = starts[which].T, ends[which].T
    crossings = ax + (bx - ax) * (rows - ay) / np.where(by == ay, 1.0, by - ay)
    turn = np.where(by > ay, 1, -1)
    return _drawn(mask, _Crossings(rows, crossings, turn), erase=erase)


# Filling


def fill(mask: Drawn, x: float, y: float) -> Drawn:
    """Return the mask with the hole under a point filled, or the part under it removed.

    A point in the object takes away the part (8-connected) that holds it; one in a hole fills
    that; any other leaves the mask as it is (a region is then returned itself). A hole is
    background, 4-connected, that does not reach the image's border.

    Raises
    ------
    ValueError: the point lies outside the image.
    """
    if isinstance(mask, Region):
        return _filled(mask, *_pixel(mask.shape, x, y))
    row, column = _pixel((mask.shape[0], mask.shape[1]), x, y)
    remove = bool(mask[row, column])
    out = mask.copy()
    around = box_of(mask)
    found = None if around is None else _part_at(mask, around, row, column, hole=not remove)
    if found is not None:
        box, part, _ = found
        cut(out, box)[part] = not remove
    return out


def _filled(region: Region, row: int, column: int) -> Region:
    """See :func:`fill`; the part or hole is looked for in windows that grow until they hold it."""
    remove, around, half = region.holds(row, column), region.box, NEAR
    while around is not None:
        near = (column - half, row - half, column + half, row + half)
        box = intersect(around, near)
        if box is None:
            break
        found = _part_at(region.window(box), box, row, column, hole=not remove, around=around)
        if found is None:
            break
        place, part, whole = found
        if whole:
            crop = region.window(place)
            crop[part] = not remove
            return region.patched(place, crop)
        half *= 4
    return region


def _part_at(
    mask: Mask, box: Box, row: int, column: int, *, hole: bool, around: Box | None = None
) -> tuple[Box, Mask, bool] | None:
    """Return the connected part of object, or the hole, that holds a pixel, in its box.

    ``box`` is what is looked at, of the object's box ``around``: ``mask`` holds its pixels, or the
    whole image's if both boxes are the same. The flag tells whether nothing goes on beyond it.
    ``None`` where there is no part or hole.
    """
    if not (box[0] <= column < box[2] and box[1] <= row < box[3]):
        return None
    crop = cut(mask, box) if around is None else mask
    flags = (4 if hole else 8) | cv2.FLOODFILL_FIXED_RANGE
    part = crop.astype(np.uint8)
    seed = (column - box[0], row - box[1])
    _, _, _, (left, top, wide, high) = cv2.floodFill(part, None, seed, 2, flags=flags)
    place = (left + box[0], top + box[1], left + box[0] + wide, top + box[1] + high)
    whole = True
    for side, edge, end in zip(place, box, around or box, strict=True):
        # The object's box is tight: background that reaches its edge goes on around the object.
        if side == edge == end and hole:
            return None
        whole = whole and (side != edge or side == end)
    return place, cut(part, within(place, box)) == 2, whole


def fill_holes(mask: Drawn, largest: int | None = None) -> Drawn:
    """Return the mask with its holes filled, those of more than ``largest`` pixels not."""
    if isinstance(mask, Region):
        crop = mask.crop()
        return mask if mask.box is None else mask.patched(mask.box, crop | _holes(crop, largest))
    out = mask.copy()
    found = box_of(mask)
    if found is not None:
        cut(out, found)[_holes(cut(mask, found), largest)] = True
    return out


def _holes(part: Mask, largest: int | None) -> Mask:
    """Return the holes of an object in its box, ``part``."""
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(
        (~part).astype(np.uint8), connectivity=4
    )
    filled = np.zeros(count, bool)
    for number in range(1, count):
        left, top, wide, high, area = statistics[number].tolist()
        # The object's box is tight: background that reaches its edge goes on around the object.
        reaches = left == 0 or top == 0 or left + wide == part.shape[1] or top + high == len(part)
        filled[number] = not reaches and (largest is None or area <= largest)
    return cast("Mask", filled[labels])


def _pixel(shape: tuple[int, int], x: float, y: float) -> tuple[int, int]:
    row, column = Click(x, y).pixel
    if not (0 <= row < shape[0] and 0 <= column < shape[1]):
        raise ValueError(
            f"the point ({x:g}, {y:g}) lies outside the image of {shape[1]} x {shape[0]} pixels"
        )
    return row, column


# Scribbles


def scribble_clicks(
    points: ArrayLike,
    shape: tuple[int, int],
    positive: bool = True,
    *,
    spacing: float | None = None,
) -> tuple[Click, ...]:
    """Return the clicks that stand for a line drawn on an image of ``shape`` (H, W).

    What of the line lies in the image is cut into equal parts about ``spacing`` pixels long, 12 at
    most, and each part gives a click at its middle: a line shorter than that is one click, and its
    ends, which are drawn least exactly, are left out.

    Parameters
    ----------
    points: ``(N, 2)`` corners of the line.
    spacing: in pixels; default: a twentieth of the image's longer side.

    Raises
    ------
    ValueError: points are no points, the spacing is not positive, or all lies outside the image.
    """
    line = as_points(points)
    gap = SCRIBBLE_SPACING * max(shape) if spacing is None else spacing
    if not (math.isfinite(gap) and gap > 0):
        raise ValueError(f"spacing must be a positive number of pixels, got {spacing!r}")
    steps = np.hypot(*np.diff(line, axis=0).T) if len(line) > 1 else np.zeros(0)
    travelled = np.concatenate(([0.0], np.cumsum(steps)))
    parts = max(1, min(SCRIBBLE_PARTS, math.ceil(SCRIBBLE_FINENESS * travelled[-1])))
    places = (np.arange(parts) + 0.5) * travelled[-1] / parts
    xs, ys = (np.interp(places, travelled, line[:, axis]) for axis in (0, 1))
    limit_y, limit_x = shape[0] - 0.5, shape[1] - 0.5
    inside = np.flatnonzero((xs >= -0.5) & (xs < limit_x) & (ys >= -0.5) & (ys < limit_y))
    if not len(inside):
        raise ValueError(f"the line lies outside the image of {shape[1]} x {shape[0]} pixels")
    length = travelled[-1] * len(inside) / parts
    count = min(SCRIBBLE_CLICKS, max(1, round(length / gap)), len(inside))
    chosen = inside[((np.arange(count) + 0.5) * len(inside) / count).astype(np.intp)]
    # A hundredth of a pixel is plenty, and keeps the log readable.
    return tuple(
        Click(
            min(round(float(xs[i]), 2), round(limit_x - 0.01, 2)),
            min(round(float(ys[i]), 2), round(limit_y - 0.01, 2)),
            positive,
        )
        for i in chosen
    )


# How it is drawn


class _Spans:
    """Spans of pixels ``left..right`` (inclusive, fractional) in rows; empty ones have NaN."""

    def __init__(self, rows: NDArray[np.int64], left: Points, right: Points) -> None:
        there = np.isfinite(left) & np.isfinite(right)
        self.rows = rows[there]
        # Rounding noise must not lose a centre that lies exactly on the edge.
        self.first = np.ceil(left[there] - 1e-9).astype(np.int64)
        self.last = np.floor(right[there] + 1e-9).astype(np.int64)

    def box(self) -> Box | None:
        """Half-open box of the spans."""
        if not (self.first <= self.last).any():
            return None
        some = self.first <= self.last
        rows = self.rows[some]
        return (
            int(self.first[some].min()),
            int(rows.min()),
            int(self.last[some].max()) + 1,
            int(rows.max()) + 1,
        )

    def mark(self, change: NDArray[np.int32], box: Box) -> None:
        """Add where the number of covering spans changes along each row of ``box``."""
        x0, y0, x1, y1 = box
        some = (self.rows >= y0) & (self.rows < y1) & (self.first <= self.last)
        some &= (self.last >= x0) & (self.first < x1)
        rows = self.rows[some] - y0
        np.add.at(change, (rows, np.maximum(self.first[some] - x0, 0)), 1)
        np.add.at(change, (rows, np.minimum(self.last[some] + 1, x1) - x0), -1)


class _Crossings:
    """Where an outline crosses rows of pixels, and which way."""

    def __init__(self, rows: NDArray[np.int64], x: Points, turn: NDArray[np.int64]) -> None:
        self.rows, self.turn = rows, turn
        self.first = np.ceil(x).astype(np.int64)

    def box(self) -> Box | None:
        """Half-open box of what the outline encloses."""
        if not len(self.rows):
            return None
        return (
            int(self.first.min()),
            int(self.rows.min()),
            int(self.first.max()),
            int(self.rows.max()) + 1,
        )

    def mark(self, change: NDArray[np.int32], box: Box) -> None:
        """Add how the winding number changes along each row of ``box``."""
        x0, y0, x1, y1 = box
        some = (self.rows >= y0) & (self.rows < y1) & (self.first <= x1)
        places = (self.rows[some] - y0, np.maximum(self.first[some] - x0, 0))
        np.add.at(change, places, self.turn[some])


def _rows(
    low: NDArray[np.int64], high: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all rows from ``low[i]`` to ``high[i]`` for each i: the i, and the row."""
    counts = np.maximum(0, high - low + 1)
    which = np.repeat(np.arange(len(low)), counts)
    before = np.cumsum(counts) - counts
    return which, low[which] + np.arange(counts.sum()) - before[which]


STRIP = 1 << 22
"""Pixels that are drawn at once."""


def _drawn(mask: Drawn, shape: _Spans | _Crossings, *, erase: bool) -> Drawn:
    if isinstance(mask, Region):
        region: Region = mask
        for strip in _strips(shape, region.shape, SIDE):
            crop = region.window(strip)
            crop[_covered(shape, strip)] = not erase
            region = region.patched(strip, crop)
        return region
    out = mask.copy()
    for strip in _strips(shape, (mask.shape[0], mask.shape[1])):
        cut(out, strip)[_covered(shape, strip)] = not erase
    return out


def _strips(
    shape: _Spans | _Crossings, limits: tuple[int, int], multiple: int = 1
) -> Iterator[Box]:
    """Yield strips of the shape's box within an image; they end at multiples of so many rows."""
    box = shape.box()
    common = None if box is None else intersect(box, (0, 0, limits[1], limits[0]))
    if common is None:
        return
    x0, y0, x1, y1 = common
    rows = max(multiple, STRIP // (x1 - x0) // multiple * multiple)
    while y0 < y1:
        stop = min(y1, (y0 // multiple) * multiple + rows)
        yield x0, y0, x1, stop
        y0 = stop


def _covered(shape: _Spans | _Crossings, strip: Box) -> Mask:
    change = np.zeros((strip[3] - strip[1], strip[2] - strip[0] + 1), np.int32)
    shape.mark(change, strip)
    return cast("Mask", np.cumsum(change[:, :-1], axis=1, dtype=np.int32) != 0)
