"""Training networks that answer from one view: RITM's, with previous mask, and iFCN's, without."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from iseg_widget.networks.layers import resize
from iseg_widget.training.crop_simulation import SMALLEST_TRUTH, SimulatedView
from iseg_widget.training.interaction import (
    Interaction,
    InteractionSettings,
    correct,
    first_interaction,
)
from iseg_widget.training.losses import batch_iou, normalized_focal_loss
from iseg_widget.training.pool import Pool
from iseg_widget.training.seen import Seen, Show
from iseg_widget.training.simulation import ViewSettings
from iseg_widget.training.task import WholeNetwork
from iseg_widget.training.tensors import stacked

Encoding = Callable[[Interaction, tuple[int, int]], NDArray[np.float32]]
"""What the network is fed beside the image, ``(B, maps, H, W)``, for views of size (H, W)."""


@dataclass(frozen=True)
class Batch:
    """Simulated views and the number of click rounds before the one that counts."""

    views: list[SimulatedView]
    rounds: int
    seed: int


def draw_views(
    pool: Pool,
    rng: np.random.Generator,
    count: int,
    size: tuple[int, int],
    simulation: Mapping[str, Any],
    *,
    first: bool,
) -> list[SimulatedView]:
    """Draw ``count`` views of ``size`` (H, W) as a recipe says (see :class:`SegmenterTask`)."""
    how = ViewSettings.of(simulation)
    views: list[SimulatedView] = []
    while len(views) < count:
        target = pool.draw(rng)
        window = how.window(target.truth, rng, size, first=first)
        view = how.scissors(target, rng).cut(window.matrix(size), size)
        if view.truth.sum() >= SMALLEST_TRUTH:
            views.append(view)
    return views


class SegmenterTask(WholeNetwork):
    """What the trainer needs to know about a network called as ``network(image, maps)``.

    Parameters
    ----------
    simulation: see :class:`InteractionSettings` and
        :class:`~iseg_widget.training.simulation.ViewSettings`.
    build: the network; returns logits of any size, alone or first.
    encode: see :data:`Encoding`.
    """

    def __init__(
        self, simulation: Mapping[str, Any], build: Callable[[], nn.Module], encode: Encoding
    ) -> None:
        self.simulation = simulation
        self.interaction = InteractionSettings.of(simulation)
        self.network = build
        self.encode = encode

    def batch(
        self, pool: Pool, rng: np.random.Generator, count: int, size: tuple[int, int]
    ) -> Batch:
        """Draw ``count`` samples with views of ``size`` (H, W)."""
        rounds = self.interaction.rounds(rng)
        views = draw_views(pool, rng, count, size, self.simulation, first=rounds == 0)
        return Batch(views, rounds, int(rng.integers(2**31)))

    def answer(self, net: nn.Module, image: Tensor, given: Interaction) -> Tensor:
        """Return logits ``(B, 1, H, W)`` for views ``(B, 3, H, W)`` and what is given on them."""
        size = (image.shape[2], image.shape[3])
        found = net(image, stacked(list(self.encode(given, size)), image.device))
        logits: Tensor = found[0] if isinstance(found, tuple) else found
        return resize(logits.float(), size)

    def losses(
        self,
        net: nn.Module,
        batch: Batch,
        device: torch.device,
        dtype: torch.dtype | None,
        show: Show | None = None,
    ) -> dict[str, Tensor]:
        """Return the normalized focal loss and, for the log, the IoU."""
        rng = np.random.default_rng(batch.seed)
        image = stacked([view.image for view in batch.views], device)

        def predict(given: Interaction) -> NDArray[np.float32]:
            with torch.no_grad():
                logits = self.answer(net, image, given)
            return np.asarray(torch.sigmoid(logits.float())[:, 0].cpu().numpy())

        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            # The rounds of correction are answered as at inference.
            net.eval()
            given = first_interaction(batch.views, self.interaction, rng)
            correct(given, batch.views, batch.rounds, predict, rng)
            net.train()
            logits = self.answer(net, image, given)
        truth = stacked([view.truth[None] for view in batch.views], device)
        valid = stacked([view.valid[None] for view in batch.views], device)
        if show is not None:
            show(Seen(image, given, truth, valid, logits))
        return {
            "nfl": normalized_focal_loss(logits, truth, valid),
            "iou": batch_iou(logits, truth, valid),
        }
