"""FocalClick's published networks: SegFormer B0 and B3, HRNet-18s and -32 (ClickSEG).

``isegm/model/is_segformer_model.py`` and ``is_hrnet_model.py``; parameter names are theirs. S1 and
S2 have the same parameters: S1 halves its 256-pixel input, drawn clicks included, and draws
smaller disks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from iseg_widget.networks.focalclick import (
    SEGMENTOR_SIDE,
    Coarse,
    FocalClickNetwork,
    Geometry,
    NetworkInput,
    Refiner,
    Version,
)
from iseg_widget.networks.hrnet import HRNetOCR, InteractionStem
from iseg_widget.networks.layers import resize
from iseg_widget.networks.mix_transformer import SegFormer

PIXEL_MEAN = (0.485, 0.456, 0.406)
PIXEL_STD = (0.229, 0.224, 0.225)

INPUT_SIDE = 256
"""Side of every crop that is fed, for S1 too."""

LARGE_RADIUS = 5.0


class _Published(FocalClickNetwork):
    """What the published networks share: input geometry, normalisation, halving, upsampling."""

    small_radius: float
    mean: Tensor
    std: Tensor

    def __init__(self, version: Version) -> None:
        if version not in SEGMENTOR_SIDE:
            raise ValueError(f"version must be one of {tuple(SEGMENTOR_SIDE)}, got {version!r}")
        radius = self.small_radius if version == "S1" else LARGE_RADIUS
        super().__init__(
            Geometry(inputs={version: NetworkInput(INPUT_SIDE, radius)}, sampling="corners")
        )
        self.halves = version == "S1"
        for name, values in (("mean", PIXEL_MEAN), ("std", PIXEL_STD)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def _predict(self, image: Tensor, interaction: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return logits, features and auxiliary logits of a normalised crop, all at stride 4."""
        raise NotImplementedError

    def segment(self, image: Tensor, interaction: Tensor) -> Coarse:
        size = (image.shape[2], image.shape[3])
        image = (image - self.mean) / self.std
        if self.halves:
            image, interaction = (
                F.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=True)
                for x in (image, interaction)
            )
        logits, features, auxiliary = self._predict(image, interaction)
        return Coarse(resize(logits, size), features, auxiliary)


class FocalClickSegFormer(_Published):
    """FocalClick with SegFormer.

    Parameters
    ----------
    size: ``"b0"`` or ``"b3"``.
    version: ``"S1"`` or ``"S2"`` (Table 1).
    """

    small_radius = 3.0

    def __init__(self, size: str = "b0", version: Version = "S2") -> None:
        super().__init__(version)
        self.feature_extractor = SegFormer(size)
        self.refiner = Refiner(self.feature_extractor.feature_channels)

    def _predict(self, image: Tensor, interaction: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        logits, features = self.feature_extractor(image, interaction)
        return logits, features, None


class FocalClickHRNet(_Published):
    """FocalClick with HRNet and OCR.

    Parameters
    ----------
    width, ocr_width, small: see :class:`~iseg_widget.networks.hrnet.HRNetOCR`.
    version: ``"S1"`` or ``"S2"`` (Table 1).
    """

    small_radius = 2.0

    def __init__(
        self, width: int = 18, ocr_width: int = 48, *, small: bool = True, version: Version = "S2"
    ) -> None:
        super().__init__(version)
        self.maps_transform = InteractionStem()
        self.feature_extractor = HRNetOCR(width, ocr_width, small=small)
        self.refiner = Refiner(self.feature_extractor.feature_channels)

    def _predict(self, image: Tensor, interaction: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        maps = self.maps_transform(interaction)
        logits, auxiliary, features = self.feature_extractor(image, maps)
        return logits, features, auxiliary


RELEASED: Mapping[str, Callable[[], FocalClickNetwork]] = {
    "focalclick-segformer-b0-s1": lambda: FocalClickSegFormer("b0", "S1"),
    "focalclick-segformer-b0-s2": lambda: FocalClickSegFormer("b0", "S2"),
    "focalclick-segformer-b3-s2": lambda: FocalClickSegFormer("b3", "S2"),
    "focalclick-hrnet-18s-s1": lambda: FocalClickHRNet(18, 48, small=True, version="S1"),
    "focalclick-hrnet-18s-s2": lambda: FocalClickHRNet(18, 48, small=True, version="S2"),
    "focalclick-hrnet-32-s2": lambda: FocalClickHRNet(32, 128, small=False, version="S2"),
}
"""The models of Table 3, which the authors released, by the names of their architectures."""
