"""FCA-Net: the first click leads (Lin et al., CVPR 2020).

Every click is answered from the whole image and all clicks, in three moves (Sec. 3.1, Fig. 2):

1. the image is brought to a **short side** of 512 pixels, and the clicks with it;
2. the network sees RGB and two **Gaussian maps** of the clicks; the **first click** has a wider
   Gaussian of its own, which joins the low-level features;
3. the probability is brought back and thresholded, and the **structural integrity strategy**
   keeps the regions that hold a positive click (Sec. 3.3).

No previous mask is fed. Where one existed before, only what changed under the click is taken over.
There is no crop, so steps have no views.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iseg_widget.clicks import Click, check_step
from iseg_widget.encode import gaussians
from iseg_widget.masks import components_at, progressive_merge
from iseg_widget.networks.fca_net import FCANetLite0, FCANetwork, Prediction
from iseg_widget.networks.layers import resize
from iseg_widget.protocol import Step
from iseg_widget.regions import Region
from iseg_widget.views import Box, cut, mask_layers, sigmoid

LARGEST_LOGIT = 30000.0
"""Logits are kept as float16, which ends at 65504; both are certainty."""


@dataclass(frozen=True)
class FCANetOptions:
    """Settings of FCA-Net; the defaults are the published ones.

    Attributes
    ----------
    short_side: the image's shorter side in pixels as the network sees it (Sec. 3.5: 512). All
        Gaussians are measured on that grid.
    max_side: limit in pixels of the longer side, for very long images, whose shorter side is then
        less than ``short_side``; ``None``: no limit, as published.
    sigma: width in pixels of the Gaussian of each click, its full width at half maximum. The paper
        calls it a radius (Sec. 3.1: 10).
    first_sigma: the same of the first positive click's own Gaussian. The paper gives none; the
        published code has 30.
    structural_integrity: keep only regions of the mask that hold a positive click; with none in
        the mask nothing is left (Sec. 3.3, Eq. 8, where A_n is printed and A_p meant). Table 2
        lists results with (SIS) and without.
    connectivity: 4 or 8 neighbours make a region. The text says eight; the published code, and so
        its results, have four.
    progressive_merge: update a mask that existed before, or was drawn, only in the changed region
        under the click. Not of this paper: FocalClick's way of keeping what is there.
    threshold: probability above which a pixel belongs to the mask (Sec. 3.3).
    compat: follow slips of the published code as well. It has none that would change an answer.
    """

    short_side: int = 512
    max_side: int | None = 2048
    sigma: float = 10.0
    first_sigma: float = 30.0
    structural_integrity: bool = True
    connectivity: Literal[4, 8] = 4
    progressive_merge: bool = True
    threshold: float = 0.5
    compat: bool = False

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a value outside what is accepted."""
        if not 32 <= self.short_side <= 4096:
            raise ValueError(f"short_side must lie in 32..4096, got {self.short_side!r}")
        if self.max_side is not None and self.max_side < self.short_side:
            raise ValueError(
                f"max_side must be None or at least short_side ({self.short_side}), "
                f"got {self.max_side!r}"
            )
        for name in ("sigma", "first_sigma"):
            if not 0.0 < getattr(self, name) <= 1000.0:
                raise ValueError(f"{name} must lie in 0..1000, got {getattr(self, name)!r}")
        if self.connectivity not in (4, 8):
            raise ValueError(f"connectivity must be 4 or 8, got {self.connectivity!r}")
        if not 0.0 < self.threshold < 1.0:
            raise ValueError(f"threshold must lie between 0 and 1, got {self.threshold!r}")


@dataclass(frozen=True)
class _State:
    image: NDArray[np.uint8]
    """As the network sees it."""
    shape: tuple[int, int]
    clicks: tuple[Click, ...]
    packed: Region
    merging: bool


@dataclass(frozen=True)
class CoarseLogits:
    """Probability of a whole image, kept as the network's logits at a quarter of its input.

    Attributes
    ----------
    shape: ``(H, W)`` of the image.
    size: ``(h, w)`` of the network's input.
    logits: ``(h/4, w/4)`` float16.
    """

    shape: tuple[int, int]
    size: tuple[int, int]
    logits: NDArray[np.float16]

    def at_input(self) -> NDArray[np.float32]:
        """Return the probability ``(h, w)`` float32 at the size of the network's input."""
        coarse = torch.from_numpy(self.logits.astype(np.float32))[None, None]
        return sigmoid(resize(coarse, self.size)[0, 0].numpy())

    def render(self, box: Box | None = None) -> NDArray[np.float32]:
        """Return the probability in ``box`` (default: everywhere), ``(h, w)`` float32.

        As published: logits are enlarged with aligned corners and squashed, and probabilities
        brought to the image's size bilinearly, half-pixel convention.
        """
        full: NDArray[np.float32] = _bilinear(self.at_input(), self.shape)
        return full if box is None else cut(full, box).copy()


