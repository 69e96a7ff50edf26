"""Simulated clicks: random first clicks and clicks into the current error."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Clicks = NDArray[np.float32]


def inner_pixel(mask: Mask, rng: np.random.Generator) -> tuple[int, int] | None:
    """Random ``(x, y)`` among pixels deeper than half the mask's greatest depth (RITM).

    Depth is the Euclidean distance to the nearest pixel outside the mask or the map.
    Returns ``None`` for an empty mask.
    """
    padded = np.pad(mask, 1).astype(np.uint8)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    deepest = float(depth.max())
    if deepest <= 0:
        return None
    rows, columns = np.nonzero(depth > deepest / 2)
    index = int(rng.integers(len(rows)))
    return int(columns[index]), int(rows[index])


def point_count(rng: np.random.Generator, limit: int, decay: float) -> int:
    """Number of points from 1 to ``limit``; each next count is ``decay`` times as likely.

    FocalClick Sec. 4.1: limit 24, decay 0.8.
    """
    weights = decay ** np.arange(limit)
    return 1 + int(rng.choice(limit, p=weights / weights.sum()))


def initial_clicks(
    truth: Mask,
    valid: Mask,
    rng: np.random.Generator,
    *,
    limit: int,
    decay: float,
    centre_probability: float,
    single_probability: float,
) -> Clicks:
    """First clicks of a sample, before any prediction.

    With ``single_probability`` there is one positive click alone, as a person starts; else the
    numbers of positive and negative clicks are drawn with :func:`point_count` (FocalClick
    Sec. 4.1, after iFCN). The first click falls in the inner half of the object with
    ``centre_probability``, else anywhere on it; negatives prefer the surroundings.
    Returns ``(N, 3)`` rows ``x, y, positive``; empty when the object is.
    """
    rows, columns = np.nonzero(truth)
    if len(rows) == 0:
        return np.zeros((0, 3), np.float32)
    clicks: list[tuple[float, float, float]] = []
    inner = inner_pixel(truth, rng)
    if inner is not None and rng.random() < centre_probability:
        clicks.append((inner[0], inner[1], 1.0))
    single = rng.random() < single_probability
    positives = 1 if single else point_count(rng, limit, decay)
    while len(clicks) < positives:
        index = int(rng.integers(len(rows)))
        clicks.append((float(columns[index]), float(rows[index]), 1.0))
    negatives = 0 if single else point_count(rng, limit + 1, decay) - 1
    if negatives:
        background = ~truth & valid
        near = background & cv2.dilate(truth.astype(np.uint8), np.ones((41, 41), np.uint8)).astype(
            bool
        )
        for _ in range(negatives):
            area = near if rng.random() < 0.6 and near.any() else background
            candidates = np.flatnonzero(area)
            if len(candidates) == 0:
                break
            y, x = divmod(int(candidates[rng.integers(len(candidates))]), truth.shape[1])
            clicks.append((float(x), float(y), 0.0))
    return np.asarray(clicks, np.float32)


def next_click(
    prediction: Mask, truth: Mask, valid: Mask, rng: np.random.Generator
) -> tuple[float, float, float] | None:
    """Next training click: in the inner half of the deeper error (RITM iterative training).

    Returns ``x, y, positive``, or ``None`` when the prediction is right everywhere.
    """
    errors = (truth & ~prediction & valid, ~truth & prediction & valid)
    depths = [
        float(cv2.distanceTransform(np.pad(e, 1).astype(np.uint8), cv2.DIST_L2, 5).max())
        for e in errors
    ]
    if max(depths) <= 0:
        return None
    positive = depths[0] > depths[1]
    pixel = inner_pixel(errors[0] if positive else errors[1], rng)
    return None if pixel is None else (float(pixel[0]), float(pixel[1]), float(positive))
