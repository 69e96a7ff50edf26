import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from iseg_widget.encode import gaussians

sides = st.integers(1, 24)
# Sixteenths of a pixel are exact in float32, so that no test depends on rounding.
coordinates = st.integers(-10 * 16, 34 * 16).map(lambda n: n / 16)
click_rows = st.lists(st.tuples(coordinates, coordinates, st.sampled_from([0.0, 1.0])), max_size=6)
widths = st.sampled_from([1.0, 3.5, 10.0, 30.0])


def as_clicks(rows):
    return np.asarray(rows, np.float32).reshape(-1, 3)


def by_definition(rows, shape, sigma):
    maps = np.zeros((2, *shape))
    for kind in (0, 1):
        for row, column in np.ndindex(*shape):
            distances = [math.hypot(column - x, row - y) for x, y, p in rows if p == 1 - kind]
            nearest = min([255.0, *distances])
            maps[kind, row, column] = math.exp(-4 * math.log(2) * (nearest / sigma) ** 2)
    return maps


@settings(deadline=None, max_examples=40)
@given(rows=click_rows, height=sides, width=sides, sigma=widths)
def test_gaussians_follow_their_definition(rows, height, width, sigma):
    found = gaussians(as_clicks(rows), (height, width), sigma)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_definition(rows, (height, width), sigma), atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(rows=click_rows, sigma=widths, data=st.data())
def test_gaussians_do_not_depend_on_the_order_of_clicks(rows, sigma, data):
    shuffled = data.draw(st.permutations(rows))
    np.testing.assert_array_equal(
        gaussians(as_clicks(rows), (20, 17), sigma), gaussians(as_clicks(shuffled), (20, 17), sigma)
    )


@settings(deadline=None, max_examples=40)
@given(rows=click_rows, height=sides, width=sides, sigma=widths)
def test_gaussians_of_mirrored_clicks_are_mirrored_gaussians(rows, height, width, sigma):
    shape = (height, width)
    straight = gaussians(as_clicks(rows), shape, sigma)
    mirrored = gaussians(as_clicks([(width - 1 - x, y, p) for x, y, p in rows]), shape, sigma)
    turned = gaussians(as_clicks([(x, height - 1 - y, p) for x, y, p in rows]), shape, sigma)
    swapped = gaussians(as_clicks([(x, y, 1 - p) for x, y, p in rows]), shape, sigma)
    np.testing.assert_array_equal(mirrored, straight[:, :, ::-1])
    np.testing.assert_array_equal(turned, straight[:, ::-1])
    np.testing.assert_array_equal(swapped, straight[::-1])


@settings(deadline=None, max_examples=40)
@given(rows=click_rows, added=st.tuples(coordinates, coordinates), sigma=widths)
def test_another_click_raises_its_own_map_only(rows, added, sigma):
    before = gaussians(as_clicks(rows), (20, 17), sigma)
    after = gaussians(as_clicks([*rows, (*added, 1.0)]), (20, 17), sigma)
    assert (after[0] >= before[0]).all()
    np.testing.assert_array_equal(after[1], before[1])


def test_sigma_is_the_full_width_at_half_maximum():
    line = gaussians(as_clicks([(20, 0, 1)]), (1, 41), 10.0)[0, 0]
    assert line[20] == 1.0
    assert line[15] == line[25] == pytest.approx(0.5, abs=1e-6)


def test_gaussians_equal_those_of_a_distance_transform():
    rows = [(3, 4, 1.0), (30, 17, 1.0), (12, 9, 1.0)]
    free = np.ones((40, 50), bool)
    for x, y, _ in rows:
        free[y, x] = False
    distance = np.minimum(ndimage.distance_transform_edt(free), 255.0)
    expected = np.exp(-2.772588722 * distance**2 / 10.0**2)
    found = gaussians(as_clicks(rows), free.shape, 10.0)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_without_a_click_the_distance_is_its_cap_everywhere():
    maps = gaussians(as_clicks([]), (4, 5), 500.0)
    np.testing.assert_allclose(maps, math.exp(-4 * math.log(2) * (255 / 500) ** 2), rtol=1e-6)
    assert not gaussians(as_clicks([]), (4, 5), 30.0).any()


def test_far_pixels_count_as_255_away():
    line = gaussians(as_clicks([(0, 0, 1)]), (1, 600), 500.0)[0, 0]
    assert line[254] > line[255] == line[599]
