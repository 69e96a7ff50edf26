"""FocalClick's networks: a coarse Segmentor and a Refiner (CVPR 2022, Sec. 3.1, Fig. 3, Eq. 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from iseg_widget.networks.efficientnet_lite import (
    PIXEL_MEAN,
    PIXEL_STD,
    STEM_CHANNELS,
    EfficientNetLite0,
)
from iseg_widget.networks.layers import ConvNormAct, SeparableConv, resize
from iseg_widget.networks.lite import InteractionStem, PyramidHead
from iseg_widget.networks.roi_align import roi_align

Version = Literal["S1", "S2"]

SEGMENTOR_SIDE: dict[Version, int] = {"S1": 128, "S2": 256}
"""Side of the Segmentor's input in pixels (Table 1)."""

DISK_RADIUS = {128: 3.0, 256: 5.0}
"""Click radius in pixels of the Segmentor's input. Fig. 3 prints 2; the code has 2, 3 or 5."""

REFINER_SIDE = 256
"""Side of the Refiner's input in pixels (Table 1)."""

REFINER_RADIUS = 5.0


class NetworkInput(NamedTuple):
    """What a network is fed: crops of ``side`` pixels with disks of ``radius`` pixels."""

    side: int
    radius: float


REFINER_INPUT = NetworkInput(REFINER_SIDE, REFINER_RADIUS)


@dataclass(frozen=True)
class Geometry:
    """How a network was trained to see crops; whoever feeds it has to follow.

    Attributes
    ----------
    inputs: the Segmentor's input for each version the weights serve (Table 1's S1, S2).
    sampling: convention of all resizing and click mapping between image and crops, a key of
        :data:`iseg_widget.sampling.SAMPLINGS`.
    refiner: the Refiner's input.
    """

    inputs: Mapping[Version, NetworkInput] = field(
        default_factory=lambda: {
            version: NetworkInput(side, DISK_RADIUS[side])
            for version, side in SEGMENTOR_SIDE.items()
        }
    )
    sampling: Literal["half_pixel", "corners"] = "half_pixel"
    refiner: NetworkInput = REFINER_INPUT


class Coarse(NamedTuple):
    """What the Segmentor says about a target crop of side S.

    ``logits`` is ``(N, 1, S, S)``; ``features`` is ``(N, C, S/4, S/4)``, the fused decoder map that
    the Refiner reuses. ``auxiliary`` are the logits of an auxiliary head, at the features' size,
    for training; ``None`` without one.
    """

    logits: Tensor
    features: Tensor
    auxiliary: Tensor | None = None


class Refined(NamedTuple):
    """Maps of the focus crop, each ``(N, 1, R, R)``, all logits.

    ``coarse`` is M_l of Eq. 1, ``detail`` M_d, ``boundary`` M_b before its sigmoid, ``refined``
    M_r.
    """

    coarse: Tensor
    detail: Tensor
    boundary: Tensor
    refined: Tensor


class Refiner(nn.Module):
    """Local refinement in the focus crop (Sec. 3.1 "Local refinement", Eq. 1).

    Low-level features come from Xception convolutions on the crop, semantic ones from the
    Segmentor through RoIAlign; two heads give the detail map M_d and the boundary map M_b, and
    ``M_r = sigmoid(M_b) * M_d + (1 - sigmoid(M_b)) * M_l``.
    """

    def __init__(self, feature_channels: int, channels: int = 32) -> None:
        super().__init__()
        self.image_conv1 = ConvNormAct(6, channels, 3, stride=2, bias=True)
        self.image_conv2 = SeparableConv(channels, channels)
        self.image_conv3 = SeparableConv(channels, channels)
        self.refine_fusion = ConvNormAct(feature_channels, channels, bias=True)
        self.refine_fusion2 = SeparableConv(channels, channels)
        self.refine_fusion3 = SeparableConv(channels, channels)
        self.refine_pred = nn.Conv2d(channels, 1, 3, padding=1)
        self.refine_trimap = nn.Conv2d(channels, 1, 3, padding=1)

    def forward(self, image: Tensor, clicks: Tensor, features: Tensor, coarse: Tensor) -> Refined:
        """Refine one crop per sample.

        Parameters
        ----------
        image: ``(N, 3, R, R)`` crop, RGB in 0..1, not normalised.
        clicks: ``(N, 2, R, R)`` positive and negative disks.
        features: ``(N, channels, h, w)`` RoIAligned features of the Segmentor, see :meth:`reduce`.
        coarse: ``(N, 1, R, R)`` RoIAligned logits M_l.
        """
        size = (coarse.shape[2], coarse.shape[3])
        low = self.image_conv1(torch.cat([image, clicks, torch.sigmoid(coarse)], 1))
        low = self.image_conv3(self.image_conv2(low))
        high = resize(self._fuse(features), (low.shape[2], low.shape[3]))
        fused = self.refine_fusion3(self.refine_fusion2(low + high))
        detail, boundary = (resize(logits, size) for logits in self._heads(fused))
        weight = torch.sigmoid(boundary)
        return Refined(coarse, detail, boundary, weight * detail + (1 - weight) * coarse)

    def reduce(self, features: Tensor) -> Tensor:
        """Narrow the Segmentor's features before RoIAlign, which is linear as this is.

        The bias, which RoIAlign would not keep at the border, is added afterwards.
        """
        return functional.conv2d(features, self.refine_fusion.conv.weight)

    def _fuse(self, reduced: Tensor) -> Tensor:
        fusion = self.refine_fusion
        bias = fusion.conv.bias
        if bias is not None:
            reduced = reduced + bias.to(reduced.dtype)[:, None, None]
        fused: Tensor = fusion.act(fusion.norm(reduced))
        return fused

    def _heads(self, fused: Tensor) -> tuple[Tensor, Tensor]:
        return self.refine_pred(fused), self.refine_trimap(fused)