def _bilinear(array: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Resize to ``shape`` (H, W), half-pixel convention; as published, nothing is averaged."""
    return cv2.resize(array, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)


def input_size(
    shape: tuple[int, int], short_side: int, max_side: int | None = None
) -> tuple[int, int]:
    """Size ``(h, w)`` at which the network sees an image of ``shape`` (H, W).

    Both sides are truncated as in the published code, so the shorter one may miss ``short_side``
    by one.
    """
    scale = short_side / min(shape)
    if max_side is not None:
        scale = min(scale, max_side / max(shape))
    return max(1, int(shape[0] * scale)), max(1, int(shape[1] * scale))


def to_input(
    clicks: Sequence[Click], shape: tuple[int, int], size: tuple[int, int]
) -> NDArray[np.float64]:
    """Carry clicks to the network's input, as published: pixel indices, scaled and truncated.

    There are no half-pixel centres, other than in FocusCut. Returns ``(N, 3)`` rows
    ``x, y, positive``.
    """
    scale_y, scale_x = size[0] / shape[0], size[1] / shape[1]
    rows = [
        (int(column * scale_x), int(row * scale_y), float(click.positive))
        for click in clicks
        for row, column in (click.pixel,)
    ]
    return np.asarray(rows, np.float64).reshape(-1, 3)


def structural_integrity(
    mask: NDArray[np.bool_], clicks: Sequence[Click], connectivity: int = 4
) -> NDArray[np.bool_]:
    """Structural integrity strategy (Sec. 3.3, Eq. 8).

    Parameters
    ----------
    mask: ``(H, W)`` bool.
    clicks: in the image; negative ones do not count.
    connectivity: 4 or 8.

    Returns
    -------
    The regions of the mask that hold a positive click, ``(H, W)`` bool; empty when none does.
    """
    pixels = [click.pixel for click in clicks if click.positive]
    return components_at(mask, pixels, connectivity=connectivity)


class FCANet:
    """The procedure around an FCA-Net network; immutable and free of per-image state.

    Parameters
    ----------
    network: called as :class:`FCANetwork` is, in evaluation mode and on its device.
    options: see :class:`FCANetOptions`.
    """

    name = "fca_net"

    def __init__(
        self, network: FCANetwork | FCANetLite0, options: FCANetOptions | None = None
    ) -> None:
        self.network = network
        self.options = options or FCANetOptions()
        self.device = next(network.parameters()).device

    def start(self, image: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> _State:
        """See :meth:`iseg_widget.protocol.Method.start`."""
        shape = (image.shape[0], image.shape[1])
        small = _bilinear(image, input_size(shape, self.options.short_side, self.options.max_side))
        existing = np.zeros(shape, bool) if mask is None else mask
        return _State(small, shape, (), Region.of(existing), merging=mask is not None)

    def edit(self, state: _State, mask: NDArray[np.bool_]) -> tuple[_State, Step]:
        """Take the user's mask; later clicks merge into it."""
        edited = replace(state, packed=Region.of(mask), merging=True)
        return edited, Step((), mask_layers(mask), edited.packed)

    def step(
        self, state: _State, clicks: Sequence[Click], *, trace: bool = False
    ) -> tuple[_State, Step]:
        """Answer new clicks in one pass over the image and all clicks."""
        began = time.perf_counter()
        check_step(clicks, state.shape)
        every = (*state.clicks, *clicks)
        maps, first = self._click_maps(state, every)
        prediction = self._predict(state.image, maps, first)
        values = prediction.logits[0, 0].float().cpu().numpy()
        logits = np.clip(values, -LARGEST_LOGIT, LARGEST_LOGIT).astype(np.float16)
        soft = CoarseLogits(state.shape, (state.image.shape[0], state.image.shape[1]), logits)
        predicted = soft.render() > self.options.threshold
        mask = predicted
        if self.options.structural_integrity:
            mask = structural_integrity(predicted, every, self.options.connectivity)
        recorded: dict[str, NDArray[np.generic]] = {}
        if trace:
            recorded = {
                "positive_clicks": maps[0],
                "negative_clicks": maps[1],
                "first_click": first,
                "first_click_probability": self._first_click_probability(prediction),
                "probability": soft.at_input(),
                "removed": predicted & ~mask,
            }
        if state.merging and self.options.progressive_merge:
            previous = state.packed.unpack()
            mask = progressive_merge(previous, mask, [click.pixel for click in clicks])
        following = replace(state, clicks=every, packed=Region.of(mask))
        seconds = time.perf_counter() - began
        return following, Step(tuple(clicks), soft, following.packed, (), recorded, seconds)

    def _click_maps(
        self, state: _State, clicks: Sequence[Click]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Gaussians of all clicks ``(2, h, w)`` and of the first positive one ``(h, w)``."""
        size = (state.image.shape[0], state.image.shape[1])
        points = to_input(clicks, state.shape, size)
        first = points[points[:, 2] > 0][:1]
        maps = gaussians(points, size, self.options.sigma)
        return maps, gaussians(first, size, self.options.first_sigma)[0]

    def _tensor(self, array: NDArray[np.float32]) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))[None].to(self.device)
        return tensor.contiguous(memory_format=torch.channels_last)

    def _predict(
        self, image: NDArray[np.uint8], maps: NDArray[np.float32], first: NDArray[np.float32]
    ) -> Prediction:
        pixels = image.astype(np.float32).transpose(2, 0, 1) / np.float32(255.0)
        # Inference mode belongs to the thread, so it is entered here and not by the caller.
        with torch.inference_mode():
            prediction: Prediction = self.network(
                self._tensor(pixels), self._tensor(maps), self._tensor(first[None])
            )
        return prediction

    def _first_click_probability(self, prediction: Prediction) -> NDArray[np.float32]:
        """What F_FCA alone says, by the head of the first click loss; ``(h/16, w/16)``."""
        with torch.inference_mode():
            logits: Tensor = self.network.first_click_head(prediction.first_click)
        return sigmoid(logits[0, 0].float().cpu().numpy())
