"""IA-FPN with DeepLab v3+, the paper's main model (arXiv 2203.05145, Sec. 4.1).

It was never released as a whole. The backbone, pyramid and decoder follow what is left of it in the
published repository (``modeling/deeplab_v3.py``); parameter counts are those of Tables 4 and 6
without the modules. How the modules are attached follows the paper and the released HRNet.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iseg_widget.networks.deeplab import ASPP
from iseg_widget.networks.hrnet import InteractionStem
from iseg_widget.networks.ia_fpn import Prediction, imagenet_normalised
from iseg_widget.networks.interaction_attention import (
    HSGM,
    PAPER,
    PROPAGATE,
    SGM,
    Form,
    Propagation,
)
from iseg_widget.networks.layers import ConvNormAct, SeparableConv, resize
from iseg_widget.networks.resnet import BLOCKS, BasicBlock, Bottleneck, ResNet, Stage

Depth = Literal[34, 50, 101]

CHANNELS: dict[Depth, int] = {34: 128, 50: 128, 101: 256}
"""Width of the decoder that gives the paper's parameter counts (31.41 M and 58.44 M, Table 6)."""

DILATIONS = (1, 12, 24, 36)
"""Of the pyramid, for output stride 8."""

SKIP_CHANNELS = 32
DEEP_STEM = (64, 64, 128)


def _layout(depth: Depth) -> tuple[Stage, ...]:
    """Output stride 8; the first block of a dilated stage dilates half as much as the others."""
    third, fourth = BLOCKS[depth][2:]
    return (
        Stage(64, 1, (1,) * BLOCKS[depth][0]),
        Stage(128, 2, (1,) * BLOCKS[depth][1]),
        Stage(256, 1, (1,) + (2,) * (third - 1)),
        Stage(512, 1, (2,) + (4,) * (fourth - 1)),
    )


class _Backbone(ResNet):
    """ResNet whose stem takes the transformed clicks, and gives its output away."""

    def __init__(self, depth: Depth) -> None:
        super().__init__(
            _layout(depth),
            block=BasicBlock if depth == 34 else Bottleneck,
            deep=None if depth == 34 else DEEP_STEM,
        )
        # In a dilated stage's first block only the first convolution dilates less.
        for name, dilation in (("layer3", 2), ("layer4", 4)):
            first = self.get_submodule(f"{name}.0")
            if isinstance(first, BasicBlock):
                first.conv2.padding = first.conv2.dilation = (dilation, dilation)

    def forward(self, x: Tensor, maps: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the stem's output (stride 2) and the maps of all stages.

        ``maps`` ``(N, C, H/2, W/2)`` are added to the stem; missing channels count as 0.
        """
        low = self.relu(self.bn1(self.conv1(x)))
        if maps is not None:
            low = low + F.pad(maps, (0, 0, 0, 0, 0, low.shape[1] - maps.shape[1]))
        outputs = [low]
        x = self.maxpool(low)
        for name in self._names:
            x = self.get_submodule(name)(x)
            outputs.append(x)
        return tuple(outputs)


class IAFPNDeepLab(nn.Module):
    """Coarse or fine network with DeepLab v3+.

    F is the decoder's output (after the pyramid, at 1/4), F^h the stem's output with the clicks (at
    1/2); the prediction comes from two separable convolutions and a 1x1 one.

    Parameters
    ----------
    depth: 34, 50 or 101.
    channels: width of pyramid and decoder; default: the paper's, :data:`CHANNELS`.
    sgm, hsgm: build the module (Table 5).
    form: of the modules. The modules' size in the paper is not known: its tables disagree.
    """

    def __init__(
        self,
        depth: Depth = 50,
        channels: int | None = None,
        *,
        sgm: bool = True,
        hsgm: bool = True,
        form: Form = PAPER,
    ) -> None:
        if depth not in CHANNELS:
            raise ValueError(f"depth must be one of {tuple(CHANNELS)}, got {depth!r}")
        super().__init__()
        width = channels or CHANNELS[depth]
        self.maps_transform = InteractionStem()
        self.backbone = _Backbone(depth)
        self.skip = ConvNormAct(self.backbone.channels[0], SKIP_CHANNELS)
        self.aspp = ASPP(self.backbone.channels[-1], DILATIONS, width)
        self.decoder = nn.Sequential(
            SeparableConv(width + SKIP_CHANNELS, width, bias=False),
            SeparableConv(width, width, bias=False),
            nn.Conv2d(width, width, 1),
        )
        low = self.backbone.bn1.num_features
        self.sgm = SGM(width, form=form) if sgm else None
        self.hsgm = HSGM(width, low, width, form=form) if hsgm else None
        self.head = nn.Sequential(
            SeparableConv(width, width // 2, bias=False),
            SeparableConv(width // 2, width // 2, bias=False),
            nn.Conv2d(width // 2, 1, 1),
        )

    def features(self, image: Tensor, maps: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return F^h and F of a normalised image; ``maps`` as :class:`InteractionStem` gives."""
        low, first, *_, last = self.backbone(image, maps)
        skip = self.skip(first)
        context = resize(self.aspp(last), (skip.shape[2], skip.shape[3]))
        return low, self.decoder(torch.cat([context, skip], 1))

    def forward(
        self, image: Tensor, maps: Tensor, points: Tensor, how: Propagation = PROPAGATE
    ) -> Prediction:
        """See :meth:`iseg_widget.networks.ia_fpn.IAFPNNetwork.coarse`."""
        low, features = self.features(imagenet_normalised(image), self.maps_transform(maps))
        return self.propagate(low, features, points, how)

    def propagate(
        self, low: Tensor, features: Tensor, points: Tensor, how: Propagation
    ) -> Prediction:
        """Return the prediction from what :meth:`features` returned."""
        sgm = hsgm = None
        if self.sgm is not None and how.sgm:
            features, sgm = self.sgm(features, points, how)
        if self.hsgm is not None and how.hsgm:
            features, hsgm = self.hsgm(features, low, points, how)
        return Prediction(self.head(features), None, sgm, hsgm)
