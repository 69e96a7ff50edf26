"""iFCN's network: FCN-8s on VGG-16 with two more input channels (Xu et al., CVPR 2016).

Beside it, one of the parts that all small networks here share.

Sources: Long et al., "Fully convolutional networks for semantic segmentation" (CVPR 2015),
Sec. 4.2; Simonyan & Zisserman, "Very deep convolutional networks" (ICLR 2015), configuration D.
Departures: there is one logit for the object, convolutions keep the size (FCN pads the image by 100
pixels and crops), and all enlarging is bilinear (FCN-8s learns the two first, which start so).
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iseg_widget.networks.lite import LiteSegmenter
from iseg_widget.networks.vgg import STAGES, centred, draw_weights

CHANNELS = 4096
"""Of fc6 and fc7."""

FIELD = 7
"""Taps a side of fc6."""

DISTANCE_CAP = 255.0


class FullyConvolutionalVGG16(nn.Module):
    """VGG-16 whose fully connected layers are convolutions; layers have the published names.

    Parameters
    ----------
    in_channels: of the input.
    """

    def __init__(self, in_channels: int = 5) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        channels = in_channels
        for stage, (width, count, _) in enumerate(STAGES, start=1):
            for index in range(1, count + 1):
                conv = nn.Conv2d(channels, width, 3, padding=1)
                nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
                layers[f"conv{stage}_{index}"] = conv
                layers[f"relu{stage}_{index}"] = nn.ReLU(inplace=True)
                channels = width
            layers[f"pool{stage}"] = nn.MaxPool2d(2, ceil_mode=True)
        for number, kernel in ((6, FIELD), (7, 1)):
            conv = nn.Conv2d(channels, CHANNELS, kernel, padding=kernel // 2)
            layers[f"fc{number}"] = draw_weights(conv)
            layers[f"relu{number}"] = nn.ReLU(inplace=True)
            layers[f"drop{number}"] = nn.Dropout(0.5)
            channels = CHANNELS
        self.layers = nn.Sequential(layers)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return pool3, pool4 and fc7 at strides 8, 16 and 32, sizes rounded up."""
        kept: list[Tensor] = []
        for name, layer in self.layers.named_children():
            x = layer(x)
            if name in ("pool3", "pool4"):
                kept.append(x)
        return kept[0], kept[1], x


def _enlarged(x: Tensor, factor: int, like: Tensor) -> Tensor:
    """Enlarge ``x`` by a whole factor, half-pixel convention, and cut it to another's size."""
    grown = F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    return grown[:, :, : like.shape[2], : like.shape[3]]


class IFCNVGG16(nn.Module):
    """FCN-8s on image and distances; called as the small network of iFCN is."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = FullyConvolutionalVGG16()
        for name, channels in (("score3", 256), ("score4", 512), ("score7", CHANNELS)):
            self.add_module(name, draw_weights(nn.Conv2d(channels, 1, 1)))

    def forward(self, image: Tensor, interaction: Tensor) -> tuple[Tensor, Tensor]:
        """Segment an image.

        Parameters
        ----------
        image: ``(N, 3, H, W)`` RGB in 0..1.
        interaction: ``(N, 2, H, W)`` distances to positive and negative clicks over their cap. The
            layers see them in pixels, 0..255, beside RGB in 0..255 less its mean, as RIS-Net's do.

        Returns
        -------
        Logits ``(N, 1, H, W)`` and fc7 ``(N, 4096, H/32, W/32)``, sizes rounded up.
        """
        fed = torch.cat([centred(image), interaction * DISTANCE_CAP], 1)
        third, fourth, last = self.backbone(fed)
        logits = self.get_submodule("score7")(last)
        for name, factor, like in (("score4", 2, fourth), ("score3", 2, third)):
            logits = _enlarged(logits, factor, like) + self.get_submodule(name)(like)
        return _enlarged(logits, 8, image), last


class IFCNLite0(LiteSegmenter):
    """iFCN with EfficientNet-Lite0; called as :class:`IFCNVGG16` is.

    The click stem sees nearness, 1 at a click and 0 beyond the cap, as that of RIS-Net's small
    network does: bright where the other small networks see disks, from whose weights it can start.
    """

    def __init__(self) -> None:
        super().__init__(maps=2)

    def forward(self, image: Tensor, interaction: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and features, see :class:`~iseg_widget.networks.lite.LiteSegmenter`."""
        return super().forward(image, 1.0 - interaction)
