"""Sparse graphs from clicks to feature cells: IA-FPN's SGM and HSGM (arXiv 2203.05145, Sec. 3.3).

Every cell of a feature map receives a message from the cells that were clicked, weighted by how
alike they are (Eq. 5-7), which costs O(cells x clicks). Two forms can be chosen, :data:`PAPER` and
:data:`RELEASED`. Entries are named as the published code (``att.py``) names them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iseg_widget.networks.layers import resize

PUBLISHED_SLOTS = 48
"""Clicks per image for which the published modules have room."""

CHUNK = 2**24
"""Attention weights that full attention holds at a time."""

AttentionKind = Literal["clicks", "full"]
ATTENTION_KINDS: tuple[AttentionKind, ...] = ("clicks", "full")


@dataclass(frozen=True)
class Form:
    """How the equations are realised; the defaults are Eq. 5-7 as printed.

    Attributes
    ----------
    heads: independent attentions of the SGM, each of full width, averaged. The HSGM has one.
    gamma: multiply messages by one learned number a head, which starts at 0.
    mixing: end the SGM with a 1x1 convolution, batch normalisation and ReLU.
    scaled: divide the products of Eq. 6 by the root of their number of channels.
    bias: the linear transforms theta, phi and W have biases.
    """

    heads: int = 1
    gamma: bool = False
    mixing: bool = False
    scaled: bool = False
    bias: bool = False

    def __post_init__(self) -> None:
        """Raise ``ValueError`` without a head."""
        if self.heads < 1:
            raise ValueError(f"heads must be at least 1, got {self.heads!r}")


PAPER = Form()
"""One head and a plain residual. W_c and W_f start at 0, so that a new module changes nothing."""

RELEASED = Form(heads=3, gamma=True, mixing=True, scaled=True, bias=True)
"""What the published code has (``Efficient_PAM_Module``, ``Multihead``, ``MultiScaleAtt``)."""


@dataclass(frozen=True)
class Propagation:
    """What the modules do in one pass through a network.

    Attributes
    ----------
    sgm, hsgm: run the module; without, the pass goes around it (see the networks).
    attention: ``"clicks"``: messages come from clicked cells (Eq. 5-7); ``"full"``: from all cells,
        as in non-local networks and CDNet's feature diffusion (Table 4), with the same weights.
    compat: address cells as the published code does (see :func:`click_cells`).
    """

    sgm: bool = True
    hsgm: bool = True
    attention: AttentionKind = "clicks"
    compat: bool = False

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for another kind of attention."""
        if self.attention not in ATTENTION_KINDS:
            raise ValueError(f"attention must be one of {ATTENTION_KINDS}, got {self.attention!r}")


PROPAGATE = Propagation()
"""Both modules, as in the paper."""


class Cells(NamedTuple):
    """Feature cells of clicks: ``place`` ``(N, M)`` int64, row-major; ``valid`` ``(N, M)`` bool."""

    place: Tensor
    valid: Tensor


def click_cells(
    points: Tensor, grid: tuple[int, int], stride: int, *, compat: bool = False
) -> Cells:
    """Find the feature cell of every click: the one whose square holds it.

    Parameters
    ----------
    points: ``(N, M, 3)`` rows ``x, y, kind`` in pixels of the network's input; kind 1 is positive,
        0 negative, -1 an empty slot. Both kinds are one set (Sec. 3.3: all clicks in U).
    grid: ``(h, w)`` of the feature map.
    stride: pixels per cell.
    compat: as published: a click in cell (0, 0) is ignored; one to the left of the image wraps to
        the end of an upper row; there is room for 48 clicks. Else clicks outside are left out.

    Raises
    ------
    ValueError: with ``compat``, more than 48 clicks on one image (the published code stops).
    """
    height, width = grid
    x, y, kind = points.unbind(-1)
    column, row = torch.floor(x / stride), torch.floor(y / stride)
    valid = (kind >= 0) & (column < width) & (row < height)
    if compat:
        index = row * width + column
        valid = valid & (index > 0)
        most = int(valid.sum(1).max()) if valid.numel() else 0
        if most > PUBLISHED_SLOTS:
            raise ValueError(
                f"the published network takes {PUBLISHED_SLOTS} clicks, got {most}; "
                "compat=False takes any number"
            )
    else:
        # Pixel centres lie at integers, so the first pixel begins at -0.5.
        valid = valid & (x >= -0.5) & (y >= -0.5)
        index = row.clamp(min=0) * width + column.clamp(min=0)
    return Cells(torch.where(valid, index, 0.0).long(), valid)


