"""Where FocalClick looks and what it keeps (Sec. 3.1): its crops, and progressive merge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from iseg_widget.clicks import Click, to_array
from iseg_widget.encode import map_to_crop
from iseg_widget.images import Pyramid
from iseg_widget.masks import box_of, components_at, progressive_merge
from iseg_widget.networks.focalclick import SEGMENTOR_SIDE, Version
from iseg_widget.regions import Region
from iseg_widget.views import Box, Layers, expand, hull, intersect, reduce_mask, whole

SMALL_CHANGE = 1 / 3
CLICK_SQUARE = 0.2
"""A changed region shorter than :data:`SMALL_CHANGE` of the object along an axis gives way to a
square around the click whose half side is :data:`CLICK_SQUARE` of the object's longer side. Not in
the paper; the published ``get_focus_cropv1`` does it."""

SMALLEST_CROP = 10
"""Smallest side of a crop in pixels (published ``ZoomIn``; the paper gives none)."""

FocusCrop = Literal["difference", "object", "click", "off"]
FOCUS_CROPS = ("difference", "object", "click", "off")


@dataclass(frozen=True)
class FocalClickOptions:
    """Settings of FocalClick; the defaults are the paper's.

    Attributes
    ----------
    version: ``"S1"`` segments at 128 x 128, ``"S2"`` at 256 x 256 (Table 1). Weights that serve
        one version only, as the published ones, replace this by theirs.
    target_crop: crop around the previous mask, else see the whole image ("TC" of Table 5).
    r_tc: expansion ratio r_TC of the target crop (Sec. 3.1; Table 7).
    focus_crop: ``"difference"`` (the paper's: the region that changed under the click),
        ``"object"`` (the predicted object), ``"click"`` (a square around the click), or
        ``"off"`` (no refinement; "FC" of Table 5).
    r_fc: expansion ratio r_FC of the focus crop (Sec. 3.1; Table 7).
    progressive_merge: update an existing mask only in the changed region under the click
        (Sec. 3.1; "PM" of Table 5).
    merge_after: from scratch, progressive merge starts after this many clicks (Sec. 3.1: 10).
    threshold: probability above which a pixel belongs to the mask.
    compat: decide as the published code does, slips included, instead of as the paper says (see
        :mod:`iseg_widget.methods.focalclick_published`).
    flip: average the logits of both networks with those of the mirrored image, as RITM and IA-FPN
        do; twice the work. The paper's figures are without.
    """

    version: Version = "S2"
    target_crop: bool = True
    r_tc: float = 1.4
    focus_crop: FocusCrop = "difference"
    r_fc: float = 1.4
    progressive_merge: bool = True
    merge_after: int = 10
    threshold: float = 0.5
    compat: bool = False
    flip: bool = False

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a value outside what is accepted."""
        if self.version not in SEGMENTOR_SIDE:
            raise ValueError(f"version must be 'S1' or 'S2', got {self.version!r}")
        if self.focus_crop not in FOCUS_CROPS:
            raise ValueError(f"focus_crop must be one of {FOCUS_CROPS}, got {self.focus_crop!r}")
        for name in ("r_tc", "r_fc"):
            if not 1.0 <= getattr(self, name) <= 10.0:
                raise ValueError(f"{name} must lie in 1..10, got {getattr(self, name)!r}")
        if not 0.0 < self.threshold < 1.0:
            raise ValueError(f"threshold must lie between 0 and 1, got {self.threshold!r}")
        if self.merge_after < 0:
            raise ValueError(f"merge_after must not be negative, got {self.merge_after!r}")


@dataclass(frozen=True)
class State:
    """What is remembered between clicks.

    ``soft`` is the networks' probability, ``packed`` the user's mask, ``merging`` whether there was
    a mask before the first click, ``region`` the last target crop.
    """

    image: Pyramid
    clicks: tuple[Click, ...]
    soft: Layers
    packed: Region
    merging: bool
    region: Box | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """``(H, W)`` of the image."""
        return self.packed.shape


class Look(NamedTuple):
    """Where the Segmentor looks: it is fed ``fed``, and its answer is pasted into ``target``."""

    fed: Box
    target: Box


class CoarseAnswer(NamedTuple):
    """The coarse segmentation: ``logits`` of the target crop; ``soft``, pasted into the image."""

    target: Box
    logits: NDArray[np.float32]
    soft: Layers


class Rules(Protocol):
    """The decisions of a click; ``clicks`` are all so far, ``new`` those of this step."""

    def look(self, state: State, clicks: Sequence[Click], new: Sequence[Click]) -> Look:
        """Return the target crop."""

    def focus(self, state: State, coarse: CoarseAnswer, new: Sequence[Click]) -> Box | None:
        """Return the focus crop, ``None`` when there is nothing to refine."""

    def under(self, state: State, coarse: CoarseAnswer, count: int) -> Layers:
        """Return the probability that the refined focus crop is pasted onto."""

    def mask(
        self, state: State, soft: Layers, target: Box, new: Sequence[Click], count: int
    ) -> Region:
        """Return the user's new mask; ``count`` clicks so far."""


def target_crop(
    previous: NDArray[np.bool_], clicks: Sequence[Click], new: Sequence[Click], ratio: float
) -> Box:
    """Target crop (Sec. 3.1): box of the previous mask and the clicks, expanded by ``ratio``.

    Earlier positive clicks count as well, so that none is cut off where the mask has lost it
    (as in the published code). An empty previous mask gives the whole image.
    """
    return target_around(box_of(previous), previous.shape, clicks, new, ratio)


def target_around(
    box: Box | None,
    shape: tuple[int, ...],
    clicks: Sequence[Click],
    new: Sequence[Click],
    ratio: float,
) -> Box:
    """Return the :func:`target_crop` of a mask of ``shape`` (H, W) that has the box ``box``."""
    limits = (shape[0], shape[1])
    if box is None:
        return whole(limits)
    pixels = [c.pixel for c in clicks if c.positive] + [c.pixel for c in new]
    rows, columns = [p[0] for p in pixels], [p[1] for p in pixels]
    held = (
        min(box[0], *columns),
        min(box[1], *rows),
        max(box[2], *(c + 1 for c in columns)),
        max(box[3], *(r + 1 for r in rows)),
    )
    return expand(held, ratio, limits, SMALLEST_CROP)


def _click_square(pixels: Sequence[tuple[int, int]], longest: int) -> Box:
    half = max(1, round(CLICK_SQUARE * longest))
    rows, columns = [p[0] for p in pixels], [p[1] for p in pixels]
    return min(columns) - half, min(rows) - half, max(columns) + half + 1, max(rows) + half + 1


def focus_region(
    prediction: NDArray[np.bool_],
    previous: NDArray[np.bool_],
    pixels: Sequence[tuple[int, int]],
    kind: FocusCrop,
) -> Box | None:
    """Region to refine, before its expansion (Sec. 3.1 "Focus crop").

    Parameters
    ----------
    prediction, previous: ``(h, w)`` bool: coarse mask and previous mask on the same grid.
    pixels: the new clicks as (row, column) on that grid.
    kind: see :class:`FocalClickOptions`.

    Returns
    -------
    Half-open box on the grid, or ``None`` when there is nothing to refine (empty prediction).
    """
    box = box_of(prediction)
    if box is None:
        return None
    width, height = box[2] - box[0], box[3] - box[1]
    if kind == "object":
        return box
    square = _click_square(pixels, max(width, height))
    if kind == "click":
        return square
    if not previous.any():
        return box
    changed = box_of(components_at(prediction ^ previous, pixels))
    if changed is None:
        return square
    if changed[2] - changed[0] < SMALL_CHANGE * width:
        return square
    return square if changed[3] - changed[1] < SMALL_CHANGE * height else changed


class PaperRules:
    """The paper's decisions."""

    def __init__(self, options: FocalClickOptions) -> None:
        self.options = options

    def look(self, state: State, clicks: Sequence[Click], new: Sequence[Click]) -> Look:
        """Return the target crop around the previous mask and the clicks."""
        box = whole(state.shape)
        if self.options.target_crop:
            box = target_around(state.packed.box, state.shape, clicks, new, self.options.r_tc)
        return Look(box, box)

    def focus(self, state: State, coarse: CoarseAnswer, new: Sequence[Click]) -> Box | None:
        """Return the focus crop in pixels of the image, inside the target crop.

        It is found on the Segmentor's grid: the coarse mask is no finer.
        """
        if self.options.focus_crop == "off":
            return None
        side, target = coarse.logits.shape[0], coarse.target
        cutoff = np.log(self.options.threshold / (1 - self.options.threshold))
        before = reduce_mask(state.packed, target, (side, side))
        points = map_to_crop(to_array(new), target, (side, side))
        pixels = [
            (int(np.clip(round(float(y)), 0, side - 1)), int(np.clip(round(float(x)), 0, side - 1)))
            for x, y, _ in points
        ]
        region = focus_region(coarse.logits > cutoff, before, pixels, self.options.focus_crop)
        if region is None:
            return None
        x0, y0, x1, y1 = target
        scale_x, scale_y = (x1 - x0) / side, (y1 - y0) / side
        box = (
            x0 + int(np.floor(region[0] * scale_x)),
            y0 + int(np.floor(region[1] * scale_y)),
            x0 + int(np.ceil(region[2] * scale_x)),
            y0 + int(np.ceil(region[3] * scale_y)),
        )
        grown = expand(box, self.options.r_fc, state.shape, SMALLEST_CROP)
        return intersect(grown, target)

    def under(self, state: State, coarse: CoarseAnswer, count: int) -> Layers:  # noqa: ARG002
        """Return the coarse segmentation."""
        return coarse.soft

    def mask(
        self, state: State, soft: Layers, target: Box, new: Sequence[Click], count: int
    ) -> Region:
        """Threshold, then progressive merge where it applies; only boxes are looked at."""
        answer = soft.exceeds(self.options.threshold, target)
        merges = state.merging or count > self.options.merge_after
        if not (self.options.progressive_merge and merges):
            return Region.pasted(answer, target[:2], state.shape)
        before = state.packed
        around = target if before.box is None else hull(target, before.box)
        for row, column in (click.pixel for click in new):
            around = hull(around, (column, row, column + 1, row + 1))
        x, y = around[:2]
        mask = np.zeros((around[3] - y, around[2] - x), bool)
        mask[target[1] - y : target[3] - y, target[0] - x : target[2] - x] = answer
        pixels = [(click.pixel[0] - y, click.pixel[1] - x) for click in new]
        merged = progressive_merge(before.window(around), mask, pixels)
        return Region.pasted(merged, (x, y), state.shape)
