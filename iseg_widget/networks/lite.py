"""The parts that the EfficientNet-Lite0 networks of all methods share, and the plain one.

Every method has a network of these parts beside the published ones, so that trained alike they can
be compared, and one can start from another's weights: parts of the same name (``backbone``,
``interaction``, ``head``) have the same entries in all of them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from iseg_widget.networks.efficientnet_lite import (
    PIXEL_MEAN,
    PIXEL_STD,
    STEM_CHANNELS,
    EfficientNetLite0,
)
from iseg_widget.networks.layers import ConvNormAct, SeparableConv, resize


class InteractionStem(nn.Module):
    """Two convolutions that bring clicks and previous mask to the stem's scale (FocalClick Fig. 3).

    ``(N, maps, H, W)``, usually previous mask, positive and negative clicks, to
    ``(N, C, H/2, W/2)``.
    """

    def __init__(self, out_channels: int, maps: int = 3) -> None:
        super().__init__()
        mix = nn.Conv2d(maps, 16, 1)
        reduce = nn.Conv2d(16, out_channels, 3, stride=2, padding=1)
        # The default initialisation would leave clicks a tenth as strong as the image's features.
        for layer in (mix, reduce):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        self.layers = nn.Sequential(mix, nn.LeakyReLU(0.2, inplace=True), reduce)

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = self.layers(maps)
        return out


class PyramidHead(nn.Module):
    """Decoder over four feature maps: project each, bring to stride 4, fuse.

    SegFormer's all-MLP head (FocalClick's B0/B3 models) assumes the global receptive field of a
    transformer. A convolutional backbone gets it from two additions: pooled context on the
    stride-32 map and two separable 3x3 convolutions after the fusion.
    """

    def __init__(self, in_channels: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.project = nn.ModuleList(ConvNormAct(c, channels) for c in in_channels)
        self.context = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(in_channels[-1], channels, 1), nn.Sigmoid()
        )
        self.smooth = SeparableConv(channels, channels)
        self.fuse = ConvNormAct(channels * len(in_channels), channels)
        self.blend = nn.Sequential(
            SeparableConv(channels, channels), SeparableConv(channels, channels)
        )
        self.predict = nn.Conv2d(channels, 1, 1)

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Return logits ``(N, 1, H/4, W/4)`` and features ``(N, channels, H/4, W/4)``."""
        features = self.decode(self.gather(maps))
        return self.predict(features), features

    def gather(self, maps: tuple[Tensor, ...]) -> Tensor:
        """Return all maps side by side, ``(N, channels * len(maps), H/4, W/4)``."""
        projected = self.projected(maps)
        size = (projected[0].shape[2], projected[0].shape[3])
        return torch.cat([resize(x, size) for x in projected], 1)

    def projected(self, maps: tuple[Tensor, ...]) -> list[Tensor]:
        """Return all maps with the same number of channels, each at its own size."""
        projected = [project(x) for project, x in zip(self.project, maps, strict=True)]
        projected[-1] = self.smooth(projected[-1] * self.context(maps[-1]))
        return projected

    def decode(self, gathered: Tensor) -> Tensor:
        """Fuse what :meth:`gather` returned to features ``(N, channels, H/4, W/4)``."""
        features: Tensor = self.blend(self.fuse(gathered))
        return features


class LiteSegmenter(nn.Module):
    """A backbone that sees image and interaction, and a decoder.

    Parameters
    ----------
    maps: number of interaction maps.
    channels: width of the decoder.
    """

    def __init__(self, maps: int = 3, channels: int = 96) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0()
        self.interaction = InteractionStem(STEM_CHANNELS, maps)
        self.head = PyramidHead(self.backbone.channels, channels)

    def forward(self, image: Tensor, interaction: Tensor) -> tuple[Tensor, Tensor]:
        """Segment an image.

        Parameters
        ----------
        image: ``(N, 3, H, W)`` RGB in 0..1.
        interaction: ``(N, maps, H, W)``.

        Returns
        -------
        Logits ``(N, 1, H/4, W/4)`` and features ``(N, channels, H/4, W/4)``, sizes rounded up.
        """
        maps = self.backbone((image - PIXEL_MEAN) / PIXEL_STD, self.interaction(interaction))
        logits, features = self.head(maps)
        return logits, features
