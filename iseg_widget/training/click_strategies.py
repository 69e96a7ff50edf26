"""Clicks drawn at once, before any prediction, as iFCN and FCA-Net draw them.

A positive click keeps P1 pixels from the object's boundary and P2 from other clicks; a negative one
lies between N1 and N2 pixels from the object and keeps N3 from other clicks (FCA-Net Eq. 9 and 10,
after iFCN, arXiv 1603.04042). iFCN has two more ways to place negative clicks (Sec. 3.1): on other
objects of the image, where they are known, and evenly around the object. Each sample has one way.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Clicks = NDArray[np.float32]


@dataclass(frozen=True)
class ClickStrategy:
    """Numbers and places of clicks; lengths in pixels of an image of ``side``, shrunk to views.

    Attributes
    ----------
    positives, negatives: most clicks of either kind; numbers are drawn evenly from 1 and from 0.
    p1, p2, n1, n2, n3: values of the distances above, one of which is drawn for each sample.
    centre: the first click is the pixel farthest from the boundary (FCA-Net Eq. 11, E(p) = 1).
    around: share of samples whose negative clicks surround the object, each as far as can be from
        those before (iFCN's third strategy).
    others: share of samples whose negative clicks fall on other objects, where there are such in
        the view, at any distance beyond N1 (iFCN's second strategy).
    on_others: most clicks on each of them, drawn evenly from 0; touching objects count as one.
    side: shorter side of the views that the lengths are meant for.
    """

    positives: int
    negatives: int
    p1: tuple[float, ...]
    p2: tuple[float, ...]
    n1: tuple[float, ...]
    n2: tuple[float, ...]
    n3: tuple[float, ...]
    centre: bool
    around: float
    others: float
    on_others: int
    side: float


STRATEGIES = {
    # Sec. 3.5; crops of 512 pixels.
    "fca_net": ClickStrategy(
        positives=10,
        negatives=10,
        p1=(5, 10, 15, 20),
        p2=(7, 10, 20),
        n1=(15, 40, 60),
        n2=(80,),
        n3=(10, 15, 25),
        centre=True,
        around=0.0,
        others=0.0,
        on_others=0,
        side=512,
    ),
    # iFCN has no published code. 5 positive, 10, 5 and 10 negative clicks of its three strategies
    # and the reach of 40 pixels are those of ITIS's code (BMVC 2018), which draws clicks iFCN's
    # way on PASCAL VOC's images and takes the strategies alike; margin 5 and step 10 are what other
    # reimplementations take.
    "ifcn": ClickStrategy(
        positives=5,
        negatives=10,
        p1=(5,),
        p2=(10,),
        n1=(5,),
        n2=(40,),
        n3=(10,),
        centre=False,
        around=1 / 3,
        others=1 / 3,
        on_others=5,
        side=500,
    ),
}
"""By the name that a recipe gives as ``simulation.clicks``."""

MOST_OTHERS = 10
"""Other objects of a view that are clicked on, the largest ones; not of a paper."""


def centre_click(truth: Mask) -> tuple[int, int]:
    """Return ``(x, y)`` of the pixel farthest from the object's boundary, E(p) = 1 of Eq. 11.

    The crop's border counts as boundary. (Eq. 11 prints a maximum over G_n; G_p is meant.)
    """
    depth = cv2.distanceTransform(np.pad(truth, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(column), int(row)


class _Placing:
    """Clicks that are there, and how far every pixel is from the nearest of them."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.rows, self.columns = np.ogrid[: shape[0], : shape[1]]
        self.nearest = np.full(shape, np.inf)
        self.clicks: list[tuple[float, float, float]] = []

    def add(self, x: int, y: int, *, positive: bool) -> None:
        self.clicks.append((float(x), float(y), float(positive)))
        distance = np.hypot(self.columns - x, self.rows - y)
        np.minimum(self.nearest, distance, out=self.nearest)

    def random(self, area: Mask, rng: np.random.Generator, *, positive: bool) -> bool:
        """Add a click anywhere in ``area``; false when that is empty."""
        places = np.flatnonzero(area)
        if len(places) == 0:
            return False
        y, x = divmod(int(places[rng.integers(len(places))]), area.shape[1])
        self.add(x, y, positive=positive)
        return True

    def farthest(self, area: Mask) -> bool:
        """Add the negative click of ``area`` that is farthest from all others."""
        if not area.any():
            return False
        reach = np.where(area, self.nearest, -1.0)
        y, x = np.unravel_index(int(reach.argmax()), area.shape)
        self.add(int(x), int(y), positive=False)
        return True


def _on_others(
    placing: _Placing, area: Mask, rng: np.random.Generator, most: int, apart: float
) -> None:
    """Add 0 to ``most`` negative clicks on each connected part of ``area``."""
    number = int(rng.integers(most + 1))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(area.astype(np.uint8))
    largest = 1 + np.argsort(-stats[1:count, cv2.CC_STAT_AREA], kind="stable")[:MOST_OTHERS]
    for label in largest:
        for _ in range(number):
            free = (labels == label) & (placing.nearest > apart)
            if not placing.random(free, rng, positive=False):
                break


def placed_clicks(
    truth: Mask,
    valid: Mask,
    rng: np.random.Generator,
    strategy: ClickStrategy,
    others: Mask | None = None,
) -> Clicks:
    """Draw the clicks of a sample.

    Parameters
    ----------
    truth, valid: ``(H, W)`` object and pixels that are not ignored.
    rng: source of randomness.
    strategy: see :class:`ClickStrategy`.
    others: ``(H, W)`` other objects, ``None`` when they are not known; negative clicks are drawn
        near the object instead when no pixel of them can be clicked.

    Returns
    -------
    ``(N, 3)`` rows ``x, y, positive``, fewer than were drawn where there is no room; always one
    positive click, in the centre where the object is too thin, unless the object is empty.
    """
    if not truth.any():
        return np.zeros((0, 3), np.float32)
    scale = min(truth.shape) / strategy.side
    drawn = (strategy.p1, strategy.p2, strategy.n1, strategy.n2, strategy.n3)
    p1, p2, n1, n2, n3 = (float(rng.choice(values)) * scale for values in drawn)
    positives = 1 + int(rng.integers(strategy.positives))
    negatives = int(rng.integers(strategy.negatives + 1))
    placing = _Placing((truth.shape[0], truth.shape[1]))
    inside = cv2.distanceTransform(truth.astype(np.uint8), cv2.DIST_L2, 5) > p1
    if strategy.centre or not placing.random(inside & truth, rng, positive=True):
        placing.add(*centre_click(truth), positive=True)
    while len(placing.clicks) < positives:
        if not placing.random(inside & truth & (placing.nearest > p2), rng, positive=True):
            break
    away = cv2.distanceTransform((~truth).astype(np.uint8), cv2.DIST_L2, 5)
    clear = ~truth & valid & (away > n1)
    way = rng.random()
    if others is not None and strategy.around <= way < strategy.around + strategy.others:
        area = clear & others
        if area.any():
            _on_others(placing, area, rng, strategy.on_others, n3)
            return np.asarray(placing.clicks, np.float32)
    band = clear & (away < n2)
    around = way < strategy.around
    for number in range(negatives):
        free = band & (placing.nearest > n3)
        if not (
            placing.farthest(free)
            if around and number
            else placing.random(free, rng, positive=False)
        ):
            break
    return np.asarray(placing.clicks, np.float32)
