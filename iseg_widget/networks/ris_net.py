"""RIS-Net: a global branch, and a local one that looks again at regions (ICCV 2017, Fig. 2).

No code was published. What the paper leaves open is decided here and said so:

* ROI pooling takes **maxima**: the layer of Fast R-CNN, on which the paper's code was built
  (Sec. 4.1). Its 41 x 41 bins are conv7's size for an input of 321 x 321.
* Each level of the pyramid is reduced to a quarter of conv7's channels, as in the pyramid that the
  paper cites (PSPNet), followed by ReLU.
* The context of an ROI is that of the **whole image**, stretched over the ROI's bins, and so the
  same for every ROI. Table 2 lists global context without a local branch, so the global prediction
  takes it as well.
* conv7_local and conv8_local are 1x1 and as wide as conv7 and conv8; predictions are one logit.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iseg_widget.networks.efficientnet_lite import (
    PIXEL_MEAN,
    PIXEL_STD,
    STEM_CHANNELS,
    EfficientNetLite0,
)
from iseg_widget.networks.layers import ConvNormAct, SeparableConv, resize
from iseg_widget.networks.lite import InteractionStem, PyramidHead
from iseg_widget.networks.roi_pool import roi_pool
from iseg_widget.networks.vgg import LargeFOV, centred, draw_weights

ROI_SIDE = 41
"""Bins along each side of an ROI (Sec. 4.1)."""

LEVELS = (1, 2, 3, 6)
"""Cells along each side of the pyramid's levels (Sec. 3.2.2)."""

DISTANCE_CAP = 255.0
"""Distances end here, in pixels; the paper's maps are iFCN's."""


class GlobalFeatures(NamedTuple):
    """What the global branch says about images of H x W.

    ``logits`` is ``(N, 1, h, w)``, with cell i centred on pixel ``stride * i``; ``features`` is
    conv7, ``(N, C, h, w)``; ``context`` are the pyramid's levels, ``(N, C/4, b, b)`` for b in
    :data:`LEVELS`.
    """

    logits: Tensor
    features: Tensor
    context: tuple[Tensor, ...]


class PyramidPooling(nn.Module):
    """Means over 1, 4, 9 and 36 parts of the image, each reduced by a 1x1 convolution.

    ``(N, C, h, w)`` to a tuple of ``(N, C/4, b, b)`` for b in :data:`LEVELS` (Sec. 3.2.2).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = nn.ModuleList(
            draw_weights(nn.Conv2d(channels, channels // len(LEVELS), 1)) for _ in LEVELS
        )

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        return tuple(
            F.relu(reduce(F.adaptive_avg_pool2d(features, level)))
            for reduce, level in zip(self.reduce, LEVELS, strict=True)
        )


def spread(levels: tuple[Tensor, ...], size: tuple[int, int]) -> Tensor:
    """Enlarge the pyramid's levels to ``size`` and stack them: ``(N, C, *size)``."""
    return torch.cat([resize(level, size) for level in levels], 1)


def enlarge(logits: Tensor, stride: int, size: tuple[int, int]) -> Tensor:
    """Logits ``(N, 1, h, w)`` at every pixel, ``(N, 1, *size)``: cell i lies on pixel stride * i.

    ``size`` is (H, W) of the input, or fewer pixels than the cells reach.
    """
    reach = ((logits.shape[2] - 1) * stride + 1, (logits.shape[3] - 1) * stride + 1)
    return resize(logits, reach)[:, :, : size[0], : size[1]]


