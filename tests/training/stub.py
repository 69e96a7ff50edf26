"""A task of a few pixels and a network without batch statistics, to test the loop alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from iseg_widget.training.losses import batch_iou, normalized_focal_loss
from iseg_widget.training.pool import Pool
from iseg_widget.training.task import WholeNetwork

SIDE = 16


@dataclass(frozen=True)
class Views:
    image: Tensor
    truth: Tensor

    def __getitem__(self, samples: slice) -> Views:
        return Views(self.image[samples], self.truth[samples])


class StubTask(WholeNetwork):
    """Learns where a picture is bright; each sample's loss is its own."""

    def network(self) -> nn.Module:
        torch.manual_seed(3)
        return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, 1, 1))

    def batch(self, _: Pool, rng: np.random.Generator, count: int, *__: object) -> Views:
        image = torch.from_numpy(rng.random((count, 3, SIDE, SIDE), np.float32))
        return Views(image, (image[:, :1] > 0.6).float())

    def losses(self, net: Any, batch: Views, *_: object) -> dict[str, Tensor]:
        logits = net(batch.image)
        valid = torch.ones_like(batch.truth)
        return {
            "nfl": normalized_focal_loss(logits, batch.truth, valid),
            "iou": batch_iou(logits, batch.truth, valid),
        }
