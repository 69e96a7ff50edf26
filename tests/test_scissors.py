"""The line along edges: on a picture with one edge, on it; and at any size of image."""

from __future__ import annotations

import numpy as np
import pytest

from iseg_widget.scissors import live_wire


def disk(size: int, radius: float) -> np.ndarray:
    rows, columns = np.indices((size, size)) - (size - 1) / 2
    inside = np.hypot(rows, columns) < radius
    return np.where(inside[..., None], (220, 180, 40), (30, 60, 120)).astype(np.uint8)


@pytest.mark.parametrize(("size", "radius"), [(120, 40), (1600, 600)])
def test_it_follows_the_edge_of_a_disk(size: int, radius: float):
    middle = (size - 1) / 2
    start, end = (middle + radius, middle), (middle, middle + radius)
    line = live_wire(disk(size, radius), start, end)
    np.testing.assert_allclose(line[[0, -1]], [start, end])
    away = np.abs(np.hypot(*(line - middle).T) - radius)
    assert away.max() < 0.02 * size
    # A straight line would pass the middle of the arc at a distance of 0.3 radii.
    assert len(line) > 5


def test_the_ends_may_lie_outside():
    line = live_wire(disk(100, 30), (-20, 50), (130, 55))
    assert line[0].tolist() == [-20, 50]
    assert line[-1].tolist() == [130, 55]
    assert (line[1:-1] >= -0.5).all()
    assert (line[1:-1] <= 99.5).all()


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (3, 3), (50, 40)])
def test_tiny_pictures_and_tiny_lines(shape: tuple[int, int]):
    picture = np.zeros((*shape, 3), np.uint8)
    for end in ((0, 0), (1, 0), (shape[1] - 1, shape[0] - 1)):
        line = live_wire(picture, (0, 0), end)
        assert line[0].tolist() == [0, 0]
        assert line[-1].tolist() == list(end)


def test_a_point_nowhere_is_refused():
    with pytest.raises(ValueError, match="finite"):
        live_wire(disk(50, 10), (0, 0), (float("nan"), 1))
