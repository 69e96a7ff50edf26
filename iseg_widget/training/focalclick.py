"""Training FocalClick: Segmentor and Refiner end to end (Sec. 4.1, Eq. 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iseg_widget.encode import disks, map_to_crop
from iseg_widget.networks.focalclick import (
    DISK_RADIUS,
    REFINER_RADIUS,
    REFINER_SIDE,
    FocalClickLite0,
)
from iseg_widget.training.crop_simulation import (
    SMALLEST_TRUTH,
    FocusRanges,
    SimulatedCrops,
    simulate,
)
from iseg_widget.training.interaction import (
    Interaction,
    InteractionSettings,
    correct,
    first_interaction,
)
from iseg_widget.training.losses import (
    batch_iou,
    boundary_map,
    boundary_weights,
    masked_bce,
    normalized_focal_loss,
)
from iseg_widget.training.pool import Pool
from iseg_widget.training.seen import Seen, Show
from iseg_widget.training.simulation import ViewSettings
from iseg_widget.training.task import WholeNetwork
from iseg_widget.training.tensors import stacked


@dataclass(frozen=True)
class Batch:
    """Simulated crops and the number of click rounds before the one that counts."""

    crops: list[SimulatedCrops]
    rounds: int
    seed: int


class FocalClickTask(WholeNetwork):
    """What the trainer needs to know about FocalClick."""

    def __init__(self, simulation: Mapping[str, Any]) -> None:
        self.simulation = simulation
        self.interaction = InteractionSettings.of(simulation)

    def network(self) -> FocalClickLite0:
        """Return a new network; the trainer loads the backbone's ImageNet weights."""
        return FocalClickLite0()

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

    def answer(self, net: FocalClickLite0, image: Tensor, given: Interaction) -> Tensor:
        """Return the Segmentor's logits ``(B, 1, H, W)`` for target crops ``(B, 3, H, W)``."""
        return net.segment(image, self._maps(image, given)).logits.float()

    def _maps(self, image: Tensor, given: Interaction) -> Tensor:
        size = (image.shape[2], image.shape[3])
        radius = DISK_RADIUS.get(min(size), max(DISK_RADIUS.values()))
        drawn = [disks(c, size, radius) for c in given.clicks]
        fed = np.concatenate([given.previous[:, None], np.stack(drawn)], 1)
        return stacked(list(fed), image.device)

    def losses(
        self,
        net: FocalClickLite0,
        batch: Batch,
        device: torch.device,
        dtype: torch.dtype | None,
        show: Show | None = None,
    ) -> dict[str, Tensor]:
        """Return the terms of Eq. 2 and, for the log, the IoU of coarse and refined masks."""
        crops = batch.crops
        image = stacked([c.image for c in crops], device)
        truth, valid = (
            stacked([getattr(c, n)[None] for c in crops], device) for n in ("truth", "valid")
        )
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            given = self._interact(net, batch, image)
            net.train()
            coarse = net.segment(image, self._maps(image, given))
            shape = (REFINER_SIDE, REFINER_SIDE)
            maps = [
                disks(map_to_crop(c, crop.focus_box, shape), shape, REFINER_RADIUS)
                for c, crop in zip(given.clicks, crops, strict=True)
            ]
            refined = net.refine(
                stacked([c.focus.image for c in crops], device),
                stacked(maps, device),
                coarse,
                torch.tensor([c.focus_box for c in crops], device=device),
            )
        if show is not None:
            show(Seen(image, given, truth, valid, coarse.logits))
        focus_truth = stacked([c.focus.truth[None] for c in crops], device)
        focus_valid = stacked([c.focus.valid[None] for c in crops], device)
        boundary = boundary_map(focus_truth)
        weights = boundary_weights(boundary)
        return {
            "nfl": normalized_focal_loss(coarse.logits, truth, valid),
            "bnfl": normalized_focal_loss(refined.refined, focus_truth, focus_valid, weights),
            "bce": masked_bce(refined.boundary, boundary, focus_valid),
            "coarse_iou": batch_iou(coarse.logits, truth, valid),
            "focus_coarse_iou": batch_iou(refined.coarse, focus_truth, focus_valid),
            "focus_refined_iou": batch_iou(refined.refined, focus_truth, focus_valid),
        }

    def _interact(self, net: FocalClickLite0, batch: Batch, image: Tensor) -> Interaction:
        """Return clicks and previous probability of the round that counts."""
        rng = np.random.default_rng(batch.seed)

        def predict(given: Interaction) -> NDArray[np.float32]:
            with torch.no_grad():
                logits = self.answer(net, image, given)
            return np.asarray(torch.sigmoid(logits)[:, 0].cpu().numpy())

        # The rounds of correction are answered as at inference.
        net.eval()
        given = first_interaction(batch.crops, self.interaction, rng)
        correct(given, batch.crops, batch.rounds, predict, rng)
        return given
