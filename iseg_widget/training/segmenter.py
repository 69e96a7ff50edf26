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
from iseg_widget.networks.ritm import RITMNetwork
from iseg_widget.training.crop_simulation import SMALLEST_TRUTH, SimulatedView
from iseg_widget.training.interaction import (
    Interaction,
    InteractionSettings,
    interact,
    probabilities,
)
from iseg_widget.training.losses import (
    AUXILIARY,
    batch_iou,
    masked_bce,
    normalized_focal_loss,
)
from iseg_widget.training.pool import Pool
from iseg_widget.training.seen import Seen, Show
from iseg_widget.training.simulation import ViewSettings
from iseg_widget.training.task import WholeNetwork, in_backbone
from iseg_widget.training.tensors import images, stacked, targets

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


class ViewTask(WholeNetwork):
    """Part of a task whose samples are single views.

    Parameters
    ----------
    simulation: see :class:`InteractionSettings` and
        :class:`~iseg_widget.training.simulation.ViewSettings`.
    build: the network.
    slow: which parameters the pretrained backbone has; default: those under ``backbone``.
    """

    def __init__(
        self,
        simulation: Mapping[str, Any],
        build: Callable[[], nn.Module],
        *,
        slow: Callable[[str], bool] = in_backbone,
    ) -> None:
        self.simulation = simulation
        self.interaction = InteractionSettings.of(simulation)
        self.network = build
        self.pretrained = slow

    def batch(
        self, pool: Pool, rng: np.random.Generator, count: int, size: tuple[int, int]
    ) -> Batch:
        """Draw ``count`` samples with views of ``size`` (H, W)."""
        rounds = self.interaction.rounds(rng)
        views = draw_views(pool, rng, count, size, self.simulation, first=rounds == 0)
        return Batch(views, rounds, int(rng.integers(2**31)))

    def answer(self, net: Any, image: Tensor, given: Interaction) -> Tensor:
        """Return logits ``(B, 1, H, W)`` for views ``(B, 3, H, W)`` and what is given on them."""
        raise NotImplementedError

    def interact(
        self,
        net: nn.Module,
        batch: Batch,
        image: Tensor,
        rng: np.random.Generator,
        begin: Callable[[Interaction], None] | None = None,
    ) -> Interaction:
        """Simulate the users of a batch, see :func:`iseg_widget.training.interaction.interact`."""
        return interact(
            net,
            batch.views,
            batch.rounds,
            self.interaction,
            rng,
            answer=lambda given: probabilities(self.answer(net, image, given)),
            begin=begin,
        )


class SegmenterTask(ViewTask):
    """What the trainer needs to know about a network called as ``network(image, maps)``.

    Parameters
    ----------
    simulation: see :class:`InteractionSettings` and
        :class:`~iseg_widget.training.simulation.ViewSettings`.
    build: the network; returns logits of any size, alone or first. What it tells by
        ``with_auxiliary`` (:class:`~iseg_widget.networks.ritm.RITMNetwork`) of an auxiliary head
        is learnt by binary cross entropy, as in RITM's published code.
    encode: see :data:`Encoding`.
    slow: which parameters the pretrained backbone has; default: those under ``backbone``.
    """

    def __init__(
        self,
        simulation: Mapping[str, Any],
        build: Callable[[], nn.Module],
        encode: Encoding,
        *,
        slow: Callable[[str], bool] = in_backbone,
    ) -> None:
        super().__init__(simulation, build, slow=slow)
        self.encode = encode

    def answer(self, net: nn.Module, image: Tensor, given: Interaction) -> Tensor:
        """Return logits ``(B, 1, H, W)`` for views ``(B, 3, H, W)`` and what is given on them."""
        return self._answers(net, image, given)[0]

    def _answers(
        self, net: nn.Module, image: Tensor, given: Interaction
    ) -> tuple[Tensor, Tensor | None]:
        """Logits of the network and of its auxiliary head, in training, each ``(B, 1, H, W)``."""
        size = (image.shape[2], image.shape[3])
        maps = stacked(list(self.encode(given, size)), image.device)
        if net.training and isinstance(net, RITMNetwork):
            logits, auxiliary = net.with_auxiliary(image, maps)
        else:
            found = net(image, maps)
            logits, auxiliary = found[0] if isinstance(found, tuple) else found, None
        return resize(logits.float(), size), auxiliary

    def losses(
        self,
        net: nn.Module,
        batch: Batch,
        device: torch.device,
        dtype: torch.dtype | None,
        show: Show | None = None,
    ) -> dict[str, Tensor]:
        """Return the normalized focal loss, an auxiliary head's, and the IoU for the log."""
        image = images(batch.views, device)
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            given = self.interact(net, batch, image, np.random.default_rng(batch.seed))
            net.train()
            logits, auxiliary = self._answers(net, image, given)
        truth, valid = targets(batch.views, device)
        if show is not None:
            show(Seen(image, given, truth, valid, logits))
        terms = {"nfl": normalized_focal_loss(logits, truth, valid)}
        if auxiliary is not None:
            terms["auxiliary"] = AUXILIARY * masked_bce(auxiliary, truth, valid)
        return {**terms, "iou": batch_iou(logits, truth, valid)}
