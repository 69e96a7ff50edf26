"""Refinement of a probability by a graph cut (Boykov & Jolly, ICCV 2001), as iFCN and RIS-Net end.

The unary terms are ``-log p`` and ``-log (1 - p)``; the pairwise term charges every two neighbours
of different labels

``strength * exp(-|I_p - I_q|^2 / (2 sigma^2)) / dist(p, q)``

so that the outline follows contrast. Clicks are hard constraints. Neither iFCN nor RIS-Net gives
strength, sigma or neighbourhood: here sigma^2 is the mean squared difference of neighbours in the
image (as GrabCut estimates it), and the strength was chosen on training images.

Images of many pixels are cut on several levels (Lombaert et al., "A multilevel banded graph cuts
method", ICCV 2005): a reduced copy first, then, level by level, only a band along the outline that
was found. On a single level the cut is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.masks import box_of
from iseg_widget.methods.grid_cut import Links, half_neighbourhood, link_ends, minimum_cut
from iseg_widget.views import Box, cut, resize

STRENGTH = 2.0
"""Of the pairwise term; best of 1/2, 1, 2, 4, … on training images."""

CERTAINTY = 1e-4
"""Probabilities are kept this far from 0 and 1."""

EXACT_PIXELS = 2**17
"""Images of more pixels are cut on several levels."""

BAND = 8
"""Half width in pixels of the band that a finer level may change."""


def contrast_variance(image: NDArray[np.uint8], neighbours: int = 8) -> float:
    """sigma^2: mean squared colour difference of neighbours in ``(H, W, 3)``; at least 1e-6."""
    total, count = 0.0, 0
    for offset in half_neighbourhood(neighbours):
        first, second = link_ends(offset)
        here = image[first]
        if here.size:
            total += cv2.norm(here, image[second], cv2.NORM_L2SQR)
            count += here.shape[0] * here.shape[1]
    return max(total / max(count, 1), 1e-6)


def contrast_links(
    image: NDArray[np.uint8], strength: float, variance: float, neighbours: int = 8
) -> Links:
    """Contrast-sensitive Potts term.

    Parameters
    ----------
    image: ``(H, W, 3)`` uint8.
    strength: factor of all weights.
    variance: sigma^2, see :func:`contrast_variance`.
    neighbours: 4 or 8.
    """
    offsets = half_neighbourhood(neighbours)
    weights = []
    for offset in offsets:
        first, second = link_ends(offset)
        weight = np.zeros(image.shape[:2], np.float32)
        if image[first].size:
            difference = cv2.absdiff(image[first], image[second]).astype(np.float32)
            squared = np.einsum("hwc,hwc->hw", difference, difference)
            factor = np.float32(strength / np.hypot(*offset))
            weight[first] = factor * np.exp(squared * np.float32(-0.5 / variance))
        weights.append(weight)
    return Links.rounded(offsets, weights)


def unary_terms(probability: NDArray[np.floating], threshold: float = 0.5) -> NDArray[np.float32]:
    """``log p - log (1 - p)``, less its value at ``threshold``; ``(H, W)`` float32.

    Without links the cut then equals thresholding.
    """
    clipped = np.clip(probability, CERTAINTY, 1.0 - CERTAINTY).astype(np.float32)
    terms = np.log(clipped) - np.log1p(-clipped)
    return np.asarray(terms - np.float32(np.log(threshold / (1.0 - threshold))), np.float32)


def constraints(
    clicks: Sequence[Click], shape: tuple[int, int], grid: tuple[int, int] | None = None
) -> NDArray[np.int8]:
    """Labels of clicked pixels, 1 and -1, else 0.

    Of several clicks on a pixel of the image the last counts. With ``grid`` (rows, columns) of
    cells instead of pixels, a cell with clicks of both kinds stays free. ``shape`` is the image's.
    """
    rows, columns = grid or shape
    latest = {click.pixel: click.positive for click in clicks}
    positive, negative = (np.zeros((rows, columns), np.int8) for _ in range(2))
    for (row, column), object_ in latest.items():
        found = positive if object_ else negative
        found[row * rows // shape[0], column * columns // shape[1]] = 1
    return positive - negative


@dataclass(frozen=True)
class GraphCut:
    """The refinement and its settings.

    Attributes
    ----------
    strength: weight of the pairwise term against the unary one.
    sigma: contrast in grey levels at which neighbours come apart; ``None`` estimates it.
    neighbours: 4 or 8.
    threshold: probability at which the unary terms are equal.
    exact_pixels: images of more pixels are cut on several levels; ``None``: none are.
    """

    strength: float = STRENGTH
    sigma: float | None = None
    neighbours: int = 8
    threshold: float = 0.5
    exact_pixels: int | None = EXACT_PIXELS

    def __call__(
        self,
        probability: NDArray[np.floating],
        image: NDArray[np.uint8],
        clicks: Sequence[Click] = (),
    ) -> NDArray[np.bool_]:
        """Return the refined mask ``(H, W)`` bool.

        Parameters
        ----------
        probability: ``(H, W)`` in 0..1.
        image: ``(H, W, 3)`` uint8.
        clicks: hard constraints, in the image.

        Raises
        ------
        ValueError: shapes that differ.
        """
        if probability.shape != image.shape[:2]:
            raise ValueError(
                f"the probability has shape {probability.shape}, the image {image.shape[:2]}"
            )
        return self._cut(unary_terms(probability, self.threshold), image, clicks, image.shape[:2])

    def links(self, image: NDArray[np.uint8], box: Box | None = None) -> Links:
        """Pairwise term of the image, or of the pixels in ``box`` (sigma is the whole image's)."""
        variance = (
            contrast_variance(image, self.neighbours) if self.sigma is None else self.sigma**2
        )
        window = image if box is None else cut(image, box)
        return contrast_links(window, self.strength, variance, self.neighbours)

    def _cut(
        self,
        unary: NDArray[np.float32],
        image: NDArray[np.uint8],
        clicks: Sequence[Click],
        shape: tuple[int, int],
    ) -> NDArray[np.bool_]:
        """Cut one level: at once, or a band of what the level above found."""
        size = (image.shape[0], image.shape[1])
        fixed = constraints(clicks, shape, size)
        if self.exact_pixels is None or unary.size <= self.exact_pixels or min(size) < 2:
            return minimum_cut(unary, self.links(image), fixed)
        smaller = (-(-size[0] // 2), -(-size[1] // 2))
        # Per length of outline, half as many pixels share the unary terms on the level above.
        terms = np.asarray(resize(unary, smaller) * 2, np.float32)
        coarse = self._cut(terms, resize(image, smaller), clicks, shape)
        known = cv2.resize(
            coarse.astype(np.uint8), (size[1], size[0]), interpolation=cv2.INTER_NEAREST
        )
        window = np.ones((2 * BAND + 1, 2 * BAND + 1), np.uint8)
        band = cv2.dilate(known, window) != cv2.erode(known, window)
        clicked = (fixed != 0) & ((fixed > 0) != known)
        if clicked.any():
            band |= cv2.dilate(clicked.astype(np.uint8), window) > 0
        box = box_of(cv2.dilate(band.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
        mask = known > 0
        if box is not None:
            labels = np.where(band, 0, np.where(mask, 1, -1)).astype(np.int8)
            labels = np.where(fixed != 0, fixed, labels)
            inner = minimum_cut(cut(unary, box), self.links(image, box), cut(labels, box))
            mask[box[1] : box[3], box[0] : box[2]] = inner
        return mask
