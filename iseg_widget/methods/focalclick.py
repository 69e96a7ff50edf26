"""FocalClick: look where the user points (Chen et al., CVPR 2022, arXiv 2204.02574).

A click is answered in four moves (Sec. 3.1, Fig. 3):

1. **target crop**: the box of the previous mask and the clicks, expanded by r_TC, small again;
2. **coarse segmentation** of it by the Segmentor;
3. **focus crop**: the region that changed under the click, expanded by r_FC, **refined** from the
   full-resolution image;
4. **progressive merge**: with a mask that existed before, only the changed region under the click
   is taken over.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iseg_widget.clicks import Click, check_inside, to_array
from iseg_widget.encode import disks, map_to_crop
from iseg_widget.images import Pyramid
from iseg_widget.masks import PackedMask, box_of, components_at, progressive_merge
from iseg_widget.networks.focalclick import (
    DISK_RADIUS,
    REFINER_RADIUS,
    REFINER_SIDE,
    SEGMENTOR_SIDE,
    Coarse,
    FocalClickLite0,
    Refined,
)
from iseg_widget.protocol import Step, Trace, View
from iseg_widget.views import (
    Box,
    Layers,
    Patch,
    cut,
    expand,
    intersect,
    mask_layers,
    reduce_mask,
    resize,
    sigmoid,
    whole,
)

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
    version: ``"S1"`` segments at 128 x 128, ``"S2"`` at 256 x 256 (Table 1).
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
    """

    version: Literal["S1", "S2"] = "S2"
    target_crop: bool = True
    r_tc: float = 1.4
    focus_crop: FocusCrop = "difference"
    r_fc: float = 1.4
    progressive_merge: bool = True
    merge_after: int = 10
    threshold: float = 0.5

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
class _State:
    image: Pyramid
    clicks: tuple[Click, ...]
    soft: Layers
    packed: PackedMask
    merging: bool

    @property
    def shape(self) -> tuple[int, int]:
        return self.packed.shape


def target_crop(
    previous: NDArray[np.bool_], clicks: Sequence[Click], new: Sequence[Click], ratio: float
) -> Box:
    """Target crop (Sec. 3.1): box of the previous mask and the clicks, expanded by ``ratio``.

    Earlier positive clicks count as well, so that none is cut off where the mask has lost it
    (as in the published code). An empty previous mask gives the whole image.
    """
    shape = (previous.shape[0], previous.shape[1])
    box = box_of(previous)
    if box is None:
        return whole(shape)
    pixels = [c.pixel for c in clicks if c.positive] + [c.pixel for c in new]
    rows, columns = [p[0] for p in pixels], [p[1] for p in pixels]
    held = (
        min(box[0], *columns),
        min(box[1], *rows),
        max(box[2], *(c + 1 for c in columns)),
        max(box[3], *(r + 1 for r in rows)),
    )
    return expand(held, ratio, shape, SMALLEST_CROP)


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


