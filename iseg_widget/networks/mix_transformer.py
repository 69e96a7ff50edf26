"""SegFormer with a side path for clicks (Xie et al., NeurIPS 2021; FocalClick's B0 and B3 models).

The encoder is SegFormer's Mix Transformer (Sec. 3.1), the decoder its all-MLP head (Sec. 3.2).
FocalClick adds ``patch_embed_side1``: clicks and previous mask are embedded as the image is and
join after the first stage (ClickSEG ``modeling/segformer``). Parameter names are published ones.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iseg_widget.networks.layers import resize

BLOCK_EPS = 1e-6
"""Epsilon of the layer norms in blocks and after stages; patch embeddings and reductions have
PyTorch's 1e-5 (published ``mix_transformer.py``)."""


@dataclass(frozen=True)
class MixTransformerSize:
    """Size of an encoder (SegFormer Table 6) and of its decoder."""

    channels: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    decoder_channels: int
    heads: tuple[int, int, int, int] = (1, 2, 5, 8)
    reductions: tuple[int, int, int, int] = (8, 4, 2, 1)
    expansion: int = 4


SIZES = {
    "b0": MixTransformerSize((32, 64, 160, 256), (2, 2, 2, 2), 256),
    "b3": MixTransformerSize((64, 128, 320, 512), (3, 4, 18, 3), 512),
}


def to_tokens(x: Tensor) -> Tensor:
    """``(N, C, H, W)`` to ``(N, H * W, C)``."""
    return x.flatten(2).transpose(1, 2)


def to_map(tokens: Tensor, size: tuple[int, int]) -> Tensor:
    """``(N, H * W, C)`` to ``(N, C, H, W)``."""
    return tokens.transpose(1, 2).reshape(tokens.shape[0], -1, *size)


class PatchEmbedding(nn.Module):
    """Overlapping patches: a strided convolution, then layer norm; map to map."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2)
        self.norm = nn.LayerNorm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.proj(x)
        return to_map(self.norm(to_tokens(x)), (x.shape[2], x.shape[3]))


class ReducedAttention(nn.Module):
    """Self-attention whose keys and values come from a map reduced by ``reduction`` a side."""

    def __init__(self, channels: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(channels, channels)
        self.kv = nn.Linear(channels, 2 * channels)
        self.proj = nn.Linear(channels, channels)
        self.reduces = reduction > 1
        if self.reduces:
            self.sr = nn.Conv2d(channels, channels, reduction, reduction)
            self.norm = nn.LayerNorm(channels)

    def _split(self, tokens: Tensor) -> Tensor:
        """``(N, L, heads * D)`` to ``(N, heads, L, D)``."""
        return tokens.reshape(*tokens.shape[:2], self.heads, -1).transpose(1, 2)

    def forward(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        context = self.norm(to_tokens(self.sr(to_map(tokens, size)))) if self.reduces else tokens
        key, value = self.kv(context).chunk(2, dim=2)
        attended = F.scaled_dot_product_attention(
            self._split(self.q(tokens)), self._split(key), self._split(value)
        )
        out: Tensor = self.proj(attended.transpose(1, 2).flatten(2))
        return out


class MixFeedForward(nn.Module):
    """Two linear layers with a depthwise 3x3 convolution between (SegFormer Eq. 3)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.dwconv = nn.Sequential(OrderedDict(dwconv=depthwise))
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        hidden = to_tokens(self.dwconv(to_map(self.fc1(tokens), size)))
        out: Tensor = self.fc2(F.gelu(hidden))
        return out


