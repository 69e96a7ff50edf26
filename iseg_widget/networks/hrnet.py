"""HRNet with an OCR head for one class (Wang et al., TPAMI 2020; Yuan et al., ECCV 2020).

As RITM and ClickSEG publish it (``isegm/model/modeling/hrnet_ocr.py``, ``ocr.py``): parameter names
are theirs, so their checkpoints load without renaming.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from iseg_widget.networks.layers import resize

STEM_CHANNELS = 64
"""Channels after the first convolution, where maps of clicks and previous mask are added."""


def _conv_norm(
    in_channels: int, out_channels: int, kernel: int, stride: int = 1, *, act: bool
) -> nn.Sequential:
    """Convolution without bias, batch normalisation and, with ``act``, ReLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
    ]
    if act:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def _size(x: Tensor) -> tuple[int, int]:
    return x.shape[2], x.shape[3]


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut, channels unchanged."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(x + self.bn2(self.conv2(out)))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions to four times ``channels``, with a shortcut."""

    expansion = 4

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        out_channels = channels * self.expansion
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample = (
            _conv_norm(in_channels, out_channels, 1, act=False)
            if in_channels != out_channels
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.bn1(self.conv1(x)))
        out = torch.relu(self.bn2(self.conv2(out)))
        shortcut = x if self.downsample is None else self.downsample(x)
        return torch.relu(shortcut + self.bn3(self.conv3(out)))


class FusedBranches(nn.Module):
    """Parallel resolutions: residual blocks on each, then every branch receives all others.

    Branch ``i`` has ``channels[i]`` channels at ``1 / 2**i`` of the first one's size.
    """

    def __init__(self, channels: Sequence[int], blocks: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width) for _ in range(blocks))) for width in channels
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(self._path(channels, source, target) for source in range(len(channels)))
            for target in range(len(channels))
        )

    @staticmethod
    def _path(channels: Sequence[int], source: int, target: int) -> nn.Module:
        """Layers that bring branch ``source`` to the channels (and, downwards, size) of another."""
        if source == target:
            return nn.Identity()
        if source > target:
            return _conv_norm(channels[source], channels[target], 1, act=False)
        steps = [
            _conv_norm(channels[source], channels[source], 3, 2, act=True)
            for _ in range(target - source - 1)
        ]
        last = _conv_norm(channels[source], channels[target], 3, 2, act=False)
        return nn.Sequential(*steps, last)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        fused = []
        for target, paths in enumerate(self.fuse_layers):
            size = _size(maps[target])
            parts = [
                resize(path(x), size)
                for path, x in zip(paths, maps, strict=True)  # type: ignore[call-overload]
            ]
            total = parts[0]
            for part in parts[1:]:
                total = total + part
            fused.append(torch.relu(total))
        return fused


class _ObjectAttention(nn.Module):
    """Pixels attend to object regions (OCR Eq. 3-5); here there is one region.

    A soft-max over one region is 1, so every pixel receives that region's value whatever the query
    and the key are: ``f_pixel`` and ``f_object`` are in the checkpoints and take no part.
    """

    def __init__(self, channels: int, key_channels: int) -> None:
        super().__init__()
        self.f_pixel = self._layers(channels, key_channels, key_channels)
        self.f_object = self._layers(channels, key_channels, key_channels)
        self.f_down = self._layers(channels, key_channels)
        self.f_up = self._layers(key_channels, channels)

    @staticmethod
    def _layers(*channels: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers.append(nn.Conv2d(before, after, 1, bias=False))
            layers.append(nn.Sequential(nn.BatchNorm2d(after), nn.ReLU(inplace=True)))
        return nn.Sequential(*layers)

    def forward(self, x: Tensor, region: Tensor) -> Tensor:
        received: Tensor = self.f_up(self.f_down(region))
        return received.expand(-1, -1, *_size(x))


class _ObjectContext(nn.Module):
    """OCR's last part: object context beside the pixel's own features, mixed by a convolution."""

    def __init__(self, channels: int, key_channels: int) -> None:
        super().__init__()
        self.object_context_block = _ObjectAttention(channels, key_channels)
        self.conv_bn_dropout = nn.Sequential(
            nn.Conv2d(2 * channels, channels, 1, bias=False),
            nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True)),
            nn.Dropout2d(0.05),
        )

    def forward(self, x: Tensor, region: Tensor) -> Tensor:
        context = self.object_context_block(x, region)
        out: Tensor = self.conv_bn_dropout(torch.cat([context, x], 1))
        return out


def gather_region(features: Tensor, logits: Tensor) -> Tensor:
    """Object region (OCR Eq. 2): mean of ``features`` weighted by a soft-max over all pixels.

    ``(N, C, H, W)`` and ``(N, 1, H, W)`` give ``(N, C, 1, 1)``.
    """
    weights = torch.softmax(logits.flatten(2), dim=2)
    return (features.flatten(2) @ weights.transpose(1, 2)).unsqueeze(3)


