from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from iseg_widget.regions import Region
from iseg_widget.views import (
    Box,
    Layers,
    Patch,
    cut,
    expand,
    intersect,
    mask_layers,
    reduce_mask,
    resize,
    sigmoid,
    whole,
)

quick = settings(deadline=None, max_examples=60)
extents = st.integers(1, 60)
shapes = st.tuples(extents, extents)

# Two ways to interpolate the same patch: OpenCV 4 places samples of a warp on a grid of 1/32 of
# a cell, so logits differ by up to 1/64 of a cell's slope, and probabilities by a quarter of it.
WINDOW_TOLERANCE = 0.02


@st.composite
def box_in(draw: st.DrawFn, shape: tuple[int, int]) -> Box:
    x0, y0 = draw(st.integers(0, shape[1] - 1)), draw(st.integers(0, shape[0] - 1))
    x1, y1 = draw(st.integers(x0 + 1, shape[1])), draw(st.integers(y0 + 1, shape[0]))
    return x0, y0, x1, y1


def contains(outer: Box, inner: Box) -> bool:
    return intersect(outer, inner) == inner


def constant(box: Box, logit: float, side: int = 4) -> Patch:
    return Patch(box, np.full((side, side), logit, np.float16))


class TestBoxes:
    def test_whole(self):
        assert whole((5, 9)) == (0, 0, 9, 5)

    def test_expand_about_the_centre(self):
        """40 x 20 pixels by 1.4 are 56 x 28."""
        assert expand((100, 100, 140, 120), 1.4, (500, 500)) == (92, 96, 148, 124)

    def test_expand_rounds_outwards(self):
        """5 pixels by 1.3 are 6.5, from 9.25 to 15.75."""
        assert expand((10, 10, 15, 15), 1.3, (500, 500)) == (9, 9, 16, 16)

    def test_expand_is_cut_to_the_image(self):
        assert expand((0, 5, 40, 45), 1.5, (50, 45)) == (0, 0, 45, 50)

    def test_expand_to_the_smallest_side(self):
        assert expand((50, 50, 52, 60), 1.0, (100, 100), 10) == (46, 50, 56, 60)

    @quick
    @given(data=st.data(), shape=shapes, ratio=st.floats(1.0, 10.0), smallest=st.integers(1, 40))
    def test_expand_stays_inside_and_contains_the_box(
        self, data: st.DataObject, shape: tuple[int, int], ratio: float, smallest: int
    ):
        box = data.draw(box_in(shape))
        grown = expand(box, ratio, shape, smallest)
        assert contains(whole(shape), grown)
        assert contains(grown, box)
        assert all(isinstance(value, int) for value in grown)

    @quick
    @given(data=st.data(), shape=shapes)
    def test_intersection_is_the_common_pixels(self, data: st.DataObject, shape: tuple[int, int]):
        first, second = data.draw(box_in(shape)), data.draw(box_in(shape))
        painted = np.zeros(shape, int)
        cut(painted, first)[...] += 1
        cut(painted, second)[...] += 1
        common = intersect(first, second)
        expected = np.zeros(shape, bool)
        if common is not None:
            cut(expected, common)[...] = True
        np.testing.assert_array_equal(painted == 2, expected)


class TestResize:
    def test_same_shape_is_untouched(self):
        image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
        assert resize(image, (2, 4)) is image

    def test_bool_becomes_coverage(self):
        mask = np.array([[1, 0, 1, 1], [0, 0, 1, 1]], bool)
        small = resize(mask, (1, 2))
        assert small.dtype == np.float32
        np.testing.assert_allclose(small, [[0.25, 1.0]])

    def test_reduction_averages(self):
        values = np.random.default_rng(0).random((12, 8)).astype(np.float32)
        np.testing.assert_allclose(
            resize(values, (4, 2)), values.reshape(4, 3, 2, 4).mean(axis=(1, 3)), rtol=1e-5
        )

    def test_enlargement_keeps_pixel_centres(self):
        """Half-pixel convention: twice as large, new centres lie a quarter beside the old."""
        ramp = np.array([[0.0, 4.0, 8.0]], np.float32)
        np.testing.assert_allclose(resize(ramp, (1, 6)), [[0, 1, 3, 5, 7, 8]], atol=1e-5)

    @pytest.mark.parametrize("shape", [(4, 40), (40, 4)])
    def test_each_axis_for_itself(self, shape: tuple[int, int]):
        """A wide crop is reduced along one axis and enlarged along the other: no aliasing."""
        stripes = (np.indices(shape).sum(0) // 2 % 2).astype(np.float32)
        stripes[:] = np.arange(40).reshape((1, 40) if shape[1] == 40 else (40, 1)) % 2
        resized = resize(stripes, (20, 20))
        assert resized.shape == (20, 20)
        np.testing.assert_allclose(resized, 0.5, atol=1e-6)

    @pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (7, 5)])
    def test_colour_and_thin_images(self, shape: tuple[int, int]):
        image = np.full((*shape, 3), (10, 200, 30), np.uint8)
        resized = resize(image, (64, 64))
        assert resized.shape == (64, 64, 3)
        assert resized.dtype == np.uint8
        assert (resized == (10, 200, 30)).all()


