"""Training FCA-Net: the first click in the object's centre, and the click loss (Sec. 3.2, 3.5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from iseg_widget.encode import distance_maps, gaussians
from iseg_widget.networks.layers import resize
from iseg_widget.training.crop_simulation import SimulatedView
from iseg_widget.training.interaction import (
    Clicks,
    Interaction,
    InteractionSettings,
    correct,
    first_interaction,
)
from iseg_widget.training.losses import (
    CLICK_RANGE,
    batch_iou,
    first_click_loss,
    general_click_loss,
    masked_bce,
)
from iseg_widget.training.pool import Pool
from iseg_widget.training.segmenter import Batch, draw_views
from iseg_widget.training.tensors import stacked

SIGMA, FIRST_SIGMA = 10.0, 30.0
"""Full width at half maximum of a click's Gaussian and of the first one's, in pixels of the view;
three times as wide (Sec. 3.5, "First Click Simulation")."""

PAPER_SIDE = 512
"""Side of the crops that the click loss's reach is stated for."""


def centre_click(truth: NDArray[np.bool_]) -> tuple[int, int]:
    """Return ``(x, y)`` of the pixel farthest from the object's boundary, E(p) = 1 of Eq. 11.

    The crop's border counts as boundary. (Eq. 11 prints a maximum over G_n; G_p is meant.)
    """
    depth = cv2.distanceTransform(np.pad(truth, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(column), int(row)


def _leading(clicks: Clicks, view: SimulatedView) -> Clicks:
    """Put the centre click before all others, as the first."""
    x, y = centre_click(view.truth)
    return np.concatenate([np.asarray([[x, y, 1.0]], np.float32), clicks[1:]])


class FCANetTask:
    """What the trainer needs to know about FCA-Net.

    Parameters
    ----------
    simulation: as for :class:`~iseg_widget.training.segmenter.SegmenterTask`; beside it
        ``click_loss`` (Sec. 3.2), without which pixels weigh alike, ``click_alpha`` and
        ``click_beta`` (Eq. 5).
    build: the network, called with image, Gaussians of all clicks and of the first one; its
        ``first_click_head`` is supervised by the first click loss.
    """

    def __init__(self, simulation: Mapping[str, Any], build: Callable[[], nn.Module]) -> None:
        if simulation["initial_mask"]:
            raise ValueError("FCA-Net is fed no previous mask: initial_mask must be 0")
        self.simulation = simulation
        self.interaction = InteractionSettings.of(simulation)
        self.limits = (float(simulation["click_alpha"]), float(simulation["click_beta"]))
        self.network = build

    def begin(self, net: nn.Module) -> None:
        """All of the network is trained, from the weights it has."""

    def batch(self, pool: Pool, rng: np.random.Generator, size: int, side: int) -> Batch:
        """Draw ``size`` samples with views of ``side`` pixels."""
        rounds = self.interaction.rounds(rng)
        views = draw_views(pool, rng, size, side, self.simulation, first=rounds == 0)
        return Batch(views, rounds, int(rng.integers(2**31)))

    def losses(
        self, net: Any, batch: Batch, device: torch.device, dtype: torch.dtype | None
    ) -> dict[str, Tensor]:
        """Return general and first click loss (Eq. 4 and 6) and, for the log, the IoU."""
        rng = np.random.default_rng(batch.seed)
        image = stacked([view.image for view in batch.views], device)
        size = (image.shape[2], image.shape[3])

        def answer(given: Interaction) -> tuple[Tensor, Tensor]:
            maps = [gaussians(clicks, size, SIGMA) for clicks in given.clicks]
            first = [gaussians(clicks[:1], size, FIRST_SIGMA)[:1] for clicks in given.clicks]
            found = net(image, stacked(maps, device), stacked(first, device))
            return resize(found.logits.float(), size), found.first_click

        def predict(given: Interaction) -> NDArray[np.float32]:
            with torch.no_grad():
                return np.asarray(torch.sigmoid(answer(given)[0])[:, 0].cpu().numpy())

        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            net.eval()
            given = first_interaction(batch.views, self.interaction, rng)
            given.clicks = [
                _leading(clicks, view)
                for clicks, view in zip(given.clicks, batch.views, strict=True)
            ]
            correct(given, batch.views, batch.rounds, predict, rng)
            net.train()
            logits, features = answer(given)
            early = resize(net.first_click_head(features).float(), size)
        truth = stacked([view.truth[None] for view in batch.views], device)
        valid = stacked([view.valid[None] for view in batch.views], device)
        terms = self._terms(logits, early, truth, valid, given.clicks)
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
        reach = CLICK_RANGE * size[0] / PAPER_SIDE
        every = stacked([distance_maps(c, size, reach) for c in clicks], logits.device)
        first = stacked([distance_maps(c[:1], size, reach)[:1] for c in clicks], logits.device)
        return {
            "general": general_click_loss(logits, truth, valid, every, reach, self.limits),
            "first": first_click_loss(early, truth, valid, first, reach, self.limits),
        }
