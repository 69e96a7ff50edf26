"""RIS-Net's networks: the paper's equations against plain loops, and shapes."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from iseg_widget.networks.inference import prepare
from iseg_widget.networks.lite import LiteSegmenter
from iseg_widget.networks.ris_net import (
    LEVELS,
    ROI_SIDE,
    PyramidPooling,
    RISNetLite0,
    RISNetVGG16,
    enlarge,
    spread,
    stretch,
)
from iseg_widget.networks.roi_pool import roi_pool
from iseg_widget.networks.vgg import LargeFOV, centred
from iseg_widget.weights.registry import networks


def inputs(height, width, count=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(count, 3, height, width, generator=generator)
    return image, 255 * torch.rand(count, 2, height, width, generator=generator)


def pooled_by_loops(features, box, bins, scale):
    """Fast R-CNN's layer, cell by cell."""
    channels, height, width = features.shape
    spans = []
    for start, stop in ((box[1], box[3]), (box[0], box[2])):
        first = math.floor(start * scale + 0.5)
        last = max(first, math.floor((stop - 1) * scale + 0.5))
        spans.append((first, last - first + 1))
    out = np.zeros((channels, *bins))
    for row in range(bins[0]):
        for column in range(bins[1]):
            cells = []
            for index, (first, length), count, limit in (
                (row, spans[0], bins[0], height),
                (column, spans[1], bins[1], width),
            ):
                low = first + index * length // count
                high = first + -(-(index + 1) * length // count)
                cells.append([c for c in range(low, high) if 0 <= c < limit])
            for channel in range(channels):
                values = [features[channel, y, x] for y in cells[0] for x in cells[1]]
                out[channel, row, column] = max(values, default=0.0)
    return out


class TestROIPool:
    @settings(deadline=None, max_examples=60)
    @given(
        st.integers(0, 2**32 - 1),
        st.tuples(st.integers(1, 7), st.integers(1, 7)),
        st.sampled_from([1.0, 0.5, 0.25, 0.125]),
    )
    def test_it_equals_fast_rcnns_layer(self, seed, bins, scale):
        rng = np.random.default_rng(seed)
        height, width = rng.integers(1, 9, 2)
        features = rng.normal(size=(2, 3, height, width))
        corners = rng.uniform(-1, max(height, width) + 2, (4, 4)) / scale
        boxes = np.concatenate([corners[:, :2], corners[:, :2] + 1 + np.abs(corners[:, 2:])], 1)
        image = rng.integers(0, 2, 4)
        found = roi_pool(
            torch.from_numpy(features),
            torch.from_numpy(boxes),
            torch.from_numpy(image),
            bins,
            scale,
        )
        for index, (box, number) in enumerate(zip(boxes, image, strict=True)):
            expected = pooled_by_loops(features[number], box, bins, scale)
            np.testing.assert_array_equal(found[index].numpy(), expected)

    def test_the_whole_of_a_map_of_its_size_is_copied(self):
        features = torch.rand(1, 2, 41, 41)
        found = roi_pool(
            features, torch.tensor([[0.0, 0, 321, 321]]), torch.tensor([0]), (41, 41), 1 / 8
        )
        assert torch.equal(found, features)

    def test_gradients_reach_the_largest_cell_alone(self):
        features = torch.arange(16.0).reshape(1, 1, 4, 4).requires_grad_()
        box = torch.tensor([[0.0, 0, 4, 4]])
        roi_pool(features, box, torch.tensor([0]), (2, 2)).sum().backward()
        expected = torch.zeros(4, 4)
        expected[1::2, 1::2] = 1
        assert torch.equal(features.grad[0, 0], expected)

    def test_no_roi_is_no_result(self):
        none = torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)
        assert roi_pool(torch.rand(1, 3, 5, 5), *none, (4, 6)).shape == (0, 3, 4, 6)

    @pytest.mark.parametrize(
        ("boxes", "image"), [((2, 3), [0, 0]), ((2, 4), [0]), ((1, 4), [1]), ((1, 4), [-1])]
    )
    def test_what_does_not_fit_is_refused(self, boxes, image):
        with pytest.raises(ValueError, match="box"):
            roi_pool(torch.rand(1, 3, 5, 5), torch.zeros(boxes), torch.tensor(image), (2, 2))


