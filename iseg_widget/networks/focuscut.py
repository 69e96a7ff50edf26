"""FocusCut: one network for the whole object and for focus views (CVPR 2022, Sec. 3.2).

The published one is a DeepLab v3+; beside it, one of the parts that all small networks here share.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from iseg_widget.networks.deeplab import ASPP, CHANNELS, Decoder, prediction_head
from iseg_widget.networks.efficientnet_lite import (
    PIXEL_MEAN,
    PIXEL_STD,
    STEM_CHANNELS,
    EfficientNetLite0,
)
from iseg_widget.networks.lite import InteractionStem, PyramidHead
from iseg_widget.networks.resnet import BLOCKS, ResNet, stages

IN_CHANNELS = 6
"""RGB, positive Gaussian, negative Gaussian, previous mask."""

DILATIONS = (1, 5, 9, 14)
"""Of the pyramid. The published code scales DeepLab's 6, 12, 18 by 384 / 512, and keeps them so
when images are seen at 512."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of RGB in 0..1: how FocusCut normalises what its networks are fed."""

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


class FocusCutLite0(nn.Module):
    """FocusCut with EfficientNet-Lite0; called as :class:`FocusCutNetwork` is.

    ``backbone``, ``interaction`` and ``head`` are those of
    :class:`~iseg_widget.networks.lite.LiteSegmenter`. The image comes with ImageNet's mean and
    deviation and is brought to the range of the backbone's own weights here.

    Parameters
    ----------
    channels: width of the decoder.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, channels: int = 96) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0()
        self.interaction = InteractionStem(STEM_CHANNELS)
        self.head = PyramidHead(self.backbone.channels, channels)
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
        self.register_buffer("scale", std / PIXEL_STD, persistent=False)
        self.register_buffer("shift", (mean - PIXEL_MEAN) / PIXEL_STD, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(N, 1, H/4, W/4)``, sizes rounded up.

        Parameters
        ----------
        x: ``(N, 6, H, W)``, as of :meth:`FocusCutNetwork.forward`.
        """
        # The interaction of all small networks: previous mask, positive and negative clicks.
        interaction = torch.cat([x[:, 5:], x[:, 3:5]], 1)
        maps = self.backbone(x[:, :3] * self.scale + self.shift, self.interaction(interaction))
        logits, _ = self.head(maps)
        return logits  # type: ignore[no-any-return]
