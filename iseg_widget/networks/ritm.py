"""RITM's networks: one forward pass over image, clicks and previous mask (arXiv 2102.06583)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from iseg_widget.networks.efficientnet_lite import (
    PIXEL_MEAN,
    PIXEL_STD,
    STEM_CHANNELS,
    EfficientNetLite0,
)
from iseg_widget.networks.hrnet import HRNetOCR
from iseg_widget.networks.hrnet import InteractionStem as PublishedInteractionStem
from iseg_widget.networks.layers import resize
from iseg_widget.networks.lite import InteractionStem, PyramidHead

DISK_RADIUS = 5.0
"""Of a click's disk, in pixels of the network's input (``norm_radius`` of all published models)."""

LITE_MEAN = (PIXEL_MEAN,) * 3
LITE_STD = (PIXEL_STD,) * 3
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class RITMNetwork(nn.Module):
    """What the procedures of RITM, BRS and f-BRS work with.

    The forward pass is cut in three, where f-BRS puts its scales and biases: :meth:`trunk` gives
    the ``feature_channels`` maps of f-BRS-A and -B, :meth:`decode` the ``decoded_channels`` maps of
    f-BRS-C, and :meth:`predict` logits, all at a quarter of the input's size.

    Attributes
    ----------
    disk_radius: of clicks, in pixels of the input.
    mean, std: ``(1, 3, 1, 1)``, of the normalisation of RGB in 0..1, done inside.
    """

    feature_channels: int
    decoded_channels: int
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        disk_radius: float = DISK_RADIUS,
    ) -> None:
        super().__init__()
        self.disk_radius = disk_radius
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def normalise(self, image: Tensor) -> Tensor:
        """Normalise ``(N, 3, H, W)`` RGB in 0..1."""
        return (image - self.mean) / self.std

    def trunk(self, image: Tensor, interaction: Tensor) -> Tensor:
        """Return the features that all scales of the backbone put together.

        Parameters
        ----------
        image: ``(N, 3, H, W)`` RGB in 0..1, of any size.
        interaction: ``(N, 3, H, W)``: previous probability, positive disks, negative disks.

        Returns
        -------
        ``(N, feature_channels, H/4, W/4)``, sizes rounded up.
        """
        raise NotImplementedError

    def decode(self, features: Tensor) -> Tensor:
        """Return what the last layer sees, ``(N, decoded_channels, h, w)``, of :meth:`trunk`'s."""
        raise NotImplementedError

    def predict(self, decoded: Tensor) -> Tensor:
        """Return logits ``(N, 1, h, w)`` of :meth:`decode`'s features: the last layer."""
        raise NotImplementedError

    def classify(self, features: Tensor) -> Tensor:
        """Return logits ``(N, 1, h, w)`` of :meth:`trunk`'s features."""
        return self.predict(self.decode(features))

    def logits(self, image: Tensor, interaction: Tensor) -> Tensor:
        """Return logits ``(N, 1, H/4, W/4)``; :meth:`classify` of :meth:`trunk`, in one go."""
        return self.classify(self.trunk(image, interaction))

    def forward(self, image: Tensor, interaction: Tensor) -> Tensor:
        """Return logits at the input's size, ``(N, 1, H, W)``; see :meth:`trunk`."""
        return resize(self.logits(image, interaction), (image.shape[2], image.shape[3]))

    def with_auxiliary(self, image: Tensor, interaction: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return what the forward pass does, and the auxiliary head's logits, for training.

        Both are of the input's size; ``None`` for a network without such a head.
        """
        return self(image, interaction), None


class RITMPublished(RITMNetwork):
    """HRNet with OCR, as the authors publish it (``isegm/model/is_hrnet_model.py``).

    Parameters
    ----------
    width, ocr_width, small: see :class:`~iseg_widget.networks.hrnet.HRNetOCR`.
    disk_radius: in pixels of the input.
    """

    def __init__(
        self,
        width: int = 18,
        ocr_width: int = 48,
        *,
        small: bool = True,
        disk_radius: float = DISK_RADIUS,
    ) -> None:
        super().__init__(IMAGENET_MEAN, IMAGENET_STD, disk_radius)
        self.maps_transform = PublishedInteractionStem()
        self.feature_extractor = HRNetOCR(width, ocr_width, small=small)
        self.feature_channels = self.feature_extractor.channels
        self.decoded_channels = self.feature_extractor.feature_channels

    def trunk(self, image: Tensor, interaction: Tensor) -> Tensor:
        maps = self.maps_transform(interaction)
        stem = self.feature_extractor.stem(self.normalise(image), maps)
        out: Tensor = self.feature_extractor.trunk(stem)
        return out

    def decode(self, features: Tensor) -> Tensor:
        _, _, augmented = self.feature_extractor.classify(features)
        return augmented

    def predict(self, decoded: Tensor) -> Tensor:
        out: Tensor = self.feature_extractor.cls_head(decoded)
        return out

    def logits(self, image: Tensor, interaction: Tensor) -> Tensor:
        # The extractor's own forward may know a faster way than by way of the features.
        maps = self.maps_transform(interaction)
        out: Tensor = self.feature_extractor(self.normalise(image), maps)[0]
        return out

    def with_auxiliary(self, image: Tensor, interaction: Tensor) -> tuple[Tensor, Tensor | None]:
        maps = self.maps_transform(interaction)
        logits, auxiliary, _ = self.feature_extractor(self.normalise(image), maps)
        size = (image.shape[2], image.shape[3])
        return resize(logits, size), resize(auxiliary, size)


class RITMLite0(RITMNetwork):
    """RITM with EfficientNet-Lite0; its entries are those of ``LiteSegmenter``.

    The features before :meth:`decode` are the four scales of the backbone, each brought to
    ``channels`` maps, as the concatenated branches are in HRNet.
    """

    def __init__(self, channels: int = 96) -> None:
        super().__init__(LITE_MEAN, LITE_STD)
        self.backbone = EfficientNetLite0()
        self.interaction = InteractionStem(STEM_CHANNELS)
        self.head = PyramidHead(self.backbone.channels, channels)
        self.feature_channels = channels * len(self.backbone.channels)
        self.decoded_channels = channels

    def trunk(self, image: Tensor, interaction: Tensor) -> Tensor:
        maps = self.backbone(self.normalise(image), self.interaction(interaction))
        return self.head.gather(maps)

    def decode(self, features: Tensor) -> Tensor:
        return self.head.decode(features)

    def predict(self, decoded: Tensor) -> Tensor:
        out: Tensor = self.head.predict(decoded)
        return out


RITM_RELEASED: Mapping[str, Callable[[], RITMNetwork]] = {
    "ritm-hrnet18s": lambda: RITMPublished(18, 48, small=True),
    "ritm-hrnet18": lambda: RITMPublished(18, 64, small=False),
    "ritm-hrnet32": lambda: RITMPublished(32, 128, small=False),
}
"""The released models by the names of their architectures; SBD and COCO+LVIS share them."""