class TestPyramid:
    @pytest.mark.parametrize("size", [(12, 18), (7, 11), (3, 2)])
    def test_levels_are_means_reduced_by_a_convolution(self, size):
        torch.manual_seed(0)
        pyramid = PyramidPooling(8).double()
        features = torch.rand(2, 8, *size, dtype=torch.float64)
        for number, (level, found) in enumerate(zip(LEVELS, pyramid(features), strict=True)):
            assert found.shape == (2, 2, level, level)
            weight, bias = pyramid.reduce[number].weight[:, :, 0, 0], pyramid.reduce[number].bias
            for row in range(level):
                for column in range(level):
                    rows, columns = (
                        slice(i * n // level, -(-(i + 1) * n // level))
                        for i, n in ((row, size[0]), (column, size[1]))
                    )
                    mean = features[:, :, rows, columns].mean((2, 3))
                    expected = F.relu(mean @ weight.T + bias)
                    torch.testing.assert_close(found[:, :, row, column], expected)

    def test_the_first_level_is_spread_evenly_and_corners_stay(self):
        levels = tuple(torch.rand(1, 2, b, b) for b in LEVELS)
        found = spread(levels, (41, 41))
        assert found.shape == (1, 8, 41, 41)
        torch.testing.assert_close(found[0, :2], levels[0][0].expand(-1, 41, 41))
        torch.testing.assert_close(found[0, 6:, 0, -1], levels[3][0, :, 0, -1])


class TestGeometry:
    @pytest.mark.parametrize("size", [(33, 41), (30, 48), (1, 5)])
    @pytest.mark.parametrize("stride", [4, 8])
    def test_cell_i_lies_on_pixel_stride_times_i(self, size, stride):
        cells = [math.ceil((side - 1) / stride) + 1 for side in size]
        logits = torch.rand(1, 1, *cells)
        found = enlarge(logits, stride, size)
        assert found.shape == (1, 1, *size)
        grid = found[0, 0, ::stride, ::stride]
        torch.testing.assert_close(grid, logits[0, 0, : grid.shape[0], : grid.shape[1]])

    def test_bins_divide_the_box(self):
        logits = torch.arange(float(ROI_SIDE)).expand(1, 1, ROI_SIDE, ROI_SIDE)
        found = stretch(logits, (41, 82))[0, 0, 0]
        # Pixel j's centre lies at bin (j + 1/2) / 2 - 1/2.
        expected = ((torch.arange(82) + 0.5) / 2 - 0.5).clamp(0, 40)
        torch.testing.assert_close(found, expected)


class TestLargeFOV:
    def test_layers_are_those_of_the_paper(self):
        layers = dict(LargeFOV().layers.named_children())
        convs = {n: m for n, m in layers.items() if isinstance(m, torch.nn.Conv2d)}
        assert list(convs) == [
            *(f"conv{s}_{i}" for s, n in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, n + 1)),
            "fc6",
            "fc7",
        ]
        assert convs["conv1_1"].in_channels == 5
        assert [convs[f"conv5_{i}"].dilation for i in (1, 2, 3)] == [(2, 2)] * 3
        assert (convs["fc6"].kernel_size, convs["fc6"].dilation) == ((3, 3), (12, 12))
        assert convs["fc6"].out_channels == convs["fc7"].out_channels == 1024
        assert [layers[f"pool{s}"].stride for s in range(1, 6)] == [2, 2, 2, 1, 1]

    @pytest.mark.parametrize(("side", "cells"), [(41, 6), (48, 7), (1, 1), (321, 41)])
    def test_cells(self, side, cells):
        network = LargeFOV()
        # Sizes do not depend on widths: pooling alone tells them.
        x = torch.zeros(1, 1, side, 9)
        for name, layer in network.layers.named_children():
            x = layer(x) if name.startswith("pool") else x
        assert x.shape[2:] == (cells, 2)

    def test_pixels_are_centred_on_the_mean_colour(self):
        mean = torch.tensor([122.679, 116.669, 104.008])
        image = (mean / 255)[None, :, None, None].expand(1, 3, 2, 2)
        torch.testing.assert_close(centred(image), torch.zeros(1, 3, 2, 2), atol=1e-4, rtol=0)


@pytest.fixture(scope="module", params=["risnet-lite0", "risnet-vgg16"])
def network(request):
    torch.manual_seed(1)
    return networks()[request.param]().eval().requires_grad_(requires_grad=False)