def test_sigmoid_is_safe_for_large_values():
    values = np.array([-1e30, -1e4, -2, 0, 2, 1e4, 1e30], np.float32)
    found = sigmoid(values)
    assert found.dtype == np.float32
    exact = [0, 0, 1 / (1 + np.exp(2)), 0.5, 1 / (1 + np.exp(-2)), 1, 1]
    np.testing.assert_allclose(found, exact, atol=1e-6)


class TestLayers:
    def test_empty_is_zero(self):
        rendered = Layers((3, 5)).render()
        assert rendered.dtype == np.float32
        np.testing.assert_array_equal(rendered, np.zeros((3, 5)))

    def test_mask_is_exact(self):
        mask = np.random.default_rng(0).random((13, 21)) > 0.5
        np.testing.assert_array_equal(mask_layers(mask).render(), mask.astype(np.float32))
        box = (3, 2, 20, 9)
        np.testing.assert_array_equal(mask_layers(mask).render(box), cut(mask, box))

    def test_patch_covers_the_mask_below_and_nothing_else(self):
        mask = np.ones((10, 12), bool)
        layers = mask_layers(mask).pasted(constant((2, 3, 8, 7), -2.0))
        expected = np.ones((10, 12), np.float32)
        expected[3:7, 2:8] = 1 / (1 + np.exp(2))
        np.testing.assert_allclose(layers.render(), expected, atol=1e-3)

    def test_later_patches_cover_earlier_ones(self):
        first, second = constant((0, 0, 6, 6), 3.0), constant((4, 4, 9, 9), -3.0)
        layers = Layers((10, 10)).pasted(first).pasted(second)
        rendered = layers.render() > 0.5
        assert rendered[:4, :4].all()
        assert not rendered[4:9, 4:9].any()
        assert (layers.pasted(first).render() > 0.5)[4:6, 4:6].all()

    def test_covered_patches_and_bases_are_dropped(self):
        """History must stay small: what cannot be seen is not kept."""
        layers = mask_layers(np.ones((10, 10), bool)).pasted(constant((2, 2, 5, 5), 1.0))
        assert len(layers.pasted(constant((2, 2, 5, 5), 2.0)).patches) == 1
        assert len(layers.pasted(constant((1, 1, 8, 5), 2.0)).patches) == 1
        assert len(layers.pasted(constant((3, 1, 8, 5), 2.0)).patches) == 2
        covered = layers.pasted(constant((0, 0, 10, 10), 2.0))
        assert (len(covered.patches), covered.base) == (1, None)

    def test_pasting_leaves_the_original(self):
        layers = Layers((4, 4))
        layers.pasted(constant((0, 0, 4, 4), 9.0))
        assert not layers.render().any()

    def test_logits_are_interpolated_then_squashed(self):
        logits = np.array([[-8.0, 8.0]], np.float16)
        rendered = Layers((1, 4)).pasted(Patch((0, 0, 4, 1), logits)).render()
        np.testing.assert_allclose(rendered[0], sigmoid(np.float32([-8, -4, 4, 8])), atol=1e-5)

    @quick
    @given(data=st.data(), shape=shapes)
    def test_window_is_part_of_the_whole(self, data: st.DataObject, shape: tuple[int, int]):
        mask = data.draw(arrays(np.bool_, shape))
        layers = mask_layers(mask)
        for _ in range(data.draw(st.integers(0, 3))):
            size = data.draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
            values = data.draw(arrays(np.float16, size, elements=st.integers(-8, 8)))
            layers = layers.pasted(Patch(data.draw(box_in(shape)), values))
        box = data.draw(box_in(shape))
        whole_image = layers.render()
        window = layers.render(box)
        assert window.shape == (box[3] - box[1], box[2] - box[0])
        np.testing.assert_allclose(window, cut(whole_image, box), atol=WINDOW_TOLERANCE)

    @pytest.mark.parametrize("shape", [(900, 1200), (1, 3000), (3000, 20), (64, 5000), (2, 40000)])
    def test_small_window_of_a_much_enlarged_patch(self, shape: tuple[int, int]):
        rng = np.random.default_rng(1)
        values = rng.normal(0, 4, (64, 64)).astype(np.float16)
        layers = Layers(shape).pasted(Patch(whole(shape), values))
        rendered = layers.render()
        for _ in range(20):
            x0, y0 = int(rng.integers(shape[1])), int(rng.integers(shape[0]))
            box = (x0, y0, min(shape[1], x0 + 40), min(shape[0], y0 + 30))
            np.testing.assert_allclose(
                layers.render(box), cut(rendered, box), atol=WINDOW_TOLERANCE
            )

    @quick
    @given(data=st.data(), shape=shapes, threshold=st.floats(0.05, 0.95))
    def test_exceeds_is_the_thresholded_probability(
        self, data: st.DataObject, shape: tuple[int, int], threshold: float
    ):
        layers = mask_layers(data.draw(arrays(np.bool_, shape)))
        values = data.draw(arrays(np.float16, (5, 4), elements=st.integers(-6, 6)))
        layers = layers.pasted(Patch(data.draw(box_in(shape)), values))
        box = data.draw(box_in(shape))
        probability = layers.render(box)
        clear = np.abs(probability - threshold) > 1e-5
        found = layers.exceeds(threshold, box)
        assert found.dtype == np.bool_
        np.testing.assert_array_equal(found[clear], (probability > threshold)[clear])

    def test_grid_samples_the_patch_at_its_points(self):
        """10 x 10 points on 40 x 40 pixels: one in the middle of every 4 x 4 pixels."""
        ramp = np.tile(np.linspace(-4, 4, 20, dtype=np.float16), (20, 1))
        layers = Layers((60, 60)).pasted(Patch((10, 10, 50, 50), ramp))
        sampled = layers.render((10, 10, 50, 50), (10, 10))
        full = layers.render((10, 10, 50, 50))
        between = (full[1::4, 1::4] + full[2::4, 2::4]) / 2
        np.testing.assert_allclose(sampled, between, atol=WINDOW_TOLERANCE)

    def test_grid_points_outside_every_patch_are_the_base(self):
        layers = mask_layers(np.tile(np.arange(40) < 8, (40, 1))).pasted(
            constant((12, 4, 24, 40), 9.0)
        )
        expected = np.zeros((10, 10), np.float32)
        expected[:, :2] = 1
        expected[1:, 3:6] = sigmoid(np.float32([9]))
        np.testing.assert_allclose(layers.render(None, (10, 10)), expected, atol=1e-5)

    def test_rendering_leaves_the_layers(self):
        layers = mask_layers(np.eye(6, dtype=bool)).pasted(constant((0, 0, 3, 3), 1.0))
        first: NDArray[Any] = layers.render()
        first[:] = 7
        assert layers.render().max() <= 1.0


class TestReduceMask:
    def test_mostly_object_or_not(self):
        mask = np.zeros((8, 8), bool)
        mask[:3, :4] = True
        np.testing.assert_array_equal(
            reduce_mask(Region.of(mask), (0, 0, 8, 8), (4, 4)), resize(mask, (4, 4)) > 0.5
        )
        assert reduce_mask(Region.of(mask), (0, 0, 4, 2), (16, 16)).all()
        assert not reduce_mask(Region.of(mask), (4, 0, 8, 8), (16, 16)).any()

    @pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 3), (2100, 1300)])
    def test_large_and_thin_masks(self, shape: tuple[int, int]):
        rows, columns = np.indices(shape)
        mask = (rows / shape[0] - 0.5) ** 2 + (columns / shape[1] - 0.4) ** 2 < 0.1
        exact = resize(mask, (64, 64)) > 0.5
        found = reduce_mask(Region.of(mask), whole(shape), (64, 64))
        assert found.dtype == np.bool_
        assert (found != exact).mean() < 0.01
