"""Depthwise convolutions with fp32 gradients learn what PyTorch's own learn."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from iseg_widget.networks.focalclick import FocalClickLite0
from iseg_widget.training.depthwise import depthwise_layers, quicken_depthwise

LAYERS = [(5, 1, 1, False), (5, 2, 1, False), (3, 2, 1, True), (5, 1, 2, True)]


def _layer(kernel: int, stride: int, dilation: int, *, bias: bool) -> nn.Conv2d:
    torch.manual_seed(0)
    padding = dilation * (kernel // 2)
    return nn.Conv2d(
        16, 16, kernel, stride, padding=padding, dilation=dilation, groups=16, bias=bias
    )


def _gradients(layer: nn.Conv2d, x: torch.Tensor, dtype: torch.dtype | None) -> list[torch.Tensor]:
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", dtype=dtype, enabled=dtype is not None):
        out = layer(x)
        (out.float() * torch.linspace(0, 1, out.shape[-1])).sum().backward()
    return [out.float(), x.grad, *(p.grad for p in layer.parameters())]  # type: ignore[list-item]


@pytest.mark.parametrize(("kernel", "stride", "dilation", "bias"), LAYERS)
def test_outputs_and_gradients_are_those_of_fp32_within_bf16(kernel, stride, dilation, bias):
    layer = _layer(kernel, stride, dilation, bias=bias)
    fast = copy.deepcopy(layer)
    quicken_depthwise(fast)
    assert depthwise_layers(fast) == [fast]
    x = torch.randn(2, 16, 20, 24)
    exact = _gradients(layer, x, None)
    found = _gradients(fast, x, torch.bfloat16)
    assert len(found) == 3 + bias
    for truth, value in zip(exact, found, strict=True):
        assert value.dtype == torch.float32
        assert (value - truth).abs().max() < 0.02 * truth.abs().max()


def test_without_autocast_nothing_changes():
    layer = _layer(5, 2, 1, bias=True)
    fast = copy.deepcopy(layer)
    quicken_depthwise(fast)
    x = torch.randn(2, 16, 20, 24)
    for truth, value in zip(_gradients(layer, x, None), _gradients(fast, x, None), strict=True):
        assert torch.equal(truth, value)
    assert fast.state_dict().keys() == layer.state_dict().keys()


def test_the_slow_layers_of_efficientnet_lite0_are_found():
    net = FocalClickLite0()
    kinds = {(layer.kernel_size[0], layer.stride[0]) for layer in depthwise_layers(net)}
    assert kinds == {(3, 2), (5, 1), (5, 2)}
    dense = nn.Sequential(nn.Conv2d(8, 8, 5), nn.Conv2d(8, 16, 5, groups=8))
    assert depthwise_layers(dense) == []