class Block(nn.Module):
    """Attention and feed-forward, each behind a layer norm and beside a shortcut."""

    def __init__(self, channels: int, heads: int, reduction: int, expansion: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=BLOCK_EPS)
        self.attn = ReducedAttention(channels, heads, reduction)
        self.norm2 = nn.LayerNorm(channels, eps=BLOCK_EPS)
        self.mlp = MixFeedForward(channels, expansion * channels)

    def forward(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        tokens = tokens + self.attn(self.norm1(tokens), size)
        out: Tensor = tokens + self.mlp(self.norm2(tokens), size)
        return out


class MixTransformer(nn.Module):
    """Four stages at strides 4, 8, 16 and 32; clicks and previous mask join after the first."""

    def __init__(self, size: MixTransformerSize) -> None:
        super().__init__()
        before = (3, *size.channels[:3])
        for stage in range(4):
            kernel, stride = (7, 4) if stage == 0 else (3, 2)
            embedding = PatchEmbedding(before[stage], size.channels[stage], kernel, stride)
            self.add_module(f"patch_embed{stage + 1}", embedding)
        self.patch_embed_side1 = PatchEmbedding(3, size.channels[0], 7, 4)
        for stage, (channels, depth) in enumerate(zip(size.channels, size.depths, strict=True)):
            heads, reduction = size.heads[stage], size.reductions[stage]
            blocks = (Block(channels, heads, reduction, size.expansion) for _ in range(depth))
            self.add_module(f"block{stage + 1}", nn.ModuleList(blocks))
            self.add_module(f"norm{stage + 1}", nn.LayerNorm(channels, eps=BLOCK_EPS))

    def _stage(self, number: int, x: Tensor) -> Tensor:
        x = self.get_submodule(f"patch_embed{number}")(x)
        size = (x.shape[2], x.shape[3])
        tokens = to_tokens(x)
        for block in self.get_submodule(f"block{number}").children():
            tokens = block(tokens, size)
        return to_map(self.get_submodule(f"norm{number}")(tokens), size)

    def forward(self, image: Tensor, interaction: Tensor) -> list[Tensor]:
        """Return the four stages' maps.

        ``image`` is normalised, ``interaction`` ``(N, 3, H, W)``: previous probability and disks.
        The first map returned is the image's alone; the sum goes on to the second stage.
        """
        maps = [self._stage(1, image)]
        x = maps[0] + self.patch_embed_side1(interaction)
        for number in (2, 3, 4):
            x = self._stage(number, x)
            maps.append(x)
        return maps


class MLPHead(nn.Module):
    """All-MLP decoder (SegFormer Sec. 3.2): one linear layer a stage, fuse at stride 4, predict.

    Resizes by half-pixel convention, unlike everything else in the published code.
    """

    def __init__(self, in_channels: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.stages = len(in_channels)
        for stage in range(self.stages, 0, -1):
            linear = nn.Linear(in_channels[stage - 1], channels)
            self.add_module(f"linear_c{stage}", nn.Sequential(OrderedDict(proj=linear)))
        self.linear_fuse = nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(self.stages * channels, channels, 1, bias=False),
                bn=nn.BatchNorm2d(channels),
                activate=nn.ReLU(inplace=True),
            )
        )
        self.dropout = nn.Dropout2d(0.1)
        self.linear_pred = nn.Conv2d(channels, 1, 1)

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return logits ``(N, 1, H/4, W/4)`` and the fused features they come from."""
        target = (maps[0].shape[2], maps[0].shape[3])
        projected = []
        for stage in range(self.stages, 0, -1):
            x = maps[stage - 1]
            tokens = self.get_submodule(f"linear_c{stage}")(to_tokens(x))
            narrow = to_map(tokens, (x.shape[2], x.shape[3]))
            projected.append(resize(narrow, target, align_corners=False))
        features = self.linear_fuse(torch.cat(projected, 1))
        return self.linear_pred(self.dropout(features)), features


class SegFormer(nn.Module):
    """Encoder and decoder; ``size`` is a key of :data:`SIZES`."""

    def __init__(self, size: str) -> None:
        super().__init__()
        chosen = SIZES[size]
        self.backbone = MixTransformer(chosen)
        self.decode_head = MLPHead(chosen.channels, chosen.decoder_channels)
        self.feature_channels = chosen.decoder_channels

    def forward(self, image: Tensor, interaction: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and fused features, both at stride 4."""
        out: tuple[Tensor, Tensor] = self.decode_head(self.backbone(image, interaction))
        return out
