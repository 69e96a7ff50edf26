from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from iseg_widget.outlines import fill, polygons, signed_area

masks = hnp.arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def rings(found):
    return [ring for polygon in found for ring in (polygon.outer, *polygon.holes)]


@given(masks)
def test_filling_gives_the_mask_again(mask):
    np.testing.assert_array_equal(fill(rings(polygons(mask)), mask.shape), mask)


@given(masks)
def test_every_region_is_a_polygon_and_every_hole_a_ring(mask):
    found = polygons(mask)
    labels, count = ndimage.label(mask)
    assert len(found) == count
    eight = np.ones((3, 3))
    _, background = ndimage.label(~np.pad(mask, 1), eight)
    assert sum(len(polygon.holes) for polygon in found) == background - 1
    for polygon in found:
        region = fill([polygon.outer, *polygon.holes], mask.shape)
        assert len(np.unique(labels[region])) == 1


@given(masks)
def test_areas_add_up(mask):
    assert sum(map(signed_area, rings(polygons(mask)))) == mask.sum()


@given(masks)
def test_corners_are_real_corners(mask):
    for ring in rings(polygons(mask)):
        steps = np.sign(np.roll(ring, -1, axis=0) - ring)
        assert (np.abs(steps).sum(1) == 1).all()
        turns = (steps != np.roll(steps, 1, axis=0)).any(1)
        assert turns.all()


def test_largest_first():
    mask = np.zeros((20, 20), bool)
    mask[1:3, 1:3] = mask[5:15, 5:15] = True
    assert [signed_area(p.outer) for p in polygons(mask)] == [100, 4]


def test_an_island_in_a_hole_is_its_own_region():
    mask = np.zeros((20, 20), bool)
    mask[1:19, 1:19] = True
    mask[4:16, 4:16] = False
    mask[7:12, 7:12] = True
    mask[9, 9] = False
    outside, island = polygons(mask)
    assert [signed_area(h) for h in outside.holes] == [-144]
    assert [signed_area(h) for h in island.holes] == [-1]


def test_simplified_outlines_stay_within_the_tolerance():
    rows, columns = np.indices((200, 200))
    mask = (rows - 100) ** 2 + (columns - 100) ** 2 < 80**2
    (exact,), (simple,) = polygons(mask), polygons(mask, tolerance=1.5)
    assert len(simple.outer) < len(exact.outer) / 5
    again = fill([simple.outer], mask.shape)
    distance = np.minimum(
        ndimage.distance_transform_edt(mask), ndimage.distance_transform_edt(~mask)
    )
    wrong = distance[again != mask]
    assert wrong.max(initial=0) <= 2.5


def test_negative_tolerance():
    with pytest.raises(ValueError, match="tolerance must not be negative, got -1"):
        polygons(np.ones((2, 2), bool), tolerance=-1)


def test_rings_beyond_the_image_are_cut():
    ring = np.array([[-5.0, -5.0], [4.0, -5.0], [4.0, 30.0], [-5.0, 30.0]])
    expected = np.zeros((6, 8), bool)
    expected[:, :4] = True
    np.testing.assert_array_equal(fill([ring], (6, 8)), expected)
