"""Training FocusCut: one network for whole views and simulated focus patches (Sec. 3.3, Alg. 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from iseg_widget.encode import gaussians
from iseg_widget.networks.layers import resize
from iseg_widget.training import segmenter
from iseg_widget.training.augmentation import Target
from iseg_widget.training.crop_simulation import SMALLEST_TRUTH, SimulatedView, Window
from iseg_widget.training.interaction import Interaction
from iseg_widget.training.losses import batch_iou
from iseg_widget.training.pool import Pool
from iseg_widget.training.seen import Seen, Show
from iseg_widget.training.simulation import ViewSettings
from iseg_widget.training.tensors import images, stacked, targets

SIGMA = 10.0
"""Full width at half maximum of a click's Gaussian in pixels of the view, as at inference."""

SMALLEST_SCOPE = 8.0
PLAIN = ViewSettings()
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class PatchRanges:
    """Constants of Algorithm 1: ``alpha`` scales the focus scope, ``beta`` shifts its centre."""

    alpha: tuple[float, float] = (0.2, 0.8)
    beta: tuple[float, float] = (-0.3, 0.3)


@dataclass(frozen=True)
class Patch:
    """A focus patch: its centre ``(x, y)`` and focus scope r, in pixels of the image."""

    centre: tuple[float, float]
    scope: float


def focus_patch(
    truth: NDArray[np.bool_], rng: np.random.Generator, ranges: PatchRanges
) -> Patch | None:
    """Focus patch simulation (Alg. 1); ``None`` when the object has no pixel."""
    mask = truth.astype(np.uint8)
    size = float(np.sqrt(mask.sum()))
    scope = max(SMALLEST_SCOPE, rng.uniform(*ranges.alpha) * size)
    # The border of the picture is not the object's boundary: clicks there correct nothing.
    inner = cv2.erode(mask, np.ones((3, 3), np.uint8), borderValue=1)
    rows, columns = np.nonzero(mask - inner)
    if len(rows) == 0:
        rows, columns = np.nonzero(mask)
        if len(rows) == 0:
            return None
    index = int(rng.integers(len(rows)))
    shift_x, shift_y = rng.uniform(*ranges.beta, 2) * scope
    height, width = truth.shape
    x = float(np.clip(columns[index] + shift_x, 0, width - 1))
    y = float(np.clip(rows[index] + shift_y, 0, height - 1))
    return Patch((x, y), scope)