class TestNetworks:
    def test_any_number_of_rois_of_any_image(self, network):
        image, distances = inputs(40, 50, count=2)
        found = network.global_features(image, distances)
        cells = [math.ceil((side - 1) / 8) * 8 // network.stride + 1 for side in (40, 50)]
        if network.stride == 4:  # padded to 32 k + 1
            cells = [(-(-(side - 1) // 32) * 32) // 4 + 1 for side in (40, 50)]
        assert found.logits.shape == (2, 1, *cells)
        assert found.features.shape[2:] == found.logits.shape[2:]
        boxes = torch.tensor([[0.0, 0, 50, 40], [10, 10, 30, 30], [10, 10, 30, 30]])
        local = network.local(found, boxes, torch.tensor([0, 1, 0]))
        assert local.shape == (3, 1, 41, 41)
        # An ROI is answered from its own image, whatever else is in the batch.
        alone = network.global_features(image[:1], distances[:1])
        single = network.local(alone, boxes[2:], torch.tensor([0]))
        torch.testing.assert_close(local[2:], single, rtol=1e-4, atol=1e-5)
        assert not torch.equal(local[1], local[2])
        none = network.local(found, boxes[:0], torch.zeros(0, dtype=torch.int64))
        assert none.shape == (0, 1, 41, 41)

    def test_every_roi_has_the_context_of_its_own_image(self, network, monkeypatch):
        found = network.global_features(*inputs(40, 50, count=2))
        monkeypatch.setattr(network, "predict_local", lambda _, context: context)
        boxes, image = torch.tensor([[0.0, 0, 50, 40], [9, 9, 30, 30]]), torch.tensor([1, 0])
        for number, context in zip(image, network.local(found, boxes, image), strict=True):
            own = tuple(level[number : number + 1] for level in found.context)
            assert torch.equal(context, spread(own, (41, 41))[0])

    def test_clicks_and_context_matter(self, network):
        image, distances = inputs(33, 41)
        box, number = torch.tensor([[4.0, 4, 30, 30]]), torch.tensor([0])
        answers = []
        for maps, context in ((distances, True), (255 - distances, True), (distances, False)):
            found = network.global_features(image, maps, context=context)
            answers.append((found.logits, network.local(found, box, number)))
        for other in answers[1:]:
            for part in (0, 1):
                assert not torch.equal(answers[0][part], other[part])

    def test_a_folded_network_says_the_same(self, network):
        image, distances = inputs(30, 35)
        box, number = torch.tensor([[4.0, 4, 30, 30]]), torch.tensor([0])
        before = network.global_features(image, distances)
        local = network.local(before, box, number)
        copy = type(network)()
        copy.load_state_dict(network.state_dict())
        prepare(copy, torch.device("cpu"))
        after = copy.global_features(image, distances)
        torch.testing.assert_close(after.logits, before.logits, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(copy.local(after, box, number), local, rtol=1e-3, atol=1e-4)


def test_lite_is_small_and_shares_parts_with_the_other_lite_networks():
    network = RISNetLite0()
    assert sum(p.numel() for p in network.parameters()) < 6_000_000
    shapes = {k: v.shape for k, v in network.state_dict().items()}
    for key, value in LiteSegmenter(maps=2).state_dict().items():
        assert shapes[key] == value.shape, key


def test_vgg_has_the_published_widths():
    shapes = {k: tuple(v.shape) for k, v in RISNetVGG16().state_dict().items()}
    assert shapes["conv7_local.weight"] == (1024, 2048, 1, 1)
    assert shapes["conv8_local.weight"] == (1, 1024, 1, 1)
    assert shapes["conv8.weight"] == (1, 2048, 1, 1)
    assert [shapes[f"pyramid.reduce.{i}.weight"] for i in range(4)] == [(256, 1024, 1, 1)] * 4


def test_gradients_of_the_local_branch_reach_the_first_layer():
    torch.manual_seed(0)
    network = RISNetLite0()
    found = network.global_features(*inputs(40, 40, count=2))
    boxes = torch.tensor([[0.0, 0, 20, 20], [10, 10, 40, 40]])
    network.local(found, boxes, torch.tensor([0, 1])).square().mean().backward()
    assert network.backbone.stem[0].weight.grad.abs().sum() > 0
    assert network.interaction.layers[0].weight.grad.abs().sum() > 0