def _rows(x: Tensor) -> Tensor:
    """``(N, C, h, w)`` as ``(N, h * w, C)``; no copy when channels are last."""
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, x.shape[1])


def _map(rows: Tensor, like: Tensor) -> Tensor:
    """``(N, h * w, C)`` as ``(N, C, h, w)`` of the size of ``like``, channels last."""
    return rows.reshape(like.shape[0], *like.shape[2:], rows.shape[-1]).permute(0, 3, 1, 2)


def _at(rows: Tensor, cells: Cells) -> Tensor:
    """Rows of the clicked cells, ``(N, M, C)``."""
    return rows.gather(1, cells.place.unsqueeze(2).expand(-1, -1, rows.shape[2]))


def _linear(layer: nn.Conv2d, rows: Tensor) -> Tensor:
    return F.linear(rows, layer.weight.flatten(1), layer.bias)


class _Attention(nn.Module):
    """theta, phi, W and, in the released form, gamma: the sum of Eq. 5 and 7."""

    gamma: nn.Parameter | None

    def __init__(self, channels: int, value_channels: int, reduction: int, form: Form) -> None:
        super().__init__()
        narrow = channels // reduction
        if form.gamma:
            self.gamma = nn.Parameter(torch.zeros(1))
        else:
            self.register_parameter("gamma", None)
        self.query_conv = nn.Conv2d(channels, narrow, 1, bias=form.bias)
        self.key_conv = nn.Conv2d(channels, narrow, 1, bias=form.bias)
        self.value_conv = nn.Conv2d(value_channels, value_channels, 1, bias=form.bias)
        if not form.gamma:
            nn.init.zeros_(self.value_conv.weight)
        self.scale = 1 / math.sqrt(narrow) if form.scaled else 1.0

    def from_clicks(self, rows: Tensor, values: Tensor, cells: Cells) -> tuple[Tensor, Tensor]:
        """Messages from clicked cells.

        Parameters
        ----------
        rows: ``(N, L, C)`` features that are compared.
        values: ``(N, L, D)`` features that are passed on.
        cells: of the clicks.

        Returns
        -------
        Messages ``(N, L, D)``, 0 for an image without a valid click, and weights ``(N, L, M)``.
        """
        # theta(f)^T phi(u) is linear in f, so theta's weights are applied to the few phi(u)
        # instead of to all cells; phi and W are evaluated at clicks only.
        phi = _linear(self.key_conv, _at(rows, cells))
        products = rows @ (phi @ self.query_conv.weight.flatten(1)).transpose(1, 2)
        if self.query_conv.bias is not None:
            products = products + (phi @ self.query_conv.bias).unsqueeze(1)
        valid = cells.valid.unsqueeze(1)
        products = (products * self.scale).masked_fill(~valid, torch.finfo(products.dtype).min)
        weights = torch.softmax(products, dim=2) * valid
        return self._scaled(weights @ _linear(self.value_conv, _at(values, cells))), weights

    def from_all(self, rows: Tensor, values: Tensor) -> Tensor:
        """Messages from all cells, ``(N, L, D)``; O(L^2), in pieces to bound the memory."""
        theta, phi = _linear(self.query_conv, rows), _linear(self.key_conv, rows).transpose(1, 2)
        passed = _linear(self.value_conv, values)
        size = max(1, CHUNK // (rows.shape[0] * rows.shape[1]))
        parts = [
            torch.softmax((piece @ phi) * self.scale, dim=2) @ passed
            for piece in torch.split(theta, size, dim=1)
        ]
        return self._scaled(torch.cat(parts, 1))

    def _scaled(self, messages: Tensor) -> Tensor:
        return messages if self.gamma is None else messages * self.gamma


def _weight_maps(weights: list[Tensor], like: Tensor) -> Tensor:
    """Weights of each head ``(N, L, M)`` as ``(N, heads, h, w, M)``."""
    stacked = torch.stack(weights, 1)
    return stacked.reshape(*stacked.shape[:2], *like.shape[2:], stacked.shape[-1])


class SGM(nn.Module):
    """Sparse graph sub-module: clicked cells inform all cells of one map (Eq. 5, 6).

    Parameters
    ----------
    channels: of the map, in and out.
    reduction: theta and phi have ``channels // reduction`` channels.
    stride: pixels of the network's input per cell.
    form: see :class:`Form`.
    """

    def __init__(
        self, channels: int, reduction: int = 4, *, stride: int = 4, form: Form = RELEASED
    ) -> None:
        super().__init__()
        self.stride = stride
        self.atts = nn.ModuleList(
            _Attention(channels, channels, reduction, form) for _ in range(form.heads)
        )
        self.conv1: nn.Module = nn.Identity()
        if form.mixing:
            self.conv1 = nn.Sequential(
                nn.Conv2d(channels, channels, 1, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
            )

    def forward(
        self, x: Tensor, points: Tensor, how: Propagation = PROPAGATE
    ) -> tuple[Tensor, Tensor | None]:
        """Return the augmented map and the attention weights.

        Parameters
        ----------
        x: ``(N, C, h, w)``.
        points: ``(N, M, 3)``, see :func:`click_cells`.
        how: kind of attention, and how cells are addressed.

        Returns
        -------
        ``(N, C, h, w)``, and ``(N, heads, h, w, M)`` (alpha of Eq. 6), ``None`` for full attention.
        """
        rows = _rows(x)
        total = torch.zeros_like(rows)
        weights: list[Tensor] = []
        cells = click_cells(points, (x.shape[2], x.shape[3]), self.stride, compat=how.compat)
        for attention in cast("Iterable[_Attention]", self.atts):
            if how.attention == "full":
                total = total + attention.from_all(rows, rows)
                continue
            messages, alpha = attention.from_clicks(rows, rows, cells)
            total = total + messages
            weights.append(alpha)
        out = self.conv1(x + _map(total / len(self.atts), x))
        return out, _weight_maps(weights, x) if weights else None


def fusion_convolutions(in_channels: int, out_channels: int) -> nn.Sequential:
    """Sigma of Eq. 7 as published: twice a 3x3 convolution, batch normalisation and ReLU."""
    layers: list[nn.Module] = []
    for before in (in_channels, out_channels):
        layers.append(nn.Conv2d(before, out_channels, 3, padding=1))
        layers.append(nn.BatchNorm2d(out_channels))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class HSGM(_Attention):
    """High-resolution sparse graph sub-module: SGM's output joins low-level features (Eq. 7).

    Parameters
    ----------
    channels: of SGM's output.
    low_channels: of the low-level map.
    out_channels: of the result.
    reduction: theta and phi have ``channels // reduction`` channels.
    stride: pixels of the network's input per cell of the low-level map.
    form: see :class:`Form`; there is always one head and no mixing.
    fusion: sigma, from ``channels + low_channels`` (the enlarged map first; the paper prints it
        second) to ``out_channels``; default :func:`fusion_convolutions`.
    """

    def __init__(
        self,
        channels: int,
        low_channels: int,
        out_channels: int,
        reduction: int = 4,
        *,
        stride: int = 2,
        form: Form = RELEASED,
        fusion: nn.Module | None = None,
    ) -> None:
        super().__init__(channels, out_channels, reduction, form)
        self.stride = stride
        self.fusion = fusion or fusion_convolutions(channels + low_channels, out_channels)

    def forward(
        self, x: Tensor, low: Tensor, points: Tensor, how: Propagation = PROPAGATE
    ) -> tuple[Tensor, Tensor | None]:
        """Return the augmented high-resolution map and the attention weights.

        Parameters
        ----------
        x: ``(N, C, h, w)``, enlarged to the size of ``low`` with aligned corners.
        low: ``(N, C', H, W)``.
        points: ``(N, M, 3)``, see :func:`click_cells`.
        how: kind of attention, and how cells are addressed.

        Returns
        -------
        ``(N, out_channels, H, W)``, and ``(N, 1, H, W, M)``, ``None`` for full attention.
        """
        enlarged = resize(x, (low.shape[2], low.shape[3]))
        fused = self.fusion(torch.cat([enlarged, low], 1))
        rows, values = _rows(enlarged), _rows(fused)
        if how.attention == "full":
            return fused + _map(self.from_all(rows, values), fused), None
        cells = click_cells(points, (low.shape[2], low.shape[3]), self.stride, compat=how.compat)
        messages, weights = self.from_clicks(rows, values, cells)
        return fused + _map(messages, fused), _weight_maps([weights], fused)
