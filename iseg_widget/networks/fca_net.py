"""FCA-Net: a first click attention module in DeepLab v3+ (CVPR 2020, Sec. 3.1, Fig. 2).

Beside the published networks, one of the parts that all small networks here share.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from iseg_widget.networks.deeplab import ASPP, CHANNELS, Decoder, prediction_head
from iseg_widget.networks.efficientnet_lite import (
    PIXEL_MEAN,
    PIXEL_STD,
    STEM_CHANNELS,
    EfficientNetLite0,
)
from iseg_widget.networks.layers import ConvNormAct, resize
from iseg_widget.networks.lite import InteractionStem, PyramidHead
from iseg_widget.networks.res2net import res2net101
from iseg_widget.networks.resnet import BLOCKS, ResNet, stages

IN_CHANNELS = 5
"""RGB, positive Gaussian, negative Gaussian."""

FIRST_CLICK_LAYERS = ((256, 2), (256, 1), (256, 1), (512, 2), (512, 1), (512, 1))
"""Channels and stride of the module's six 3x3 convolutions (Sec. 3.1)."""

LITE_FIRST_CLICK_LAYERS = ((64, 2), (64, 1), (64, 1), (128, 2), (128, 1), (128, 1))
"""The same at a quarter of the width: the low-level features have 24 channels here, not 256, and
the features that F_FCA joins 112 or 320, not 2048. The module then has 0.46 M parameters; at the
paper's widths it would have 7.1 M, twice as many as the rest of the network."""

DILATIONS = (1, 6, 12, 18)

Backbone = Literal["resnet101", "res2net101"]


class Prediction(NamedTuple):
    """What the network says about an image of H x W.

    ``logits`` is ``(N, 1, H/4, W/4)``; ``first_click`` is F_FCA, ``(N, C, H/16, W/16)`` with the
    module's C channels, 512 in the published networks. Sizes are rounded up.
    """

    logits: Tensor
    first_click: Tensor


class FirstClickModule(nn.Module):
    """First click attention: low-level features and the first click's Gaussian M_f to F_FCA.

    ``(N, in_channels, H/4, W/4)`` and ``(N, 1, H, W)`` to ``(N, channels, H/16, W/16)``.

    Parameters
    ----------
    in_channels: of the low-level features.
    widths: channels and stride of the six convolutions; ``channels`` are the last one's.
    """

    def __init__(
        self, in_channels: int, widths: tuple[tuple[int, int], ...] = FIRST_CLICK_LAYERS
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = in_channels + 1
        for out_channels, stride in widths:
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


class FCANetLite0(nn.Module):
    """FCA-Net with EfficientNet-Lite0; called as :class:`FCANetwork` is.

    ``backbone``, ``interaction`` and ``head`` are those of
    :class:`~iseg_widget.networks.lite.LiteSegmenter`. F_FCA joins the backbone's stride-16 map,
    the one of its own scale, by a 1x1 convolution and addition. The paper concatenates both before
    ASPP's convolutions; so does this before the decoder's 1x1, up to the width of what is added,
    and the decoder keeps the entries that the other small networks have.

    Parameters
    ----------
    channels: width of the decoder.
    """

    def __init__(self, channels: int = 96) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0()
        self.interaction = InteractionStem(STEM_CHANNELS, maps=2)
        self.first_click = FirstClickModule(self.backbone.channels[0], LITE_FIRST_CLICK_LAYERS)
        width = self.first_click.channels
        self.join = nn.Conv2d(width, self.backbone.channels[2], 1, bias=False)
        # Weights of another network, which know no F_FCA, are to answer at first as they did there.
        nn.init.zeros_(self.join.weight)
        self.head = PyramidHead(self.backbone.channels, channels)
        self.first_click_head = prediction_head(width, (width // 2, width // 2))

    def forward(self, image: Tensor, clicks: Tensor, first: Tensor) -> Prediction:
        """Segment an image; parameters as of :meth:`FCANetwork.forward`."""
        maps = self.backbone((image - PIXEL_MEAN) / PIXEL_STD, self.interaction(clicks))
        attention = self.first_click(maps[0], first)
        joined = maps[2] + self.join(attention)
        logits, _ = self.head((maps[0], maps[1], joined, maps[3]))
        return Prediction(logits, attention)
