"""Where IA-FPN's fine network looks, and how clicks reach its two networks.

Geometry is RITM's (:mod:`iseg_widget.methods.ritm_rules`), from whose code the published one was
made. Boxes are half-open ``(x0, y0, x1, y1)``, masks ``(H, W)`` bool, sizes ``(h, w)``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.masks import box_of
from iseg_widget.methods.ritm_rules import click_maps, crop_clicks, grow, mirror_clicks
from iseg_widget.networks.interaction_attention import (
    ATTENTION_KINDS,
    AttentionKind,
    Propagation,
)
from iseg_widget.views import Box

Array = NDArray[np.float32]

LARGEST_MARGIN = 2.5
MARGIN_SLOPE = 4.0
SMALLEST_MARGIN = 1.4
"""The ratio of :func:`margin_ratio` is ``2.5 - 4 sqrt(s)``, at least 1.4, reached at s = 0.0756.
The paper calls the margin inversely proportional to the object's size and gives no numbers."""


@dataclass(frozen=True)
class IAFPNOptions:
    """Settings of IA-FPN; the defaults are the published ones.

    Attributes
    ----------
    sgm: pass click features on in the low-resolution map (Eq. 5, 6; Table 5). Without it the
        module is bypassed; weights trained with it were not trained for that. It does nothing for a
        network that was built without the module; so with ``hsgm``.
    hsgm: the same in the high-resolution map (Eq. 7; Table 5). Without it the prediction is made at
        a quarter of the input's size.
    attention: ``"clicks"``: from clicked cells to all (the paper's sparse graph); ``"full"``: from
        all cells to all, as CDNet does (Table 4), which in the HSGM takes minutes.
    zoom_in: the fine network looks at the object with a margin (Eq. 3), else at the whole image as
        the coarse one does. The published code cannot do without.
    crop_side: longer side in pixels of the crop as the fine network sees it (published: 400, and
        600 for DAVIS).
    flip: average the logits with those of the mirrored image, in both networks.
    max_side: limit in pixels of the longer side of an image that is seen as a whole; ``None``:
        native size whatever it is, as published.
    zoom_threshold: coarse probability above which a pixel counts as object for the crop
        (published: 0.5).
    threshold: fine probability above which a pixel belongs to the mask (published: 0.49).
    progressive_merge: update a mask that existed before, or was drawn, only in the changed region
        under the click. Not of this paper: FocalClick's way of keeping what is there.
    compat: follow slips of the published code as well. Clicks in the first cell of a feature map
        pass nothing on; those outside the crop stay, and wrap to another row of cells when they lie
        to its left; clicks fall into the crop on a grid of their own; 49 clicks are too many; and
        when the coarse network finds nothing, the whole image is fed but the answer squeezed into
        the last crop. (At a first click the published code may then call itself without end; here
        the whole image is taken.)
    """

    sgm: bool = True
    hsgm: bool = True
    attention: AttentionKind = "clicks"
    zoom_in: bool = True
    crop_side: int = 400
    flip: bool = True
    max_side: int | None = 1024
    zoom_threshold: float = 0.5
    threshold: float = 0.49
    progressive_merge: bool = True
    compat: bool = False

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a value outside what is accepted."""
        if self.attention not in ATTENTION_KINDS:
            raise ValueError(f"attention must be one of {ATTENTION_KINDS}, got {self.attention!r}")
        if not 32 <= self.crop_side <= 4096:
            raise ValueError(f"crop_side must lie in 32..4096, got {self.crop_side!r}")
        if self.max_side is not None and self.max_side < 32:
            raise ValueError(f"max_side must be None or at least 32, got {self.max_side!r}")
        for name in ("zoom_threshold", "threshold"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ValueError(f"{name} must lie between 0 and 1, got {getattr(self, name)!r}")

    @property
    def propagation(self) -> Propagation:
        """What the networks' modules are to do."""
        return Propagation(self.sgm, self.hsgm, self.attention, self.compat)


def margin_ratio(box: Box, shape: tuple[int, int]) -> float:
    """Return by how much a crop is longer than the object's ``box`` in an image of ``shape``.

    The smaller the object, the more of its surroundings (Sec. 3.2). With s the box's share of the
    image's area, its sides one pixel short as published, ``max(2.5 - 4 sqrt(s), 1.4)``.
    """
    share = (box[3] - box[1] - 1) * (box[2] - box[0] - 1) / (shape[0] * shape[1])
    return max(LARGEST_MARGIN - MARGIN_SLOPE * math.sqrt(share), SMALLEST_MARGIN)


def zoom_box(mask: NDArray[np.bool_], clicks: Sequence[Click]) -> Box | None:
    """Return the region to zoom in on (Eq. 3), ``None`` for an empty mask.

    Parameters
    ----------
    mask: what the coarse network calls object.
    clicks: all clicks; the pixels of the positive ones belong to the object, but alone make none.
    """
    box, shape = box_of(mask), (mask.shape[0], mask.shape[1])
    if box is None:
        return None
    x0, y0, x1, y1 = box
    for row, column in (click.pixel for click in clicks if click.positive):
        x0, y0 = min(x0, column), min(y0, row)
        x1, y1 = max(x1, column + 1), max(y1, row + 1)
    held = (x0, y0, x1, y1)
    return grow(held, margin_ratio(held, shape), shape)


def inside(clicks: Sequence[Click], box: Box) -> list[Click]:
    """Return the clicks whose pixel lies in the box."""
    return [
        click
        for click in clicks
        if box[1] <= click.pixel[0] < box[3] and box[0] <= click.pixel[1] < box[2]
    ]


def view_clicks(
    clicks: Sequence[Click], box: Box, size: tuple[int, int], *, flip: bool, compat: bool
) -> Array:
    """Carry clicks into a crop of ``box`` at ``size``, and into its mirror image with ``flip``.

    Returns ``(1 or 2, M, 3)`` rows ``x, y, positive``. Clicks outside the box are left out; with
    ``compat`` they keep coordinates outside.
    """
    held = clicks if compat else inside(clicks, box)
    points = crop_clicks(held, box, size, compat=compat)
    return np.stack([points, mirror_clicks(points, size[1])] if flip else [points])


def view_maps(
    points: Array, size: tuple[int, int], radius: float, *, compat: bool = False
) -> Array:
    """Positive and negative disks ``(2, h, w)`` of clicks in pixels of the map.

    With ``compat`` clicks beyond the right or the bottom edge paint nothing (``ops.py: DistMaps``,
    other than RITM's), nor those beyond both the left and the top edge.
    """
    drawn = points[(points[:, 0] < size[1]) & (points[:, 1] < size[0])] if compat else points
    return click_maps(drawn, size, radius, compat=compat)
