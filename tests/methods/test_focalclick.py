"""FocalClick's procedure with a closed-form network: every mask can be worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from iseg_widget.clicks import Click
from iseg_widget.methods.focalclick import (
    FocalClick,
    FocalClickOptions,
    focus_region,
    target_crop,
)
from iseg_widget.protocol import VIEW_KINDS, Method, Step
from iseg_widget.session import Session
from iseg_widget.views import cut, expand, intersect, resize, whole
from tests.methods.stand_in import StandIn, picture, red

Box = tuple[int, int, int, int]
SIDE = 256
"""Images of this side fill the Segmentor of S2 pixel by pixel: no rounding in what is expected."""


def mask_of(*boxes: Box, shape: tuple[int, int] = (SIDE, SIDE)) -> NDArray[np.bool_]:
    mask = np.zeros(shape, bool)
    for box in boxes:
        cut(mask, box)[...] = True
    return mask


def session_on(
    image: NDArray[np.uint8],
    mask: NDArray[np.bool_] | None = None,
    *,
    trace: bool = False,
    **options: Any,
) -> Session:
    method = FocalClick(StandIn(), FocalClickOptions(**options))  # type: ignore[arg-type]
    return Session(method, image, mask, trace=trace)


def network_of(session: Session) -> StandIn:
    return session.method.network  # type: ignore[attr-defined,no-any-return]


def box_of_view(step: Step, kind: str) -> Box:
    (found,) = [view.box for view in step.views if view.kind == kind]
    return found


def left(image: Tensor, interaction: Tensor) -> Tensor:
    """A Segmentor that finds nothing beyond column 90 of a whole image."""
    seen = (torch.arange(image.shape[3]) < 90).float()
    return red(image * seen, interaction)


A: Box = (40, 60, 80, 100)
B: Box = (150, 130, 190, 180)
C: Box = (100, 200, 120, 216)


def test_it_is_a_method():
    method = FocalClick(StandIn())  # type: ignore[arg-type]
    assert isinstance(method, Method)
    assert method.name == "focalclick"
    assert method.options == FocalClickOptions()


class TestTargetCropRule:
    """Sec. 3.1: the box of the previous mask and the new click, expanded by r_TC."""

    def test_no_mask_yet_gives_the_whole_image(self):
        click = Click(50, 70)
        assert target_crop(mask_of(), [click], [click], 1.4) == (0, 0, 256, 256)

    def test_box_of_the_mask_times_the_ratio(self):
        click = Click(50, 70)
        assert target_crop(mask_of(A), [click], [click], 1.4) == (32, 52, 88, 108)

    @pytest.mark.parametrize("positive", [True, False])
    def test_a_new_click_of_either_kind_is_held(self, positive: bool):
        """Columns 40 to 119, rows 60 to 99: 80 x 40 pixels become 112 x 56."""
        click = Click(119, 70, positive)
        assert target_crop(mask_of(A), [click], [click], 1.4) == (24, 52, 136, 108)

    def test_earlier_clicks_are_held_when_positive(self):
        new = Click(50, 70)
        lost, background = Click(119, 70), Click(200, 70, positive=False)
        found = target_crop(mask_of(A), [lost, background, new], [new], 1.4)
        assert found == (24, 52, 136, 108)

    def test_cut_to_the_image(self):
        click = Click(0, 0)
        assert target_crop(mask_of(A), [click], [click], 3.0) == (0, 0, 160, 200)

    def test_a_dot_gives_at_least_ten_pixels(self):
        click = Click(50, 70)
        assert target_crop(mask_of((50, 70, 51, 71)), [click], [click], 1.4) == (45, 65, 56, 76)


class TestFocusCropRule:
    """Sec. 3.1: the box of the connected change under the click."""

    object_ = mask_of(A)

    def test_nothing_predicted(self):
        assert focus_region(mask_of(), self.object_, [(70, 50)], "difference") is None

    def test_first_prediction_is_refined_as_a_whole(self):
        assert focus_region(mask_of(A, C), mask_of(), [(70, 50)], "difference") == (
            40,
            60,
            120,
            216,
        )

    def test_change_under_the_click(self):
        added: Box = (120, 120, 190, 180)
        grown = mask_of((40, 60, 110, 100))
        assert focus_region(grown, self.object_, [(70, 100)], "difference") == (80, 60, 110, 100)
        both = mask_of(A, added)
        assert focus_region(both, self.object_, [(150, 160)], "difference") == added

    def test_removed_pixels_are_a_change_too(self):
        assert focus_region(mask_of(A), mask_of(A, B), [(150, 160)], "difference") == B

    def test_small_change_gives_way_to_a_square(self):
        """12 of 52 columns are less than a third; half side 0.2 x 52 = 10."""
        grown = mask_of((40, 60, 92, 100))
        found = focus_region(grown, self.object_, [(70, 85)], "difference")
        assert found == (75, 60, 96, 81)

    def test_unchanged_pixel_gives_a_square(self):
        grown = mask_of(A, B)
        found = focus_region(grown, self.object_, [(70, 60)], "difference")
        half = round(0.2 * 150)
        assert found == (60 - half, 70 - half, 60 + half + 1, 70 + half + 1)

    def test_several_clicks_share_a_region(self):
        found = focus_region(mask_of(A, B, C), self.object_, [(150, 160), (205, 110)], "difference")
        assert found == (100, 130, 190, 216)

    def test_other_rules(self):
        prediction = mask_of(A, B)
        assert focus_region(prediction, self.object_, [(150, 160)], "object") == (40, 60, 190, 180)
        assert focus_region(prediction, self.object_, [(150, 160)], "click") == (130, 120, 191, 181)


class TestWhereItLooks:
    def test_first_click_sees_the_whole_image(self):
        step = session_on(picture(mask_of(A))).click(60, 80)
        assert [view.kind for view in step.views] == ["target_crop", "focus_crop"]
        assert all(view.kind in VIEW_KINDS for view in step.views)
        assert box_of_view(step, "target_crop") == (0, 0, 256, 256)
        assert box_of_view(step, "focus_crop") == expand(A, 1.4, (SIDE, SIDE))

    @pytest.mark.parametrize("ratio", [1.0, 1.4, 2.5])
    def test_later_clicks_see_the_mask_and_the_click(self, ratio: float):
        session = session_on(picture(mask_of(A)), r_tc=ratio)
        session.click(60, 80)
        np.testing.assert_array_equal(session.mask, mask_of(A))
        step = session.click(119, 70, positive=False)
        held = (40, 60, 120, 100)
        assert box_of_view(step, "target_crop") == expand(held, ratio, (SIDE, SIDE))

    @pytest.mark.parametrize("ratio", [1.0, 1.4, 2.5])
    def test_focus_crop_is_expanded_by_r_fc(self, ratio: float):
        step = session_on(picture(mask_of(A)), r_fc=ratio).click(60, 80)
        assert box_of_view(step, "focus_crop") == expand(A, ratio, (SIDE, SIDE))

    @pytest.mark.parametrize("version", ["S1", "S2"])
    def test_focus_crop_is_the_change_seen_through_the_target_crop(self, version: str):
        """Both masks are compared in the target crop, here 210 x 168 pixels: a pixel or two off."""
        session = session_on(picture(mask_of(A)), mask_of(A, B), version=version)
        step = session.click(170, 150, positive=False)
        assert box_of_view(step, "target_crop") == expand((40, 60, 190, 180), 1.4, (SIDE, SIDE))
        found = np.array(box_of_view(step, "focus_crop"))
        assert np.abs(found - expand(B, 1.4, (SIDE, SIDE))).max() <= 3

    def test_without_target_crop_every_click_sees_the_whole_image(self):
        session = session_on(picture(mask_of(A)), target_crop=False)
        for _ in range(2):
            assert box_of_view(session.click(60, 80), "target_crop") == (0, 0, 256, 256)

    def test_without_focus_crop_nothing_is_refined(self):
        session = session_on(picture(mask_of(A), mask_of()), focus_crop="off")
        step = session.click(60, 80)
        assert [view.kind for view in step.views] == ["target_crop"]
        assert network_of(session).refined == []
        np.testing.assert_array_equal(session.mask, mask_of(A))

    def test_nothing_found_is_not_refined(self):
        session = session_on(picture(mask_of()))
        step = session.click(60, 80)
        assert [view.kind for view in step.views] == ["target_crop"]
        assert not session.mask.any()
        assert session.click(62, 80).views == step.views

    def test_image_and_crop_reach_the_networks(self):
        image = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
        image[:, :, 0] = mask_of(A) * 255
        session = session_on(image)
        step = session.click(60, 80)
        seen = network_of(session).segmented[0][0][0].permute(1, 2, 0).numpy()
        np.testing.assert_allclose(seen * 255, image, atol=1e-3)
        close, _, box = network_of(session).refined[0]
        focus = box_of_view(step, "focus_crop")
        assert box == list(focus)  # pixels of the Segmentor's input, here those of the image
        expected = resize(cut(image, focus), (256, 256)) / 255
        np.testing.assert_allclose(close[0].permute(1, 2, 0).numpy(), expected, atol=1e-6)

    def test_focus_box_is_given_in_pixels_of_the_resized_target_crop(self):
        image = picture(mask_of((100, 100, 220, 160), shape=(300, 600)))
        session = session_on(image, version="S1")
        session.click(150, 130)
        step = session.click(110, 110)
        target, focus = box_of_view(step, "target_crop"), box_of_view(step, "focus_crop")
        _, _, box = network_of(session).refined[-1]
        width, height = target[2] - target[0], target[3] - target[1]
        expected = [
            (focus[0] - target[0]) * 128 / width,
            (focus[1] - target[1]) * 128 / height,
            (focus[2] - target[0]) * 128 / width,
            (focus[3] - target[1]) * 128 / height,
        ]
        np.testing.assert_allclose(box, expected, atol=1e-4)


class TestWhatIsFed:
    @pytest.mark.parametrize(("version", "side", "radius"), [("S1", 128, 3), ("S2", 256, 5)])
    def test_sides_and_disks(self, version: str, side: int, radius: int):
        session = session_on(picture(mask_of(A)), version=version)
        session.click(60, 80)
        image, interaction = network_of(session).segmented[0]
        assert image.shape == (1, 3, side, side)
        assert interaction.shape == (1, 3, side, side)
        scale = side / SIDE
        rows, columns = np.indices((side, side))
        x, y = 60.5 * scale - 0.5, 80.5 * scale - 0.5
        disk = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
        np.testing.assert_array_equal(interaction[0, 1].numpy(), disk)
        assert not interaction[0, 2].any()
        close, clicks, _ = network_of(session).refined[0]
        assert close.shape == (1, 3, 256, 256)
        assert clicks.shape == (1, 2, 256, 256)
        assert clicks[0, 0].any()
        assert not clicks[0, 1].any()

    def test_every_click_is_fed_every_time(self):
        session = session_on(picture(mask_of(A)), target_crop=False)
        session.click(60, 80)
        session.click(200, 30, positive=False)
        session.click_many([Click(50, 70), Click(100, 240, positive=False)])
        _, interaction = network_of(session).segmented[-1]
        positive, negative = interaction[0, 1].numpy(), interaction[0, 2].numpy()
        assert [positive[80, 60], positive[70, 50], positive[30, 200]] == [1, 1, 0]
        assert [negative[30, 200], negative[240, 100], negative[80, 60]] == [1, 1, 0]

    def test_previous_mask_is_empty_at_first_and_then_the_probability(self):
        session = session_on(picture(mask_of(A)))
        session.click(60, 80)
        assert not network_of(session).segmented[0][1][0, 0].any()
        before = session.probability
        step = session.click(119, 70, positive=False)
        fed = network_of(session).segmented[1][1][0, 0].numpy()
        expected = resize(cut(before, box_of_view(step, "target_crop")), (256, 256))
        np.testing.assert_allclose(fed, expected, atol=0.02)

    def test_existing_mask_is_fed_at_the_first_click(self):
        session = session_on(picture(mask_of(A)), mask_of(A, B))
        step = session.click(170, 150, positive=False)
        fed = network_of(session).segmented[0][1][0, 0].numpy()
        expected = resize(cut(mask_of(A, B), box_of_view(step, "target_crop")), (256, 256))
        np.testing.assert_allclose(fed, expected, atol=1e-6)


class TestPasting:
    def test_refined_inside_the_focus_crop_coarse_outside(self):
        """Red is one large block; green says that it is hollow."""
        coarse, fine = mask_of((40, 40, 200, 200)), mask_of((40, 40, 200, 200))
        fine[50:190, 50:190] = False
        session = session_on(picture(coarse, fine), focus_crop="click")
        step = session.click(100, 100)
        focus = box_of_view(step, "focus_crop")
        assert intersect(focus, (50, 50, 190, 190)) == focus
        expected = coarse.copy()
        cut(expected, focus)[...] = False
        np.testing.assert_array_equal(session.mask, expected)
        np.testing.assert_array_equal(session.probability > 0.5, expected)

    def test_nothing_outside_the_target_crop(self):
        """B is red too, but after the first click nobody looks there."""
        session = session_on(picture(mask_of(A, B)))
        network_of(session).rule = left
        session.click(60, 80)
        network_of(session).rule = red
        session.click(61, 81)
        np.testing.assert_array_equal(session.mask, mask_of(A))

    @pytest.mark.parametrize(("threshold", "found"), [(0.5, True), (0.8, True), (0.9, False)])
    def test_threshold(self, threshold: float, found: bool):
        """Red 0.6 has the logit 1.6 and the probability 0.83."""
        image = np.zeros((SIDE, SIDE, 3), np.uint8)
        image[60:100, 40:80] = 153
        session = session_on(image, threshold=threshold)
        session.click(200, 200)
        assert session.mask[80, 60] == found

    def test_seconds_are_measured(self):
        assert session_on(picture(mask_of(A))).click(60, 80).seconds > 0


class TestProgressiveMerge:
    """Sec. 3.1 and 3.2: an existing mask changes in the region under the click only."""

    def test_existing_mask_keeps_its_other_pixels(self):
        """Red has A and B; the existing mask has A and C: the click on B must not cost C."""
        session = session_on(picture(mask_of(A, B)), mask_of(A, C))
        session.click(170, 150)
        np.testing.assert_array_equal(session.mask, mask_of(A, B, C))

    def test_a_negative_click_removes_its_region_only(self):
        session = session_on(picture(mask_of(A)), mask_of(A, B, C))
        session.click(170, 150, positive=False)
        np.testing.assert_array_equal(session.mask, mask_of(A, C))

    def test_click_where_the_network_sees_no_change(self):
        session = session_on(picture(mask_of(A, B)), mask_of(A, C))
        session.click(240, 20)
        np.testing.assert_array_equal(session.mask, mask_of(A, C))

    def test_switched_off_the_prediction_replaces_the_mask(self):
        session = session_on(
            picture(mask_of(A, B)), mask_of(A, C), progressive_merge=False, r_tc=9.0
        )
        session.click(170, 150)
        np.testing.assert_array_equal(session.mask, mask_of(A, B))

    def test_from_scratch_the_prediction_replaces_the_mask(self):
        session = session_on(picture(mask_of(A)))
        session.click(60, 80)
        network_of(session).rule = lambda image, _: 0 * image[:, :1] - 9
        session.click(61, 81)
        assert not session.mask.any()

    def test_after_an_edit_it_is_on(self):
        session = session_on(picture(mask_of(A, B)))
        session.click(60, 80)
        session.edit(mask_of(A, C))
        session.click(170, 150)
        np.testing.assert_array_equal(session.mask, mask_of(A, B, C))

    def test_an_edit_is_taken_pixel_by_pixel(self):
        session = session_on(picture(mask_of(A)))
        session.click(60, 80)
        drawn = np.random.default_rng(0).random((SIDE, SIDE)) > 0.5
        step = session.edit(drawn)
        np.testing.assert_array_equal(session.mask, drawn)
        np.testing.assert_array_equal(session.probability, drawn.astype(np.float32))
        assert step.views == ()

    @pytest.mark.parametrize("merge_after", [1, 2, 3])
    def test_from_scratch_it_starts_after_some_clicks(self, merge_after: int):
        """C turns up in the prediction while A is clicked: first it is taken, later it is not."""
        session = session_on(picture(mask_of(A, C)), merge_after=merge_after, target_crop=False)
        network = network_of(session)
        network.rule = left
        for _ in range(merge_after - 1):
            session.click(60, 80)
        network.rule = red
        session.click(60, 80)
        np.testing.assert_array_equal(session.mask, mask_of(A, C))
        session.undo()
        network.rule = left
        session.click(60, 80)
        network.rule = red
        session.click(60, 80)
        np.testing.assert_array_equal(session.mask, mask_of(A))

    def test_it_can_be_on_from_the_first_click(self):
        session = session_on(picture(mask_of(A, C)), merge_after=0)
        session.click(60, 80)
        np.testing.assert_array_equal(session.mask, mask_of(A))

    def test_ten_clicks_are_the_papers(self):
        assert FocalClickOptions().merge_after == 10
        session = session_on(picture(mask_of(A)), target_crop=False, version="S1")
        for index in range(10):
            session.click(55 + index, 80)
        network_of(session).rule = lambda image, _: 0 * image[:, :1] - 9
        other = Session(session.method, session.image)
        session.click(200, 200, positive=False)  # the eleventh: A is kept
        assert session.mask.any()
        other.click(200, 200, positive=False)  # a first one: nothing is
        assert not other.mask.any()

    def test_clicks_that_came_together_count_one_by_one(self):
        session = session_on(picture(mask_of(A, B, C)), merge_after=1)
        session.click_many([Click(60, 80), Click(170, 150)])
        np.testing.assert_array_equal(session.mask, mask_of(A, B))


class TestCoalescedClicks:
    def test_one_pass_with_all_of_them(self):
        session = session_on(picture(mask_of(A, B)))
        step = session.click_many([Click(60, 80), Click(170, 150), Click(5, 5, positive=False)])
        network = network_of(session)
        assert (len(network.segmented), len(network.refined)) == (1, 1)
        assert step.clicks == session.clicks
        assert len(step.clicks) == 3
        assert session.groups == (3,)
        _, interaction = network.segmented[0]
        assert interaction[0, 1, 80, 60] == interaction[0, 1, 150, 170] == 1
        assert interaction[0, 2, 5, 5] == 1

    def test_crops_hold_all_of_them(self):
        session = session_on(picture(mask_of(A)))
        session.click(60, 80)
        step = session.click_many([Click(20, 80, positive=False), Click(100, 90, positive=False)])
        assert box_of_view(step, "target_crop") == expand((20, 60, 101, 100), 1.4, (SIDE, SIDE))

    def test_no_click_is_refused(self):
        method = FocalClick(StandIn())  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="at least one new click"):
            method.step(method.start(picture(mask_of(A))), [])


class TestTrace:
    of_segmentor = frozenset(("previous_mask", "positive_clicks", "negative_clicks", "coarse"))
    of_refiner = frozenset(("focus_coarse", "detail", "boundary", "refined"))

    def test_named_maps_of_both_networks(self):
        step = session_on(picture(mask_of(A)), trace=True, version="S1").click(60, 80)
        assert set(step.trace) == self.of_segmentor | self.of_refiner
        for name, array in step.trace.items():
            side = 256 if name in self.of_refiner else 128
            assert array.shape == (side, side), name
            assert array.min() >= 0, name
            assert array.max() <= 1, name
        assert step.trace["coarse"][40, 30] > 0.99
        assert step.trace["positive_clicks"].sum() > 0
        assert step.trace["negative_clicks"].sum() == 0

    def test_without_focus_crop_there_is_nothing_of_the_refiner(self):
        step = session_on(picture(mask_of(A)), trace=True, focus_crop="off").click(60, 80)
        assert set(step.trace) == self.of_segmentor

    def test_nothing_unless_asked_and_no_influence(self):
        plain, traced = (session_on(picture(mask_of(A)), trace=on) for on in (False, True))
        for session in (plain, traced):
            session.click(60, 80)
            session.click(100, 90, positive=False)
        assert plain.step.trace == {}
        np.testing.assert_array_equal(plain.probability, traced.probability)


class TestOptions:
    def test_defaults_are_the_papers(self):
        options = FocalClickOptions()
        assert (options.r_tc, options.r_fc, options.threshold) == (1.4, 1.4, 0.5)
        assert (options.target_crop, options.focus_crop) == (True, "difference")
        assert (options.progressive_merge, options.merge_after) == (True, 10)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("version", "S3"),
            ("version", 1),
            ("focus_crop", "none"),
            ("focus_crop", None),
            ("r_tc", 0.9),
            ("r_tc", 11),
            ("r_tc", float("nan")),
            ("r_fc", 0),
            ("threshold", 0.0),
            ("threshold", 1.0),
            ("threshold", float("nan")),
            ("merge_after", -1),
        ],
    )
    def test_values_outside_are_named(self, name: str, value: Any):
        with pytest.raises(ValueError, match=name):
            FocalClickOptions(**{name: value})

    @pytest.mark.parametrize("name", ["r_tc", "r_fc"])
    def test_bounds_are_accepted(self, name: str):
        for value in (1, 1.0, 10):
            assert getattr(FocalClickOptions(**{name: value}), name) == value


@pytest.mark.parametrize("click", [Click(SIDE - 0.4, 3), Click(3, -0.6), Click(-1, -1)])
def test_clicks_outside_are_refused(click: Click):
    method = FocalClick(StandIn())  # type: ignore[arg-type]
    state = method.start(picture(mask_of(A)))
    with pytest.raises(ValueError, match="outside the image of 256 x 256 pixels"):
        method.step(state, [Click(3, 3), click])


def test_states_are_not_changed_by_steps():
    """Undo keeps the old state: answering from it again must give the same answer."""
    method = FocalClick(StandIn())  # type: ignore[arg-type]
    state, _ = method.step(method.start(picture(mask_of(A, C))), [Click(60, 80)])
    _, first = method.step(state, [Click(100, 90, positive=False)])
    method.edit(state, mask_of(B))
    method.step(state, [Click(10, 10)])
    _, again = method.step(state, [Click(100, 90, positive=False)])
    np.testing.assert_array_equal(first.probability, again.probability)
    np.testing.assert_array_equal(first.mask, again.mask)
    assert first.views == again.views


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 2), (2, 1), (5, 7), (1, 300), (300, 1), (9, 9), (40, 4000), (2, 40000)]
)
def test_tiny_and_thin_images(shape: tuple[int, int]):
    coarse = np.zeros(shape, bool)
    coarse[: shape[0] // 2 + 1, : shape[1] // 2 + 1] = True
    session = session_on(picture(coarse))
    for x, y in ((0, 0), (shape[1] - 1, shape[0] - 1), (shape[1] // 2, 0)):
        step = session.click(x, y)
        assert session.mask.shape == shape
        assert session.probability.shape == shape
        assert np.isfinite(session.probability).all()
        for view in step.views:
            assert intersect(view.box, whole(shape)) == view.box
    session.edit(np.zeros(shape, bool))
    session.click(0, 0, positive=False)


@settings(deadline=None, max_examples=25)
@given(data=st.data(), seed=st.integers(0, 10**6))
def test_whatever_is_clicked(data: st.DataObject, seed: int):
    """Crops lie in the image and hold the new clicks; the mask says no more than was looked at."""
    rng = np.random.default_rng(seed)
    shape = data.draw(st.tuples(st.integers(1, 90), st.integers(1, 90)))
    blobs = resize(rng.random((3, 3)).astype(np.float32), shape) > 0.5
    options = FocalClickOptions(
        version="S1",
        focus_crop=data.draw(st.sampled_from(["difference", "object", "click", "off"])),
        progressive_merge=data.draw(st.booleans()),
        merge_after=data.draw(st.integers(0, 3)),
    )
    existing = rng.random(shape) > 0.7 if data.draw(st.booleans()) else None
    session = Session(FocalClick(StandIn(), options), picture(blobs), existing)  # type: ignore[arg-type]
    for _ in range(4):
        x, y = float(rng.integers(shape[1])), float(rng.integers(shape[0]))
        before = session.mask
        step = session.click(x, y, bool(rng.random() < 0.6))
        target = box_of_view(step, "target_crop")
        assert intersect(target, whole(shape)) == target
        assert target[0] <= x < target[2]
        assert target[1] <= y < target[3]
        for view in step.views[1:]:
            assert intersect(view.box, target) == view.box
        inside = mask_of(target, shape=shape)
        assert not step.probability[~inside].any()
        np.testing.assert_array_equal(step.mask[~inside], before[~inside])
        assert 0 <= step.probability.min() <= step.probability.max() <= 1
        changed = step.mask != before
        merged = options.progressive_merge and (
            existing is not None or len(session.clicks) > options.merge_after
        )
        if merged and changed.any():
            assert changed[int(y), int(x)]
