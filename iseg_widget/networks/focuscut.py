"""FocusCut: one DeepLab v3+ for the whole object and for focus views (CVPR 2022, Sec. 3.2)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from iseg_widget.networks.deeplab import ASPP, CHANNELS, Decoder, prediction_head
from iseg_widget.networks.resnet import BLOCKS, ResNet, stages

IN_CHANNELS = 6
"""RGB, positive Gaussian, negative Gaussian, previous mask."""

DILATIONS = (1, 5, 9, 14)
"""Of the pyramid. The published code scales DeepLab's 6, 12, 18 by 384 / 512, and keeps them so
when images are seen at 512."""

Backbone = Literal["resnet50", "resnet101"]
DEPTHS = {"resnet50": 50, "resnet101": 101}


class FocusCutNetwork(nn.Module):
    """The network that sees the whole view and, with the same weights, every focus view."""

    def __init__(self, backbone: Backbone = "resnet50") -> None:
        super().__init__()
        if backbone not in DEPTHS:
            raise ValueError(f"backbone must be 'resnet50' or 'resnet101', got {backbone!r}")
        self.backbone = ResNet(stages(BLOCKS[DEPTHS[backbone]]), in_channels=IN_CHANNELS)
        low, high = self.backbone.channels[0], self.backbone.channels[-1]
        self.aspp = ASPP(high, DILATIONS)
        self.decoder = Decoder(low)
        self.head = prediction_head(CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(N, 1, H/4, W/4)``.

        Parameters
        ----------
        x: ``(N, 6, H, W)``: RGB normalised with ImageNet's mean and standard deviation, positive
            and negative Gaussians, previous mask (0 or 1).
        """
        maps = self.backbone(x)
        logits: Tensor = self.head(self.decoder(self.aspp(maps[-1]), maps[0]))
        return logits
