"""ResNet as a feature pyramid: any number of input channels, dilated last stages.

Source: He et al., "Deep residual learning for image recognition" (CVPR 2016), Table 1, with the
stride in the 3x3 convolution; dilation and multi-grid as in DeepLab v3 (Chen et al.,
arXiv 1706.05587). Entries are named as torchvision names them.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

EXPANSION = 4
"""A block of width w ends with ``EXPANSION * w`` channels, unless its ``expansion`` says else."""

BLOCKS = {34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
"""Blocks of the four stages, by depth (Table 1)."""

STEM_CHANNELS = 64
WIDTHS = (64, 128, 256, 512)


class Stage(NamedTuple):
    """One stage: blocks of one width; the first has the stride, block i ``dilations[i]``."""

    width: int
    stride: int
    dilations: tuple[int, ...]


def stages(
    blocks: tuple[int, int, int, int],
    *,
    output_stride: int = 16,
    multi_grid: tuple[int, ...] | None = (1, 2, 4),
) -> tuple[Stage, ...]:
    """Stages of a network whose last map has ``output_stride``.

    Parameters
    ----------
    blocks: number of blocks of each stage, e.g. ``BLOCKS[101]``.
    output_stride: 8, 16 or 32. A stage that may not reduce further dilates instead, and twice as
        much as the one before it.
    multi_grid: factors of the last stage's dilation, one per block; ``None``: all 1. With the
        default and stride 16 the last three blocks have dilations 2, 4, 8.

    Raises
    ------
    ValueError: another output stride, or as many factors as there are not blocks.
    """
    if output_stride not in (8, 16, 32):
        raise ValueError(f"output_stride must be 8, 16 or 32, got {output_stride!r}")
    grid = multi_grid or (1,) * blocks[-1]
    if len(grid) != blocks[-1]:
        raise ValueError(f"multi_grid must have {blocks[-1]} factors, got {multi_grid!r}")
    built: list[Stage] = []
    reached, dilation = 4, 1
    for index, (width, count) in enumerate(zip(WIDTHS, blocks, strict=True)):
        stride = 1 if index == 0 or reached == output_stride else 2
        if index > 0 and stride == 1:
            dilation *= 2
        reached *= stride
        factors = grid if index == len(blocks) - 1 else (1,) * count
        built.append(Stage(width, stride, tuple(dilation * factor for factor in factors)))
    return tuple(built)


class Bottleneck(nn.Module):
    """Residual block 1x1, 3x3, 1x1.

    ``(N, in_channels, H, W)`` to ``(N, 4 * width, H / stride, W / stride)``.
    """

    def __init__(self, in_channels: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        out_channels = EXPANSION * width
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(
            width, width, 3, stride, padding=dilation, dilation=dilation, bias=False
        )
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        result: Tensor = self.relu(out + shortcut)
        return result


class BasicBlock(nn.Module):
    """Residual block of two 3x3 convolutions, both dilated (ResNet-18 and -34).

    ``(N, in_channels, H, W)`` to ``(N, width, H / stride, W / stride)``.
    """

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_channels, width, 3, stride, padding=dilation, dilation=dilation, bias=False
        )
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != width:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        result: Tensor = self.relu(out + shortcut)
        return result


def deep_stem(in_channels: int, widths: tuple[int, int, int]) -> nn.Sequential:
    """Three 3x3 convolutions in place of the 7x7 one; the last has no normalisation of its own."""
    first, second, third = widths
    return nn.Sequential(
        nn.Conv2d(in_channels, first, 3, 2, padding=1, bias=False),
        nn.BatchNorm2d(first),
        nn.ReLU(inplace=True),
        nn.Conv2d(first, second, 3, padding=1, bias=False),
        nn.BatchNorm2d(second),
        nn.ReLU(inplace=True),
        nn.Conv2d(second, third, 3, padding=1, bias=False),
    )


class ResNet(nn.Module):
    """Feature pyramid of a residual network.

    Parameters
    ----------
    layout: what :func:`stages` returns, or stages of your own.
    in_channels: of the input (RGB and, in interactive segmentation, click maps).
    block: built as ``block(in_channels, width, stride, dilation)``.
    deep: widths of a three-convolution stem; ``None`` for the 7x7 convolution.

    ``channels`` holds the channels of the maps that :meth:`forward` returns.
    """

    def __init__(
        self,
        layout: tuple[Stage, ...],
        *,
        in_channels: int = 3,
        block: type[nn.Module] = Bottleneck,
        deep: tuple[int, int, int] | None = None,
    ) -> None:
        super().__init__()
        self.conv1: nn.Module
        channels = STEM_CHANNELS if deep is None else deep[-1]
        if deep is None:
            self.conv1 = nn.Conv2d(in_channels, channels, 7, 2, padding=3, bias=False)
        else:
            self.conv1 = deep_stem(in_channels, deep)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self._names: list[str] = []
        expansion = getattr(block, "expansion", EXPANSION)
        for number, stage in enumerate(layout, start=1):
            blocks: list[nn.Module] = []
            for index, dilation in enumerate(stage.dilations):
                stride = stage.stride if index == 0 else 1
                blocks.append(block(channels, stage.width, stride, dilation))
                channels = expansion * stage.width
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
            self._names.append(f"layer{number}")
        self.channels = tuple(expansion * stage.width for stage in layout)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return one map per stage (F_1 … F_4 of DeepLab-like papers), the first of stride 4.

        Parameters
        ----------
        x: ``(N, in_channels, H, W)``; any size.
        """
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        outputs = []
        for name in self._names:
            x = self.get_submodule(name)(x)
            outputs.append(x)
        return tuple(outputs)
