"""FocalClick's decisions as the published code takes them (ClickSEG), slips included.

What differs from the paper, and from :class:`PaperRules`:

- the first click sees the whole image, even when there is an initial mask (``ZoomIn``);
- the target crop follows the user's merged mask when there was an initial one, else the probability
  above 0.49; if that is empty, the whole image is fed and the answer squeezed into the last crop;
- the focus crop is found at full resolution, and the coarse mask it starts from is where the
  *logit* exceeds 0.49 (a probability of 0.62); a click where nothing changed takes all unchanged
  pixels for the changed region (``get_focus_cropv1``);
- from scratch nothing is ever merged: after ten clicks only the focus crop is updated instead;
- progressive merge at a click where nothing changed flips all unchanged pixels, and pixels added
  and removed form regions together (``Progressive_Merge``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.masks import box_of
from iseg_widget.methods.focalclick_rules import (
    CLICK_SQUARE,
    SMALL_CHANGE,
    SMALLEST_CROP,
    CoarseAnswer,
    FocalClickOptions,
    FocusCrop,
    Look,
    State,
)
from iseg_widget.regions import Region
from iseg_widget.views import Box, Layers, intersect, whole

Mask = NDArray[np.bool_]
Pixel = tuple[int, int]
Bounds = tuple[float, float, float, float]
"""Inclusive ``x0, y0, x1, y1``, possibly fractional."""

ZOOM_THRESHOLD = 0.49
FOCUS_LOGIT = 0.49
PREVIOUS_THRESHOLD = 0.49

SMALLEST_MASK = 10
"""A mask of fewer pixels counts as the whole image (``crop_local.get_bbox_from_mask``)."""


def zoom_box(mask: Mask, ratio: float) -> Box:
    """Return the target crop of a mask that is not empty: ends rounded, half to even (``misc``)."""
    x0, y0, x1, y1 = box_of(mask) or whole((mask.shape[0], mask.shape[1]))
    spans = []
    for low, high, limit in ((x0, x1, mask.shape[1]), (y0, y1, mask.shape[0])):
        centre = 0.5 * (low + high - 1)
        half = 0.5 * max(ratio * (high - low), SMALLEST_CROP)
        start = min(max(round(centre - half), 0), limit - 1)
        stop = min(max(round(centre + half), 0), limit - 1) + 1
        spans.append((start, stop))
    return spans[0][0], spans[1][0], spans[0][1], spans[1][1]


def mask_bounds(mask: Mask) -> Bounds:
    """Return the bounds of a mask, ``(0, 0, W, H)`` when it is smaller than ten pixels."""
    if np.count_nonzero(mask) < SMALLEST_MASK:
        return 0, 0, mask.shape[1], mask.shape[0]
    x0, y0, x1, y1 = box_of(mask) or whole((mask.shape[0], mask.shape[1]))
    return x0, y0, x1 - 1, y1 - 1


def grow(bounds: Bounds, ratio: float, shape: tuple[int, int]) -> Box:
    """Return bounds expanded by ``ratio``, ends truncated, as a half-open box in the image."""
    spans = []
    for low, high, limit in ((bounds[0], bounds[2], shape[1]), (bounds[1], bounds[3], shape[0])):
        centre, length = 0.5 * (low + high), ratio * (high - low + 1)
        start, stop = int(centre - length * 0.5), int(centre + length * 0.5)
        spans.append((max(0, start), min(limit, stop)))
    return spans[0][0], spans[1][0], spans[0][1], spans[1][1]


def region_at(changed: Mask, pixels: Sequence[Pixel]) -> Mask:
    """Return the 8-connected regions of the pixels; an unchanged one has all that is unchanged."""
    _, labels = cv2.connectedComponents(changed.astype(np.uint8))
    return np.asarray(np.isin(labels, [labels[pixel] for pixel in pixels]))


def focus_bounds(
    prediction: Mask, previous: Mask, pixels: Sequence[Pixel], kind: FocusCrop
) -> Bounds:
    """Return the region to refine before its expansion (``get_focus_cropv1`` and its variants)."""
    bounds = mask_bounds(prediction)
    width, height = bounds[2] - bounds[0], bounds[3] - bounds[1]
    if kind == "object" or (kind == "difference" and not previous.any()):
        return bounds
    half = CLICK_SQUARE * max(width, height)
    rows, columns = [p[0] for p in pixels], [p[1] for p in pixels]
    square = (min(columns) - half, min(rows) - half, max(columns) + half, max(rows) + half)
    if kind == "click":
        return square
    changed = mask_bounds(region_at(prediction ^ previous, pixels))
    if changed[3] - changed[1] < SMALL_CHANGE * height:
        return square
    return square if changed[2] - changed[0] < SMALL_CHANGE * width else changed


def merge(previous: Mask, new: Mask, pixels: Sequence[Pixel]) -> Mask:
    """Return ``previous`` updated in the region of each click (``Progressive_Merge``)."""
    merged = previous
    for pixel in pixels:
        region = region_at(previous ^ new, [pixel])
        merged = merged & ~region if previous[pixel] else merged | region
    return merged


class PublishedRules:
    """The published code's decisions."""

    def __init__(self, options: FocalClickOptions) -> None:
        self.options = options

    def _merges(self, state: State) -> bool:
        return self.options.progressive_merge and state.merging

    def look(self, state: State, clicks: Sequence[Click], new: Sequence[Click]) -> Look:  # noqa: ARG002
        """Return the crop that is fed and the one its answer goes to."""
        image = whole(state.shape)
        if not (self.options.target_crop and state.clicks):
            return Look(image, image)
        seen = state.packed.unpack() if self._merges(state) else state.soft.exceeds(ZOOM_THRESHOLD)
        if not seen.any():
            return Look(image, state.region or image)
        for click in clicks:
            if click.positive:
                seen[click.pixel] = True
        box = zoom_box(seen, self.options.r_tc)
        return Look(box, box)

    def focus(self, state: State, coarse: CoarseAnswer, new: Sequence[Click]) -> Box | None:
        """Return the focus crop, cut to the target crop."""
        if self.options.focus_crop == "off":
            return None
        prediction = coarse.soft.exceeds(1 / (1 + math.exp(-FOCUS_LOGIT)))
        previous = state.soft.exceeds(PREVIOUS_THRESHOLD)
        pixels = [click.pixel for click in new]
        bounds = focus_bounds(prediction, previous, pixels, self.options.focus_crop)
        return intersect(grow(bounds, self.options.r_fc, state.shape), coarse.target)

    def under(self, state: State, coarse: CoarseAnswer, count: int) -> Layers:
        """Return the coarse segmentation; after ten clicks the previous probability."""
        return state.soft if count > self.options.merge_after else coarse.soft

    def mask(
        self,
        state: State,
        soft: Layers,
        target: Box,  # noqa: ARG002
        new: Sequence[Click],
        count: int,  # noqa: ARG002
    ) -> Region:
        """Threshold, and merge where there was a mask before the first click."""
        mask = soft.exceeds(self.options.threshold)
        if self._merges(state):
            mask = merge(state.packed.unpack(), mask, [click.pixel for click in new])
        return Region.of(mask)
