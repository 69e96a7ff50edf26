"""FocalClick: look where the user points (Chen et al., CVPR 2022, arXiv 2204.02574).

A click is answered in four moves (Sec. 3.1, Fig. 3):

1. **target crop**: the box of the previous mask and the clicks, expanded by r_TC, small again;
2. **coarse segmentation** of it by the Segmentor;
3. **focus crop**: the region that changed under the click, expanded by r_FC, **refined** from the
   full-resolution image;
4. **progressive merge**: with a mask that existed before, only the changed region under the click
   is taken over.

Where to look and what to keep is decided in :mod:`iseg_widget.methods.focalclick_rules`; how crops
are cut and pasted belongs to the network (its ``geometry``).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iseg_widget.clicks import Click, check_step, to_array
from iseg_widget.encode import disks
from iseg_widget.images import Pyramid
from iseg_widget.masks import PackedMask
from iseg_widget.methods.focalclick_published import PublishedRules
from iseg_widget.methods.focalclick_rules import (
    CoarseAnswer,
    FocalClickOptions,
    PaperRules,
    Rules,
    State,
    focus_region,
    target_crop,
)
from iseg_widget.networks.focalclick import Coarse, FocalClickNetwork, NetworkInput, Refined
from iseg_widget.protocol import Step, Trace, View
from iseg_widget.sampling import SAMPLINGS
from iseg_widget.views import Box, Layers, mask_layers, sigmoid

__all__ = ["FocalClick", "FocalClickOptions", "focus_region", "target_crop"]


class FocalClick:
    """The procedure around a FocalClick network; immutable and free of per-image state.

    Parameters
    ----------
    network: in evaluation mode and on its device.
    options: see :class:`FocalClickOptions`.
    """

    name = "focalclick"

    def __init__(
        self, network: FocalClickNetwork, options: FocalClickOptions | None = None
    ) -> None:
        options = options or FocalClickOptions()
        geometry = network.geometry
        if options.version not in geometry.inputs:
            options = replace(options, version=next(iter(geometry.inputs)))
        self.network = network
        self.options = options
        self.device = next(network.parameters()).device
        self.sampling = SAMPLINGS[geometry.sampling]
        self.rules: Rules = PublishedRules(options) if options.compat else PaperRules(options)

    def start(self, image: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> State:
        """See :meth:`iseg_widget.protocol.Method.start`."""
        shape = (image.shape[0], image.shape[1])
        existing = np.zeros(shape, bool) if mask is None else mask
        soft = Layers(shape) if mask is None else mask_layers(mask)
        return State(Pyramid(image), (), soft, PackedMask.pack(existing), merging=mask is not None)

    def edit(self, state: State, mask: NDArray[np.bool_]) -> tuple[State, Step]:
        """Take the user's mask; later clicks merge into it (Sec. 3.2)."""
        edited = replace(state, soft=mask_layers(mask), packed=PackedMask.pack(mask), merging=True)
        return edited, Step((), edited.soft, edited.packed)

    def step(
        self, state: State, clicks: Sequence[Click], *, trace: bool = False
    ) -> tuple[State, Step]:
        """Answer new clicks in one pass; several at once share the crops."""
        began = time.perf_counter()
        check_step(clicks, state.shape)
        every = (*state.clicks, *clicks)
        fed, target = self.rules.look(state, every, clicks)
        recorded: dict[str, NDArray[np.generic]] = {}
        coarse = self._segment(state, every, fed, recorded if trace else None)
        logits = coarse.logits[0, 0].float().cpu().numpy()
        patch = self.sampling.coarse(fed, target, logits)
        answer = CoarseAnswer(target, logits, Layers(state.shape).pasted(patch))
        soft = answer.soft
        views = [View("target_crop", target)]
        focus = self.rules.focus(state, answer, clicks)
        if focus is not None:
            refined = self._refine(state, every, target, focus, coarse)
            values = refined.refined[0, 0].float().cpu().numpy()
            under = self.rules.under(state, answer, len(every))
            soft = under.pasted(self.sampling.refined(focus, values))
            views.append(View("focus_crop", focus))
            if trace:
                recorded |= _refiner_trace(refined)
        packed = PackedMask.pack(self.rules.mask(state, soft, target, clicks, len(every)))
        following = replace(state, clicks=every, soft=soft, packed=packed, region=target)
        seconds = time.perf_counter() - began
        return following, Step(tuple(clicks), soft, packed, tuple(views), recorded, seconds)

    def _tensor(self, array: NDArray[np.float32]) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))[None].to(self.device)
        return tensor.contiguous(memory_format=torch.channels_last)

    def _click_maps(
        self, clicks: Sequence[Click], box: Box, fed: NetworkInput
    ) -> NDArray[np.float32]:
        """Positive and negative disks of a crop, ``(2, side, side)``."""
        points = self.sampling.clicks(to_array(clicks), box, fed.side)
        return disks(points, (fed.side, fed.side), fed.radius)

    def _segment(
        self,
        state: State,
        clicks: Sequence[Click],
        box: Box,
        recorded: dict[str, NDArray[np.generic]] | None,
    ) -> Coarse:
        fed = self.network.geometry.inputs[self.options.version]
        previous = self.sampling.probability(state.soft, box, fed.side)
        maps = self._click_maps(clicks, box, fed)
        # Inference mode belongs to the thread, so it is entered here and not by the caller.
        with torch.inference_mode():
            coarse = self.network.segment(
                self._tensor(self.sampling.image(state.image, box, fed.side)),
                self._tensor(np.concatenate([previous[None], maps])),
            )
        if recorded is not None:
            recorded["previous_mask"] = previous
            recorded["positive_clicks"], recorded["negative_clicks"] = maps
            recorded["coarse"] = sigmoid(coarse.logits[0, 0].float().cpu().numpy())
        return coarse

    def _refine(
        self, state: State, clicks: Sequence[Click], target: Box, focus: Box, coarse: Coarse
    ) -> Refined:
        fed = self.network.geometry.refiner
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
                self._tensor(self.sampling.image(state.image, focus, fed.side)),
                self._tensor(self._click_maps(clicks, focus, fed)),
                coarse,
                torch.tensor([box], dtype=torch.float32, device=self.device),
            )


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
