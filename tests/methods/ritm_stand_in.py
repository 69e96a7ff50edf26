"""Networks that take the place of RITM's."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from iseg_widget.networks.ritm import RITMNetwork


class Reads(RITMNetwork):
    """Object where the picture is red; surer where it was before and was clicked.

    ``seen`` holds the (image, interaction) of each call.
    """

    feature_channels = decoded_channels = 6

    def __init__(self) -> None:
        super().__init__((0.0,) * 3, (1.0,) * 3, disk_radius=3.0)
        self.anchor = nn.Parameter(torch.zeros(1), requires_grad=False)
        self.seen: list[tuple[Tensor, Tensor]] = []

    def trunk(self, image: Tensor, interaction: Tensor) -> Tensor:
        self.seen.append((image.detach(), interaction.detach()))
        return torch.cat([image, interaction], 1)

    def decode(self, features: Tensor) -> Tensor:
        return features

    def predict(self, decoded: Tensor) -> Tensor:
        red, _, _, previous, positive, negative = decoded.split(1, dim=1)
        return 16 * (red - 0.5) + previous + 0.5 * positive - 0.5 * negative


class Tiny(RITMNetwork):
    """Random convolutions that tell left from right, at a quarter of the input's size."""

    feature_channels = decoded_channels = 8

    def __init__(self, seed: int = 0) -> None:
        super().__init__((0.4, 0.5, 0.6), (0.2, 0.3, 0.25))
        torch.manual_seed(seed)
        self.stem = nn.Conv2d(6, 8, 7, 4, 3)
        self.mix = nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Conv2d(8, 1, 1)
        self.eval().requires_grad_(requires_grad=False)

    def trunk(self, image: Tensor, interaction: Tensor) -> Tensor:
        return torch.tanh(self.stem(torch.cat([self.normalise(image), 3 * interaction], 1)))

    def decode(self, features: Tensor) -> Tensor:
        return torch.tanh(2 * self.mix(features))

    def predict(self, decoded: Tensor) -> Tensor:
        return 4 * self.last(decoded)
