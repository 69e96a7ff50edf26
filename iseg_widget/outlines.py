"""Masks as polygons and back, without loss.

Outlines run along the edges between pixels, so their corners have whole coordinates where (0, 0)
is the image's top-left corner, half a pixel up and left of the first pixel's centre. Filling them
by the even-odd rule at pixel centres gives the mask again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Ring = NDArray[np.float64]
"""Corners ``(N, 2)`` of a closed line, ``x, y``; the first is not repeated."""

_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
"""Right, down, left, up: the directions of edges, in clockwise order."""


@dataclass(frozen=True)
class Polygon:
    """A region: its outer ring, and the rings of its holes."""

    outer: Ring
    holes: tuple[Ring, ...] = ()


def _edges(mask: NDArray[np.bool_]) -> dict[tuple[int, int], list[int]]:
    """Return, by corner, the directions of the edges that start there, the mask to their right."""
    padded = np.pad(mask, 1)
    inside = padded[1:-1, 1:-1]
    edges: dict[tuple[int, int], list[int]] = {}
    for direction, (neighbour, (dx, dy)) in enumerate(
        (
            (padded[:-2, 1:-1], (0, 0)),  # above: the top edge runs right
            (padded[1:-1, 2:], (1, 0)),  # to the right: down
            (padded[2:, 1:-1], (1, 1)),  # below: left
            (padded[1:-1, :-2], (0, 1)),  # to the left: up
        )
    ):
        rows, columns = np.nonzero(inside & ~neighbour)
        for x, y in zip((columns + dx).tolist(), (rows + dy).tolist(), strict=True):
            edges.setdefault((x, y), []).append(direction)
    return edges


def _rings(mask: NDArray[np.bool_]) -> list[Ring]:
    """Return all outlines; outer ones run clockwise on the screen, holes the other way.

    Where two pixels touch at a corner only, the line turns right: they are kept apart.
    """
    edges = _edges(mask)
    rings = []
    while edges:
        start = next(iter(edges))
        direction = edges[start][0]
        corners: list[tuple[int, int]] = []
        position, previous = start, -1
        while True:
            choices = edges.get(position)
            if not choices:
                break
            if previous >= 0:
                right_turn = (previous + 1) % 4
                direction = right_turn if right_turn in choices else choices[0]
            choices.remove(direction)
            if not choices:
                del edges[position]
            if direction != previous:
                corners.append(position)
            position = (position[0] + _STEPS[direction][0], position[1] + _STEPS[direction][1])
            previous = direction
            if position == start and (previous + 1) % 4 not in edges.get(start, []):
                break
        rings.append(_without_start(corners, previous))
    return rings


def _without_start(corners: list[tuple[int, int]], last: int) -> Ring:
    """Drop the starting corner when the line goes straight through it."""
    first = np.subtract(corners[1], corners[0])
    if tuple(np.sign(first)) == _STEPS[last]:
        corners = corners[1:]
    return np.asarray(corners, np.float64)


def signed_area(ring: Ring) -> float:
    """Return the area of a ring in pixels; positive when it runs clockwise on the screen."""
    x, y = ring[:, 0], ring[:, 1]
    return float(0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def _contains(ring: Ring, x: float, y: float) -> bool:
    """Whether a point off the ring lies inside it (even-odd rule)."""
    x0, y0 = ring[:, 0], ring[:, 1]
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    crosses = (y0 > y) != (y1 > y)
    at = x0[crosses] + (y - y0[crosses]) / (y1 - y0)[crosses] * (x1 - x0)[crosses]
    return bool(np.count_nonzero(at > x) % 2)


def polygons(mask: NDArray[np.bool_], *, tolerance: float = 0.0) -> list[Polygon]:
    """Return a mask's regions as polygons with holes, largest first.

    Parameters
    ----------
    mask: ``(H, W)`` bool.
    tolerance: pixels that a simplified outline may stray (Douglas-Peucker); 0 keeps every corner,
        and with them every pixel. Rings that collapse are left out.

    Raises
    ------
    ValueError: the tolerance is negative.
    """
    if tolerance < 0:
        raise ValueError(f"tolerance must not be negative, got {tolerance}")
    rings = _rings(mask)
    outer = [ring for ring in rings if signed_area(ring) > 0]
    outer.sort(key=signed_area)  # smallest first: a hole belongs to the tightest ring around it
    holes: list[list[Ring]] = [[] for _ in outer]
    for ring in rings:
        if signed_area(ring) < 0:
            # A point just inside the mask beside the hole's first edge.
            (x0, y0), (x1, y1) = ring[0], ring[1]
            step = np.sign((x1 - x0, y1 - y0)) * 0.5
            x, y = x0 + step[0] - step[1], y0 + step[1] + step[0]
            owner = next(i for i, around in enumerate(outer) if _contains(around, x, y))
            holes[owner].append(ring)
    found = []
    for ring, inner in zip(outer, holes, strict=True):
        simple = _simplified(ring, tolerance)
        if simple is not None:
            kept = [h for h in (_simplified(hole, tolerance) for hole in inner) if h is not None]
            found.append(Polygon(simple, tuple(kept)))
    return found[::-1]


def _simplified(ring: Ring, tolerance: float) -> Ring | None:
    if tolerance == 0:
        return ring
    line = ring.astype(np.float32)[:, None]
    simple = np.asarray(cv2.approxPolyDP(line, tolerance, closed=True), np.float64)[:, 0]
    return simple if len(simple) >= 3 else None


def fill(rings: Sequence[Ring], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill rings by the even-odd rule at pixel centres.

    Parameters
    ----------
    rings: in the coordinates of :func:`polygons`, of outer lines and holes alike; parts outside
        the image are cut off.
    shape: ``(H, W)``.

    Returns
    -------
    ``(H, W)`` bool; the inverse of :func:`polygons` without simplification.
    """
    height, width = shape
    # Each crossing of a row's centre line flips everything to its right.
    flips = np.zeros((height, width + 1), np.int64)
    for ring in rings:
        x0, y0 = ring[:, 0], ring[:, 1]
        x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
        low = np.ceil(np.minimum(y0, y1) - 0.5).astype(int).clip(0, height)
        high = np.ceil(np.maximum(y0, y1) - 0.5).astype(int).clip(0, height)
        for index in np.flatnonzero(low < high):
            rows = np.arange(low[index], high[index])
            share = (rows + 0.5 - y0[index]) / (y1[index] - y0[index])
            crossing = x0[index] + share * (x1[index] - x0[index])
            columns = np.ceil(crossing - 0.5).astype(int).clip(0, width)
            np.add.at(flips, (rows, columns), 1)
    return np.asarray(np.cumsum(flips, axis=1)[:, :width] % 2 == 1)


def without_holes(mask: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Cut a mask into masks without holes that add up to it, for formats that have none.

    A mask with holes is cut along the row where one of them begins, which opens it, and so are the
    parts.
    """
    tops = sorted(int(hole[:, 1].min()) for p in polygons(mask) for hole in p.holes)
    if not tops:
        return [mask]
    row = tops[len(tops) // 2]
    upper, lower = mask.copy(), mask.copy()
    upper[row:] = False
    lower[:row] = False
    return without_holes(upper) + without_holes(lower)
