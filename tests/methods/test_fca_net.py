"""FCA-Net's procedure: with a network in closed form, and against recorded runs (A2, E3)."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from iseg_widget.clicks import Click
from iseg_widget.masks import components_at
from iseg_widget.methods.fca_net import (
    FCANet,
    FCANetOptions,
    input_size,
    structural_integrity,
    to_input,
)
from iseg_widget.methods.registry import build_options, load_method
from iseg_widget.networks.fca_net import Prediction
from iseg_widget.protocol import Method
from iseg_widget.session import Session, replay
from tests.published import load_case, state_dict

SHAPE = (30, 40)


class ClosedForm(nn.Module):
    """Object where it is red, or near a positive click; a wide area around the first."""

    def __init__(self):
        super().__init__()
        self.first_click_head = nn.Conv2d(1, 1, 1)
        self.seen = []

    def forward(self, image, clicks, first):
        self.seen.append((image, clicks, first))
        logits = 12 * (image[:, :1] - 0.5) + 9 * clicks[:, :1] - 9 * clicks[:, 1:] + 4 * first
        size = [-(-side // 4) for side in image.shape[2:]]
        return Prediction(F.adaptive_avg_pool2d(logits, size), F.adaptive_avg_pool2d(first, 2))


@pytest.fixture
def network():
    return ClosedForm().eval().requires_grad_(requires_grad=False)


def two_squares():
    """Two red squares on black."""
    image = np.zeros((*SHAPE, 3), np.uint8)
    image[5:15, 5:15, 0] = 255
    image[18:26, 28:36, 0] = 255
    return image


def square(x0, y0, x1, y1, shape=SHAPE):
    mask = np.zeros(shape, bool)
    mask[y0:y1, x0:x1] = True
    return mask


class TestOptions:
    @pytest.mark.parametrize(
        "fields",
        [
            {"short_side": 8},
            {"max_side": 100},
            {"sigma": 0.0},
            {"first_sigma": math.nan},
            {"connectivity": 6},
            {"threshold": 1.0},
        ],
    )
    def test_values_that_are_not_accepted_are_named(self, fields):
        (name,) = fields
        with pytest.raises(ValueError, match=name):
            FCANetOptions(**fields)

    def test_the_registry_builds_them(self):
        assert build_options("fca_net", {"connectivity": 8}).connectivity == 8
        assert build_options("fca_net", None) == FCANetOptions()


class TestGeometry:
    @pytest.mark.parametrize(
        ("shape", "size"),
        [((200, 260), (512, 665)), ((1000, 512), (1000, 512)), ((1, 1), (512, 512))],
    )
    def test_the_short_side_becomes_512_and_both_are_truncated(self, shape, size):
        assert input_size(shape, 512) == size

    def test_very_long_images_are_limited_by_their_long_side(self):
        assert input_size((10, 10_000), 512, 2048) == (2, 2048)
        assert input_size((1, 100_000), 512, 2048) == (1, 2048)
        assert input_size((10, 10_000), 512) == (512, 512_000)

    def test_clicks_are_scaled_and_truncated(self):
        clicks = [Click(103, 21), Click(259.4, 198.6, positive=False), Click(-0.4, -0.4)]
        found = to_input(clicks, (200, 260), (512, 665))
        # 103 * 665 / 260 = 263.4, 21 * 2.56 = 53.8; 259 * 665 / 260 = 662.4, 199 * 2.56 = 509.4
        assert found.tolist() == [[263, 53, 1], [662, 509, 0], [0, 0, 1]]

    @given(st.integers(1, 5000), st.integers(1, 5000))
    def test_no_click_leaves_the_input(self, height, width):
        size = input_size((height, width), 512, 2048)
        found = to_input([Click(width - 1, height - 1)], (height, width), size)
        assert found[0, 0] < size[1]
        assert found[0, 1] < size[0]


masks = st.integers(0, 2**32 - 1).map(lambda n: np.random.default_rng(n).random((12, 14)) < 0.55)
clicks_in_masks = st.lists(
    st.builds(Click, st.integers(0, 13), st.integers(0, 11), st.booleans()), max_size=5
)


class TestStructuralIntegrity:
    @given(masks, clicks_in_masks, st.sampled_from([4, 8]))
    def test_what_stays_are_whole_regions_with_a_positive_click(self, mask, clicks, connectivity):
        kept = structural_integrity(mask, clicks, connectivity)
        assert not (kept & ~mask).any()
        for click in clicks:
            if click.positive:
                assert kept[click.pixel] == mask[click.pixel]
        positive = {click.pixel for click in clicks if click.positive}
        for pixel in np.argwhere(mask):
            region = components_at(mask, [tuple(pixel)], connectivity=connectivity)
            holds = any(region[p] for p in positive)
            assert kept[tuple(pixel)] == holds

    @given(masks, clicks_in_masks)
    def test_it_is_idempotent_and_eight_keeps_at_least_what_four_keeps(self, mask, clicks):
        four, eight = (structural_integrity(mask, clicks, n) for n in (4, 8))
        assert np.array_equal(structural_integrity(four, clicks, 4), four)
        assert not (four & ~eight).any()

    def test_nothing_is_left_without_a_positive_click_in_the_mask(self):
        mask = square(2, 2, 6, 6)
        assert not structural_integrity(mask, [Click(3, 3, positive=False), Click(20, 20)]).any()
        assert not structural_integrity(mask, []).any()


class TestSteps:
    def test_only_the_clicked_object_stays(self, network):
        session = Session(FCANet(network), two_squares())
        step = session.click(10, 10)
        assert step.mask[10, 10]
        assert not step.mask[22, 32]
        assert step.probability[22, 32] > 0.5
        assert step.views == ()
        assert isinstance(session.method, Method)

    def test_without_structural_integrity_all_that_is_predicted_stays(self, network):
        options = FCANetOptions(structural_integrity=False)
        step = Session(FCANet(network, options), two_squares()).click(10, 10)
        assert np.array_equal(step.mask, step.probability > 0.5)
        assert step.mask[22, 32]

    def test_probability_is_float32_of_the_images_shape_and_can_be_cut(self, network):
        step = Session(FCANet(network), two_squares()).click(10, 10)
        full = step.probability
        assert full.dtype == np.float32
        assert full.shape == SHAPE
        assert 0 <= full.min() <= full.max() <= 1
        np.testing.assert_array_equal(step.soft.render((3, 4, 30, 20)), full[4:20, 3:30])

    def test_the_first_positive_click_leads_whatever_follows(self, network):
        session = Session(FCANet(network), two_squares())
        session.click(20, 2, positive=False)
        session.click(10, 10)
        session.click(32, 22)
        firsts = [first for _, _, first in network.seen]
        assert not firsts[0].any()
        assert torch.equal(firsts[1], firsts[2])
        row, column = divmod(int(firsts[1].argmax()), firsts[1].shape[-1])
        assert (column, row) == (int(10 * 682 / 40), int(10 * 512 / 30))

    def test_the_network_sees_rgb_in_0_1_and_two_maps(self, network):
        Session(FCANet(network), two_squares()).click(10, 10)
        ((image, clicks, first),) = network.seen
        assert image.shape == (1, 3, 512, 682)
        assert clicks.shape == (1, 2, 512, 682)
        assert first.shape == (1, 1, 512, 682)
        assert (float(image.min()), float(image.max())) == (0.0, 1.0)
        assert float(clicks[0, 0].max()) == 1.0
        assert not clicks[0, 1].any()

    def test_the_grouping_of_clicks_changes_nothing_from_scratch(self, network):
        clicks = [Click(10, 10), Click(32, 22), Click(20, 2, positive=False)]
        together, apart = (Session(FCANet(network), two_squares()) for _ in range(2))
        together.click_many(clicks)
        for click in clicks:
            apart.click_many([click])
        np.testing.assert_array_equal(together.mask, apart.mask)

    def test_the_trace_names_what_was_computed(self, network):
        step = Session(FCANet(network), two_squares(), trace=True).click(10, 10)
        assert set(step.trace) == {
            "positive_clicks",
            "negative_clicks",
            "first_click",
            "first_click_probability",
            "probability",
            "removed",
        }
        assert step.trace["removed"][22, 32]
        assert not (step.trace["removed"] & step.mask).any()
        assert step.trace["probability"].shape == step.trace["first_click"].shape == (512, 682)

    def test_no_trace_unless_asked(self, network):
        assert Session(FCANet(network), two_squares()).click(10, 10).trace == {}

    def test_extreme_logits_do_no_harm(self):
        class Extreme(ClosedForm):
            def forward(self, image, clicks, first):
                found = super().forward(image, clicks, first)
                return Prediction(found.logits * 1e9, found.first_click)

        step = Session(FCANet(Extreme().eval()), two_squares()).click(10, 10)
        assert np.isfinite(step.probability).all()
        assert step.mask[10, 10]

    def test_bad_steps_are_refused(self, network):
        method = FCANet(network)
        state = method.start(two_squares())
        with pytest.raises(ValueError, match="at least one"):
            method.step(state, [])
        with pytest.raises(ValueError, match="outside"):
            method.step(state, [Click(40, 3)])


class TestExistingMasks:
    def test_only_the_region_under_the_click_is_taken_over(self, network):
        existing = square(0, 25, 8, 30)
        session = Session(FCANet(network), two_squares(), existing)
        mask = session.click(10, 10).mask
        assert mask[10, 10]
        assert mask[28, 3]

    def test_a_drawn_mask_is_kept_likewise(self, network):
        session = Session(FCANet(network), two_squares())
        session.click(10, 10)
        drawn = session.mask | square(0, 25, 8, 30)
        edited = session.edit(drawn)
        np.testing.assert_array_equal(edited.mask, drawn)
        np.testing.assert_array_equal(edited.probability, drawn.astype(np.float32))
        mask = session.click(32, 22).mask
        assert mask[28, 3]
        assert mask[10, 10]
        assert mask[22, 32]

    def test_without_progressive_merge_the_mask_is_forgotten(self, network):
        options = FCANetOptions(progressive_merge=False)
        session = Session(FCANet(network, options), two_squares(), square(0, 25, 8, 30))
        assert not session.click(10, 10).mask[28, 3]


actions = st.lists(
    st.one_of(
        st.tuples(st.just("click"), st.integers(0, 39), st.integers(0, 29), st.booleans()),
        st.tuples(st.just("edit"), st.integers(0, 30), st.integers(0, 20)),
        st.tuples(st.just("reset")),
    ),
    min_size=1,
    max_size=5,
)


@settings(deadline=None, max_examples=15)
@given(actions, st.booleans())
def test_undo_and_replay_are_exact(wanted, existing):
    method = FCANet(ClosedForm().eval(), FCANetOptions(short_side=64))
    initial = square(0, 25, 8, 30) if existing else None
    session = Session(method, two_squares(), initial)
    before = [(session.mask, session.probability)]
    done = 0
    for kind, *rest in wanted:
        count = len(session.steps)
        if kind == "click":
            session.click(*rest)
        elif kind == "edit":
            session.edit(square(rest[0], rest[1], rest[0] + 7, rest[1] + 6))
        elif count:
            session.reset()
        else:
            continue
        done += 1
        before.append((session.mask, session.probability))
    again = replay(method, two_squares(), json.loads(json.dumps(session.log())))
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
def test_tiny_images_are_answered(shape, network):
    image = np.full((*shape, 3), 200, np.uint8)
    session = Session(FCANet(network, FCANetOptions(short_side=64)), image, trace=True)
    step = session.click(shape[1] - 1, shape[0] - 1)
    assert step.mask.shape == step.probability.shape == shape
    assert step.mask[-1, -1]


@pytest.mark.parity
def test_structural_integrity_equals_the_recorded_masks(parity_root):
    if not (parity_root / "E3_fcanet_sis.npz").is_file():
        pytest.skip(f"no case E3 in {parity_root}")
    case, _ = load_case(parity_root, "E3_fcanet_sis")
    predictions = np.unpackbits(case["pred"], axis=-1, count=160).astype(bool)
    assert len(case["shape"]) == 10
    for index, (height, width) in enumerate(case["shape"]):
        clicks = [Click(int(x), int(y)) for x, y in case["pts_xy"][index] if min(x, y) >= 0]
        found = structural_integrity(predictions[index, :height, :width], clicks)
        assert np.array_equal(found, case["out"][index, :height, :width] > 0), index


@pytest.mark.parity
@pytest.mark.slow
def test_the_whole_procedure_equals_the_recorded_run(parity_root, tmp_path):
    if not (parity_root / "A2_fcanet_resnet101_predict.npz").is_file():
        pytest.skip(f"no case A2 in {parity_root}")
    case, meta = load_case(parity_root, "A2_fcanet_resnet101_predict")
    keys = json.loads((parity_root / meta["keys"]).read_text())
    path = tmp_path / "fcanet-resnet101.pth"
    torch.save(state_dict(keys, meta["gain"], meta["overrides_added"]), path)
    method = load_method("fca_net", weights=path, device="cpu")
    path.unlink()  # a quarter of a gigabyte
    height, width = case["img"].shape[:2]
    clicks = [Click(int(x), int(y), bool(positive)) for x, y, positive in case["clicks"]]
    session = Session(method, case["img"], trace=True)
    done = 0
    for count in (1, 3, 6):
        step = session.click_many(clicks[done:count])
        done = count
        recorded = case[f"prob_{count}"] / 65535
        assert np.abs(step.probability[::2, ::2] - recorded).max() <= 2e-3
        for name, found in (
            ("mask", step.mask | step.trace["removed"]),
            ("mask_sis", step.mask),
        ):
            bits = case[f"{name}_{count}"]
            expected = np.unpackbits(bits, axis=-1, count=width).astype(bool)
            assert expected.shape == found.shape == (height, width)
            assert (found == expected).mean() >= 0.999