def coarse_mask(truth: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Previous prediction of a patch: the truth, dilated and eroded at random places (Sec. 3.3)."""
    side = truth.shape[0]
    mask = truth.astype(np.uint8)
    for _ in range(int(rng.integers(2, 7))):
        reach = int(rng.integers(3, max(4, side // 8)))
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
        changed = (cv2.dilate if rng.random() < 0.5 else cv2.erode)(mask, kernel)
        # Each change holds in a disk, so that one outline errs in both ways.
        area = np.zeros_like(mask)
        centre = (int(rng.integers(side)), int(rng.integers(side)))
        cv2.circle(area, centre, int(rng.integers(side // 6, side // 2)), 1, -1)
        mask = np.where(area > 0, changed, mask).astype(np.uint8)
    return mask.astype(bool)


def cut_patch(
    target: Target,
    patch: Patch,
    side: int,
    rng: np.random.Generator,
    how: ViewSettings = PLAIN,
) -> SimulatedView:
    """Cut a focus patch, ``side`` pixels wide, mirrored and coloured at random."""
    centre = (patch.centre[0] + 0.5, patch.centre[1] + 0.5)
    length = 2 * patch.scope + 1
    window = Window(centre, (length, length), 0.0, mirrored=bool(rng.random() < how.flip))
    return how.scissors(target, rng).cut(window.matrix((side, side)), (side, side))


@dataclass(frozen=True)
class Batch(segmenter.Batch):
    """Whole views, or focus patches, which no round of correction comes before."""

    focus: bool


class FocusCutTask(segmenter.ViewTask):
    """What the trainer needs to know about FocusCut.

    Parameters
    ----------
    simulation: as for :class:`~iseg_widget.training.segmenter.SegmenterTask`; beside it ``focus``,
        the share of batches of focus patches (0: without a focus view, the paper's "GV"),
        ``patch_clicks``, the most further clicks of either kind in a patch (Sec. 3.3: 3), and
        ``patch_alpha``, ``patch_beta`` (Alg. 1).
    build: the network, called with six channels; returns logits ``(N, 1, S/4, S/4)``.
    """

    def __init__(self, simulation: Mapping[str, Any], build: Callable[[], nn.Module]) -> None:
        super().__init__(simulation, build)
        self.ranges = PatchRanges(tuple(simulation["patch_alpha"]), tuple(simulation["patch_beta"]))

    def batch(
        self, pool: Pool, rng: np.random.Generator, count: int, size: tuple[int, int]
    ) -> Batch:
        """Draw ``count`` whole views or focus patches of ``size`` (H, W), a square."""
        if size[0] != size[1]:
            raise ValueError(
                "FocusCut's patches are squares, and so must be all sides of its phases: "
                f"got {size[0]} x {size[1]}"
            )
        focus = bool(rng.random() < self.simulation["focus"])
        rounds = 0 if focus else self.interaction.rounds(rng)
        if focus:
            views = self._patches(pool, rng, count, size[0])
        else:
            views = segmenter.draw_views(pool, rng, count, size, self.simulation, first=rounds == 0)
        return Batch(views, rounds, int(rng.integers(2**31)), focus)

    def _patches(
        self, pool: Pool, rng: np.random.Generator, count: int, side: int
    ) -> list[SimulatedView]:
        how = ViewSettings.of(self.simulation)
        views: list[SimulatedView] = []
        while len(views) < count:
            target = pool.draw(rng)
            patch = focus_patch(target.truth, rng, self.ranges)
            if patch is None:
                continue
            view = cut_patch(target, patch, side, rng, how)
            if SMALLEST_TRUTH <= view.truth.sum() <= side * side - SMALLEST_TRUTH:
                views.append(view)
        return views

    def _patch_interaction(
        self, views: list[SimulatedView], rng: np.random.Generator
    ) -> Interaction:
        """Coarse masks, the click in the centre, and 0 to 3 further ones of either kind."""
        clicks, previous = [], []
        for view in views:
            middle = view.truth.shape[0] // 2
            rows = [(middle, middle, float(view.truth[middle, middle]))]
            for label, area in ((1.0, view.truth), (0.0, ~view.truth & view.valid)):
                places = np.flatnonzero(area)
                for _ in range(int(rng.integers(self.simulation["patch_clicks"] + 1))):
                    if len(places):
                        y, x = divmod(int(places[rng.integers(len(places))]), area.shape[1])
                        rows.append((x, y, label))
            clicks.append(np.asarray(rows, np.float32))
            previous.append(coarse_mask(view.truth, rng))
        return Interaction(clicks, np.stack(previous).astype(np.float32))

    def answer(self, net: nn.Module, image: Tensor, given: Interaction) -> Tensor:
        """Return logits ``(B, 1, S, S)`` for views ``(B, 3, S, S)`` and what is given on them."""
        side = image.shape[-1]
        mean, deviation = (
            torch.tensor(values, device=image.device)[:, None, None] for values in (MEAN, DEVIATION)
        )
        maps = [gaussians(clicks, (side, side), SIGMA) for clicks in given.clicks]
        mask = (given.previous > 0.5).astype(np.float32)
        fed = np.concatenate([np.stack(maps), mask[:, None]], 1)
        normal = (image - mean) / deviation
        logits: Tensor = net(torch.cat([normal, stacked(list(fed), image.device)], 1))
        return resize(logits.float(), (side, side))

    def losses(
        self,
        net: nn.Module,
        batch: Batch,
        device: torch.device,
        dtype: torch.dtype | None,
        show: Show | None = None,
    ) -> dict[str, Tensor]:
        """Return the binary cross entropy, of either view, and the IoU for the log."""
        rng = np.random.default_rng(batch.seed)
        image = images(batch.views, device)
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            if batch.focus:
                given = self._patch_interaction(batch.views, rng)
            else:
                given = self.interact(net, batch, image, rng)
            net.train()
            logits = self.answer(net, image, given)
        truth, valid = targets(batch.views, device)
        if show is not None:
            show(Seen(image, given, truth, valid, logits, patches=batch.focus))
        loss = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        iou, none = batch_iou(logits, truth, valid), torch.tensor(torch.nan)
        return {
            "bce": (loss * valid).sum() / valid.sum().clamp(min=1.0),
            "whole_iou": none if batch.focus else iou,
            "focus_iou": iou if batch.focus else none,
        }
