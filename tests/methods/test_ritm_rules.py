import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iseg_widget.clicks import Click
from iseg_widget.methods.ritm_rules import (
    ZoomProbability,
    click_maps,
    crop_clicks,
    crop_image,
    crop_size,
    grow,
    holds,
    keeps,
    mirror_clicks,
    object_region,
    overlap,
    resize_map,
)
from iseg_widget.views import cut, resize_corners

SHAPE = (100, 140)


@st.composite
def boxes(draw, shape=SHAPE):
    x0, y0 = draw(st.integers(0, shape[1] - 1)), draw(st.integers(0, shape[0] - 1))
    x1, y1 = draw(st.integers(x0 + 1, shape[1])), draw(st.integers(y0 + 1, shape[0]))
    return x0, y0, x1, y1


def inside(inner, outer):
    return (
        outer[0] <= inner[0]
        and outer[1] <= inner[1] <= inner[3] <= outer[3] >= inner[3]
        and (inner[2] <= outer[2])
    )


class TestRegions:
    @settings(deadline=None)
    @given(box=boxes(), ratio=st.floats(1.0, 3.0), smallest=st.integers(1, 200))
    def test_a_grown_box_holds_the_box_and_lies_in_the_image(self, box, ratio, smallest):
        grown = grow(box, ratio, SHAPE, smallest)
        assert inside(box, grown)
        assert inside(grown, (0, 0, SHAPE[1], SHAPE[0]))
        for axis in (0, 1):
            length = grown[axis + 2] - grown[axis]
            wanted = max(ratio * (box[axis + 2] - box[axis]), smallest)
            assert length <= wanted + 2

    def test_ends_are_inclusive_and_rounded_half_to_even(self):
        """Columns 10 to 19: centre 14.5, half 7, ends 7.5 and 21.5, so 8 to 22."""
        assert grow((10, 40, 20, 41), 1.4, SHAPE) == (8, 39, 23, 42)
        assert grow((10, 40, 20, 41), 1.4, SHAPE, 20) == (4, 30, 25, 51)

    def test_the_region_is_the_object_and_the_positive_clicks(self):
        mask = np.zeros(SHAPE, bool)
        assert object_region(mask, [Click(5, 5)]) is None
        mask[40:50, 60:70] = True
        assert object_region(mask, [], 1.0, 1) == grow((60, 40, 70, 50), 1.0, SHAPE)
        wide = object_region(mask, [Click(80, 45), Click(5, 5, positive=False)], 1.0, 1)
        assert wide == grow((60, 40, 81, 50), 1.0, SHAPE)

    def test_the_last_row_and_column_count_as_outside(self):
        region = (10, 20, 30, 40)
        assert holds(region, [Click(10, 20), Click(28, 38), Click(99, 99, positive=False)])
        assert not holds(region, [Click(29, 30)])
        assert not holds(region, [Click(15, 39)])
        assert not holds(region, [Click(9, 30)])

    @given(first=boxes(), second=boxes())
    def test_overlap_is_symmetric_and_1_for_equal_boxes_only(self, first, second):
        assert overlap(first, second) == overlap(second, first)
        assert (overlap(first, second) == 1) == (first == second)

    def test_overlap_is_the_product_of_both_axes(self):
        assert overlap((0, 0, 10, 10), (5, 0, 15, 20)) == pytest.approx(1 / 3 * 1 / 2)
        assert overlap((0, 0, 10, 10), (10, 0, 15, 20)) == 0

    def test_a_region_is_kept_at_exactly_the_least_overlap(self):
        kept, new = (0, 0, 20, 10), (0, 0, 10, 10)
        assert keeps(kept, new, [], 0.5)
        assert not keeps(kept, new, [], 0.51)
        assert not keeps(kept, new, [Click(19, 5)], 0.5)


class TestCrops:
    def test_the_longer_side_is_given(self):
        assert crop_size((0, 0, 200, 193), 400) == (386, 400)
        assert crop_size((5, 5, 105, 605), 400) == (400, 67)
        assert crop_size((0, 0, 1000, 1), 40) == (1, 40)

    @settings(deadline=None)
    @given(box=boxes(), height=st.integers(1, 30), width=st.integers(1, 30))
    def test_images_are_resized_corners_on_corners(self, box, height, width):
        image = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), np.uint8)
        found = crop_image(image, box, (height, width))
        expected = resize_corners(cut(image, box), (height, width)).transpose(2, 0, 1) / 255
        np.testing.assert_allclose(found, expected, atol=1e-5)
        np.testing.assert_allclose(
            resize_map(image[..., 0] / np.float32(255), (height, width)),
            resize_corners(image[..., 0], (height, width)) / 255,
            atol=1e-5,
        )

    @settings(deadline=None)
    @given(box=boxes(), data=st.data())
    def test_clicks_fall_where_the_crop_shows_their_pixel(self, box, data):
        """The image's first channel is its column, the second its row."""
        x = data.draw(st.integers(box[0], box[2] - 1))
        y = data.draw(st.integers(box[1], box[3] - 1))
        size = (2 * (box[3] - box[1]) - 1, 3 * (box[2] - box[0]) - 2)  # every pixel has a place
        rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
        image = np.dstack([columns, rows, rows]).astype(np.uint8)
        crop = crop_image(image, box, size) * 255
        ((column, row, positive),) = crop_clicks([Click(x, y)], box, size)
        assert positive == 1
        assert crop[0, round(row), round(column)] == pytest.approx(x, abs=1e-3)
        assert crop[1, round(row), round(column)] == pytest.approx(y, abs=1e-3)

    def test_published_clicks_have_a_grid_of_their_own(self):
        ((x, y, _),) = crop_clicks([Click(59, 29)], (50, 20, 60, 30), (40, 20), compat=True)
        assert (x, y) == (18, 36)
        ((x, y, _),) = crop_clicks([Click(59, 29)], (50, 20, 60, 30), (40, 20))
        assert (x, y) == (19, 39)

    def test_a_click_beyond_two_edges_paints_unless_compat(self):
        points = np.array([[-1.0, -1.0, 1.0]], np.float32)
        assert click_maps(points, (10, 10), 3.0)[0].any()
        assert not click_maps(points, (10, 10), 3.0, compat=True).any()
        beside = np.array([[-1.0, 0.0, 0.0]], np.float32)
        for compat in (False, True):
            assert click_maps(beside, (10, 10), 3.0, compat=compat)[1].any()

    def test_mirrored_clicks_paint_mirrored_maps(self):
        points = np.array([[3.0, 2.0, 1.0], [7.25, 5.5, 0.0]], np.float32)
        straight = click_maps(points, (9, 12), 3.0)
        mirrored = click_maps(mirror_clicks(points, 12), (9, 12), 3.0)
        np.testing.assert_array_equal(mirrored, straight[:, :, ::-1])


def test_a_probability_is_0_outside_its_box():
    logits = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    soft = ZoomProbability(SHAPE, (10, 20, 60, 50), (20, 24), logits)
    full = soft.render()
    assert full.shape == SHAPE
    outside = np.ones(SHAPE, bool)
    outside[20:50, 10:60] = False
    assert not full[outside].any()
    assert full[20, 10] == pytest.approx(1 / (1 + np.exp(-logits[0, 0])), abs=1e-6)
    assert full[49, 59] == pytest.approx(1 / (1 + np.exp(-logits[-1, -1])), abs=1e-6)
    np.testing.assert_array_equal(soft.exceeds(0.3), full > 0.3)
    np.testing.assert_array_equal(soft.render((5, 5, 30, 40)), full[5:40, 5:30])
