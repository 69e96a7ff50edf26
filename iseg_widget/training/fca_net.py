"""Training FCA-Net: the first click in the object's centre, and the click loss (Sec. 3.2, 3.5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from iseg_widget.encode import distance_maps, gaussians
from iseg_widget.networks.fca_net import FCANetwork
from iseg_widget.networks.layers import resize
from iseg_widget.training.click_strategies import centre_click
from iseg_widget.training.crop_simulation import SimulatedView
from iseg_widget.training.interaction import (
    Clicks,
    Interaction,
)
from iseg_widget.training.losses import (
    CLICK_RANGE,
    batch_iou,
    first_click_loss,
    general_click_loss,
    masked_bce,
)
from iseg_widget.training.seen import Seen, Show
from iseg_widget.training.segmenter import Batch, ViewTask
from iseg_widget.training.tensors import images, stacked, targets

SIGMA, FIRST_SIGMA = 10.0, 30.0
"""Full width at half maximum of a click's Gaussian and of the first one's, in pixels of the view;
three times as wide (Sec. 3.5, "First Click Simulation")."""

PAPER_SIDE = 512
"""Side of the crops that the click loss's reach is stated for."""


def _leading(clicks: Clicks, view: SimulatedView) -> Clicks:
    """Put the centre click before all others, as the first."""
    x, y = centre_click(view.truth)
    return np.concatenate([np.asarray([[x, y, 1.0]], np.float32), clicks[1:]])


class FCANetTask(ViewTask):
    """What the trainer needs to know about FCA-Net.

    Parameters
    ----------
    simulation: as for :class:`~iseg_widget.training.segmenter.SegmenterTask`; beside it
        ``click_loss`` (Sec. 3.2), without which pixels weigh alike, ``click_alpha`` and
        ``click_beta`` (Eq. 5), and, if there, ``first_click``: false trains the basic network
        without the first click's module ("BS" of Table 3).
    build: the network, called with image, Gaussians of all clicks and of the first one; its
        ``first_click_head`` is supervised by the first click loss.
    """

    def __init__(self, simulation: Mapping[str, Any], build: Callable[[], nn.Module]) -> None:
        if simulation["initial_mask"]:
            raise ValueError("FCA-Net is fed no previous mask: initial_mask must be 0")
        super().__init__(simulation, build)
        self.limits = (float(simulation["click_alpha"]), float(simulation["click_beta"]))
        self.first_click = bool(simulation.get("first_click", True))

    def begin(self, net: Any) -> None:
        """All of the network is trained; without the first click's module, all but that."""
        if self.first_click:
            return
        parts = [net.first_click, net.first_click_head]
        if isinstance(net, FCANetwork):
            # The module's map goes into the pyramid beside the backbone's: it becomes zero, as its
            # last normalisation gives nothing else, and so it stays.
            last = net.first_click.layers[-1].get_submodule("norm")
            nn.init.zeros_(last.get_parameter("weight"))
            nn.init.zeros_(last.get_parameter("bias"))
        else:
            # What the module finds is added to the backbone's map: nothing, and so it stays.
            nn.init.zeros_(net.join.weight)
            parts.append(net.join)
        for part in parts:
            part.requires_grad_(requires_grad=False)

    def _answers(self, net: Any, image: Tensor, given: Interaction) -> tuple[Tensor, Tensor]:
        """Logits ``(B, 1, H, W)`` and the first click's features."""
        size, device = (image.shape[2], image.shape[3]), image.device
        maps = [gaussians(clicks, size, SIGMA) for clicks in given.clicks]
        first = [gaussians(clicks[:1], size, FIRST_SIGMA)[:1] for clicks in given.clicks]
        found = net(image, stacked(maps, device), stacked(first, device))
        return resize(found.logits.float(), size), found.first_click

    def answer(self, net: Any, image: Tensor, given: Interaction) -> Tensor:
        """Return logits ``(B, 1, H, W)`` for views ``(B, 3, H, W)`` and what is given on them."""
        return self._answers(net, image, given)[0]

    def losses(
        self,
        net: Any,
        batch: Batch,
        device: torch.device,
        dtype: torch.dtype | None,
        show: Show | None = None,
    ) -> dict[str, Tensor]:
        """Return general and first click loss (Eq. 4 and 6) and, for the log, the IoU."""
        image = images(batch.views, device)

        def lead(given: Interaction) -> None:
            given.clicks = [
                _leading(clicks, view)
                for clicks, view in zip(given.clicks, batch.views, strict=True)
            ]

        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            given = self.interact(net, batch, image, np.random.default_rng(batch.seed), lead)
            net.train()
            logits, features = self._answers(net, image, given)
            early = resize(net.first_click_head(features).float(), (image.shape[2], image.shape[3]))
        truth, valid = targets(batch.views, device)
        if show is not None:
            show(Seen(image, given, truth, valid, logits))
        terms = self._terms(logits, early, truth, valid, given.clicks)
        if not self.first_click:
            del terms["first"]
        return {**terms, "iou": batch_iou(logits, truth, valid)}

    def _terms(
        self,
        logits: Tensor,
        early: Tensor,
        truth: Tensor,
        valid: Tensor,
        clicks: Sequence[Clicks],
    ) -> dict[str, Tensor]:
        if not self.simulation["click_loss"]:
            return {
                "general": masked_bce(logits, truth, valid),
                "first": masked_bce(early, truth, valid),
            }
        size = (logits.shape[2], logits.shape[3])
        reach = CLICK_RANGE * min(size) / PAPER_SIDE
        every = stacked([distance_maps(c, size, reach) for c in clicks], logits.device)
        first = stacked([distance_maps(c[:1], size, reach)[:1] for c in clicks], logits.device)
        return {
            "general": general_click_loss(logits, truth, valid, every, reach, self.limits),
            "first": first_click_loss(early, truth, valid, first, reach, self.limits),
        }
