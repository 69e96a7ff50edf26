"""Small building blocks that several architectures share."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


def resize(x: Tensor, size: tuple[int, int], *, align_corners: bool = True) -> Tensor:
    """Bilinear resize of ``(N, C, H, W)`` to ``(N, C, *size)``; no work when nothing changes."""
    if tuple(x.shape[2:]) == tuple(size):
        return x
    return F.interpolate(x, size=size, mode="bilinear", align_corners=align_corners)


class ConvNormAct(nn.Module):
    """Convolution, batch normalisation, ReLU; "same" padding for odd kernels."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        dilation: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel,
            stride,
            padding=dilation * (kernel // 2),
            dilation=dilation,
            bias=bias,
        )
        self.norm = nn.BatchNorm2d(out_channels)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.act(self.norm(self.conv(x)))
        return out


class SeparableConv(nn.Module):
    """Xception convolution: depthwise 3x3, pointwise 1x1, batch normalisation, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__()
        self.conv3x3 = nn.Conv2d(
            in_channels, in_channels, 3, padding=1, groups=in_channels, bias=bias
        )
        self.conv1x1 = nn.Conv2d(in_channels, out_channels, 1, bias=bias)
        self.norm = nn.BatchNorm2d(out_channels)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.act(self.norm(self.conv1x1(self.conv3x3(x))))
        return out
