"""Res2Net v1b: residual blocks whose 3x3 convolution is split into a hierarchy of scales.

Source: Gao et al., "Res2Net: a new multi-scale backbone architecture" (TPAMI 2020), Fig. 2; the
v1b variant has a stem of three convolutions and average pooling before the 1x1 convolution of a
shortcut.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from iseg_widget.networks.resnet import BLOCKS, EXPANSION, ResNet, Stage, stages

BASE_WIDTH = 26
SCALES = 4
STEM = (32, 32, 64)


class Res2Block(nn.Module):
    """Residual block 1x1, hierarchical 3x3 on ``SCALES`` splits, 1x1.

    ``(N, in_channels, H, W)`` to ``(N, 4 * width, H / stride, W / stride)``. The first block of a
    stage, recognised by its shortcut, convolves each split by itself; its last split is passed
    on, or average pooled where the block has a stride.
    """

    def __init__(self, in_channels: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        out_channels = EXPANSION * width
        self.split = width * BASE_WIDTH // 64
        self.first = stride != 1 or in_channels != out_channels
        self.conv1 = nn.Conv2d(in_channels, self.split * SCALES, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(self.split * SCALES)
        self.convs = nn.ModuleList(
            nn.Conv2d(
                self.split, self.split, 3, stride, padding=dilation, dilation=dilation, bias=False
            )
            for _ in range(SCALES - 1)
        )
        self.bns = nn.ModuleList(nn.BatchNorm2d(self.split) for _ in range(SCALES - 1))
        self.conv3 = nn.Conv2d(self.split * SCALES, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.AvgPool2d(3, stride, padding=1) if stride != 1 else nn.Identity()
        self.downsample: nn.Module | None = None
        if self.first:
            self.downsample = nn.Sequential(
                nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False),
                nn.Conv2d(in_channels, out_channels, 1, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        splits = torch.split(self.relu(self.bn1(self.conv1(x))), self.split, 1)
        outputs: list[Tensor] = []
        for index, (conv, norm) in enumerate(zip(self.convs, self.bns, strict=True)):
            alone = index == 0 or self.first
            part = splits[index] if alone else outputs[-1] + splits[index]
            outputs.append(self.relu(norm(conv(part))))
        outputs.append(self.pool(splits[-1]))
        out = self.bn3(self.conv3(torch.cat(outputs, 1)))
        result: Tensor = self.relu(out + shortcut)
        return result


def res2net101(in_channels: int = 3, layout: tuple[Stage, ...] | None = None) -> ResNet:
    """Res2Net-101 v1b 26w x 4s; by default output stride 16 and dilations 2, 4, 8 at the end."""
    return ResNet(
        layout or stages(BLOCKS[101]), in_channels=in_channels, block=Res2Block, deep=STEM
    )
