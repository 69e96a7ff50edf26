"""Parts of networks in forms that say the same with fewer multiplications, for inference.

Two facts are used; results differ from the plain form by rounding only.

- Enlarging is linear, and so is a convolution: a convolution of an enlarged map can be computed on
  the small one, and what it gives be enlarged.
- A 3x3 convolution of a 4x4 block needs 36 multiplications a channel, not 144 (Winograd's minimal
  filtering; Lavin & Gray, "Fast algorithms for convolutional neural networks", CVPR 2016).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import skip_init

from iseg_widget.networks.deeplab import Decoder
from iseg_widget.networks.focalclick import Refiner
from iseg_widget.networks.hrnet import HRNetOCR, gather_region
from iseg_widget.networks.layers import ConvNormAct, resize
from iseg_widget.networks.lite import PyramidHead
from iseg_widget.networks.mix_transformer import MLPHead

Size = tuple[int, int]

BLOCK = 4
TAPS = 3
"""Winograd's F(4x4, 3x3)."""

POINTS = (0.0, 1.0, -1.0, 0.5, -2.0)
"""Where polynomials are evaluated; infinity is the sixth. These keep the rounding error low."""

TILES = 128
"""Blocks that are transformed at once, so that they stay in the processor's cache."""

CHANNELS = range(128, 513)
DILATIONS = range(1, 5)
"""Of convolutions that are worth Winograd's transforms, measured on a CPU."""


def winograd_matrices() -> tuple[Tensor, Tensor, Tensor]:
    """Return ``A`` (4, 6), ``B`` (6, 6) and ``G`` (6, 3), float64, with Toom and Cook's method.

    ``A @ ((G @ g) * (B @ d))`` are the four values of the filter g over the six values d.
    """
    count = len(POINTS)
    a = torch.zeros(BLOCK, count + 1, dtype=torch.float64)
    b = torch.zeros(count + 1, count + 1, dtype=torch.float64)
    g = torch.zeros(count + 1, TAPS, dtype=torch.float64)
    for j, point in enumerate(POINTS):
        others = [p for p in POINTS if p != point]
        scale = math.prod(point - p for p in others)
        a[:, j] = torch.tensor([point**i for i in range(BLOCK)], dtype=torch.float64)
        g[j] = torch.tensor([point**i / scale for i in range(TAPS)], dtype=torch.float64)
        b[j, :count] = _polynomial(others)
    b[count] = _polynomial(POINTS)
    a[-1, -1] = g[-1, -1] = 1.0
    return a, b, g


def _polynomial(roots: Sequence[float]) -> Tensor:
    """Coefficients of the product of all ``x - root``, lowest power first."""
    coefficients = torch.ones(1, dtype=torch.float64)
    for root in roots:
        coefficients = F.pad(coefficients, (1, 0)) - root * F.pad(coefficients, (0, 1))
    return coefficients