class FocalClick:
    """The procedure around a FocalClick network; immutable and free of per-image state.

    Parameters
    ----------
    network: offers ``segment`` and ``refine`` as :class:`FocalClickLite0` does, in evaluation
        mode and on its device.
    options: see :class:`FocalClickOptions`.
    """

    name = "focalclick"

    def __init__(self, network: FocalClickLite0, options: FocalClickOptions | None = None) -> None:
        self.network = network
        self.options = options or FocalClickOptions()
        self.device = next(network.parameters()).device

    def start(self, image: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> _State:
        """See :meth:`iseg_widget.protocol.Method.start`."""
        shape = (image.shape[0], image.shape[1])
        existing = np.zeros(shape, bool) if mask is None else mask
        soft = Layers(shape) if mask is None else mask_layers(mask)
        return _State(Pyramid(image), (), soft, PackedMask.pack(existing), merging=mask is not None)

    def edit(self, state: _State, mask: NDArray[np.bool_]) -> tuple[_State, Step]:
        """Take the user's mask; later clicks merge into it (Sec. 3.2)."""
        edited = replace(state, soft=mask_layers(mask), packed=PackedMask.pack(mask), merging=True)
        return edited, Step((), edited.soft, edited.packed)

    def step(
        self, state: _State, clicks: Sequence[Click], *, trace: bool = False
    ) -> tuple[_State, Step]:
        """Answer new clicks in one pass; several at once share the crops."""
        began = time.perf_counter()
        if not clicks:
            raise ValueError("a step needs at least one new click")
        for click in clicks:
            check_inside(click, state.shape)
        every = (*state.clicks, *clicks)
        previous = state.packed.unpack()
        target = (
            target_crop(previous, every, clicks, self.options.r_tc)
            if self.options.target_crop
            else whole(state.shape)
        )
        recorded: dict[str, NDArray[np.generic]] = {}
        coarse = self._segment(state, every, target, recorded if trace else None)
        logits = coarse.logits[0, 0].float().cpu().numpy()
        soft = Layers(state.shape).pasted(Patch(target, logits.astype(np.float16)))
        views = [View("target_crop", target)]
        focus = self._focus_box(logits, previous, target, clicks)
        if focus is not None:
            refined = self._refine(state, every, target, focus, coarse)
            values = refined.refined[0, 0].float().cpu().numpy()
            soft = soft.pasted(Patch(focus, values.astype(np.float16)))
            views.append(View("focus_crop", focus))
            if trace:
                recorded |= _refiner_trace(refined)
        mask = self._merge(state, previous, soft, target, clicks, len(every))
        packed = PackedMask.pack(mask)
        following = replace(state, clicks=every, soft=soft, packed=packed)
        seconds = time.perf_counter() - began
        return following, Step(tuple(clicks), soft, packed, tuple(views), recorded, seconds)

    def _tensor(self, array: NDArray[np.float32]) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))[None].to(self.device)
        return tensor.contiguous(memory_format=torch.channels_last)

    def _crop_image(self, image: Pyramid, box: Box, side: int) -> Tensor:
        pixels = image.crop(box, (side, side)).astype(np.float32) / 255.0
        return self._tensor(pixels.transpose(2, 0, 1))

    def _segment(
        self,
        state: _State,
        clicks: Sequence[Click],
        target: Box,
        recorded: dict[str, NDArray[np.generic]] | None,
    ) -> Coarse:
        side = SEGMENTOR_SIDE[self.options.version]
        shape = (side, side)
        # Twice the input's side is enough to average from; a large image need not be rendered.
        grid = (min(2 * side, target[3] - target[1]), min(2 * side, target[2] - target[0]))
        previous = resize(state.soft.render(target, grid), shape).astype(np.float32)
        points = map_to_crop(to_array(clicks), target, shape)
        maps = disks(points, shape, DISK_RADIUS[side])
        # Inference mode belongs to the thread, so it is entered here and not by the caller.
        with torch.inference_mode():
            coarse = self.network.segment(
                self._crop_image(state.image, target, side),
                self._tensor(np.concatenate([previous[None], maps])),
            )
        if recorded is not None:
            recorded["previous_mask"] = previous
            recorded["positive_clicks"], recorded["negative_clicks"] = maps
            recorded["coarse"] = sigmoid(coarse.logits[0, 0].float().cpu().numpy())
        return coarse

    def _focus_box(
        self,
        logits: NDArray[np.float32],
        previous: NDArray[np.bool_],
        target: Box,
        new: Sequence[Click],
    ) -> Box | None:
        """Focus crop in pixels of the image, inside the target crop."""
        if self.options.focus_crop == "off":
            return None
        side = logits.shape[0]
        cutoff = np.log(self.options.threshold / (1 - self.options.threshold))
        before = reduce_mask(previous, target, (side, side))
        points = map_to_crop(to_array(new), target, (side, side))
        pixels = [
            (int(np.clip(round(float(y)), 0, side - 1)), int(np.clip(round(float(x)), 0, side - 1)))
            for x, y, _ in points
        ]
        region = focus_region(logits > cutoff, before, pixels, self.options.focus_crop)
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
        grown = expand(box, self.options.r_fc, previous.shape, SMALLEST_CROP)
        return intersect(grown, target)

    def _refine(
        self,
        state: _State,
        clicks: Sequence[Click],
        target: Box,
        focus: Box,
        coarse: Coarse,
    ) -> Refined:
        shape = (REFINER_SIDE, REFINER_SIDE)
        maps = disks(map_to_crop(to_array(clicks), focus, shape), shape, REFINER_RADIUS)
        side = coarse.logits.shape[-1]
        scale_x, scale_y = side / (target[2] - target[0]), side / (target[3] - target[1])
        box = [
            (focus[0] - target[0]) * scale_x,
            (focus[1] - target[1]) * scale_y,
            (focus[2] - target[0]) * scale_x,
            (focus[3] - target[1]) * scale_y,
        ]
        with torch.inference_mode():
            return self.network.refine(
                self._crop_image(state.image, focus, REFINER_SIDE),
                self._tensor(maps),
                coarse,
                torch.tensor([box], dtype=torch.float32, device=self.device),
            )

    def _merge(
        self,
        state: _State,
        previous: NDArray[np.bool_],
        soft: Layers,
        target: Box,
        new: Sequence[Click],
        count: int,
    ) -> NDArray[np.bool_]:
        """Threshold, then progressive merge where it applies (Sec. 3.1)."""
        mask = np.zeros(state.shape, bool)
        cut(mask, target)[...] = soft.exceeds(self.options.threshold, target)
        if not self.options.progressive_merge:
            return mask
        if not state.merging and count <= self.options.merge_after:
            return mask
        return progressive_merge(previous, mask, [click.pixel for click in new])


def _refiner_trace(refined: Refined) -> Trace:
    return {
        name: sigmoid(getattr(refined, field)[0, 0].float().cpu().numpy())
        for name, field in (
            ("focus_coarse", "coarse"),
            ("detail", "detail"),
            ("boundary", "boundary"),
            ("refined", "refined"),
        )
    }
