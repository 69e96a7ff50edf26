"""DeepLab v3+ parts: atrous spatial pyramid pooling, the decoder, and prediction heads.

Source: Chen et al., "Encoder-decoder with atrous separable convolution" (ECCV 2018), with plain
convolutions, as FCA-Net and FocusCut use it. Every resize aligns corners.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from iseg_widget.networks.layers import ConvNormAct, resize

CHANNELS = 256
SIDE_CHANNELS = 48


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: dilated branches and a global one, fused by a 1x1.

    ``(N, in_channels, h, w)`` to ``(N, channels, h, w)``.

    Parameters
    ----------
    in_channels, channels: of the input, and of every branch and the output.
    dilations: one branch each; dilation 1 is a 1x1 convolution, others are 3x3.
    """

    def __init__(
        self,
        in_channels: int,
        dilations: tuple[int, ...] = (1, 6, 12, 18),
        channels: int = CHANNELS,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            ConvNormAct(in_channels, channels, 1 if d == 1 else 3, dilation=d) for d in dilations
        )
        self.pool = ConvNormAct(in_channels, channels)
        self.project = ConvNormAct(channels * (len(dilations) + 1), channels)

    def forward(self, x: Tensor) -> Tensor:
        size = (x.shape[2], x.shape[3])
        maps = [branch(x) for branch in self.branches]
        maps.append(self.pool(x.mean((2, 3), keepdim=True)).expand(-1, -1, *size))
        out: Tensor = self.project(torch.cat(maps, 1))
        return out


class Decoder(nn.Module):
    """Bring context to the resolution of low-level features and fuse both.

    ``(N, channels, h, w)`` and ``(N, low_channels, H, W)`` to ``(N, channels, H, W)``.
    """

    def __init__(
        self, low_channels: int, channels: int = CHANNELS, side_channels: int = SIDE_CHANNELS
    ) -> None:
        super().__init__()
        self.side = ConvNormAct(low_channels, side_channels)
        self.merge = nn.Sequential(
            ConvNormAct(channels + side_channels, channels, 3),
            ConvNormAct(channels, channels, 3),
        )

    def forward(self, context: Tensor, low: Tensor) -> Tensor:
        side = self.side(low)
        enlarged = resize(context, (side.shape[2], side.shape[3]))
        out: Tensor = self.merge(torch.cat([enlarged, side], 1))
        return out


def prediction_head(in_channels: int, hidden: tuple[int, ...] = ()) -> nn.Sequential:
    """3x3 convolutions to ``hidden`` channels, then a 1x1 to one logit."""
    layers: list[nn.Module] = []
    for channels in hidden:
        layers.append(ConvNormAct(in_channels, channels, 3))
        in_channels = channels
    layers.append(nn.Conv2d(in_channels, 1, 1))
    return nn.Sequential(*layers)
