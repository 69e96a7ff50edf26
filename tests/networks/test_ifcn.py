from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from iseg_widget.networks.ifcn import DISTANCE_CAP, IFCNVGG16, IFCNLite0
from iseg_widget.networks.lite import LiteSegmenter
from iseg_widget.networks.vgg import centred


@pytest.fixture(scope="module")
def network() -> IFCNVGG16:
    torch.manual_seed(0)
    return IFCNVGG16().eval()


def test_vgg_16_has_its_number_of_weights(network: IFCNVGG16):
    """138,357,544 with 1000 classes (configuration D), of which the last layer has 4,097,000."""
    extra = 2 * 64 * 9
    found = sum(parameter.numel() for parameter in network.backbone.parameters())
    assert found == 138_357_544 - 4_097_000 + extra


@pytest.mark.parametrize("size", [(64, 96), (50, 71)])
@torch.inference_mode()
def test_scores_of_three_strides_are_added(network: IFCNVGG16, size: tuple[int, int]):
    image, distances = torch.rand(1, 3, *size), torch.rand(1, 2, *size)
    third, fourth, last = network.backbone(torch.cat([centred(image), distances * DISTANCE_CAP], 1))
    strides = [(-(-size[0] // s), -(-size[1] // s)) for s in (8, 16, 32)]
    assert [tuple(x.shape[2:]) for x in (third, fourth, last)] == strides
    logits, features = network(image, distances)
    assert logits.shape == (1, 1, *size)
    assert torch.equal(features, last)

    def grown(x: torch.Tensor, factor: int) -> torch.Tensor:
        """Bilinear with half-pixel centres, as the deconvolutions of FCN begin."""
        padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
        kernel = 1 - (torch.arange(2 * factor) + 0.5 - factor).abs() / factor
        weight = (kernel[:, None] * kernel)[None, None]
        start = factor + factor // 2
        return F.conv_transpose2d(padded, weight, stride=factor)[
            :, :, start : start + factor * x.shape[2], start : start + factor * x.shape[3]
        ]

    expected = network.score7(last)
    for score, below, stride in ((network.score4, fourth, 1), (network.score3, third, 0)):
        cut = grown(expected, 2)[:, :, : strides[stride][0], : strides[stride][1]]
        expected = cut + score(below)
    expected = grown(expected, 8)[:, :, : size[0], : size[1]]
    scale = expected.std()
    assert scale > 0
    torch.testing.assert_close(logits / scale, expected / scale, atol=1e-3, rtol=0)


def test_layers_have_the_published_names(network: IFCNVGG16):
    names = [
        name
        for name, layer in network.backbone.layers.named_children()
        if isinstance(layer, nn.Conv2d)
    ]
    assert names[:3] == ["conv1_1", "conv1_2", "conv2_1"]
    assert names[-3:] == ["conv5_3", "fc6", "fc7"]
    assert len(names) == 15


@torch.inference_mode()
def test_lite_sees_how_near_clicks_are_with_the_entries_of_the_others():
    torch.manual_seed(0)
    plain, network = LiteSegmenter(maps=2).eval(), IFCNLite0().eval()
    network.load_state_dict(plain.state_dict())
    image, distances = torch.rand(1, 3, 64, 96), torch.rand(1, 2, 64, 96)
    torch.testing.assert_close(network(image, distances), plain(image, 1 - distances))
    assert not torch.allclose(network(image, distances)[0], plain(image, distances)[0])
