"""Faster forms of network parts say what the plain ones say."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from iseg_widget.networks import faster
from iseg_widget.networks.deeplab import Decoder
from iseg_widget.networks.faster import EnlargedConv, WinogradConv, quicken, winograd_matrices
from iseg_widget.networks.focalclick import Refiner
from iseg_widget.networks.hrnet import HRNetOCR
from iseg_widget.networks.inference import fold_batch_norm, prepare
from iseg_widget.networks.layers import resize
from iseg_widget.networks.lite import PyramidHead
from iseg_widget.networks.mix_transformer import MLPHead
from iseg_widget.weights.registry import networks
from tests.networks.test_inference import with_random_statistics

TOLERANCE = 1e-4
"""In standard deviations of the output."""


def rand(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator)


def assert_same(found, expected, tolerance=TOLERANCE):
    assert found.shape == expected.shape
    assert expected.std() > 0
    assert (found - expected).abs().max() <= tolerance * expected.std()


def test_winograd_matrices_filter_six_values_to_four():
    a, b, g = winograd_matrices()
    values, kernel = rand(6).double(), rand(3, seed=1).double()
    found = a @ ((g @ kernel) * (b @ values))
    assert torch.allclose(found, F.conv1d(values[None, None], kernel[None, None])[0, 0])


@pytest.mark.parametrize("dilation", [1, 2, 4])
@pytest.mark.parametrize(
    ("count", "height", "width"), [(1, 16, 24), (3, 9, 13), (1, 61, 50), (2, 1, 3)]
)
def test_winograd_equals_a_convolution(dilation, count, height, width, monkeypatch):
    monkeypatch.setattr(faster, "TILES", 24)
    torch.manual_seed(0)
    conv = nn.Conv2d(128, 130, 3, padding=dilation, dilation=dilation).requires_grad_(False)
    assert WinogradConv.fits(conv)
    x = rand(count, 128, height, width)
    found = WinogradConv(conv)(x)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert_same(found, conv(x))


def test_winograd_without_bias_and_with_gradients():
    conv = nn.Conv2d(128, 128, 3, padding=1, bias=False)
    x = rand(1, 128, 7, 9).requires_grad_()
    (expected,) = torch.autograd.grad(conv(x).square().sum(), x)
    (found,) = torch.autograd.grad(WinogradConv(conv)(x).square().sum(), x)
    assert_same(found, expected)


@pytest.mark.parametrize(
    "fields",
    [
        {"kernel_size": 1, "padding": 0},
        {"stride": 2},
        {"groups": 128},
        {"padding": 0},
        {"out_channels": 64},
        {"dilation": 8, "padding": 8},
        {"in_channels": 1024},
        {"padding_mode": "reflect"},
    ],
)
def test_other_convolutions_stay(fields):
    settings = {"in_channels": 128, "out_channels": 128, "kernel_size": 3, "padding": 1} | fields
    network = nn.Sequential(nn.Conv2d(**settings))
    quicken(network)
    assert isinstance(network[0], nn.Conv2d)


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_enlarging_after_the_convolution_is_the_same(align, kernel, bias):
    torch.manual_seed(0)
    conv = nn.Conv2d(12, 5, kernel, padding=kernel // 2, bias=bias).requires_grad_(False)
    maps = [rand(2, 3, 4, 3), rand(2, 2, 11, 15, seed=1), rand(2, 7, 1, 1, seed=2)]
    enlarged = [resize(x, (11, 15), align_corners=align) for x in maps]
    found = EnlargedConv(conv, (3, 2, 7), align_corners=align)(maps, (11, 15))
    assert_same(found, conv(torch.cat(enlarged, 1)))


def of_decoder():
    return Decoder(40, 64, 16), (rand(2, 64, 5, 7), rand(2, 40, 19, 26))


def of_mlp_head():
    maps = [rand(2, 8 * 2**i, 16 // 2**i, 24 // 2**i, seed=i) for i in range(4)]
    return MLPHead((8, 16, 32, 64), 24), (maps,)


def of_hrnet():
    return HRNetOCR(18, 48, small=True), (rand(1, 3, 72, 90), rand(1, 64, 36, 45, seed=1))


def of_pyramid_head():
    maps = tuple(rand(2, c, 16 // 2**i, 24 // 2**i, seed=i) for i, c in enumerate((6, 8, 10, 12)))
    return PyramidHead((6, 8, 10, 12), 16), (maps,)


@pytest.mark.parametrize("build", [of_decoder, of_mlp_head, of_hrnet, of_pyramid_head])
def test_parts_answer_as_before(build):
    torch.manual_seed(0)
    plain, arguments = build()
    with_random_statistics(plain)
    quick = nn.Sequential(copy.deepcopy(plain))
    fold_batch_norm(quick)
    quicken(quick)
    assert type(quick[0]) is not type(plain)
    assert isinstance(quick[0], type(plain))
    with torch.inference_mode():
        expected, found = plain(*arguments), quick[0](*arguments)
    expected, found = ([x] if isinstance(x, torch.Tensor) else x for x in (expected, found))
    for ours, theirs in zip(found, expected, strict=True):
        assert_same(ours, theirs)


def test_a_quick_refiner_answers_as_before():
    torch.manual_seed(0)
    plain = with_random_statistics(Refiner(24, 16))
    quick = nn.Sequential(copy.deepcopy(plain))
    fold_batch_norm(quick)
    quicken(quick)
    assert type(quick[0]) is not Refiner
    image, clicks, coarse = (rand(2, c, 64, 48, seed=c) for c in (3, 2, 1))
    features = rand(2, 24, 16, 12)
    with torch.inference_mode():
        expected = plain(image, clicks, plain.reduce(features), coarse)
        found = quick[0](image, clicks, quick[0].reduce(features), coarse)
    assert not torch.allclose(expected.detail, expected.boundary)
    for ours, theirs in zip(found, expected, strict=True):
        assert_same(ours, theirs)


def test_subclasses_keep_their_own_computation():
    class Another(Decoder):
        pass

    network = nn.Sequential(Another(40))
    quicken(network)
    assert type(network[0]) is Another


@pytest.mark.parametrize("name", ["fcanet-resnet101", "focuscut-resnet50"])
def test_deep_networks_use_winograd_in_decoder_and_backbone(name):
    network = prepare(networks()[name](), torch.device("cpu"))
    used = [key for key, module in network.named_modules() if isinstance(module, WinogradConv)]
    assert {key.split(".")[0] for key in used} >= {"backbone", "decoder"}
    assert not any(key.startswith("aspp") for key in used)


@pytest.mark.parametrize("name", networks())
def test_no_normalisation_is_left_in_any_network(name):
    network = prepare(networks()[name](), torch.device("cpu"))
    assert not [key for key, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)]