class FocalClickNetwork(nn.Module):
    """A Segmentor and a Refiner in one checkpoint: what the procedure works with.

    Subclasses build the Segmentor and define :meth:`segment`.
    """

    refiner: Refiner

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self.geometry = geometry

    def segment(self, image: Tensor, interaction: Tensor) -> Coarse:
        """Coarse segmentation of a target crop.

        Parameters
        ----------
        image: ``(N, 3, S, S)`` RGB in 0..1, S a multiple of 32.
        interaction: ``(N, 3, S, S)``: previous mask, positive disks, negative disks.
        """
        raise NotImplementedError

    def refine(self, image: Tensor, clicks: Tensor, coarse: Coarse, boxes: Tensor) -> Refined:
        """Refine the focus crop of each sample.

        Parameters
        ----------
        image: ``(N, 3, R, R)`` focus crop, RGB in 0..1.
        clicks: ``(N, 2, R, R)`` positive and negative disks in the crop.
        coarse: what :meth:`segment` returned for the target crops.
        boxes: ``(N, 4)`` focus crops ``x0, y0, x1, y1`` in pixels of the resized target crop.
        """
        side = coarse.logits.shape[-1]
        feature_size = (coarse.features.shape[2], coarse.features.shape[3])
        features = roi_align(
            self.refiner.reduce(coarse.features),
            boxes,
            feature_size,
            spatial_scale=feature_size[1] / side,
        )
        logits = roi_align(coarse.logits, boxes, (image.shape[2], image.shape[3]))
        refined: Refined = self.refiner(image, clicks, features, logits)
        return refined


class FocalClickLite0(FocalClickNetwork):
    """FocalClick with EfficientNet-Lite0.

    The Segmentor is fully convolutional: S1 (128) and S2 (256) share the same weights.
    """

    def __init__(self, channels: int = 96, refiner_channels: int = 32) -> None:
        super().__init__(Geometry())
        self.backbone = EfficientNetLite0()
        self.interaction = InteractionStem(STEM_CHANNELS)
        self.head = PyramidHead(self.backbone.channels, channels)
        self.refiner = Refiner(channels, refiner_channels)

    def segment(self, image: Tensor, interaction: Tensor) -> Coarse:
        maps = self.backbone((image - PIXEL_MEAN) / PIXEL_STD, self.interaction(interaction))
        logits, features = self.head(maps)
        return Coarse(resize(logits, (image.shape[2], image.shape[3])), features)


class Mirrored:
    """A network asked twice, straight and mirrored left to right, with the mean of its logits.

    It answers as the network does, except that the features of an answer hold those of the mirrored
    crop beside them: ``(N, 2, C, S/4, S/4)``.
    """

    def __init__(self, network: FocalClickNetwork) -> None:
        self.network = network

    def segment(self, image: Tensor, interaction: Tensor) -> Coarse:
        """See :meth:`FocalClickNetwork.segment`."""
        both = self.network.segment(_with_mirror(image), _with_mirror(interaction))
        straight, mirrored = both.features.chunk(2)
        return Coarse(_mean(both.logits), torch.stack([straight, mirrored], 1))

    def refine(self, image: Tensor, clicks: Tensor, coarse: Coarse, boxes: Tensor) -> Refined:
        """See :meth:`FocalClickNetwork.refine`."""
        side = coarse.logits.shape[-1]
        mirrored = torch.stack(
            [side - boxes[:, 2], boxes[:, 1], side - boxes[:, 0], boxes[:, 3]], 1
        )
        features = torch.cat([coarse.features[:, 0], coarse.features[:, 1]])
        both = self.network.refine(
            _with_mirror(image),
            _with_mirror(clicks),
            Coarse(_with_mirror(coarse.logits), features),
            torch.cat([boxes, mirrored]),
        )
        return Refined(*(_mean(logits) for logits in both))


def _with_mirror(maps: Tensor) -> Tensor:
    """``(N, C, h, w)`` maps, and below them the same mirrored left to right."""
    return torch.cat([maps, maps.flip(3)])


def _mean(logits: Tensor) -> Tensor:
    """Mean of the first half and the second, which is mirrored."""
    straight, mirrored = logits.chunk(2)
    return (straight + mirrored.flip(3)) * 0.5