class HRNetOCR(nn.Module):
    """HRNet of a given width with a one-class OCR head; output stride 4.

    Parameters
    ----------
    width: channels of the finest branch (18, 32); the others double it.
    ocr_width: key channels of OCR; its features have twice as many.
    small: HRNet-18s: two blocks a branch and 1, 3, 2 modules, else four and 1, 4, 3.
    """

    def __init__(self, width: int, ocr_width: int, *, small: bool = False) -> None:
        super().__init__()
        blocks, modules = (2, (1, 3, 2)) if small else (4, (1, 4, 3))
        branches = self.widths = [width * 2**index for index in range(4)]
        self.conv1 = nn.Conv2d(3, STEM_CHANNELS, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM_CHANNELS)
        self.conv2 = nn.Conv2d(STEM_CHANNELS, STEM_CHANNELS, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(STEM_CHANNELS)
        bottom = STEM_CHANNELS * Bottleneck.expansion
        self.layer1 = nn.Sequential(
            Bottleneck(STEM_CHANNELS, STEM_CHANNELS),
            *(Bottleneck(bottom, STEM_CHANNELS) for _ in range(blocks - 1)),
        )
        self.transition1 = nn.ModuleList(
            [_conv_norm(bottom, branches[0], 3, act=True), self._coarser(bottom, branches[1])]
        )
        self.stage2 = self._stage(branches[:2], blocks, modules[0])
        self.transition2 = self._one_more(branches[:3])
        self.stage3 = self._stage(branches[:3], blocks, modules[1])
        self.transition3 = self._one_more(branches[:4])
        self.stage4 = self._stage(branches[:4], blocks, modules[2])
        self.channels = sum(branches)
        self.feature_channels = 2 * ocr_width
        self.conv3x3_ocr = nn.Sequential(
            nn.Conv2d(self.channels, self.feature_channels, 3, 1, 1),
            nn.BatchNorm2d(self.feature_channels),
            nn.ReLU(inplace=True),
        )
        self.ocr_distri_head = _ObjectContext(self.feature_channels, ocr_width)
        self.cls_head = nn.Conv2d(self.feature_channels, 1, 1)
        self.aux_head = nn.Sequential(
            nn.Conv2d(self.channels, self.channels, 1),
            nn.BatchNorm2d(self.channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(self.channels, 1, 1),
        )

    @staticmethod
    def _stage(channels: Sequence[int], blocks: int, modules: int) -> nn.Sequential:
        return nn.Sequential(*(FusedBranches(channels, blocks) for _ in range(modules)))

    @staticmethod
    def _coarser(in_channels: int, out_channels: int) -> nn.Sequential:
        return nn.Sequential(_conv_norm(in_channels, out_channels, 3, 2, act=True))

    @classmethod
    def _one_more(cls, channels: Sequence[int]) -> nn.ModuleList:
        """Keep all branches and begin a new one, half the size, from the coarsest."""
        kept = [nn.Identity() for _ in channels[:-1]]
        return nn.ModuleList([*kept, cls._coarser(channels[-2], channels[-1])])

    def stem(self, image: Tensor, maps: Tensor | None = None) -> Tensor:
        """Return stride-4 features of a normalised image.

        ``maps`` ``(N, 64, H/2, W/2)`` (clicks and previous mask) join after the first convolution.
        """
        x = torch.relu(self.bn1(self.conv1(image)))
        if maps is not None:
            x = x + maps
        return torch.relu(self.bn2(self.conv2(x)))

    def branches(self, x: Tensor) -> list[Tensor]:
        """Return the four branches, ``width``, 2, 4 and 8 ``width`` channels at strides 4 to 32."""
        x = self.layer1(x)
        maps = self.stage2([layer(x) for layer in self.transition1])
        for transition, stage in (
            (self.transition2, self.stage3),
            (self.transition3, self.stage4),
        ):
            sources = [*maps, maps[-1]]
            maps = stage([layer(y) for layer, y in zip(transition, sources, strict=True)])
        return list(maps)

    def trunk(self, x: Tensor) -> Tensor:
        """Return all branches at stride 4, concatenated, ``(N, 15 * width, H/4, W/4)``."""
        maps = self.branches(x)
        return torch.cat([resize(y, _size(maps[0])) for y in maps], 1)

    def classify(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits, auxiliary logits and OCR features of :meth:`trunk`'s map."""
        auxiliary = self.aux_head(features)
        pixels = self.conv3x3_ocr(features)
        augmented = self.ocr_distri_head(pixels, gather_region(pixels, auxiliary))
        return self.cls_head(augmented), auxiliary, augmented

    def forward(self, image: Tensor, maps: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        return self.classify(self.trunk(self.stem(image, maps)))


class InteractionStem(nn.Sequential):
    """RITM's path for clicks and previous mask (``is_model.py: maps_transform``).

    ``(N, 3, H, W)`` previous probability, positive and negative disks, to ``(N, 64, H/2, W/2)``.
    """

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 16, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(16, STEM_CHANNELS, 3, 2, 1),
            _Scale(0.05),
        )


class _Scale(nn.Module):
    """Multiplication by the absolute value of one learned number."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((1,), start))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale.abs()
