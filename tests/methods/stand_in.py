"""A network in closed form: its answer can be read off the picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from iseg_widget.networks.focalclick import Coarse, Geometry, Refined

Rule = Callable[[Tensor, Tensor], Tensor]


def picture(coarse: NDArray[np.bool_], fine: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """Image whose red is what the Segmentor finds, and whose green is what the Refiner finds."""
    fine = coarse if fine is None else fine
    return np.dstack([coarse * 255, fine * 255, np.zeros(coarse.shape)]).astype(np.uint8)


def red(image: Tensor, interaction: Tensor) -> Tensor:
    """Object where the picture is red; a little surer where it was before and was clicked."""
    previous, positive, negative = interaction.split(1, dim=1)
    return 16 * (image[:, :1] - 0.5) + previous + 0.5 * positive - 0.5 * negative


class StandIn(nn.Module):
    """Takes the place of FocalClick's network and remembers what it was asked.

    ``segmented`` holds (image, interaction) of each call, ``refined`` (image, clicks, box).
    """

    geometry = Geometry()

    def __init__(self, rule: Rule = red) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))
        self.rule = rule
        self.segmented: list[tuple[Tensor, Tensor]] = []
        self.refined: list[tuple[Tensor, Tensor, list[float]]] = []

    def segment(self, image: Tensor, interaction: Tensor) -> Coarse:
        self.segmented.append((image, interaction))
        logits = self.rule(image, interaction)
        return Coarse(logits, logits[:, :, ::4, ::4])

    def refine(self, image: Tensor, clicks: Tensor, coarse: Coarse, boxes: Tensor) -> Refined:
        self.refined.append((image, clicks, boxes[0].tolist()))
        detail = 16 * (image[:, 1:2] - 0.5)
        low = coarse.logits.mean() + torch.zeros_like(detail)
        return Refined(low, detail, torch.full_like(detail, 20), detail)
