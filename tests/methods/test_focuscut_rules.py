"""FocusCut's rules: properties, and the recorded cases B3."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iseg_widget.clicks import Click
from iseg_widget.masks import box_of
from iseg_widget.methods.focuscut_rules import (
    Focus,
    focus_scope,
    padded,
    scope_ratio,
    to_view,
    view_size,
    write_turn,
    zoom_box,
)
from iseg_widget.views import whole
from tests.published import load_case

shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))


@st.composite
def scenes(draw):
    """A mask, another, and clicks."""
    height, width = draw(shapes)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    masks = [
        np.kron(rng.random((height // 4 + 1, width // 4 + 1)) < p, np.ones((4, 4)))[:height, :width]
        for p in rng.random(2)
    ]
    count = draw(st.integers(1, 4))
    clicks = [
        Click(int(rng.integers(width)), int(rng.integers(height)), bool(rng.integers(2)))
        for _ in range(count)
    ]
    return masks[0].astype(bool), masks[1].astype(bool), clicks


class TestZoom:
    @given(scenes())
    def test_the_box_lies_in_the_image_and_holds_object_and_positive_clicks(self, scene):
        mask, _, clicks = scene
        kept = whole(mask.shape)
        box = zoom_box(mask, clicks, kept)
        x0, y0, x1, y1 = box
        assert 0 <= x0 < x1 <= mask.shape[1]
        assert 0 <= y0 < y1 <= mask.shape[0]
        for click in clicks:
            row, column = click.pixel
            assert not click.positive or (x0 <= column < x1 and y0 <= row < y1)
        held = box_of(mask)
        if held is not None:
            assert x0 <= held[0] < held[2] <= x1
            assert y0 <= held[1] < held[3] <= y1

    @given(scenes())
    def test_a_box_that_was_chosen_stays(self, scene):
        mask, _, clicks = scene
        box = zoom_box(mask, clicks, whole(mask.shape))
        assert zoom_box(mask, clicks, box) == box

    def test_without_a_mask_the_box_stays_unless_a_positive_click_lies_outside(self):
        nothing = np.zeros((50, 60), bool)
        assert zoom_box(nothing, [Click(4, 4)], (0, 0, 30, 30)) == (0, 0, 30, 30)
        assert zoom_box(nothing, [Click(50, 4, positive=False)], (0, 0, 30, 30)) == (0, 0, 30, 30)
        assert zoom_box(nothing, [Click(50, 4)], (0, 0, 30, 30)) == (35, 0, 60, 25)

    def test_a_small_object_is_seen_in_half_of_the_shorter_side(self):
        mask = np.zeros((100, 200), bool)
        mask[40:50, 90:100] = True
        x0, y0, x1, y1 = zoom_box(mask, [Click(95, 45)], whole(mask.shape))
        assert (x1 - x0, y1 - y0) == (50, 50)


class TestClicks:
    @given(scenes(), st.integers(32, 400))
    def test_clicks_in_a_box_are_kept_inside_and_others_dropped(self, scene, side):
        mask, _, clicks = scene
        for box in (whole(mask.shape), (0, 0, 7, 9), (-5, -3, 6, 8)):
            size = view_size(box, side, 2048)
            found = to_view(clicks, box, size)
            inside = [c for c in clicks if c.pixel[1] < box[2] and c.pixel[0] < box[3]]
            assert len(found) == len(inside)
            assert ((found[:, :2] >= 0) & (found[:, :2] < size[::-1])).all()

    def test_the_centre_of_a_focus_view_stays_its_centre(self):
        for radius in (5, 8, 23, 24, 60):
            box = (40 - radius, 30 - radius, 41 + radius, 31 + radius)
            assert to_view([Click(40, 30)], box, (384, 384)).tolist() == [[192, 192, 1]]


class TestScope:
    @given(scenes())
    def test_it_is_five_at_least_and_reaches_no_further_than_the_image(self, scene):
        previous, current, clicks = scene
        for click in clicks:
            radius, focus = focus_scope(previous, current, click.pixel)
            assert 5 <= radius <= max(5, *previous.shape)
            if previous[click.pixel] == current[click.pixel]:
                assert focus

    def test_a_large_change_is_not_focused(self):
        before, after = np.zeros((2, 40, 40), bool)
        after[5:35, 5:35] = True
        assert focus_scope(before, after, (20, 20)) == (15, False)
        before[...] = after
        before[10:14, 10:14] = False
        assert focus_scope(before, after, (11, 11)) == (5, True)
        assert focus_scope(before, after, (11, 11), lam=0.0) == (5, False)

    @settings(max_examples=40)
    @given(st.integers(0, 2**32 - 1), st.sampled_from([32, 64, 96]))
    def test_the_ratio_stays_in_its_bounds(self, seed, side):
        rng = np.random.default_rng(seed)
        before, after = (np.kron(rng.random((8, 8)) < 0.7, np.ones((side // 8,) * 2)) > 0,) * 2
        after = after.copy()
        after[: rng.integers(1, side), : rng.integers(1, side)] ^= True
        ratio = scope_ratio(before, after)
        assert ratio is None or 0.2 <= ratio <= 1.1
        assert scope_ratio(before, before) is None


class TestPasting:
    def test_views_that_meet_are_averaged_and_the_rest_stays(self):
        full = np.full((20, 20), 0.25, np.float32)
        low, high = (np.full((8, 8), v, np.float32) for v in (-30.0, 30.0))
        turn = [Focus((-4, -4, 8, 8), (32, 32), low), Focus((4, 4, 30, 12), (32, 32), high)]
        write_turn(full, turn)
        np.testing.assert_allclose(full[0:4, 0:4], 0.0, atol=1e-6)
        np.testing.assert_allclose(full[4:8, 4:8], 0.5, atol=1e-6)
        np.testing.assert_allclose(full[8:12, 4:], 1.0, atol=1e-6)
        assert (full[12:] == 0.25).all()

    def test_outside_the_image_is_black(self):
        found = padded(np.full((4, 5, 3), 9, np.uint8), (-2, -1, 3, 6))
        assert found.shape == (7, 5, 3)
        assert (found[1:5, 2:] == 9).all()
        assert found.sum() == 4 * 3 * 3 * 9


@pytest.mark.parity
def test_scopes_and_ratios_equal_the_recorded_ones(parity_root):
    if not (parity_root / "B3_helpers.npz").is_file():
        pytest.skip(f"no case B3 in {parity_root}")
    case, _ = load_case(parity_root, "B3_helpers")
    predictions = np.unpackbits(case["pred"], axis=-1, count=160).astype(bool)
    assert len(case["r"]) == 20
    for index, (height, width) in enumerate(case["shape"]):
        previous = case["pre"][index, :height, :width] > 0
        column, row = (int(v) for v in case["pt"][index])
        found = focus_scope(previous, predictions[index, :height, :width], (row, column))
        assert found == (case["r"][index], bool(case["hr"][index])), index
        side = case["side"][index]
        before, after = case["local"][index, :, :side, :side] > 0
        for epsilon, name in ((2.0, "ratio2"), (5.0, "ratio5")):
            ratio = scope_ratio(before, after, epsilon=epsilon)
            expected = case[name][index]
            if np.isnan(expected):
                assert ratio is None
            else:
                assert ratio == pytest.approx(expected, rel=1e-6)
