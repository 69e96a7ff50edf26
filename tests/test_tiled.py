"""Regions that are changed in places against masks that are changed as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from iseg_widget import strokes, tiled
from iseg_widget.masks import box_of
from iseg_widget.regions import Region
from iseg_widget.strokes import brush, fill, fill_holes, polygon
from iseg_widget.widget.codec import encode_overlay

SHAPE = (19, 26)
masks = arrays(bool, SHAPE, elements=st.booleans()) | st.builds(
    lambda x, y, w, h: _rectangle(x, y, x + w, y + h),
    st.integers(-2, 25),
    st.integers(-2, 18),
    st.integers(0, 30),
    st.integers(0, 22),
)
coordinate = st.floats(-8, 34, allow_nan=False).map(lambda v: round(v * 4) / 4)
points = st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=6)
column, row = st.integers(0, SHAPE[1] - 1), st.integers(0, SHAPE[0] - 1)


@pytest.fixture(autouse=True, scope="module")
def small_tiles() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiled, "SIDE", 4)
        patch.setattr(strokes, "SIDE", 4)
        patch.setattr(strokes, "STRIP", 40)
        patch.setattr(strokes, "NEAR", 2)
        yield


def _rectangle(x0: int, y0: int, x1: int, y1: int) -> NDArray[np.bool_]:
    mask = np.zeros(SHAPE, bool)
    mask[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = True
    return mask


def same(region: Region, mask: NDArray[np.bool_]) -> None:
    """The region is in every respect that of the mask."""
    fresh = Region.of(mask)
    np.testing.assert_array_equal(region.mask(), mask)
    assert (region.box, region.area) == (box_of(mask), mask.sum())
    assert region == fresh
    assert fresh == region
    assert hash(region) == hash(fresh)
    assert region.packed == fresh.packed
    assert region.rle() == fresh.rle()


strokes_made = st.one_of(
    st.tuples(st.just("brush"), points, st.floats(0, 5), st.booleans()),
    st.tuples(st.just("polygon"), points, st.booleans()),
    st.tuples(st.just("fill"), column, row),
    st.tuples(st.just("fill_holes"), st.none() | st.integers(1, 6)),
)


def draw(mask: Any, stroke: tuple[Any, ...]) -> Any:
    match stroke:
        case ("brush", line, radius, erase):
            return brush(mask, line, radius, erase=erase)
        case ("polygon", corners, erase):
            return polygon(mask, corners, erase=erase)
        case ("fill", x, y):
            return fill(mask, x, y)
        case (_, largest):
            return fill_holes(mask, largest)


@given(masks, st.lists(strokes_made, min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_strokes_give_the_pixels_that_they_give_on_the_whole_mask(mask, made):
    region = Region.of(mask)
    for stroke in made:
        before, earlier = mask, region
        mask, region = draw(mask, stroke), draw(region, stroke)
        same(region, mask)
        same(earlier, before)  # undo: what was there is as it was
        assert (region is earlier) == (mask == before).all()


@given(masks, masks, column, row, st.integers(1, 26), st.integers(1, 19))
@settings(max_examples=300, deadline=None)
def test_a_patch_is_the_pixels_in_a_box(mask, other, x, y, width, height):
    box = (x, y, min(x + width, SHAPE[1]), min(y + height, SHAPE[0]))
    inside = np.s_[box[1] : box[3], box[0] : box[2]]
    expected = mask.copy()
    expected[inside] = other[inside]
    region = Region.of(mask)
    patched = region.patched(box, other[inside])
    same(patched, expected)
    assert patched.changed(region) == box_of(mask ^ expected)
    assert region.changed(patched) == box_of(mask ^ expected)
    for window in (box, (0, 0, SHAPE[1], SHAPE[0]), (x, y, x + 1, y + 1)):
        cut = np.s_[window[1] : window[3], window[0] : window[2]]
        np.testing.assert_array_equal(patched.window(window), expected[cut])
    assert patched.holds(y, x) == expected[y, x]
    rows, columns = range(y % 3, SHAPE[0], 3), range(x % 4, SHAPE[1], 4)
    sampled = Region.of(mask).patched(box, other[inside]).sampled(rows, columns)
    np.testing.assert_array_equal(sampled, expected[np.ix_(rows, columns)])


@given(masks, masks, masks)
@settings(max_examples=100, deadline=None)
def test_regions_of_different_making_compare_and_subtract(mask, other, third):
    whole = (0, 0, SHAPE[1], SHAPE[0])
    drawn, fresh = Region.of(mask).patched(whole, other), Region.of(other)
    assert drawn == fresh
    assert drawn.minus(Region.of(third)) == Region.of(other & ~third)
    same(drawn.minus(Region.of(third)), other & ~third)
    assert (drawn.minus(Region.of(third)) is drawn) == (not (other & third).any())
    assert Region.of(third).minus(drawn) == Region.of(third & ~other)
    assert drawn.changed(Region.of(third)) == box_of(other ^ third)
    assert (drawn == Region.of(third)) == (other == third).all()


@given(masks, masks)
@settings(max_examples=100, deadline=None)
def test_the_page_gets_the_mask_after_a_stroke(mask, other):
    """What is sent, put onto what was there, is what is there."""
    from iseg_widget.masks import PackedMask

    before = Region.of(mask)
    after = before.patched((3, 2, 20, 17), other[2:17, 3:20])
    overlay = encode_overlay(after, before)
    shown = mask.copy() if overlay.is_patch else np.zeros(SHAPE, bool)
    if overlay.data is not None:
        x0, y0, x1, y1 = overlay.box
        shown[y0:y1, x0:x1] = PackedMask((y1 - y0, x1 - x0), overlay.data).unpack()
    np.testing.assert_array_equal(shown, after.mask())


def test_what_did_not_change_is_shared():
    before = Region.of(_rectangle(1, 1, 25, 18))
    after = before.patched((0, 0, 3, 3), np.zeros((3, 3), bool))
    renewed = [
        place
        for place, tile in after.tiles.tiles.items()
        if before.tiles.tiles.get(place) is not tile
    ]
    assert renewed == [(0, 0)]


def test_a_stroke_looks_at_the_tiles_that_it_touches(monkeypatch: pytest.MonkeyPatch):
    looked: list[tuple[int, int]] = []
    read = tiled.Tiles._pixels

    def note(self: tiled.Tiles, place: tuple[int, int], tile: Any) -> Any:
        looked.append(place)
        return read(self, place, tile)

    region = brush(Region.of(_rectangle(0, 0, 26, 19)), [(2, 2)], 1, erase=True)
    monkeypatch.setattr(tiled.Tiles, "_pixels", note)
    drawn = brush(region, [(8, 8)], 1.5, erase=True)
    overlay = encode_overlay(drawn, region)
    assert overlay.is_patch
    assert set(looked) == {(1, 1), (1, 2), (2, 1), (2, 2)}


@pytest.mark.parametrize(("x", "y"), [(12, 9), (3, 3), (22, 15), (1, 1), (0, 0), (14, 12)])
def test_holes_and_parts_larger_than_where_they_are_looked_for_first(x: int, y: int):
    mask = _rectangle(1, 1, 25, 18) & ~_rectangle(2, 2, 24, 17)
    mask |= _rectangle(14, 12, 15, 13)
    filled = fill(mask, x, y)
    same(fill(Region.of(mask), x, y), filled)
    assert (filled == mask).all() == ((x, y) == (0, 0))