class WinogradConv(nn.Module):
    """A 3x3 convolution, dilated or not, of stride 1 and "same" size, by Winograd's method.

    A dilated convolution is an ordinary one on each of the interleaved grids of its taps.
    """

    matrix: Tensor
    weight: Tensor
    bias: Tensor | None
    gather: Tensor
    scatter: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.dilation = conv.dilation[0]
        a, b, g = winograd_matrices()
        kernels = torch.einsum("ai,bj,kcij->abck", g, g, conv.weight.detach().double().cpu())
        like = conv.weight
        for name, matrix in (
            ("weight", kernels.flatten(0, 1)),
            ("gather", torch.kron(b, b)),
            ("scatter", torch.kron(a, a)),
        ):
            self.register_buffer(name, matrix.to(like.device, like.dtype).contiguous())
        self.register_buffer("bias", None if conv.bias is None else conv.bias.detach().clone())

    @staticmethod
    def fits(conv: nn.Conv2d) -> bool:
        """Whether a convolution can be computed so, and is large enough for it to pay."""
        return (
            conv.kernel_size == (TAPS, TAPS)
            and conv.stride == (1, 1)
            and conv.groups == 1
            and conv.padding == conv.dilation
            and conv.dilation[0] == conv.dilation[1]
            and conv.padding_mode == "zeros"
            and conv.in_channels in CHANNELS
            and conv.out_channels in CHANNELS
            and conv.dilation[0] in DILATIONS
        )

    def forward(self, x: Tensor) -> Tensor:
        count, channels, height, width = x.shape
        d, step = self.dilation, self.dilation * BLOCK
        rows, columns = -(-height // step), -(-width // step)
        below, right = rows * step + d - height, columns * step + d - width
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, d, right, d, below)).contiguous()
        n, y, z, _ = padded.stride()
        edge = BLOCK + TAPS - 1
        shape = (edge, edge, count, rows, d, columns, d, channels)
        blocks = padded.as_strided(shape, (d * y, d * z, n, step * y, y, step * z, z, 1))
        out = x.new_empty(count, rows, BLOCK, d, columns, BLOCK, d, self.weight.shape[2])
        for samples, part in self._parts(count, rows, columns):
            values = self._block(blocks[:, :, samples, part])
            out[samples, part] = values.permute(2, 3, 0, 4, 5, 1, 6, 7)
        whole = out.view(count, rows * step, columns * step, -1)[:, :height, :width]
        return whole.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)

    def _parts(self, count: int, rows: int, columns: int) -> list[tuple[slice, slice]]:
        """Samples and rows of blocks that are computed together."""
        line = columns * self.dilation**2
        if rows * line < TILES:
            step = max(1, TILES // (rows * line))
            return [(slice(i, i + step), slice(rows)) for i in range(0, count, step)]
        step = max(1, TILES // line)
        starts = range(0, rows, step)
        return [(slice(i, i + 1), slice(j, j + step)) for i in range(count) for j in starts]

    def _block(self, blocks: Tensor) -> Tensor:
        """Values of ``(6, 6, N, rows, d, columns, d, C)``: the same with 4, 4 and K."""
        places, channels = self.weight.shape[:2]
        values = (self.gather @ blocks.reshape(places, -1)).view(places, -1, channels)
        values = torch.bmm(values, self.weight)
        if self.bias is not None:
            # The place of points 1 and 1 enters every value with factor 1.
            values[BLOCK + TAPS] += self.bias
        values = self.scatter @ values.view(places, -1)
        return values.view(BLOCK, BLOCK, *blocks.shape[2:-1], -1)


def _conv(*args: Any, **keywords: Any) -> nn.Conv2d:
    """Return a convolution whose weights are still to come, without drawing random ones."""
    made: nn.Conv2d = skip_init(nn.Conv2d, *args, **keywords)  # type: ignore[no-untyped-call]
    return made


def enlarging(before: int, after: int, *, align_corners: bool, like: Tensor) -> Tensor:
    """Return the matrix ``(after, before)`` of a bilinear resize along one axis."""
    eye = torch.eye(before, dtype=like.dtype, device=like.device)[None, None]
    matrix: Tensor = resize(eye, (after, before), align_corners=align_corners)[0, 0]
    return matrix


class EnlargedConv(nn.Module):
    """A "same" 1x1 or 3x3 convolution of maps that are enlarged and put together.

    ``conv(cat([resize(x, size) for x in maps], 1))``, of which every map's part is computed at
    the map's own size. ``channels``: of the maps, in order.
    """

    def __init__(
        self, conv: nn.Conv2d, channels: Sequence[int], *, align_corners: bool = True
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        ends = [sum(channels[:i]) for i in range(len(channels) + 1)]
        self.parts = nn.ModuleList()
        for index, (low, high) in enumerate(pairwise(ends)):
            part = _conv(
                high - low,
                conv.out_channels,
                conv.kernel_size[0],
                padding=conv.kernel_size[0] // 2,
                bias=conv.bias is not None and index == 0,
            )
            part.weight.data = conv.weight.detach()[:, low:high].clone()
            if part.bias is not None and conv.bias is not None:
                part.bias.data = conv.bias.detach().clone()
            self.parts.append(part)

    def forward(self, maps: Sequence[Tensor], size: Size) -> Tensor:
        total: Tensor | None = None
        for part, x in zip(self.parts, maps, strict=True):
            assert isinstance(part, nn.Conv2d)  # noqa: S101 (for the type checker)
            if tuple(x.shape[2:]) == size:
                answer = part(x)
            elif part.kernel_size == (1, 1):
                answer = resize(part(x), size, align_corners=self.align_corners)
            else:
                answer = self._enlarged(part, x, size)
            total = answer if total is None else total.add_(answer)
        assert total is not None  # noqa: S101
        return total

    def _enlarged(self, conv: nn.Conv2d, x: Tensor, size: Size) -> Tensor:
        """The nine taps at the map's own size, then enlarged and shifted in one product an axis."""
        count, channels, height, width = x.shape
        # (C, dx, dy, K): columns are enlarged first, so that dy stays innermost.
        taps = conv.weight.permute(1, 3, 2, 0).reshape(channels, -1)
        values = x.permute(0, 2, 3, 1).reshape(-1, channels) @ taps
        columns = self._shifted(width, size[1], x)
        values = columns @ values.view(count * height, width * TAPS, -1)
        values = values.view(count, height, size[1], TAPS, -1).transpose(2, 3)
        rows = self._shifted(height, size[0], x)
        values = rows @ values.reshape(count, height * TAPS, -1)
        values = values.view(count, *size, -1).permute(0, 3, 1, 2)
        return values if conv.bias is None else values + conv.bias.view(1, -1, 1, 1)

    def _shifted(self, before: int, after: int, like: Tensor) -> Tensor:
        """Matrix ``(after, before * 3)``: enlarged, then moved by -1, 0, 1 behind a border of 0."""
        matrix = enlarging(before, after, align_corners=self.align_corners, like=like)
        framed = F.pad(matrix, (0, 0, 1, 1))
        return torch.stack([framed[tap : tap + after] for tap in range(TAPS)], 2).flatten(1)


class _Decoder(Decoder):
    """DeepLab's decoder, whose context is convolved before it is enlarged."""

    enlarged: EnlargedConv

    @classmethod
    def adopt(cls, decoder: Decoder) -> None:
        """Turn a decoder whose normalisations are folded into one of these."""
        first = decoder.merge[0]
        assert isinstance(first, ConvNormAct)  # noqa: S101
        side = decoder.side.conv.out_channels
        decoder.__class__ = cls
        decoder.add_module(
            "enlarged", EnlargedConv(first.conv, (first.conv.in_channels - side, side))
        )
        decoder.merge = nn.Sequential(first.act, decoder.merge[1])

    def forward(self, context: Tensor, low: Tensor) -> Tensor:
        side = self.side(low)
        size = (side.shape[2], side.shape[3])
        out: Tensor = self.merge(self.enlarged((context, side), size))
        return out


class _MLPHead(MLPHead):
    """SegFormer's decoder: a stage's linear layer and its part of the fusion are one layer."""

    fused: EnlargedConv

    @classmethod
    def adopt(cls, head: MLPHead) -> None:
        """Turn a head whose normalisation is folded into one of these."""
        conv = head.linear_fuse.get_submodule("conv")
        assert isinstance(conv, nn.Conv2d)  # noqa: S101
        layers: list[nn.Linear] = []
        for stage in range(head.stages, 0, -1):  # the order in which the maps are put together
            layer = head.get_submodule(f"linear_c{stage}.proj")
            assert isinstance(layer, nn.Linear)  # noqa: S101
            layers.append(layer)
        channels = [layer.in_features for layer in layers]
        joint = _conv(sum(channels), conv.out_channels, 1)
        assert joint.bias is not None  # noqa: S101
        with torch.no_grad():
            joint.bias.zero_()
            if conv.bias is not None:
                joint.bias.copy_(conv.bias)
            parts = torch.chunk(conv.weight[:, :, 0, 0], head.stages, 1)
            products = []
            for layer, part in zip(layers, parts, strict=True):
                products.append(part @ layer.weight)
                joint.bias.add_(part @ layer.bias)
            joint.weight.copy_(torch.cat(products, 1)[:, :, None, None])
        head.__class__ = cls
        head.add_module("fused", EnlargedConv(joint, channels, align_corners=False))

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        size = (maps[0].shape[2], maps[0].shape[3])
        features = torch.relu_(self.fused(maps[::-1], size))
        return self.linear_pred(features), features


class _HRNetOCR(HRNetOCR):
    """HRNet whose head works on the branches before they are enlarged and put together."""

    auxiliary: EnlargedConv
    pixels: EnlargedConv
    mixed: EnlargedConv

    @classmethod
    def adopt(cls, network: HRNetOCR) -> None:
        """Turn a network whose normalisations are folded into one of these."""
        last = network.ocr_distri_head.conv_bn_dropout
        network.__class__ = cls
        for name, layers, channels in (
            ("auxiliary", network.aux_head, network.widths),
            ("pixels", network.conv3x3_ocr, network.widths),
            ("mixed", last, [network.feature_channels] * 2),
        ):
            conv = layers[0]
            assert isinstance(conv, nn.Conv2d)  # noqa: S101
            network.add_module(name, EnlargedConv(conv, channels))

    def forward(self, image: Tensor, maps: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        branches = self.branches(self.stem(image, maps))
        size = (branches[0].shape[2], branches[0].shape[3])
        auxiliary = self.aux_head[1:](self.auxiliary(branches, size))
        pixels = self.conv3x3_ocr[1:](self.pixels(branches, size))
        attention = self.ocr_distri_head.object_context_block
        region = attention.f_up(attention.f_down(gather_region(pixels, auxiliary)))
        augmented = torch.relu_(self.mixed((region, pixels), size))
        return self.cls_head(augmented), auxiliary, augmented


class _PyramidHead(PyramidHead):
    """The decoder of the Lite0 networks, which fuses the maps before they are enlarged."""

    enlarged: EnlargedConv

    @classmethod
    def adopt(cls, head: PyramidHead) -> None:
        """Turn a head whose normalisations are folded into one of these."""
        fuse = head.fuse
        channels = fuse.conv.in_channels // len(head.project)
        head.__class__ = cls
        head.add_module("enlarged", EnlargedConv(fuse.conv, [channels] * len(head.project)))

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        projected = self.projected(maps)
        size = (projected[0].shape[2], projected[0].shape[3])
        features = self.blend(torch.relu_(self.enlarged(projected, size)))
        return self.predict(features), features


class _Refiner(Refiner):
    """FocalClick's Refiner with one convolution for both of its answers."""

    both: nn.Conv2d

    @classmethod
    def adopt(cls, refiner: Refiner) -> None:
        """Turn a refiner into one of these."""
        heads = (refiner.refine_pred, refiner.refine_trimap)
        both = _conv(heads[0].in_channels, 2, 3, padding=1)
        for name in ("weight", "bias"):
            parts = [getattr(head, name).detach() for head in heads]
            setattr(both, name, nn.Parameter(torch.cat(parts), requires_grad=False))
        refiner.__class__ = cls
        refiner.add_module("both", both)

    def _heads(self, fused: Tensor) -> tuple[Tensor, Tensor]:
        detail, boundary = self.both(fused).split(1, 1)
        return detail, boundary


def quicken(network: nn.Module) -> None:
    """Give parts their faster form, in place; normalisations must have been folded.

    Meant for a CPU. Winograd's kernels have four times as many numbers as the convolutions' they
    replace: a network with a ResNet-101 grows by about its own size.
    """
    forms: tuple[tuple[type[nn.Module], Callable[[Any], None]], ...] = (
        (Decoder, _Decoder.adopt),
        (MLPHead, _MLPHead.adopt),
        (HRNetOCR, _HRNetOCR.adopt),
        (PyramidHead, _PyramidHead.adopt),
        (Refiner, _Refiner.adopt),
    )
    # Subclasses may compute something else, so only the class itself is meant.
    for module in list(network.modules()):
        for kind, adopt in forms:
            if type(module) is kind:
                adopt(module)
    _use_winograd(network)


def _use_winograd(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        # HRNet's wide convolutions see maps of a few blocks only.
        if isinstance(child, (HRNetOCR, EnlargedConv)):
            continue
        if isinstance(child, nn.Conv2d) and WinogradConv.fits(child):
            setattr(module, name, WinogradConv(child))
        else:
            _use_winograd(child)
