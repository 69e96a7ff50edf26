"""Training FocalClick: Segmentor and Refiner end to end (Sec. 4.1, Eq. 2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
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
from iseg_widget.training.click_simulation import initial_clicks, next_click
from iseg_widget.training.crop_simulation import CropRanges, SimulatedCrops, simulate
from iseg_widget.training.losses import (
    boundary_map,
    boundary_weights,
    masked_bce,
    normalized_focal_loss,
)
from iseg_widget.training.pool import Pool

Clicks = NDArray[np.float32]


@dataclass(frozen=True)
class Batch:
    """``size`` simulated crops and the number of click rounds before the one that counts."""

    crops: list[SimulatedCrops]
    rounds: int
    seed: int


def defective(truth: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Damage a mask as an imperfect initial mask is: blobs added, blobs removed, edges moved."""
    side = truth.shape[0]
    damaged = truth.astype(np.uint8)
    kernel = np.ones((int(rng.integers(1, max(2, side // 20))),) * 2, np.uint8)
    morph = cv2.dilate if rng.random() < 0.5 else cv2.erode
    damaged = np.asarray(morph(damaged, kernel), dtype=np.uint8)
    rows, columns = np.nonzero(truth)
    for _ in range(int(rng.integers(1, 4))):
        if rng.random() < 0.7 and len(rows):
            index = int(rng.integers(len(rows)))
            centre = (int(columns[index]), int(rows[index]))
        else:
            centre = (int(rng.integers(side)), int(rng.integers(side)))
        axes = (int(rng.integers(3, side // 6)), int(rng.integers(3, side // 6)))
        value = int(rng.random() < 0.5)
        cv2.ellipse(damaged, centre, axes, float(rng.uniform(0, 180)), 0, 360, value, -1)
    return damaged.astype(bool)


class FocalClickTask:
    """What the trainer needs to know about FocalClick."""

    def __init__(self, simulation: Mapping[str, Any]) -> None:
        self.simulation = simulation

    def network(self) -> FocalClickLite0:
        """Return a new network; the trainer loads the backbone's ImageNet weights."""
        return FocalClickLite0()

    def batch(self, pool: Pool, rng: np.random.Generator, size: int, side: int) -> Batch:
        """Draw ``size`` samples with target crops of ``side`` pixels."""
        s = self.simulation
        rounds = int(rng.choice(len(s["iterations"]), p=s["iterations"]))
        whole = s["whole_image_first"] if rounds == 0 else s["whole_image_later"]
        ranges = CropRanges(
            tuple(s["target_expansion"]),
            s["focus_object"],
            tuple(s["focus_length"]),
            tuple(s["focus_expansion"]),
        )
        crops: list[SimulatedCrops] = []
        while len(crops) < size:
            crop = simulate(
                pool.draw(rng),
                rng,
                side=side,
                focus_side=REFINER_SIDE,
                whole=bool(rng.random() < whole),
                ranges=ranges,
            )
            if crop.truth.sum() >= 20:
                crops.append(crop)
        return Batch(crops, rounds, int(rng.integers(2**31)))

    def _first_clicks(
        self, batch: Batch, rng: np.random.Generator
    ) -> tuple[list[Clicks], NDArray[np.float32]]:
        """Clicks before any prediction, and previous masks ``(N, S, S)`` (mostly empty)."""
        s = self.simulation
        clicks: list[Clicks] = []
        previous = np.zeros((len(batch.crops), *batch.crops[0].truth.shape), np.float32)
        for index, crop in enumerate(batch.crops):
            if rng.random() < s["initial_mask"]:
                damaged = defective(crop.truth, rng)
                click = next_click(damaged, crop.truth, crop.valid, rng)
                if click is not None:
                    previous[index] = damaged
                    clicks.append(np.asarray([click], np.float32))
                    continue
            clicks.append(
                initial_clicks(
                    crop.truth,
                    crop.valid,
                    rng,
                    limit=s["point_limit"],
                    decay=s["point_decay"],
                    centre_probability=s["first_click_centre"],
                    single_probability=s["single_click"],
                )
            )
        return clicks, previous

    def losses(
        self, net: FocalClickLite0, batch: Batch, device: torch.device, dtype: torch.dtype | None
    ) -> dict[str, Tensor]:
        """Return the terms of Eq. 2 and, for the log, the IoU of coarse and refined masks."""

        def tensor(arrays: list[NDArray[Any]]) -> Tensor:
            stacked = torch.from_numpy(np.stack(arrays)).float().to(device)
            return stacked.contiguous(memory_format=torch.channels_last)

        crops = batch.crops
        image = tensor([c.image for c in crops])
        truth, valid = (tensor([getattr(c, n)[None] for c in crops]) for n in ("truth", "valid"))
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            clicks, interaction = self._click_rounds(net, batch, image, tensor)
            net.train()
            coarse = net.segment(image, interaction)
            shape = (REFINER_SIDE, REFINER_SIDE)
            maps = [
                disks(map_to_crop(c, crop.focus_box, shape), shape, REFINER_RADIUS)
                for c, crop in zip(clicks, crops, strict=True)
            ]
            refined = net.refine(
                tensor([c.focus_image for c in crops]),
                tensor(maps),
                coarse,
                torch.tensor([c.focus_box for c in crops], device=device),
            )
        focus_truth = tensor([c.focus_truth[None] for c in crops])
        focus_valid = tensor([c.focus_valid[None] for c in crops])
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

    def _click_rounds(
        self,
        net: FocalClickLite0,
        batch: Batch,
        image: Tensor,
        tensor: Callable[[list[NDArray[Any]]], Tensor],
    ) -> tuple[list[Clicks], Tensor]:
        """Click into the current error ``batch.rounds`` times (RITM's iterative training).

        Each round predicts without gradient, with the network in evaluation mode, clicks, and
        feeds the prediction back. Returns all clicks and the interaction maps ``(N, 3, S, S)``.
        """
        rng = np.random.default_rng(batch.seed)
        shape = batch.crops[0].truth.shape
        radius = DISK_RADIUS.get(shape[0], max(DISK_RADIUS.values()))
        clicks, previous = self._first_clicks(batch, rng)

        def interaction() -> Tensor:
            maps = [disks(c, (shape[0], shape[1]), radius) for c in clicks]
            return tensor(list(np.concatenate([previous[:, None], np.stack(maps)], 1)))

        if batch.rounds:
            net.eval()
        for _ in range(batch.rounds):
            with torch.no_grad():
                logits = net.segment(image, interaction()).logits
            previous = torch.sigmoid(logits.float())[:, 0].cpu().numpy()
            for index, crop in enumerate(batch.crops):
                click = next_click(previous[index] > 0.5, crop.truth, crop.valid, rng)
                if click is not None:
                    added = np.asarray([click], np.float32)
                    clicks[index] = np.concatenate([clicks[index], added])
        return clicks, interaction()


@torch.no_grad()
def batch_iou(logits: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Mean IoU over the batch of ``logits > 0`` and ``truth``, each ``(N, 1, H, W)``."""
    prediction = (logits > 0).float() * valid
    truth = truth * valid
    intersection = (prediction * truth).sum(dim=(1, 2, 3))
    union = ((prediction + truth) > 0).float().sum(dim=(1, 2, 3))
    return ((intersection + 1e-6) / (union + 1e-6)).mean()
