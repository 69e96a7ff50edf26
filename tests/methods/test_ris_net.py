"""RIS-Net's procedure: ROI rules on drawn clicks, fusion, and whole sessions."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from iseg_widget.clicks import Click
from iseg_widget.encode import distance_maps
from iseg_widget.methods.registry import build_options, load_method, method_title
from iseg_widget.methods.ris_net import (
    FusedPredictions,
    RISNet,
    RISNetOptions,
    click_pairs,
    input_size,
    roi_boxes,
    square_span,
)
from iseg_widget.networks.ris_net import GlobalFeatures, RISNetLite0
from iseg_widget.protocol import Method
from iseg_widget.session import Session, replay

SHAPE = (30, 40)


def no(x, y):
    return Click(x, y, positive=False)


class ClosedForm(nn.Module):
    """Globally object where it is red; in an ROI where it is green."""

    stride = 4

    def __init__(self):
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1), requires_grad=False)
        self.seen = []
        self.looked = []

    def global_features(self, image, distances, *, context=True):
        self.seen.append((image, distances, context))
        padded = torch.nn.functional.pad(image, (0, 4, 0, 4), mode="replicate")
        cells = [math.ceil((side - 1) / 4) + 1 for side in image.shape[2:]]
        coarse = padded[:, :, ::4, ::4][:, :, : cells[0], : cells[1]]
        return GlobalFeatures(12 * (coarse[:, :1] - 0.5), image, ())

    def local(self, found, boxes, image):
        self.looked.append((boxes, image))
        answers = []
        for box in boxes.round().long().tolist():
            x0, y0, x1, y1 = box
            crop = found.features[:, 1:2, y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
            answers.append(torch.nn.functional.interpolate(crop, (41, 41)))
        return 12 * (torch.cat(answers) - 0.5)


@pytest.fixture
def network():
    return ClosedForm().eval()


def picture():
    """Red on the left; green in the middle."""
    image = np.zeros((*SHAPE, 3), np.uint8)
    image[:, :16, 0] = 255
    image[10:20, 12:28, 1] = 255
    return image


PLAIN = RISNetOptions(graph_cut=False)


class TestOptions:
    @pytest.mark.parametrize(
        "fields",
        [
            {"max_side": 8},
            {"fusion": "sum"},
            {"roi_count": 0},
            {"seed": -1},
            {"strength": -1.0},
            {"strength": math.nan},
            {"neighbours": 6},
            {"threshold": 0.0},
        ],
    )
    def test_values_that_are_not_accepted_are_named(self, fields):
        (name,) = fields
        with pytest.raises(ValueError, match=name):
            RISNetOptions(**fields)

    def test_the_registry_builds_them(self):
        assert build_options("ris_net", {"fusion": "average"}).fusion == "average"
        assert build_options("ris_net", None) == RISNetOptions()
        assert method_title("ris_net") == "RIS-Net (ICCV 2017)"


pixels = st.tuples(st.integers(0, 39), st.integers(0, 29))
click_sets = st.lists(
    st.builds(lambda p, positive: Click(*p, positive), pixels, st.booleans()),
    min_size=1,
    max_size=6,
)


class TestROIs:
    def test_a_wide_pair_is_made_square_about_its_centre(self):
        assert square_span(Click(10, 12), no(20, 16)) == (10, 9, 21, 20)
        assert square_span(no(20, 16), Click(10, 12)) == (10, 9, 21, 20)

    def test_a_tall_pair_likewise(self):
        assert square_span(Click(5, 2), no(8, 12)) == (1, 2, 12, 13)

    def test_pairs_in_line_and_on_one_pixel(self):
        assert square_span(Click(3, 5), no(3, 9)) == (1, 5, 6, 10)
        assert square_span(Click(3, 5), no(3, 5)) == (3, 5, 4, 6)

    def test_each_positive_click_takes_its_nearest_negative(self):
        first, second = Click(5, 5), Click(30, 5)
        near, far = no(10, 5), no(32, 8)
        assert click_pairs([first, far, second, near]) == [(first, near), (second, far)]

    def test_of_equally_near_ones_the_earliest(self):
        click, left, right = Click(10, 10), no(5, 10), no(15, 10)
        assert click_pairs([click, right, left]) == [(click, right)]
        assert click_pairs([left, click, right]) == [(click, left)]

    def test_nearness_is_euclidean(self):
        click, diagonal, straight = Click(10, 10), no(14, 14), no(15, 10)
        assert click_pairs([click, diagonal, straight]) == [(click, straight)]

    @pytest.mark.parametrize("clicks", [[Click(3, 4)], [Click(3, 4), Click(9, 9)], [no(3, 4)]])
    def test_without_a_pair_the_whole_image_is_the_only_roi(self, clicks):
        assert roi_boxes(clicks, SHAPE) == ((0, 0, 40, 30),)

    def test_one_positive_click_has_one_roi_whatever_the_negatives(self):
        clicks = [Click(20, 15), no(30, 15), no(24, 15), no(2, 2)]
        assert roi_boxes(clicks, SHAPE) == (square_span(Click(20, 15), no(24, 15)),)

    def test_one_negative_click_serves_all_positive_ones(self):
        clicks = [Click(20, 15), Click(28, 15), no(24, 15)]
        assert roi_boxes(clicks, SHAPE) == ((20, 13, 25, 18), (24, 13, 29, 18))

    def test_equal_rois_are_looked_at_once(self):
        clicks = [Click(20, 13), Click(20, 17), no(24, 15), Click(20, 15)]
        assert roi_boxes(clicks, SHAPE) == ((20, 12, 25, 17), (20, 14, 25, 19), (20, 13, 25, 18))
        assert len(roi_boxes([*clicks, Click(20.2, 15.3)], SHAPE)) == 3

    def test_rois_are_cut_to_the_image(self):
        assert roi_boxes([Click(1, 2), no(1, 22)], SHAPE) == ((0, 2, 12, 23),)
        assert roi_boxes([Click(39, 29), no(39, 9)], SHAPE) == ((29, 9, 40, 30),)

    @given(pixels, pixels)
    def test_squares_hold_their_pair(self, first, second):
        x0, y0, x1, y1 = square_span(Click(*first), no(*second))
        assert x1 - x0 == y1 - y0 == max(abs(first[0] - second[0]), abs(first[1] - second[1])) + 1
        for x, y in (first, second):
            assert x0 <= x < x1
            assert y0 <= y < y1
        # Centred on the pair, as far as pixels allow.
        assert abs((x0 + x1 - 1) - (first[0] + second[0])) <= 1
        assert abs((y0 + y1 - 1) - (first[1] + second[1])) <= 1

    @given(click_sets)
    def test_boxes_lie_in_the_image_and_hold_every_positive_click(self, clicks):
        boxes = roi_boxes(clicks, SHAPE)
        assert len(set(boxes)) == len(boxes) >= 1
        for x0, y0, x1, y1 in boxes:
            assert 0 <= x0 < x1 <= 40
            assert 0 <= y0 < y1 <= 30
        for pair in click_pairs(clicks):
            x0, y0, x1, y1 = square_span(*pair)
            clipped = (max(0, x0), max(0, y0), min(40, x1), min(30, y1))
            assert clipped in boxes
            for click in pair:
                row, column = click.pixel
                assert clipped[0] <= column < clipped[2]
                assert clipped[1] <= row < clipped[3]


def fused(fusion, boxes, local, logits=None, shape=SHAPE):
    logits = np.full((9, 11), -1.0) if logits is None else logits
    return FusedPredictions(
        shape,
        shape,
        4,
        logits.astype(np.float16),
        tuple(boxes),
        np.asarray(local, np.float16).reshape(-1, 41, 41),
        fusion,
    )


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class TestFusion:
    boxes = ((2, 3, 12, 13), (8, 6, 30, 28))

    @pytest.mark.parametrize("fusion", ["max", "average"])
    def test_it_equals_equation_3_by_loops(self, fusion):
        """F_i is the local map in its box and nothing outside."""
        values = [2.0, -3.0]
        local = np.stack([np.full((41, 41), value) for value in values])
        found = fused(fusion, self.boxes, local).render()
        for y, x in np.ndindex(SHAPE):
            maps = [sigmoid(-1.0)]
            for (x0, y0, x1, y1), value in zip(self.boxes, values, strict=True):
                if x0 <= x < x1 and y0 <= y < y1:
                    maps.append(sigmoid(value))
                elif fusion == "max":
                    maps.append(0.0)
            expected = max(maps) if fusion == "max" else sum(maps) / len(maps)
            assert found[y, x] == pytest.approx(expected, abs=1e-3)

    def test_the_order_of_rois_does_not_matter(self):
        rng = np.random.default_rng(0)
        local = rng.normal(0, 3, (2, 41, 41))
        for fusion in ("max", "average"):
            one = fused(fusion, self.boxes, local).render()
            other = fused(fusion, self.boxes[::-1], local[::-1]).render()
            np.testing.assert_allclose(one, other, atol=1e-6)

    def test_a_local_map_fills_its_box(self):
        ramp = np.broadcast_to(np.linspace(-4, 4, 41), (41, 41))
        found = fused("max", [(4, 5, 24, 25)], ramp, np.full((9, 11), -20.0)).render()
        assert found[5, 4] < 0.05
        assert found[24, 23] > 0.95
        assert found[:, :4].max() < 1e-6
        assert found[:, 24:].max() < 1e-6
        # Halfway through the box the ramp is zero.
        assert found[10, 13:15].mean() == pytest.approx(0.5, abs=1e-3)

    def test_a_window_is_cut_out_of_the_whole(self):
        rng = np.random.default_rng(1)
        soft = fused("max", self.boxes, rng.normal(size=(2, 41, 41)), rng.normal(size=(9, 11)))
        full = soft.render()
        assert full.dtype == np.float32
        np.testing.assert_array_equal(soft.render((3, 4, 33, 20)), full[4:20, 3:33])

    def test_a_reduced_input_is_brought_back(self):
        soft = FusedPredictions(
            (60, 80),
            (30, 40),
            4,
            np.full((9, 11), 3.0, np.float16),
            (),
            np.zeros((0, 41, 41)),
            "max",
        )
        assert soft.render().shape == (60, 80)
        np.testing.assert_allclose(soft.render(), sigmoid(3.0), atol=1e-3)


class TestInput:
    @pytest.mark.parametrize(
        ("shape", "limit", "size"),
        [
            ((480, 640), 1024, (480, 640)),
            ((3000, 4000), 1024, (768, 1024)),
            ((3000, 4000), None, (3000, 4000)),
            ((1, 5000), 1024, (1, 1024)),
        ],
    )
    def test_only_large_images_are_reduced(self, shape, limit, size):
        assert input_size(shape, limit) == size

    def test_the_network_sees_rgb_in_0_1_and_distances_in_pixels(self, network):
        session = Session(RISNet(network, PLAIN), picture())
        session.click(10, 12)
        session.click(20, 5, positive=False)
        (image, first, _), (_, second, _) = network.seen
        assert image.shape == (1, 3, *SHAPE)
        assert (float(image.min()), float(image.max())) == (0.0, 1.0)
        assert torch.equal(first[0, 1], torch.full(SHAPE, 255.0))
        clicks = np.array([[10, 12, 1], [20, 5, 0]])
        np.testing.assert_array_equal(second[0].numpy(), distance_maps(clicks, SHAPE, 255.0))

    def test_rois_and_clicks_are_carried_to_a_reduced_input(self, network):
        image = np.zeros((60, 80, 3), np.uint8)
        method = RISNet(network, RISNetOptions(graph_cut=False, max_side=40))
        session = Session(method, image)
        step = session.click_many([Click(20, 20), no(40, 30)])
        ((seen, distances, _),) = network.seen
        assert seen.shape[2:] == (30, 40)
        # (20 + 1/2) / 2 - 1/2 = 9.75 in both directions
        assert float(distances[0, 0].min()) == pytest.approx(math.hypot(0.25, 0.25), rel=1e-5)
        assert int(distances[0, 0].argmin()) == 10 * 40 + 10
        ((boxes, _),) = network.looked
        (view,) = step.views
        assert view.box == (20, 15, 41, 36)
        assert boxes.tolist() == [[10.0, 7.5, 20.5, 18.0]]
        assert step.mask.shape == (60, 80)


class TestSteps:
    def test_global_and_local_predictions_are_joined(self, network):
        session = Session(RISNet(network, PLAIN), picture())
        step = session.click_many([Click(14, 15), no(24, 15)])
        (view,) = step.views
        assert (view.kind, view.box) == ("roi", (14, 10, 25, 21))
        assert step.mask[5, 3]  # red, by the global branch
        assert step.mask[15, 20]  # green in the ROI
        assert not step.mask[15, 26]  # green outside of it
        np.testing.assert_array_equal(step.mask, step.probability > 0.5)
        assert isinstance(session.method, Method)

    def test_every_positive_click_has_a_view(self, network):
        session = Session(RISNet(network, PLAIN), picture())
        step = session.click_many([Click(2, 2), Click(30, 25), no(10, 2), no(35, 25)])
        assert [v.box for v in step.views] == list(roi_boxes(session.clicks, SHAPE))
        assert len(step.views) == 2

    def test_the_whole_image_is_the_roi_of_a_first_click(self, network):
        step = Session(RISNet(network, PLAIN), picture()).click(5, 5)
        assert [v.box for v in step.views] == [(0, 0, 40, 30)]
        assert step.mask[15, 26]

    def test_without_the_local_branch_there_is_no_roi(self, network):
        options = RISNetOptions(graph_cut=False, local_branch=False)
        step = Session(RISNet(network, options), picture(), trace=True).click(5, 5)
        assert step.views == ()
        assert not network.looked
        assert not step.mask[15, 26]
        np.testing.assert_allclose(step.trace["global_probability"], step.probability, atol=1e-6)

    @pytest.mark.parametrize("context", [True, False])
    def test_the_context_can_be_left_out(self, network, context):
        options = RISNetOptions(graph_cut=False, global_context=context)
        Session(RISNet(network, options), picture()).click(5, 5)
        assert network.seen[0][2] is context

    def test_many_rois_go_through_in_batches(self, network):
        clicks = [Click(x, y) for x in range(0, 40, 4) for y in (2, 27)]
        step = Session(RISNet(network, PLAIN), picture()).click_many([*clicks, no(20, 15)])
        assert len(step.views) == 20
        assert [len(boxes) for boxes, _ in network.looked] == [16, 4]

    def test_no_more_rois_than_asked_for_and_always_the_same(self, network):
        clicks = [Click(x, 2) for x in range(0, 40, 4)] + [no(20, 15)]
        found = []
        for seed in (0, 0, 1, 2):
            options = RISNetOptions(graph_cut=False, roi_count=3, seed=seed)
            step = Session(RISNet(network, options), picture()).click_many(clicks)
            found.append([view.box for view in step.views])
            assert len(found[-1]) == 3
            assert set(found[-1]) <= set(roi_boxes(clicks, SHAPE))
        assert found[0] == found[1]
        assert any(boxes != found[0] for boxes in found[2:])

    def test_the_graph_cut_obeys_clicks_and_the_probability_stays_the_networks(self, network):
        clicks = [Click(35, 28), no(3, 3)]
        plain = Session(RISNet(network, PLAIN), picture()).click_many(clicks)
        session = Session(RISNet(network), picture(), trace=True)
        step = session.click_many(clicks)
        assert step.mask[28, 35]
        assert not step.mask[3, 3]
        assert plain.mask[3, 3]
        np.testing.assert_array_equal(step.probability, plain.probability)
        np.testing.assert_array_equal(step.trace["before_graph_cut"], plain.mask)

    def test_the_graph_cut_still_obeys_earlier_clicks(self, network):
        session = Session(RISNet(network), picture())
        session.click(3, 3, positive=False)
        step = session.click(35, 28)
        assert not step.mask[3, 3]
        assert step.mask[28, 35]

    def test_the_trace_names_what_was_computed(self, network):
        session = Session(RISNet(network), picture(), trace=True)
        step = session.click_many([Click(2, 2), Click(30, 25), no(10, 2)])
        trace = step.trace
        assert set(trace) == {
            "positive_distances",
            "negative_distances",
            "global_probability",
            "roi_boxes",
            "local_probabilities",
            "fused_probability",
            "before_graph_cut",
        }
        assert trace["positive_distances"].shape == trace["negative_distances"].shape == SHAPE
        assert trace["global_probability"].shape == SHAPE
        assert trace["roi_boxes"].tolist() == [list(v.box) for v in step.views]
        assert trace["local_probabilities"].shape == (2, 41, 41)
        np.testing.assert_array_equal(trace["fused_probability"], step.probability)
        assert Session(RISNet(network), picture()).click(3, 3).trace == {}

    def test_extreme_logits_do_no_harm(self):
        class Extreme(ClosedForm):
            def local(self, found, boxes, image):
                return super().local(found, boxes, image) * 1e9

        step = Session(RISNet(Extreme().eval()), picture()).click(10, 10)
        assert np.isfinite(step.probability).all()
        assert step.mask[10, 10]

    def test_bad_steps_are_refused(self, network):
        method = RISNet(network)
        state = method.start(picture())
        with pytest.raises(ValueError, match="at least one"):
            method.step(state, [])
        with pytest.raises(ValueError, match="outside"):
            method.step(state, [Click(40, 3)])


def square(x0, y0, x1, y1):
    mask = np.zeros(SHAPE, bool)
    mask[y0:y1, x0:x1] = True
    return mask


class TestExistingMasks:
    def test_only_the_region_under_the_click_is_taken_over(self, network):
        session = Session(RISNet(network), picture(), square(32, 22, 40, 30))
        mask = session.click(5, 5).mask
        assert mask[5, 5]
        assert mask[28, 37]

    def test_without_progressive_merge_the_mask_is_forgotten(self, network):
        options = RISNetOptions(progressive_merge=False)
        session = Session(RISNet(network, options), picture(), square(32, 22, 40, 30))
        assert not session.click(5, 5).mask[28, 37]

    def test_a_drawn_mask_is_kept_likewise(self, network):
        session = Session(RISNet(network), picture())
        session.click(5, 5)
        drawn = session.mask | square(32, 22, 40, 30)
        edited = session.edit(drawn)
        np.testing.assert_array_equal(edited.mask, drawn)
        assert session.click(38, 2).mask[28, 37]


def untrained(seed=0):
    torch.manual_seed(seed)
    network = RISNetLite0().eval().requires_grad_(requires_grad=False)
    for layer in (network.head.predict, network.conv8_local):
        layer.weight *= 200  # untrained signals are faint
    return network


@pytest.fixture(scope="module")
def method():
    return RISNet(untrained())


actions = st.lists(
    st.one_of(
        st.tuples(st.just("click"), st.integers(0, 39), st.integers(0, 29), st.booleans()),
        st.tuples(st.just("edit"), st.integers(0, 30), st.integers(0, 20)),
    ),
    min_size=1,
    max_size=4,
)


@settings(deadline=None, max_examples=12)
@given(actions, st.booleans())
def test_undo_and_replay_are_exact(method, wanted, existing):
    image = np.random.default_rng(3).integers(0, 256, (*SHAPE, 3)).astype(np.uint8)
    session = Session(method, image, square(0, 25, 8, 30) if existing else None)
    before = [(session.mask, session.probability)]
    for kind, *rest in wanted:
        if kind == "click":
            session.click(*rest)
        else:
            session.edit(square(rest[0], rest[1], rest[0] + 7, rest[1] + 6))
        before.append((session.mask, session.probability))
    again = replay(method, image, json.loads(json.dumps(session.log())))
    np.testing.assert_array_equal(again.mask, session.mask)
    for mask, probability in reversed(before[:-1]):
        assert session.undo()
        np.testing.assert_array_equal(session.mask, mask)
        np.testing.assert_array_equal(session.probability, probability)
    for mask, probability in before[1:]:
        assert session.redo()
        np.testing.assert_array_equal(session.mask, mask)
        np.testing.assert_array_equal(session.probability, probability)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (300, 1), (2, 3), (5, 4)])
def test_tiny_images_are_answered(shape, method):
    image = np.full((*shape, 3), 200, np.uint8)
    session = Session(method, image, trace=True)
    session.click(0, 0)
    step = session.click(shape[1] - 1, shape[0] - 1, positive=False)
    assert step.mask.shape == step.probability.shape == shape
    assert not step.mask[-1, -1]


def test_weights_are_read_from_a_file(tmp_path):
    from iseg_widget.weights.registry import export

    network = untrained()
    path = tmp_path / "mine.safetensors"
    export(network.state_dict(), path, {"network": "risnet-lite0", "method": "ris_net"})
    loaded = load_method("ris_net", weights=path, device="cpu")
    image = np.random.default_rng(3).integers(0, 256, (*SHAPE, 3)).astype(np.uint8)
    found, expected = (Session(m, image).click(5, 5).probability for m in (loaded, RISNet(network)))
    np.testing.assert_allclose(found, expected, atol=0.1)
    with pytest.raises(ValueError, match="no weights 'vgg' for 'ris_net'"):
        load_method("ris_net", weights="vgg")
