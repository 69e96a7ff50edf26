from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import distance_transform_edt

from iseg_widget.evaluation import error_depth
from iseg_widget.evaluation.error_depth import Deepest, deepest, squared_depth

masks = st.tuples(st.integers(1, 16), st.integers(1, 16)).flatmap(
    lambda shape: arrays(bool, (2, *shape))
)


def exact(region: np.ndarray) -> np.ndarray:
    """Squared depth in whole numbers, by a transform of the whole padded map."""
    return np.rint(distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1] ** 2)


def expected(regions: list[np.ndarray], clicked: list[tuple[int, int]]) -> Deepest | None:
    depths = np.stack([exact(region) for region in regions])
    for row, column in clicked:
        depths[:, row, column] = 0
    error = len(depths) - 1 - int(np.argmax(depths.max(axis=(1, 2))[::-1]))
    row, column = np.unravel_index(np.argmax(depths[error]), depths[error].shape)
    squared = int(depths[error, row, column])
    return Deepest(squared, error, int(row), int(column)) if squared else None


@given(masks, st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), max_size=6))
def test_the_deepest_pixel_of_small_regions(stack: np.ndarray, clicked: list[tuple[int, int]]):
    inside = [(y, x) for y, x in clicked if y < stack.shape[1] and x < stack.shape[2]]
    assert deepest(list(stack), inside) == expected(list(stack), inside)
    assert deepest([stack[0]], inside) == expected([stack[0]], inside)
    squared, (row, column) = squared_depth(stack[0])
    box = np.zeros(stack.shape[1:])
    box[row : row + squared.shape[0], column : column + squared.shape[1]] = squared
    np.testing.assert_array_equal(box, exact(stack[0]))


def blobs(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Ellipses and equal squares with specks taken out: many regions, many ties."""
    canvas = np.zeros((height, width), np.uint8)
    for _ in range(rng.integers(0, 5)):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(rng.integers(2, width // 3)), int(rng.integers(2, height // 3)))
        cv2.ellipse(canvas, centre, axes, float(rng.integers(180)), 0, 360, 1, -1)
    side = int(rng.integers(3, 20))
    for _ in range(rng.integers(0, 12)):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        canvas[y : y + side, x : x + side] = 1
    return (canvas == 1) & (rng.random((height, width)) > rng.choice([0.0, 0.0005, 0.02]))


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_deepest_pixel_of_large_regions(seed: int):
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(40, 330, 2))
    regions = [blobs(rng, height, width) for _ in range(2)]
    clicked = [(int(rng.integers(height)), int(rng.integers(width))) for _ in range(3)]
    for _ in range(4):
        found = deepest(regions, clicked)
        assert found == expected(regions, clicked)
        assert deepest(regions[:1], clicked) == expected(regions[:1], clicked)
        if found is not None:
            clicked.append((found.row, found.column))


def test_far_pixels_take_a_float64_transform(monkeypatch: pytest.MonkeyPatch):
    region = blobs(np.random.default_rng(3), 120, 160)
    near = deepest([region, region])
    monkeypatch.setattr(error_depth, "FLOAT32_LIMIT", 2.0)
    assert error_depth._distance(np.pad(region, 1).astype(np.uint8)).dtype == np.float64
    assert deepest([region, region]) == near


def test_few_candidates_are_looked_at_in_small_windows(monkeypatch: pytest.MonkeyPatch):
    regions = np.zeros((2, 400, 600), bool)
    regions[0, ::7, ::9] = True
    regions[1, 3::7, 4::9] = True
    regions[0, 50:61, 500:511] = regions[0, 300:311, 20:31] = regions[1, 200:212, 300:312] = True
    sizes = []
    original = error_depth._distance

    def watched(region: np.ndarray) -> np.ndarray:
        sizes.append(region.size)
        return original(region)

    monkeypatch.setattr(error_depth, "_distance", watched)
    assert deepest(list(regions)) == Deepest(36, 1, 205, 305)
    assert sum(sizes) < 0.02 * regions[0].size


def test_of_equal_errors_the_last_is_returned_and_of_none_none():
    regions = np.zeros((2, 60, 60), bool)
    regions[0, 5:16, 5:16] = True
    regions[1, 40:51, 40:51] = regions[1, 40:51, 5:16] = True
    assert deepest(list(regions)) == Deepest(36, 1, 45, 10)
    assert deepest(list(regions), [(45, 10), (45, 45)]) == Deepest(36, 0, 10, 10)
    assert deepest([np.zeros((3, 3), bool)] * 2) is None
    assert deepest([np.ones((1, 1), bool)] * 2, [(0, 0)]) is None
    assert deepest([]) is None
