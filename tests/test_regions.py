from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from iseg_widget.masks import box_of, components_at, rle_decode, rle_encode
from iseg_widget.regions import Region, union

SHAPE = (6, 9)
masks = arrays(bool, SHAPE, elements=st.booleans()) | st.builds(
    lambda x, y, w, h: rectangle(x, y, x + w, y + h),
    st.integers(0, 8),
    st.integers(0, 5),
    st.integers(0, 9),
    st.integers(0, 6),
)


def rectangle(x0: int, y0: int, x1: int, y1: int) -> NDArray[np.bool_]:
    mask = np.zeros(SHAPE, bool)
    mask[y0:y1, x0:x1] = True
    return mask


@given(masks)
def test_a_mask_comes_back(mask: NDArray[np.bool_]):
    region = Region.of(mask)
    np.testing.assert_array_equal(region.mask(), mask)
    assert (region.box, region.area) == (box_of(mask), mask.sum())
    assert region == Region.of(mask.copy())


@given(masks)
def test_run_lengths_are_those_of_the_mask(mask: NDArray[np.bool_]):
    rle = Region.of(mask).rle()
    assert rle == rle_encode(mask)
    np.testing.assert_array_equal(rle_decode(rle), mask)
    assert Region.from_rle(rle, SHAPE) == Region.of(mask)


@given(masks, masks)
def test_sets(one: NDArray[np.bool_], two: NDArray[np.bool_]):
    a, b = Region.of(one), Region.of(two)
    assert a.minus(b) == Region.of(one & ~two)
    assert (a.minus(b) is a) == (not (one & two).any())
    assert union([a, b]) == Region.of(one | two)


@given(masks, masks)
def test_box_of_what_changed(one: NDArray[np.bool_], two: NDArray[np.bool_]):
    assert Region.of(one).changed(Region.of(two)) == box_of(one ^ two)


@given(masks, st.integers(0, 8), st.integers(0, 5), st.integers(1, 9), st.integers(1, 6))
def test_window(mask: NDArray[np.bool_], x: int, y: int, width: int, height: int):
    box = (x, y, min(x + width, 9), min(y + height, 6))
    np.testing.assert_array_equal(
        Region.of(mask).window(box), mask[box[1] : box[3], box[0] : box[2]]
    )


@given(masks)
def test_pixels(mask: NDArray[np.bool_]):
    region = Region.of(mask)
    found = [[region.holds(row, column) for column in range(-1, 10)] for row in range(-1, 7)]
    np.testing.assert_array_equal(found, np.pad(mask, 1))


@given(masks)
def test_components(mask: NDArray[np.bool_]):
    parts = Region.of(mask).components()
    assert [part.area for part in parts] == sorted((p.area for p in parts), reverse=True)
    assert sum(part.area for part in parts) == mask.sum()
    for part in parts:
        pixel = np.argwhere(part.mask())[0]
        assert part == Region.of(components_at(mask, [(pixel[0], pixel[1])]))


def test_nothing_to_unite():
    with pytest.raises(ValueError, match="at least one"):
        union([])


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        ({"size": [9, 6], "counts": [54]}, "for an image of"),
        ({"size": [6, 9], "counts": [53]}, "sum to 54"),
        ({"size": [6, 9], "counts": [60, -6]}, "non-negative"),
        ({"size": [6, 9], "counts": []}, "sum to 54"),
        ({"size": [6, 9], "counts": [[54]]}, "sum to 54"),
    ],
)
def test_run_lengths_that_do_not_fit(rle: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        Region.from_rle(rle, SHAPE)


@given(
    masks,
    st.builds(range, st.integers(0, 5), st.integers(0, 6), st.integers(1, 4)),
    st.builds(range, st.integers(0, 8), st.integers(0, 9), st.integers(1, 6)),
)
def test_sampled_on_a_grid(mask: NDArray[np.bool_], rows: range, columns: range):
    region = Region.of(mask)
    expected = mask[np.ix_(list(rows), list(columns))]
    np.testing.assert_array_equal(region.sampled(rows, columns), expected)
    np.testing.assert_array_equal(region.unpack(), mask)
