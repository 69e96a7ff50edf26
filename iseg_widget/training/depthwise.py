"""Depthwise convolutions that learn faster under bf16 on a CPU; what they compute is the same.

PyTorch's CPU gradients of depthwise convolutions in bf16 take many times as long as in fp32 where
the stride is not 1 (gradient of the input) or the kernel is larger than 3 (gradient of the
weights): in a step on EfficientNet-Lite0 half of the time. These gradients are computed in fp32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOW_KERNEL = 5
"""Side of the smallest kernel whose gradient is faster in fp32."""


def depthwise_layers(net: nn.Module) -> list[nn.Conv2d]:
    """Return the convolutions with one filter per channel whose bf16 gradients are slow."""
    return [
        layer
        for layer in net.modules()
        if isinstance(layer, nn.Conv2d)
        and 1 < layer.groups == layer.in_channels == layer.out_channels
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
        and (max(layer.stride) > 1 or max(layer.kernel_size) >= SLOW_KERNEL)
    ]


def quicken_depthwise(net: nn.Module) -> None:
    """Let the slow layers of a network on a CPU take :class:`_Depthwise` under bf16 autocast.

    Changes neither parameters nor their names; without bf16 autocast nothing changes.
    """
    for layer in depthwise_layers(net):
        layer._conv_forward = _Forward(layer)  # type: ignore[assignment]  # noqa: SLF001


class _Forward:
    """What a layer does instead of its own ``_conv_forward``."""

    def __init__(self, layer: nn.Conv2d) -> None:
        assert not isinstance(layer.padding, str)  # noqa: S101 (for the type checker)
        self.settings = (layer.stride, layer.padding, layer.dilation, layer.groups)

    def __call__(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        fast = (
            x.device.type == "cpu"
            and torch.is_grad_enabled()
            and torch.is_autocast_enabled("cpu")
            and torch.get_autocast_dtype("cpu") == torch.bfloat16
        )
        if not fast:
            return F.conv2d(x, weight, bias, *self.settings)
        out: Tensor = _Depthwise.apply(x.bfloat16(), weight, self.settings)  # type: ignore[no-untyped-call]
        return out if bias is None else out + bias.to(out.dtype)[:, None, None]


class _Depthwise(torch.autograd.Function):
    """A depthwise convolution in bf16 whose slow gradients are computed in fp32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, settings: tuple[Any, ...]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.settings = settings
        with torch.autocast("cpu", enabled=False):
            return F.conv2d(x, weight.to(x.dtype), None, *settings)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.settings
        wide = grad.float(), x.float(), weight.float()
        narrow = grad, x, weight.to(x.dtype)

        def gradient(tensors: tuple[Tensor, Tensor, Tensor], which: int) -> Tensor:
            found: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
                *tensors,
                None,
                stride,
                padding,
                dilation,
                False,
                (0, 0),
                groups,
                [which == 0, which == 1, False],
            )
            return found[which]

        of_input = of_weight = None
        if ctx.needs_input_grad[0]:
            of_input = gradient(wide if max(stride) > 1 else narrow, 0).to(x.dtype)
        if ctx.needs_input_grad[1]:
            of_weight = gradient(wide if weight.shape[-1] >= SLOW_KERNEL else narrow, 1)
            of_weight = of_weight.to(weight.dtype)
        return of_input, of_weight, None