def stretch(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Local logits ``(R, 1, 41, 41)`` over the ``size`` (rows, columns) of their box.

    Bins divide the box, so their centres, not their corners, keep their places.
    """
    return resize(logits, size, align_corners=False)


class RISNetwork(nn.Module):
    """The two branches.

    Subclasses build the backbone in :meth:`conv7` and the two predictions, whose first inputs are
    conv7 and whose second is the spread pyramid.

    Attributes
    ----------
    stride: pixels between the cells of conv7 and of the global logits.
    """

    stride: int
    pyramid: PyramidPooling

    def conv7(self, image: Tensor, distances: Tensor) -> Tensor:
        """Shared features ``(N, C, h, w)`` of images ``(N, 3, H, W)`` and their distance maps."""
        raise NotImplementedError

    def predict_global(self, features: Tensor, context: Tensor) -> Tensor:
        """Logits ``(N, 1, h, w)``."""
        raise NotImplementedError

    def predict_local(self, features: Tensor, context: Tensor) -> Tensor:
        """Logits ``(R, 1, 41, 41)`` of pooled features and context."""
        raise NotImplementedError

    def global_features(
        self, image: Tensor, distances: Tensor, *, context: bool = True
    ) -> GlobalFeatures:
        """Run the global branch.

        Parameters
        ----------
        image: ``(N, 3, H, W)`` RGB in 0..1.
        distances: ``(N, 2, H, W)`` distances to the nearest positive and negative click in pixels,
            0..255 (Eq. 1).
        context: with ``False`` the pyramid is left out, that is, taken for zeros (Table 2).
        """
        features = self.conv7(image, distances)
        levels = self.pyramid(features)
        if not context:
            levels = tuple(torch.zeros_like(level) for level in levels)
        size = (features.shape[2], features.shape[3])
        return GlobalFeatures(self.predict_global(features, spread(levels, size)), features, levels)

    def local(self, found: GlobalFeatures, boxes: Tensor, image: Tensor) -> Tensor:
        """Run the local branch on any number of ROIs.

        Parameters
        ----------
        found: of :meth:`global_features`.
        boxes: ``(R, 4)`` half-open ``x0, y0, x1, y1`` in input pixels.
        image: ``(R,)`` int64, the image in the batch that each ROI belongs to.

        Returns
        -------
        Logits ``(R, 1, 41, 41)``.
        """
        size = (ROI_SIDE, ROI_SIDE)
        pooled = roi_pool(found.features, boxes, image, size, 1.0 / self.stride)
        context = spread(found.context, size)[image]
        return self.predict_local(pooled, context)


class RISNetVGG16(RISNetwork):
    """RIS-Net on VGG-16, with the published widths.

    Distance maps go in as they are, 0..255 pixels, beside RGB in 0..255 less its mean; the paper
    says nothing of their scale.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backbone = LargeFOV(3 + 2)
        self.stride = self.backbone.stride
        channels = self.backbone.channels
        self.pyramid = PyramidPooling(channels)
        self.conv8 = draw_weights(nn.Conv2d(2 * channels, 1, 1))
        self.conv7_local = draw_weights(nn.Conv2d(2 * channels, channels, 1))
        self.conv8_local = draw_weights(nn.Conv2d(channels, 1, 1))

    def conv7(self, image: Tensor, distances: Tensor) -> Tensor:
        out: Tensor = self.backbone(torch.cat([centred(image), distances], 1))
        return out

    def predict_global(self, features: Tensor, context: Tensor) -> Tensor:
        out: Tensor = self.conv8(torch.cat([features, context], 1))
        return out

    def predict_local(self, features: Tensor, context: Tensor) -> Tensor:
        hidden = F.relu(self.conv7_local(torch.cat([features, context], 1)))
        out: Tensor = self.conv8_local(hidden)
        return out


class RISNetLite0(RISNetwork):
    """RIS-Net on EfficientNet-Lite0; conv7 is the decoder's map, at a quarter of the input.

    Backbone, interaction and head are those of the other Lite0 networks. Distances d are fed as
    ``1 - d / 255``, so that a map without a click is zero. The input is repeated at its right and
    lower border up to ``32 k + 1`` pixels, on which all strides agree.
    """

    stride = 4

    def __init__(self, channels: int = 96) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0()
        self.interaction = InteractionStem(STEM_CHANNELS, maps=2)
        self.head = PyramidHead(self.backbone.channels, channels)
        self.pyramid = PyramidPooling(channels)
        # The head predicts from conv7 alone; what the context adds is a linear term beside it.
        self.context = draw_weights(nn.Conv2d(channels, 1, 1, bias=False))
        self.conv7_local = nn.Sequential(
            ConvNormAct(2 * channels, channels),
            SeparableConv(channels, channels),
            SeparableConv(channels, channels),
        )
        self.conv8_local = nn.Conv2d(channels, 1, 1)

    def conv7(self, image: Tensor, distances: Tensor) -> Tensor:
        padding = [-(side - 1) % self.backbone.strides[-1] for side in image.shape[2:]]
        image, distances = (
            F.pad(x, (0, padding[1], 0, padding[0]), mode="replicate") for x in (image, distances)
        )
        interaction = self.interaction(1.0 - distances / DISTANCE_CAP)
        maps = self.backbone((image - PIXEL_MEAN) / PIXEL_STD, interaction)
        features: Tensor = self.head(maps)[1]
        return features

    def predict_global(self, features: Tensor, context: Tensor) -> Tensor:
        out: Tensor = self.head.predict(features) + self.context(context)
        return out

    def predict_local(self, features: Tensor, context: Tensor) -> Tensor:
        out: Tensor = self.conv8_local(self.conv7_local(torch.cat([features, context], 1)))
        return out
