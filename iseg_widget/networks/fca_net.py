"""FCA-Net: DeepLab v3+ with a first click attention module (CVPR 2020, Sec. 3.1, Fig. 2)."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from iseg_widget.networks.deeplab import ASPP, CHANNELS, Decoder, prediction_head
from iseg_widget.networks.layers import ConvNormAct, resize
from iseg_widget.networks.res2net import res2net101
from iseg_widget.networks.resnet import BLOCKS, ResNet, stages

IN_CHANNELS = 5
"""RGB, positive Gaussian, negative Gaussian."""

FIRST_CLICK_LAYERS = ((256, 2), (256, 1), (256, 1), (512, 2), (512, 1), (512, 1))
"""Channels and stride of the module's six 3x3 convolutions (Sec. 3.1)."""

DILATIONS = (1, 6, 12, 18)

Backbone = Literal["resnet101", "res2net101"]


class Prediction(NamedTuple):
    """What the network says about an image of H x W.

    ``logits`` is ``(N, 1, H/4, W/4)``; ``first_click`` is F_FCA, ``(N, 512, H/16, W/16)``.
    """

    logits: Tensor
    first_click: Tensor


class FirstClickModule(nn.Module):
    """First click attention: low-level features and the first click's Gaussian M_f to F_FCA.

    ``(N, in_channels, H/4, W/4)`` and ``(N, 1, H, W)`` to ``(N, 512, H/16, W/16)``.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = in_channels + 1
        for out_channels, stride in FIRST_CLICK_LAYERS:
            layers.append(ConvNormAct(channels, out_channels, 3, stride))
            channels = out_channels
        self.layers = nn.Sequential(*layers)
        self.channels = channels

    def forward(self, low: Tensor, first: Tensor) -> Tensor:
        small = resize(first, (low.shape[2], low.shape[3]))
        out: Tensor = self.layers(torch.cat([low, small], 1))
        return out


class FCANetwork(nn.Module):
    """The whole network.

    ``first_click_head`` is the auxiliary head that the first click loss (Eq. 6) supervises; it
    takes no part in the answer.
    """

    def __init__(self, backbone: Backbone = "resnet101") -> None:
        super().__init__()
        if backbone not in ("resnet101", "res2net101"):
            raise ValueError(f"backbone must be 'resnet101' or 'res2net101', got {backbone!r}")
        self.backbone = (
            ResNet(stages(BLOCKS[101]), in_channels=IN_CHANNELS)
            if backbone == "resnet101"
            else res2net101(IN_CHANNELS)
        )
        low, high = self.backbone.channels[0], self.backbone.channels[-1]
        self.first_click = FirstClickModule(low)
        self.aspp = ASPP(self.first_click.channels + high, DILATIONS)
        self.decoder = Decoder(low)
        self.head = prediction_head(CHANNELS, (128, 128))
        self.first_click_head = prediction_head(self.first_click.channels, (256, 256))

    def forward(self, image: Tensor, clicks: Tensor, first: Tensor) -> Prediction:
        """Segment an image.

        Parameters
        ----------
        image: ``(N, 3, H, W)`` RGB in 0..1, not normalised further.
        clicks: ``(N, 2, H, W)`` positive and negative Gaussians.
        first: ``(N, 1, H, W)`` Gaussian M_f of the first click.
        """
        maps = self.backbone(torch.cat([image, clicks], 1))
        attention = self.first_click(maps[0], first)
        context = self.aspp(torch.cat([attention, maps[-1]], 1))
        return Prediction(self.head(self.decoder(context, maps[0])), attention)
