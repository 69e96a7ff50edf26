"""RITM: the last probability goes back in (Sofiiuk et al., ICIP 2022, arXiv 2102.06583).

A click is answered in one pass (Sec. 3; ``inference/predictors/base.py``):

1. **zoom-in**: from the second click on, the image is cut around the object;
2. the network sees RGB, the **previous probability** and disks of the clicks, the image as it is
   and mirrored; the logits of both are averaged;
3. the probability is pasted back, 0 elsewhere, and thresholded.

The geometry of crops is in :mod:`iseg_widget.methods.ritm_rules`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iseg_widget.clicks import Click, check_step
from iseg_widget.masks import progressive_merge
from iseg_widget.methods.ritm_rules import (
    ZoomProbability,
    click_maps,
    crop_clicks,
    crop_image,
    crop_size,
    grow,
    keeps,
    mirror_clicks,
    object_region,
    resize_map,
)
from iseg_widget.networks.ritm import RITMNetwork
from iseg_widget.protocol import Step, View
from iseg_widget.regions import Region
from iseg_widget.views import Box, Layers, mask_layers, sigmoid, whole

Array = NDArray[np.float32]


@dataclass(frozen=True)
class RITMOptions:
    """Settings of RITM; the defaults are the published ones.

    Attributes
    ----------
    zoom_in: look at the object with a margin, else always at the whole image.
    skip_clicks: so many clicks see the whole image before the first crop (published: 1, even when
        there is a mask to begin with).
    expansion: the crop's sides are the object's times this (published: 1.4).
    min_crop: least side of the crop in pixels of the image (published: 200).
    crop_side: longer side of the crop as the network sees it, in pixels (published: 400, and 600
        for DAVIS).
    keep_overlap: the crop stays as it was while it overlaps the new one by this and holds all
        positive clicks (published: 0.5).
    flip: average the logits with those of the mirrored image.
    max_side: limit in pixels of the longer side of an image that is seen as a whole; ``None``:
        native size whatever it is, as published.
    zoom_threshold: probability above which a pixel counts as object for the crop (published: 0.5).
    threshold: probability above which a pixel belongs to the mask (published: 0.49).
    progressive_merge: update a mask that existed before, or was drawn, only in the changed region
        under the click. Not of this paper: FocalClick's way of keeping what is there.
    compat: follow slips of the published code as well: clicks fall into a crop on a grid of their
        own; one beyond both its left and its top edge paints nothing; and when the object has
        vanished, the whole image is fed but the answer squeezed into the last crop.
    """

    zoom_in: bool = True
    skip_clicks: int = 1
    expansion: float = 1.4
    min_crop: int = 200
    crop_side: int = 400
    keep_overlap: float = 0.5
    flip: bool = True
    max_side: int | None = 1024
    zoom_threshold: float = 0.5
    threshold: float = 0.49
    progressive_merge: bool = True
    compat: bool = False

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a value outside what is accepted."""
        for name, low, high in (
            ("skip_clicks", 0, 1000),
            ("expansion", 1.0, 10.0),
            ("min_crop", 1, 10000),
            ("crop_side", 32, 4096),
            ("keep_overlap", 0.0, 1.0),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must lie in {low}..{high}, got {getattr(self, name)!r}")
        if self.max_side is not None and self.max_side < 32:
            raise ValueError(f"max_side must be None or at least 32, got {self.max_side!r}")
        for name in ("zoom_threshold", "threshold"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ValueError(f"{name} must lie between 0 and 1, got {getattr(self, name)!r}")


@dataclass(frozen=True)
class State:
    """What is remembered between clicks.

    ``soft`` is the network's last probability, or the mask there was or that was drawn, ``None``
    from scratch; ``region`` the last crop; ``memory`` what a procedure on top of this one keeps.
    """

    image: NDArray[np.uint8]
    clicks: tuple[Click, ...]
    soft: ZoomProbability | Layers | None
    packed: Region
    merging: bool
    region: Box | None = None
    memory: Any = None

    @property
    def shape(self) -> tuple[int, int]:
        """``(H, W)`` of the image."""
        return self.packed.shape


@dataclass(frozen=True)
class Look:
    """Where the network looks.

    Attributes
    ----------
    fed: box of the image that is fed.
    size: ``(h, w)`` at which it is fed.
    target: box into which the answer is pasted.
    region: crop to remember.
    changed: whether that is another one than before.
    reduced: whether a large image is seen as a whole, which the published code never reduces.
    """

    fed: Box
    size: tuple[int, int]
    target: Box
    region: Box | None
    changed: bool
    reduced: bool = False


@dataclass(frozen=True)
class Fed:
    """What the network is given: one image, or one and its mirror image.

    ``image`` ``(N, 3, h, w)`` RGB in 0..1; ``interaction`` ``(N, 3, h, w)``: previous probability,
    positive and negative disks; ``points`` the clicks in pixels of each, ``(K, 3)`` rows
    ``x, y, positive``.
    """

    image: Tensor
    interaction: Tensor
    points: tuple[Array, ...]


class RITM:
    """The procedure around a RITM network; immutable and free of per-image state.

    Parameters
    ----------
    network: in evaluation mode and on its device.
    options: see :class:`RITMOptions`.
    """

    name = "ritm"

    def __init__(self, network: RITMNetwork, options: RITMOptions | None = None) -> None:
        self.network = network
        self.options = options or RITMOptions()
        self.device = next(network.parameters()).device

    def start(self, image: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> State:
        """See :meth:`iseg_widget.protocol.Method.start`."""
        existing = np.zeros(image.shape[:2], bool) if mask is None else mask
        soft = None if mask is None else mask_layers(mask)
        return State(image, (), soft, Region.of(existing), merging=mask is not None)

    def edit(self, state: State, mask: NDArray[np.bool_]) -> tuple[State, Step]:
        """Take the user's mask as the previous probability; later clicks merge into it."""
        soft, packed = mask_layers(mask), Region.of(mask)
        edited = replace(state, soft=soft, packed=packed, merging=True, region=None, memory=None)
        return edited, Step((), soft, packed)

    def step(
        self, state: State, clicks: Sequence[Click], *, trace: bool = False
    ) -> tuple[State, Step]:
        """Answer new clicks in one pass over the crop and all clicks."""
        return self._respond(state, clicks, None, trace=trace)

    def box(
        self, state: State, box: Box, clicks: Sequence[Click], *, trace: bool = False
    ) -> tuple[State, Step]:
        """See :meth:`iseg_widget.protocol.BoxMethod.box`; zoom-in looks at it as at an object."""
        return self._respond(state, clicks, box, trace=trace)

    def _respond(
        self, state: State, clicks: Sequence[Click], box: Box | None, *, trace: bool
    ) -> tuple[State, Step]:
        began = time.perf_counter()
        check_step(clicks, state.shape)
        every = (*state.clicks, *clicks)
        look = self._look(state, every) if box is None else self._look_at(box, state, every)
        recorded: dict[str, NDArray[Any]] = {}
        logits, memory = self._answer(state, every, look, recorded if trace else None)
        soft = ZoomProbability(state.shape, look.target, look.size, _averaged(logits))
        mask = soft.exceeds(self.options.threshold)
        if trace:
            recorded["crop_probability"] = soft.at_input()
            if len(logits) == 2:
                answers = (logits[0, 0], logits[1, 0].flip(1))
                for name, answer in zip(("straight", "mirrored"), answers, strict=True):
                    values = resize_map(answer.float().cpu().numpy(), look.size)
                    recorded[f"{name}_probability"] = sigmoid(values)
        if state.merging and self.options.progressive_merge:
            mask = progressive_merge(state.packed.unpack(), mask, [c.pixel for c in clicks])
        packed = Region.of(mask)
        following = State(
            state.image, every, soft, packed, state.merging, region=look.region, memory=memory
        )
        views = (View("zoom_in", look.fed),)
        seconds = time.perf_counter() - began
        return following, Step(tuple(clicks), soft, packed, views, recorded, seconds)

    def _look(self, state: State, clicks: Sequence[Click]) -> Look:
        """Choose the crop (``transforms/zoom_in.py``)."""
        settings, everything = self.options, whole(state.shape)
        native = state.shape
        reduced = settings.max_side is not None and max(native) > settings.max_side
        if settings.max_side is not None and reduced:
            native = crop_size(everything, settings.max_side)
        if settings.zoom_in and state.soft is not None and len(clicks) > settings.skip_clicks:
            mask = state.soft.exceeds(settings.zoom_threshold)
            region = object_region(mask, clicks, settings.expansion, settings.min_crop)
            if region is not None:
                kept = state.region
                changed = kept is None or not keeps(kept, region, clicks, settings.keep_overlap)
                region = region if kept is None or changed else kept
                size = crop_size(region, settings.crop_side)
                return Look(region, size, region, region, changed)
            if settings.compat and state.region is not None:
                return Look(everything, native, state.region, state.region, False, reduced)
        return Look(everything, native, everything, None, state.region is not None, reduced)

    def _look_at(self, box: Box, state: State, clicks: Sequence[Click]) -> Look:
        """Zoom in on a box as on the object it holds."""
        if not self.options.zoom_in:
            return self._look(state, clicks)
        region = grow(box, self.options.expansion, state.shape, self.options.min_crop)
        return Look(region, crop_size(region, self.options.crop_side), region, region, True)

    def _click_maps(self, points: Array, size: tuple[int, int]) -> Array:
        """Positive and negative disks of a crop, ``(2, h, w)``."""
        return click_maps(points, size, self.network.disk_radius, compat=self.options.compat)

    def _feed(
        self,
        image: NDArray[np.uint8],
        look: Look,
        soft: ZoomProbability | Layers | None,
        clicks: Sequence[Click],
    ) -> Fed:
        """Prepare what the network sees of a crop, and of its mirror image."""
        box, size = look.fed, look.size
        pixels = crop_image(image, box, size, averaging=look.reduced)[None]
        previous = np.zeros(size, np.float32)
        if soft is not None:
            previous = resize_map(soft.render(box), size)
        points: tuple[Array, ...]
        points = (crop_clicks(clicks, box, size, compat=self.options.compat),)
        if self.options.flip:
            pixels = np.concatenate([pixels, pixels[..., ::-1]])
            points = (*points, mirror_clicks(points[0], size[1]))
        maps = [
            np.concatenate([seen[None], self._click_maps(drawn, size)])
            for seen, drawn in zip((previous, previous[:, ::-1]), points, strict=False)
        ]
        return Fed(self._tensor(pixels), self._tensor(np.stack(maps)), points)

    def _tensor(self, array: Array) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
        return tensor.contiguous(memory_format=torch.channels_last)

    def _answer(
        self,
        state: State,
        clicks: Sequence[Click],
        look: Look,
        recorded: dict[str, NDArray[Any]] | None,
    ) -> tuple[Tensor, Any]:
        """Return logits ``(N, 1, h/4, w/4)`` of the image and its mirror image, and the memory."""
        fed = self._feed(state.image, look, state.soft, clicks)
        note_input(fed, recorded)
        # Inference mode belongs to the thread, so it is entered here and not by the caller.
        with torch.inference_mode():
            return self.network.logits(fed.image, fed.interaction), None


def note_input(fed: Fed, recorded: dict[str, NDArray[Any]] | None) -> None:
    """Record the interaction maps of the image that is not mirrored."""
    if recorded is not None:
        maps = fed.interaction[0].cpu().numpy()
        for name, values in zip(
            ("previous_mask", "positive_clicks", "negative_clicks"), maps, strict=True
        ):
            recorded[name] = values.copy()


def _averaged(logits: Tensor) -> Array:
    """Mean of the image's logits and its mirror image's, ``(h, w)``.

    Enlarging is linear and symmetric, so the mean may be taken before it.
    """
    mean = logits[0, 0] if len(logits) == 1 else (logits[0, 0] + logits[1, 0].flip(1)) * 0.5
    return mean.float().cpu().numpy()
