"""IA-FPN: find what the user means, then look closer (Zhang et al., arXiv 2203.05145).

A click is answered in three moves (Sec. 3.2, Fig. 2):

1. the **coarse network** sees the whole image, all clicks and the previous probability, and says
   anew what the object is (Eq. 2);
2. **zoom-in**: the object's box gets a margin, the wider the smaller the object (Eq. 3);
3. the **fine network** sees the crop, with the coarse probability for the previous one (Eq. 4); its
   answer is pasted back, 0 elsewhere, and thresholded.

Inside both networks the features of clicked places are passed on to all others (Sec. 3.3). The
rules of crops and clicks are in :mod:`iseg_widget.methods.ia_fpn_rules`. The authors released their
code as CSFPN.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iseg_widget.clicks import Click, check_step
from iseg_widget.masks import progressive_merge
from iseg_widget.methods.ia_fpn_rules import (
    IAFPNOptions,
    margin_ratio,
    view_clicks,
    view_maps,
    zoom_box,
)
from iseg_widget.methods.ritm_rules import ZoomProbability, crop_image, crop_size, grow, resize_map
from iseg_widget.networks.ia_fpn import IAFPNNetwork, Prediction
from iseg_widget.protocol import Step, View
from iseg_widget.regions import Region
from iseg_widget.views import Box, Layers, cut, mask_layers, whole

__all__ = ["IAFPN", "IAFPNOptions"]

Array = NDArray[np.float32]

AVERAGING_FROM = 2.0
"""A crop that is reduced by this or more is averaged: point samples, as published, would skip
pixels. The published benchmarks have no image for that. Not with ``compat``."""


@dataclass(frozen=True)
class State:
    """What is remembered between clicks.

    ``soft`` is the fine network's last probability, or the mask there was or that was drawn;
    ``region`` the last crop.
    """

    image: NDArray[np.uint8]
    clicks: tuple[Click, ...]
    soft: ZoomProbability | Layers
    packed: Region
    merging: bool
    region: Box | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """``(H, W)`` of the image."""
        return self.packed.shape


@dataclass(frozen=True)
class Look:
    """What a network looks at: ``fed`` at ``size`` (h, w); the answer is pasted into ``target``."""

    fed: Box
    size: tuple[int, int]
    target: Box

    def reduction(self) -> float:
        """Return by how much the longer side is reduced."""
        return max(self.fed[2] - self.fed[0], self.fed[3] - self.fed[1]) / max(self.size)


class IAFPN:
    """The procedure around IA-FPN's pair of networks; immutable and free of per-image state.

    Parameters
    ----------
    network: in evaluation mode and on its device.
    options: see :class:`IAFPNOptions`.
    """

    name = "ia_fpn"

    def __init__(self, network: IAFPNNetwork, options: IAFPNOptions | None = None) -> None:
        self.network = network
        self.options = options or IAFPNOptions()
        self.device = next(network.parameters()).device

    def start(self, image: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> State:
        """See :meth:`iseg_widget.protocol.Method.start`; a mask is the first P^{t-1}."""
        shape = (image.shape[0], image.shape[1])
        existing = np.zeros(shape, bool) if mask is None else mask
        soft = Layers(shape) if mask is None else mask_layers(mask)
        return State(image, (), soft, Region.of(existing), merging=mask is not None)

    def edit(self, state: State, mask: NDArray[np.bool_]) -> tuple[State, Step]:
        """Take the user's mask as P^{t-1}; later clicks merge into it."""
        soft, packed = mask_layers(mask), Region.of(mask)
        edited = replace(state, soft=soft, packed=packed, merging=True, region=None)
        return edited, Step((), soft, packed)

    def step(
        self, state: State, clicks: Sequence[Click], *, trace: bool = False
    ) -> tuple[State, Step]:
        """Answer new clicks in one pass through both networks."""
        return self._respond(state, clicks, None, trace=trace)

    def box(
        self, state: State, box: Box, clicks: Sequence[Click], *, trace: bool = False
    ) -> tuple[State, Step]:
        """See :meth:`iseg_widget.protocol.BoxMethod.box`.

        The coarse network sees the whole image all the same; the box, with the margin of Eq. 3, is
        what the fine network zooms in on.
        """
        return self._respond(state, clicks, box, trace=trace)

    def _respond(
        self, state: State, clicks: Sequence[Click], box: Box | None, *, trace: bool
    ) -> tuple[State, Step]:
        began = time.perf_counter()
        check_step(clicks, state.shape)
        every = (*state.clicks, *clicks)
        recorded: dict[str, NDArray[Any]] | None = {} if trace else None
        everything = self._everything(state.shape)
        previous = resize_map(state.soft.render(), everything.size)
        logits = self._see("coarse", state.image, everything, previous, every, recorded)
        found = ZoomProbability(state.shape, everything.target, everything.size, logits)
        coarse = found.render()
        look = self._look(coarse, every, state, box)
        previous = resize_map(cut(coarse, look.fed), look.size)
        logits = self._see("fine", state.image, look, previous, every, recorded)
        soft = ZoomProbability(state.shape, look.target, look.size, logits)
        mask = soft.exceeds(self.options.threshold)
        if recorded is not None:
            recorded["coarse_probability"] = found.at_input()
            recorded["fine_probability"] = soft.at_input()
        if state.merging and self.options.progressive_merge:
            mask = progressive_merge(state.packed.unpack(), mask, [c.pixel for c in clicks])
        packed = Region.of(mask)
        following = replace(state, clicks=every, soft=soft, packed=packed, region=look.target)
        views = (View("zoom_in", look.fed),)
        seconds = time.perf_counter() - began
        return following, Step(tuple(clicks), soft, packed, views, recorded or {}, seconds)

    def _everything(self, shape: tuple[int, int]) -> Look:
        """The whole image, reduced only where a side exceeds ``max_side``."""
        box, limit = whole(shape), self.options.max_side
        large = limit is not None and max(shape) > limit
        return Look(box, crop_size(box, limit) if limit is not None and large else shape, box)

    def _look(self, coarse: Array, clicks: Sequence[Click], state: State, box: Box | None) -> Look:
        """Choose what the fine network sees."""
        settings = self.options
        if not settings.zoom_in:
            return self._everything(state.shape)
        if box is not None:
            grown = grow(box, margin_ratio(box, state.shape), state.shape)
            return Look(grown, crop_size(grown, settings.crop_side), grown)
        region = zoom_box(coarse > settings.zoom_threshold, clicks)
        if region is None and settings.compat:
            everything = self._everything(state.shape)
            return replace(everything, target=state.region or everything.target)
        region = region or whole(state.shape)
        return Look(region, crop_size(region, settings.crop_side), region)

    def _see(
        self,
        which: str,
        image: NDArray[np.uint8],
        look: Look,
        previous: Array,
        clicks: Sequence[Click],
        recorded: dict[str, NDArray[Any]] | None,
    ) -> Array:
        """Ask the ``"coarse"`` or the ``"fine"`` network.

        Returns logits ``(h, w)`` of its own resolution, averaged with the mirrored image's.
        """
        size, compat, flip = look.size, self.options.compat, self.options.flip
        least = 1.0 if which == "coarse" else AVERAGING_FROM
        averaging = look.reduction() > least and not (compat and which == "fine")
        pixels = crop_image(image, look.fed, size, averaging=averaging)
        points = view_clicks(clicks, look.fed, size, flip=flip, compat=compat)
        maps = [
            np.concatenate([seen[None], view_maps(rows, size, radius, compat=compat)])
            for seen, rows, radius in zip(
                (previous, previous[:, ::-1]), points, (self.network.disk_radius,) * 2, strict=False
            )
        ]
        views = np.stack([pixels, pixels[..., ::-1]] if flip else [pixels])
        ask: Callable[..., Prediction] = getattr(self.network, which)
        # Inference mode belongs to the thread, so it is entered here and not by the caller.
        with torch.inference_mode():
            answer = ask(
                self._tensor(views),
                self._tensor(np.stack(maps)),
                torch.from_numpy(points).to(self.device),
                self.options.propagation,
            )
        if recorded is not None:
            note(which, maps[0], answer, recorded)
        logits = answer.logits[0, 0]
        # Enlarging is linear and symmetric, so the mean may be taken before it.
        mean = (logits + answer.logits[1, 0].flip(1)) * 0.5 if flip else logits
        return np.asarray(mean.float().cpu().numpy())

    def _tensor(self, array: Array) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
        return tensor.contiguous(memory_format=torch.channels_last)


def note(which: str, maps: Array, answer: Prediction, recorded: dict[str, NDArray[Any]]) -> None:
    """Record what a network was fed and where its attention went, of the image not mirrored.

    Attention has one map per click, in the order of the clicks that lie in the crop:
    ``(M, h, w)``, the mean of the heads.
    """
    names = ("previous_probability", "positive_clicks", "negative_clicks")
    for name, values in zip(names, maps, strict=True):
        recorded[f"{which}_{name}"] = values.copy()
    for name, weights in (("sgm", answer.sgm), ("hsgm", answer.hsgm)):
        if weights is not None:
            mean = weights[0].mean(0).permute(2, 0, 1)
            recorded[f"{which}_{name}_attention"] = mean.float().cpu().numpy()
