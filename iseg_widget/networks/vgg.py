"""VGG-16 as DeepLab-LargeFOV runs it: stride 8 and a dilated fc6 (RIS-Net, iFCN's successor).

Sources: Simonyan & Zisserman, "Very deep convolutional networks" (ICLR 2015), configuration D;
Chen et al., "Semantic image segmentation with deep convolutional nets and fully connected CRFs"
(ICLR 2015), the model published as LargeFOV. Layers have the published names.

Pooling windows are 3x3 and padded, the first three with stride 2, and their sizes are rounded up.
So cell i of the result is centred on pixel 8 i whatever the size of the image, and an image of
``8 k + 1`` pixels has ``k + 1`` cells (321 pixels: 41 cells).
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

STAGES = ((64, 2, 2), (128, 2, 2), (256, 3, 2), (512, 3, 1), (512, 3, 1))
"""Channels, convolutions, and stride of the pooling after them, stage by stage."""

LAST_DILATION = 2
"""Of the fifth stage, whose input was not reduced as in VGG-16."""

FIELD_DILATION = 12
"""Of fc6, whose 3x3 kernel so has a large field of view."""

CHANNELS = 1024
"""Of fc6 and fc7."""

PIXEL_MEAN = (122.679, 116.669, 104.008)
"""RGB in 0..255, subtracted from what VGG-16 was trained on."""

NEW_LAYER_DEVIATION = 0.01
"""Of the normal numbers that layers without pretrained weights start from (RIS-Net Sec. 4.1)."""


def draw_weights(layer: nn.Conv2d) -> nn.Conv2d:
    """Start a convolution from small normal numbers and no bias (RIS-Net Sec. 4.1)."""
    nn.init.normal_(layer.weight, std=NEW_LAYER_DEVIATION)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _convolutions(in_channels: int) -> OrderedDict[str, nn.Module]:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels = in_channels
    for stage, (width, count, stride) in enumerate(STAGES, start=1):
        dilation = LAST_DILATION if stage == len(STAGES) else 1
        for index in range(1, count + 1):
            conv = nn.Conv2d(channels, width, 3, padding=dilation, dilation=dilation)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            layers[f"conv{stage}_{index}"] = conv
            layers[f"relu{stage}_{index}"] = nn.ReLU(inplace=True)
            channels = width
        layers[f"pool{stage}"] = nn.MaxPool2d(3, stride, padding=1, ceil_mode=True)
    layers["pool5a"] = nn.AvgPool2d(3, 1, padding=1)
    fc6 = nn.Conv2d(channels, CHANNELS, 3, padding=FIELD_DILATION, dilation=FIELD_DILATION)
    layers["fc6"] = draw_weights(fc6)
    layers["relu6"] = nn.ReLU(inplace=True)
    layers["drop6"] = nn.Dropout(0.5)
    layers["fc7"] = draw_weights(nn.Conv2d(CHANNELS, CHANNELS, 1))
    layers["relu7"] = nn.ReLU(inplace=True)
    layers["drop7"] = nn.Dropout(0.5)
    return layers


class LargeFOV(nn.Module):
    """conv1_1 to fc7 (RIS-Net's conv7): ``(N, C, H, W)`` to ``(N, 1024, h, w)``.

    ``h`` is ``ceil((H - 1) / 8) + 1``, ``w`` likewise. Nothing is normalised here.

    Parameters
    ----------
    in_channels: of the input; RIS-Net's has two distance maps after RGB.
    """

    channels = CHANNELS
    stride = 8

    def __init__(self, in_channels: int = 5) -> None:
        super().__init__()
        self.layers = nn.Sequential(_convolutions(in_channels))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out


def centred(image: Tensor) -> Tensor:
    """RGB ``(N, 3, H, W)`` in 0..1 as VGG-16 knows it: 0..255 less :data:`PIXEL_MEAN`."""
    mean = torch.tensor(PIXEL_MEAN, device=image.device, dtype=image.dtype)
    return image * 255.0 - mean[:, None, None]
