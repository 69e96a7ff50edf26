"""Another threshold on a probability that is already there: no network is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from iseg_widget.masks import Box, Mask
from iseg_widget.protocol import SoftMask, StoredMask
from iseg_widget.regions import Region
from iseg_widget.views import Layers, cut, whole

LEVELS = 254
"""Steps of the probability in :class:`SoftPicture`; 0 and 255 are pixels no threshold changes."""

SURVEY = 512
"""Longest side of the reduced copy on which the part worth sending is found."""

FAINT = 0.02
"""A probability below this is 0 to a :class:`SoftPicture`: no useful threshold lies there."""


@dataclass(frozen=True)
class Thresholded:
    """The last probability that networks gave, and the mask that came of it and of the user.

    A pixel takes part where the mask is what the threshold in force says. Where it is not, the
    mask comes from elsewhere (a manual edit, a progressive merge, structural integrity), and no
    threshold changes it.

    Attributes
    ----------
    soft: the probability.
    packed: the mask before any threshold was chosen for it.
    threshold: the one that was in force then.
    """

    soft: SoftMask
    packed: StoredMask
    threshold: float

    def mask(self, threshold: float) -> Mask:
        """Return the ``(H, W)`` bool mask at another threshold."""
        return self.region(threshold).mask()

    def region(self, threshold: float) -> Region:
        """Return the mask at another threshold; only where the probability is not 0 is looked."""
        region = Region.stored(self.packed)
        soft = self.soft
        box = soft.support() if isinstance(soft, Layers) else whole(region.shape)
        if box is None:
            return region
        if isinstance(soft, Layers):
            before, after = (soft.exceeds(value, box) for value in (self.threshold, threshold))
        else:
            probability = soft.render(box)
            before, after = probability > self.threshold, probability > threshold
        mask = region.window(box)
        return region.patched(box, np.where(mask == before, after, mask))

    def picture(self, longest: int) -> SoftPicture:
        """Return the probability for a page, its longer side at most ``longest`` values."""
        mask = self.packed.unpack()
        shape = (mask.shape[0], mask.shape[1])
        box = self._telling(mask, shape)
        factor = min(1.0, longest / max(box[2] - box[0], box[3] - box[1]))
        size = (
            max(1, round((box[3] - box[1]) * factor)),
            max(1, round((box[2] - box[0]) * factor)),
        )
        probability = sampled(self.soft, box, size)
        there = cut(mask, box)[np.ix_(_centres(box, size, 1), _centres(box, size, 0))]
        values = np.clip(np.rint(probability * LEVELS), 1, LEVELS).astype(np.uint8)
        values[probability < FAINT] = 0
        fixed = there != (probability > self.threshold)
        values[fixed] = np.where(there[fixed], 255, 0)
        return SoftPicture(box, values)

    def _telling(self, mask: Mask, shape: tuple[int, int]) -> Box:
        """Return the box outside which no threshold finds anything."""
        factor = min(1.0, SURVEY / max(shape))
        size = (max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor)))
        rough = sampled(self.soft, whole(shape), size) >= FAINT
        rough |= mask[np.ix_(_centres(whole(shape), size, 1), _centres(whole(shape), size, 0))]
        rows, columns = np.flatnonzero(rough.any(1)), np.flatnonzero(rough.any(0))
        if not len(rows):
            return 0, 0, 1, 1
        steps = shape[0] / size[0], shape[1] / size[1]
        return (
            max(0, int((columns[0] - 1) * steps[1])),
            max(0, int((rows[0] - 1) * steps[0])),
            min(shape[1], int(np.ceil((columns[-1] + 2) * steps[1]))),
            min(shape[0], int(np.ceil((rows[-1] + 2) * steps[0]))),
        )


@dataclass(frozen=True)
class SoftPicture:
    """A probability on its way to a page.

    Attributes
    ----------
    box: half-open, in pixels of the image; outside of it nothing can become object.
    values: ``(h, w)`` uint8: 254 times the probability, 1 at least; 0 and 255 are background and
        object at any threshold. A pixel is object at the threshold t where its value exceeds 254 t.
    """

    box: Box
    values: NDArray[np.uint8]


def sampled(soft: SoftMask, box: Box, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return a probability in ``box`` on a grid of ``size`` (rows, columns), ``(h, w)`` float32.

    Values are taken at the grid's points; nothing is averaged.
    """
    if isinstance(soft, Layers):
        return soft.render(box, size)
    full: NDArray[Any] = soft.render(box)
    if full.shape == size:
        return np.asarray(full, np.float32)
    reduced = cv2.resize(full, (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(reduced, np.float32)


def _centres(box: Box, size: tuple[int, int], axis: int) -> NDArray[np.intp]:
    """Pixels of the box nearest to the grid's points along an axis (0: x, 1: y)."""
    length, count = box[axis + 2] - box[axis], size[1 - axis]
    return np.minimum(((np.arange(count) + 0.5) * length / count).astype(np.intp), length - 1)
