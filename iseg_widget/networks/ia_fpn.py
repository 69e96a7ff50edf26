"""IA-FPN's networks: a coarse one for the whole image, a fine one for the zoomed-in region.

arXiv 2203.05145, Sec. 3.2 and 3.3. Both pass features through the modules of
:mod:`iseg_widget.networks.interaction_attention`. The authors released HRNet-18 only, as CSFPN.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from iseg_widget.networks.efficientnet_lite import (
    PIXEL_MEAN,
    PIXEL_STD,
    STEM_CHANNELS,
    EfficientNetLite0,
)
from iseg_widget.networks.hrnet import STEM_CHANNELS as HRNET_STEM_CHANNELS
from iseg_widget.networks.hrnet import HRNetOCR, gather_region
from iseg_widget.networks.hrnet import InteractionStem as PublishedInteractionStem
from iseg_widget.networks.interaction_attention import (
    HSGM,
    PAPER,
    PROPAGATE,
    RELEASED,
    SGM,
    Form,
    Propagation,
)
from iseg_widget.networks.layers import SeparableConv, resize
from iseg_widget.networks.lite import InteractionStem, PyramidHead

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

DISK_RADIUS = 5.0
"""Of a click's disk in pixels of the network's input, both networks (Sec. 4.1; ``norm_radius``)."""


class Prediction(NamedTuple):
    """What a network says.

    Attributes
    ----------
    logits: ``(N, 1, h, w)`` at the network's resolution: half of the input's with the HSGM, a
        quarter without, sizes rounded up. To be enlarged with aligned corners.
    auxiliary: ``(N, 1, h, w)`` logits from before the SGM, for training; ``None`` without such a
        head. They come from a quarter of the input's size, enlarged.
    sgm: alpha of Eq. 6, ``(N, heads, H/4, W/4, M)``; ``None`` where the module did not run, or with
        full attention.
    hsgm: alpha of Eq. 7, ``(N, 1, H/2, W/2, M)``; likewise.
    """

    logits: Tensor
    auxiliary: Tensor | None = None
    sgm: Tensor | None = None
    hsgm: Tensor | None = None


class IAFPNNetwork(nn.Module):
    """The coarse and the fine network in one checkpoint: what the procedure works with.

    Attributes
    ----------
    disk_radius: of clicks, in pixels of the input.
    """

    disk_radius = DISK_RADIUS

    def coarse(
        self, image: Tensor, maps: Tensor, points: Tensor, how: Propagation = PROPAGATE
    ) -> Prediction:
        """Segment the whole image (Eq. 2).

        Parameters
        ----------
        image: ``(N, 3, H, W)`` RGB in 0..1, of any size.
        maps: ``(N, 3, H, W)``: previous probability, positive disks, negative disks.
        points: ``(N, M, 3)`` the clicks as rows ``x, y, kind`` in pixels of the input; see
            :func:`~iseg_widget.networks.interaction_attention.click_cells`.
        how: which modules run, and how. A module that is switched off is bypassed: without SGM its
            input goes on unchanged, without HSGM the prediction is made from the quarter-size map.
            Weights trained with a module were not trained for its absence.
        """
        raise NotImplementedError

    def fine(
        self, image: Tensor, maps: Tensor, points: Tensor, how: Propagation = PROPAGATE
    ) -> Prediction:
        """Segment the zoomed-in region (Eq. 4); see :meth:`coarse`.

        In place of the previous probability stands the coarse network's.
        """
        raise NotImplementedError

    def start_fine_from_coarse(self) -> None:
        """Copy the coarse weights to the fine network, as training begins stage 2 (Sec. 3.4)."""
        raise NotImplementedError


class IAFPNPair(IAFPNNetwork):
    """Two networks of one architecture with weights of their own.

    Parameters
    ----------
    coarse, fine: the networks, called as :meth:`IAFPNNetwork.coarse` is.
    """

    def __init__(self, coarse: nn.Module, fine: nn.Module) -> None:
        super().__init__()
        self.coarse_network = coarse
        self.fine_network = fine

    def coarse(
        self, image: Tensor, maps: Tensor, points: Tensor, how: Propagation = PROPAGATE
    ) -> Prediction:
        out: Prediction = self.coarse_network(image, maps, points, how)
        return out

    def fine(
        self, image: Tensor, maps: Tensor, points: Tensor, how: Propagation = PROPAGATE
    ) -> Prediction:
        out: Prediction = self.fine_network(image, maps, points, how)
        return out

    def start_fine_from_coarse(self) -> None:
        self.fine_network.load_state_dict(self.coarse_network.state_dict())


def imagenet_normalised(image: Tensor) -> Tensor:
    """Normalise ``(N, 3, H, W)`` RGB in 0..1 with ImageNet's mean and standard deviation."""
    mean, std = (image.new_tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return (image - mean) / std


class PropagatingHRNet(HRNetOCR):
    """HRNet with the modules between its trunk and its OCR head (``hrnet_ocr.py``).

    F is the concatenation of all branches, F^h the first convolution's output with the transformed
    clicks added. With the HSGM everything after it works at half the input's size.

    Parameters
    ----------
    width, ocr_width, small: see :class:`~iseg_widget.networks.hrnet.HRNetOCR`.
    sgm, hsgm: build the module.
    form: of the modules.
    """

    reduction = 3

    def __init__(
        self, width: int, ocr_width: int, *, small: bool, sgm: bool, hsgm: bool, form: Form
    ) -> None:
        super().__init__(width, ocr_width, small=small)
        channels = self.channels
        self.att = SGM(channels, self.reduction, form=form) if sgm else None
        self.upatt = (
            HSGM(channels, HRNET_STEM_CHANNELS, channels, self.reduction, form=form)
            if hsgm
            else None
        )

    def propagate(
        self, image: Tensor, maps: Tensor, points: Tensor, how: Propagation
    ) -> Prediction:
        """Return the prediction for a normalised image; see :meth:`IAFPNNetwork.coarse`.

        ``maps`` ``(N, 64, H/2, W/2)`` join after the first convolution.
        """
        low = torch.relu(self.bn1(self.conv1(image))) + maps
        features = self.trunk(torch.relu(self.bn2(self.conv2(low))))
        auxiliary = self.aux_head(features)
        sgm = hsgm = None
        if self.att is not None and how.sgm:
            features, sgm = self.att(features, points, how)
        if self.upatt is not None and how.hsgm:
            features, hsgm = self.upatt(features, low, points, how)
        pixels = self.conv3x3_ocr(features)
        auxiliary = resize(auxiliary, (pixels.shape[2], pixels.shape[3]))
        region = gather_region(pixels, auxiliary)
        logits = self.cls_head(self.ocr_distri_head(pixels, region))
        return Prediction(logits, auxiliary, sgm, hsgm)


class CSFPNHRNet(nn.Module):
    """HRNet-18 as released (``is_hrnet_model.py``), coarse or fine; entries have its names.

    Without both modules it is RITM's HRNet-18.

    Parameters
    ----------
    width, ocr_width, small: see :class:`~iseg_widget.networks.hrnet.HRNetOCR`.
    sgm, hsgm: build the module (Table 5). The released model has both.
    form: of the modules.
    """

    def __init__(
        self,
        width: int = 18,
        ocr_width: int = 64,
        *,
        small: bool = False,
        sgm: bool = True,
        hsgm: bool = True,
        form: Form = RELEASED,
    ) -> None:
        super().__init__()
        self.maps_transform = PublishedInteractionStem()
        self.feature_extractor = PropagatingHRNet(
            width, ocr_width, small=small, sgm=sgm, hsgm=hsgm, form=form
        )

    def forward(
        self, image: Tensor, maps: Tensor, points: Tensor, how: Propagation = PROPAGATE
    ) -> Prediction:
        """See :meth:`IAFPNNetwork.coarse`."""
        mapped = self.maps_transform(maps)
        return self.feature_extractor.propagate(imagenet_normalised(image), mapped, points, how)


class _LiteParts(nn.Module):
    """What coarse and fine network have each for themselves in :class:`IAFPNLite0`."""

    def __init__(self, channels: int, high_channels: int, form: Form) -> None:
        super().__init__()
        self.interaction = InteractionStem(STEM_CHANNELS)
        self.head = PyramidHead(EfficientNetLite0.channels, channels)
        self.sgm = SGM(channels, form=form)
        sigma = nn.Sequential(
            SeparableConv(channels + STEM_CHANNELS, high_channels),
            SeparableConv(high_channels, high_channels),
        )
        self.hsgm = HSGM(channels, STEM_CHANNELS, high_channels, form=form, fusion=sigma)
        last = nn.Conv2d(high_channels, 1, 1)
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        self.correct = nn.Sequential(SeparableConv(high_channels, high_channels), last)

    def run(
        self,
        backbone: EfficientNetLite0,
        image: Tensor,
        maps: Tensor,
        points: Tensor,
        how: Propagation,
    ) -> Prediction:
        """See :meth:`IAFPNNetwork.coarse`."""
        low = backbone.stem((image - PIXEL_MEAN) / PIXEL_STD) + self.interaction(maps)
        auxiliary, features = self.head(backbone.pyramid(low))
        sgm = hsgm = None
        if how.sgm:
            features, sgm = self.sgm(features, points, how)
        logits: Tensor = self.head.predict(features)
        if how.hsgm:
            high, hsgm = self.hsgm(features, low, points, how)
            logits = resize(logits, (high.shape[2], high.shape[3])) + self.correct(high)
        auxiliary = resize(auxiliary, (logits.shape[2], logits.shape[3]))
        return Prediction(logits, auxiliary, sgm, hsgm)


class IAFPNLite0(_LiteParts, IAFPNNetwork):
    """IA-FPN with EfficientNet-Lite0; not of the paper.

    Coarse and fine network share the backbone, so that both fit where the other lite networks do;
    each has its own click stem, decoder and modules, the fine one's under ``fine_part``. The other
    entries of ``backbone``, ``interaction`` and ``head`` are those of ``LiteSegmenter``. F is the
    decoder's map, F^h the stem's output with the clicks. What the HSGM finds is added to the logits
    of ``head``. All new parts begin as if absent, so that weights of another lite network predict
    as they did.

    Parameters
    ----------
    channels: width of the decoder.
    high_channels: width at half the input's size.
    form: of the modules.
    """

    def __init__(self, channels: int = 96, high_channels: int = 48, form: Form = PAPER) -> None:
        super().__init__(channels, high_channels, form)
        self.backbone = EfficientNetLite0()
        self.fine_part = _LiteParts(channels, high_channels, form)

    def coarse(
        self, image: Tensor, maps: Tensor, points: Tensor, how: Propagation = PROPAGATE
    ) -> Prediction:
        return self.run(self.backbone, image, maps, points, how)

    def fine(
        self, image: Tensor, maps: Tensor, points: Tensor, how: Propagation = PROPAGATE
    ) -> Prediction:
        return self.fine_part.run(self.backbone, image, maps, points, how)

    def start_fine_from_coarse(self) -> None:
        own = self.state_dict()
        self.fine_part.load_state_dict({key: own[key] for key in self.fine_part.state_dict()})
