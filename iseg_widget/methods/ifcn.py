"""iFCN: a fully convolutional network on distance maps (Xu et al., CVPR 2016): a plain baseline.

Every click is answered from the whole image and all clicks: the network sees RGB and two maps of
the Euclidean distance to the nearest positive and negative click (Sec. 3.1). No previous mask is
fed and nothing is cropped, so steps have no views. The paper's last step, a graph cut on the
probability, is not part of this file.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from iseg_widget.clicks import Click, check_step
from iseg_widget.encode import distance_maps
from iseg_widget.masks import progressive_merge
from iseg_widget.methods.ritm_rules import ZoomProbability, crop_clicks, crop_image, crop_size
from iseg_widget.networks.ifcn import IFCNVGG16, IFCNLite0
from iseg_widget.protocol import Step
from iseg_widget.regions import Region
from iseg_widget.views import mask_layers, whole


@dataclass(frozen=True)
class IFCNOptions:
    """Settings of iFCN; the defaults are the paper's.

    Attributes
    ----------
    cap: largest distance in pixels (Sec. 3.1: 255). The network sees distances divided by it.
    max_side: limit in pixels of the longer side of what the network sees; ``None``: no limit.
    threshold: probability above which a pixel belongs to the mask.
    progressive_merge: update a mask that existed before, or was drawn, only in the changed region
        under the click. Not of this paper: FocalClick's way of keeping what is there.
    compat: follow slips of the published code as well. There is no published code.
    """

    cap: float = 255.0
    max_side: int | None = 1024
    threshold: float = 0.5
    progressive_merge: bool = True
    compat: bool = False

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a value outside what is accepted."""
        if not 1.0 <= self.cap <= 10000.0:
            raise ValueError(f"cap must lie in 1..10000, got {self.cap!r}")
        if self.max_side is not None and self.max_side < 32:
            raise ValueError(f"max_side must be None or at least 32, got {self.max_side!r}")
        if not 0.0 < self.threshold < 1.0:
            raise ValueError(f"threshold must lie between 0 and 1, got {self.threshold!r}")


@dataclass(frozen=True)
class _State:
    image: NDArray[np.float32]
    """As the network sees it, ``(3, h, w)``."""
    shape: tuple[int, int]
    clicks: tuple[Click, ...]
    packed: Region
    merging: bool


class IFCN:
    """The procedure around an iFCN network; immutable and free of per-image state.

    Parameters
    ----------
    network: called with ``(1, 3, h, w)`` RGB in 0..1 and ``(1, 2, h, w)`` distances in 0..1, gives
        logits first; in evaluation mode and on its device.
    options: see :class:`IFCNOptions`.
    """

    name = "ifcn"

    def __init__(self, network: IFCNLite0 | IFCNVGG16, options: IFCNOptions | None = None) -> None:
        self.network = network
        self.options = options or IFCNOptions()
        self.device = next(network.parameters()).device

    def start(self, image: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> _State:
        """See :meth:`iseg_widget.protocol.Method.start`."""
        shape, limit = (image.shape[0], image.shape[1]), self.options.max_side
        size = shape
        if limit is not None and max(shape) > limit:
            size = crop_size(whole(shape), limit)
        pixels = crop_image(image, whole(shape), size, averaging=True)
        existing = np.zeros(shape, bool) if mask is None else mask
        return _State(pixels, shape, (), Region.of(existing), merging=mask is not None)

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
        size = (state.image.shape[1], state.image.shape[2])
        box = whole(state.shape)
        distances = distance_maps(crop_clicks(every, box, size), size, self.options.cap)
        soft = ZoomProbability(state.shape, box, size, self._predict(state.image, distances))
        mask = soft.exceeds(self.options.threshold)
        recorded: dict[str, NDArray[Any]] = {}
        if trace:
            recorded["positive_distance"], recorded["negative_distance"] = distances
            recorded["probability"] = soft.at_input()
        if state.merging and self.options.progressive_merge:
            mask = progressive_merge(state.packed.unpack(), mask, [c.pixel for c in clicks])
        following = replace(state, clicks=every, packed=Region.of(mask))
        seconds = time.perf_counter() - began
        return following, Step(tuple(clicks), soft, following.packed, (), recorded, seconds)

    def _predict(
        self, image: NDArray[np.float32], distances: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the network's logits, ``(h/4, w/4)`` or ``(h, w)`` float32."""
        fed = [
            torch.from_numpy(values[None]).to(self.device, memory_format=torch.channels_last)
            for values in (image, distances / np.float32(self.options.cap))
        ]
        # Inference mode belongs to the thread, so it is entered here and not by the caller.
        with torch.inference_mode():
            logits, _ = self.network(*fed)
        values: NDArray[np.float32] = logits[0, 0].float().cpu().numpy()
        return values
