from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from iseg_widget.encode import disks, map_to_corner_crop, map_to_crop

Rows = list[tuple[float, float, float]]

sides = st.integers(1, 24)
# Sixteenths of a pixel are exact in float32, so that no test depends on rounding.
coordinates = st.integers(-10 * 16, 34 * 16).map(lambda n: n / 16)
click_rows = st.lists(st.tuples(coordinates, coordinates, st.sampled_from([0.0, 1.0])), max_size=6)
radii = st.sampled_from([0.5, 1.0, 2.0, 3.0, 5.0, 7.25])


def as_clicks(rows: Rows) -> NDArray[np.float32]:
    return np.asarray(rows, np.float32).reshape(-1, 3)


def disks_by_definition(rows: Rows, shape: tuple[int, int], radius: float) -> NDArray[np.float32]:
    maps = np.zeros((2, *shape), np.float32)
    for row in range(shape[0]):
        for column in range(shape[1]):
            for x, y, positive in rows:
                if (column - x) ** 2 + (row - y) ** 2 <= radius**2:
                    maps[0 if positive else 1, row, column] = 1
    return maps


@settings(deadline=None, max_examples=60)
@given(rows=click_rows, height=sides, width=sides, radius=radii)
def test_disks_are_the_pixels_within_the_radius(rows: Rows, height: int, width: int, radius: float):
    found = disks(as_clicks(rows), (height, width), radius)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, disks_by_definition(rows, (height, width), radius))


@settings(deadline=None, max_examples=40)
@given(rows=click_rows, radius=radii, data=st.data())
def test_disks_do_not_depend_on_the_order_of_clicks(rows: Rows, radius: float, data: st.DataObject):
    shuffled = data.draw(st.permutations(rows))
    np.testing.assert_array_equal(
        disks(as_clicks(rows), (20, 17), radius), disks(as_clicks(list(shuffled)), (20, 17), radius)
    )


@settings(deadline=None, max_examples=40)
@given(rows=click_rows, height=sides, width=sides, radius=radii)
def test_disks_of_mirrored_clicks_are_mirrored_disks(
    rows: Rows, height: int, width: int, radius: float
):
    straight = disks(as_clicks(rows), (height, width), radius)
    mirrored = disks(
        as_clicks([(width - 1 - x, y, p) for x, y, p in rows]), (height, width), radius
    )
    turned = disks(as_clicks([(x, height - 1 - y, p) for x, y, p in rows]), (height, width), radius)
    np.testing.assert_array_equal(mirrored, straight[:, :, ::-1])
    np.testing.assert_array_equal(turned, straight[:, ::-1])


def test_no_clicks_give_empty_maps():
    assert not disks(np.zeros((0, 3), np.float32), (4, 5), 3.0).any()


def test_positive_and_negative_clicks_go_to_their_own_map():
    maps = disks(as_clicks([(2, 3, 1), (6, 1, 0)]), (5, 9), 0.5)
    assert np.argwhere(maps).tolist() == [[0, 3, 2], [1, 1, 6]]


def test_click_outside_paints_the_part_of_its_disk_that_is_inside():
    maps = disks(as_clicks([(-2, 1, 1), (-9, 1, 1), (4, 40, 1)]), (4, 6), 3.0)
    assert np.argwhere(maps[0]).tolist() == [[0, 0], [1, 0], [1, 1], [2, 0], [3, 0]]


def test_whole_image_at_its_own_size_leaves_clicks_where_they_are():
    clicks = as_clicks([(0, 0, 1), (3.5, 2.25, 0), (8, 4, 1)])
    np.testing.assert_allclose(map_to_crop(clicks, (0, 0, 9, 5), (5, 9)), clicks, atol=1e-6)


@pytest.mark.parametrize("box", [(0, 0, 4, 2), (3, 5, 7, 7)])
def test_pixel_edges_map_to_pixel_edges(box: tuple[int, int, int, int]):
    """The image's corner at -0.5 is the crop's; a doubled pixel's centre falls between two."""
    x0, y0, x1, y1 = box
    corners = as_clicks([(x0 - 0.5, y0 - 0.5, 1), (x1 - 0.5, y1 - 0.5, 0), (x0, y0, 1)])
    mapped = map_to_crop(corners, box, (6, 8))
    np.testing.assert_allclose(mapped, [[-0.5, -0.5, 1], [7.5, 5.5, 0], [0.5, 1.0, 1]], atol=1e-6)


def test_clicks_outside_the_box_keep_out_of_range_coordinates():
    mapped = map_to_crop(as_clicks([(0, 0, 1), (30, 30, 1)]), (10, 10, 20, 20), (10, 10))
    np.testing.assert_allclose(mapped[:, :2], [[-10, -10], [20, 20]], atol=1e-5)


@settings(deadline=None, max_examples=60)
@given(
    rows=click_rows,
    corner=st.tuples(st.integers(0, 500), st.integers(0, 500)),
    size=st.tuples(st.integers(1, 600), st.integers(1, 600)),
    side=st.sampled_from([128, 256]),
)
def test_map_to_crop_can_be_undone(
    rows: Rows, corner: tuple[int, int], size: tuple[int, int], side: int
):
    clicks = as_clicks(rows)
    before = clicks.copy()
    x0, y0 = corner
    box = (x0, y0, x0 + size[0], y0 + size[1])
    there = map_to_crop(clicks, box, (side, side))
    # The crop's frame seen from the crop: the image's origin in pixels of the crop.
    scale_x, scale_y = side / size[0], side / size[1]
    back = there.astype(np.float64)
    back[:, 0] = (back[:, 0] + 0.5) / scale_x + x0 - 0.5
    back[:, 1] = (back[:, 1] + 0.5) / scale_y + y0 - 0.5
    tolerance = 1e-3 * max(1.0, size[0] / side, size[1] / side)
    np.testing.assert_allclose(back, clicks, atol=tolerance)
    np.testing.assert_array_equal(clicks, before)


class TestCornerCrop:
    """The published codes' own way of carrying clicks into a crop."""

    def test_corners_map_to_corners(self):
        clicks = as_clicks([(10, 20, 1), (30, 60, 0), (20, 40, 1)])
        mapped = map_to_corner_crop(clicks, (10, 20, 30, 60), (80, 80))
        assert mapped.dtype == np.float32
        np.testing.assert_allclose(mapped, [[0, 0, 1], [80, 80, 0], [40, 40, 1]])

    def test_clicks_beyond_the_left_and_the_top_are_dropped(self):
        clicks = as_clicks([(5, 5, 1), (5, 30, 0), (20, 5, 1), (50, 90, 0)])
        mapped = map_to_corner_crop(clicks, (10, 20, 30, 60), (40, 20))
        np.testing.assert_allclose(mapped, [[-5, 10, 0], [10, -15, 1], [40, 70, 0]])

    def test_no_clicks(self):
        assert map_to_corner_crop(as_clicks([]), (0, 0, 4, 4), (8, 8)).shape == (0, 3)
