"""Shapes, strides and dilations of the backbones and of DeepLab's parts."""

import pytest
import torch
from torch import nn

from iseg_widget.networks.deeplab import ASPP, Decoder, prediction_head
from iseg_widget.networks.inference import fold_batch_norm
from iseg_widget.networks.res2net import Res2Block
from iseg_widget.networks.resnet import BLOCKS, Bottleneck, ResNet, stages

BLOCK_TYPES = [Bottleneck, Res2Block]
SHORT = (1, 1, 1, 2)


def randomised(network):
    """Give the statistics values, so that folding them has something to do."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.8, 1.2)
            nn.init.uniform_(module.weight, 0.8, 1.2)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return network.eval()


def test_the_published_layout_has_stride_16_and_dilations_2_4_8_at_the_end():
    layout = stages(BLOCKS[101])
    assert [stage.stride for stage in layout] == [1, 2, 2, 1]
    assert [len(stage.dilations) for stage in layout] == [3, 4, 23, 3]
    assert layout[-1].dilations == (2, 4, 8)
    assert {d for stage in layout[:-1] for d in stage.dilations} == {1}


@pytest.mark.parametrize(
    ("output_stride", "strides", "dilations"),
    [
        (32, [1, 2, 2, 2], [1, 1, 1, 1]),
        (16, [1, 2, 2, 1], [1, 1, 1, 2]),
        (8, [1, 2, 1, 1], [1, 1, 2, 4]),
    ],
)
def test_stages_that_may_not_reduce_dilate(output_stride, strides, dilations):
    layout = stages(BLOCKS[50], output_stride=output_stride, multi_grid=None)
    assert [stage.stride for stage in layout] == strides
    assert [set(stage.dilations) for stage in layout] == [{d} for d in dilations]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"output_stride": 4}, "8, 16 or 32"), ({"multi_grid": (1, 2)}, "3 factors")],
)
def test_impossible_layouts_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        stages(BLOCKS[50], **arguments)


@pytest.mark.parametrize("block", BLOCK_TYPES)
@pytest.mark.parametrize("deep", [None, (8, 8, 16)])
@pytest.mark.parametrize("size", [(64, 48), (33, 1), (1, 1)])
def test_maps_have_the_announced_channels_and_strides(block, deep, size):
    network = ResNet(stages(SHORT, multi_grid=None), in_channels=6, block=block, deep=deep).eval()
    with torch.inference_mode():
        maps = network(torch.randn(1, 6, *size))
    assert tuple(m.shape[1] for m in maps) == network.channels == (256, 512, 1024, 2048)
    for found, stride in zip(maps, (4, 8, 16, 16), strict=True):
        assert tuple(found.shape[2:]) == tuple(-(-side // stride) for side in size)


@pytest.mark.parametrize("block", BLOCK_TYPES)
def test_folding_the_statistics_changes_nothing(block):
    layout = stages((1, 1, 1, 1), multi_grid=None)
    network = randomised(ResNet(layout, in_channels=5, block=block))
    x = torch.randn(1, 5, 40, 56)
    with torch.inference_mode():
        before = network(x)
        fold_batch_norm(network)
        after = network(x)
    for old, new in zip(before, after, strict=True):
        torch.testing.assert_close(new, old, rtol=1e-4, atol=1e-4)


def test_only_the_first_block_of_a_stage_convolves_its_splits_alone():
    first, second = Res2Block(64, 16, 2, 1), Res2Block(64, 16, 1, 1)
    assert first.first
    assert isinstance(first.pool, nn.AvgPool2d)
    assert not second.first
    assert isinstance(Res2Block(64, 64, 1, 1).pool, nn.Identity)


def test_aspp_has_a_branch_for_each_dilation_and_a_global_one():
    aspp = ASPP(12, (1, 5, 9, 14), channels=8).eval()
    assert [branch.conv.dilation for branch in aspp.branches] == [(d, d) for d in (1, 5, 9, 14)]
    assert [branch.conv.kernel_size for branch in aspp.branches] == [(1, 1), *[(3, 3)] * 3]
    assert aspp.project.conv.in_channels == 5 * 8
    with torch.inference_mode():
        assert aspp(torch.randn(2, 12, 7, 9)).shape == (2, 8, 7, 9)


def test_the_decoder_answers_at_the_resolution_of_low_level_features():
    decoder, head = Decoder(16, channels=8, side_channels=4).eval(), prediction_head(8, (4,)).eval()
    with torch.inference_mode():
        fused = decoder(torch.randn(1, 8, 3, 5), torch.randn(1, 16, 11, 18))
        assert fused.shape == (1, 8, 11, 18)
        assert head(fused).shape == (1, 1, 11, 18)
