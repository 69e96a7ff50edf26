"""Training FocalClick: Segmentor and Refiner end to end (Sec. 4.1, Eq. 2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from iseg_widget.encode import disks, map_to_corner_crop, map_to_crop
from iseg_widget.networks.focalclick import (
    REFINER_SIDE,
    FocalClickLite0,
    FocalClickNetwork,
    Geometry,
)
from iseg_widget.networks.layers import resize
from iseg_widget.training.crop_simulation import (
    SMALLEST_TRUTH,
    FocusRanges,
    SimulatedCrops,
    simulate,
)
from iseg_widget.training.interaction import (
    Interaction,
    InteractionSettings,
    interact,
    probabilities,
)
from iseg_widget.training.losses import (
    AUXILIARY,
    batch_iou,
    boundary_map,
    boundary_weights,
    masked_bce,
    normalized_focal_loss,
)
from iseg_widget.training.pool import Pool
from iseg_widget.training.seen import Seen, Show
from iseg_widget.training.simulation import ViewSettings
from iseg_widget.training.task import WholeNetwork, in_backbone
from iseg_widget.training.tensors import images, stacked, targets


@dataclass(frozen=True)
class Batch:
    """Simulated crops and the number of click rounds before the one that counts."""

    crops: list[SimulatedCrops]
    rounds: int
    seed: int


def disk_radius(geometry: Geometry, side: int) -> float:
    """Radius of a click's disk in views of ``side`` pixels; the largest where none is told."""
    told = {fed.side: fed.radius for fed in geometry.inputs.values()}
    return told.get(side, max(told.values()))


class FocalClickTask(WholeNetwork):
    """What the trainer needs to know about FocalClick.

    Parameters
    ----------
    simulation: see :class:`InteractionSettings`; beside them ``whole_image_first`` and
        ``whole_image_later``, ``target_expansion``, and the ranges of the focus crop.
    build: the network; disks and click mapping follow its ``geometry``.
    slow: which parameters the pretrained backbone has; default: those under ``backbone``.
    """

    def __init__(
        self,
        simulation: Mapping[str, Any],
        build: Callable[[], FocalClickNetwork] = FocalClickLite0,
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
        """Draw ``count`` samples with target crops of ``size`` (H, W)."""
        s = self.simulation
        rounds = self.interaction.rounds(rng)
        how = ViewSettings.of(s)
        ranges = FocusRanges(
            s["focus_object"], tuple(s["focus_length"]), tuple(s["focus_expansion"])
        )
        crops: list[SimulatedCrops] = []
        while len(crops) < count:
            target = pool.draw(rng)
            window = how.window(target.truth, rng, size, first=rounds == 0)
            scissors = how.scissors(target, rng)
            crop = simulate(
                scissors, window, rng, size=size, focus_side=REFINER_SIDE, ranges=ranges
            )
            if crop.truth.sum() >= SMALLEST_TRUTH:
                crops.append(crop)
        return Batch(crops, rounds, int(rng.integers(2**31)))

    def answer(self, net: FocalClickNetwork, image: Tensor, given: Interaction) -> Tensor:
        """Return the Segmentor's logits ``(B, 1, H, W)`` for target crops ``(B, 3, H, W)``."""
        return net.segment(image, self._maps(net, image, given)).logits.float()

    def _maps(self, net: FocalClickNetwork, image: Tensor, given: Interaction) -> Tensor:
        size = (image.shape[2], image.shape[3])
        radius = disk_radius(net.geometry, min(size))
        drawn = [disks(c, size, radius) for c in given.clicks]
        fed = np.concatenate([given.previous[:, None], np.stack(drawn)], 1)
        return stacked(list(fed), image.device)

    def losses(
        self,
        net: FocalClickNetwork,
        batch: Batch,
        device: torch.device,
        dtype: torch.dtype | None,
        show: Show | None = None,
    ) -> dict[str, Tensor]:
        """Return the terms of Eq. 2 and, for the log, the IoU of coarse and refined masks.

        A network with an auxiliary head (HRNet's) gets that one's cross entropy as well, which the
        published code has and the paper not.
        """
        crops = batch.crops
        image = images(crops, device)
        truth, valid = targets(crops, device)
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            given = interact(
                net,
                crops,
                batch.rounds,
                self.interaction,
                np.random.default_rng(batch.seed),
                answer=lambda given: probabilities(self.answer(net, image, given)),
            )
            net.train()
            coarse = net.segment(image, self._maps(net, image, given))
            shape, radius = (REFINER_SIDE, REFINER_SIDE), net.geometry.refiner.radius
            corners = net.geometry.sampling == "corners"
            carried = map_to_corner_crop if corners else map_to_crop
            maps = [
                disks(carried(c, crop.focus_box, shape), shape, radius)
                for c, crop in zip(given.clicks, crops, strict=True)
            ]
            refined = net.refine(
                images([c.focus for c in crops], device),
                stacked(maps, device),
                coarse,
                torch.tensor([c.focus_box for c in crops], device=device),
            )
        if show is not None:
            show(Seen(image, given, truth, valid, coarse.logits))
        focus_truth, focus_valid = targets([c.focus for c in crops], device)
        boundary = boundary_map(focus_truth)
        weights = boundary_weights(boundary)
        terms = {
            "nfl": normalized_focal_loss(coarse.logits, truth, valid),
            "bnfl": normalized_focal_loss(refined.refined, focus_truth, focus_valid, weights),
            "bce": masked_bce(refined.boundary, boundary, focus_valid),
            "coarse_iou": batch_iou(coarse.logits, truth, valid),
            "focus_coarse_iou": batch_iou(refined.coarse, focus_truth, focus_valid),
            "focus_refined_iou": batch_iou(refined.refined, focus_truth, focus_valid),
        }
        if coarse.auxiliary is not None:
            auxiliary = resize(coarse.auxiliary.float(), (truth.shape[2], truth.shape[3]))
            terms["auxiliary"] = AUXILIARY * masked_bce(auxiliary, truth, valid)
        return terms
