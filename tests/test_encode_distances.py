import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iseg_widget.encode import distance_maps

coordinates = st.integers(-10 * 16, 34 * 16).map(lambda n: n / 16)
click_rows = st.lists(st.tuples(coordinates, coordinates, st.sampled_from([0.0, 1.0])), max_size=6)


def by_definition(rows, shape, cap):
    maps = np.zeros((2, *shape))
    for kind, row, column in np.ndindex(2, *shape):
        distances = [math.hypot(column - x, row - y) for x, y, p in rows if p == 1 - kind]
        maps[kind, row, column] = min([cap, *distances])
    return maps


@settings(deadline=None, max_examples=60)
@given(
    rows=click_rows,
    height=st.integers(1, 24),
    width=st.integers(1, 24),
    cap=st.sampled_from([3.0, 9.5, 255.0]),
)
def test_every_pixel_has_the_distance_to_its_nearest_click_up_to_the_cap(rows, height, width, cap):
    clicks = np.asarray(rows, np.float32).reshape(-1, 3)
    found = distance_maps(clicks, (height, width), cap)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_definition(rows, (height, width), cap), rtol=1e-6)


def test_no_click_of_a_kind_is_as_far_as_can_be():
    found = distance_maps(np.array([[3, 2, 1]]), (8, 600))
    assert found.max() == pytest.approx(255)
    assert (found[1] == 255).all()
    assert found[0, 2, 3] == 0
    assert found[0, 2, 3 + 254] == 254
