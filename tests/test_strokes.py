"""Brush, polygon, filling and scribbles against plain loops over pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.strokes import (
    MOST_POINTS,
    brush,
    fill,
    fill_holes,
    polygon,
    scribble_clicks,
)

SHAPE = (23, 31)
coordinate = st.floats(-12, 43, allow_nan=False).map(lambda v: round(v * 4) / 4)
lines = st.lists(st.tuples(coordinate, coordinate), min_size=1, max_size=6)


def near(points: list[tuple[float, float]], radius: float) -> NDArray[np.bool_]:
    """Pixels no farther than ``radius`` from a line."""
    rows, columns = np.indices(SHAPE).astype(float)
    found = np.zeros(SHAPE, bool)
    for (ax, ay), (bx, by) in zip(points, points[1:] or points, strict=False):
        dx, dy = bx - ax, by - ay
        length = dx * dx + dy * dy
        along = ((columns - ax) * dx + (rows - ay) * dy) / length if length else np.zeros(SHAPE)
        along = np.clip(along, 0, 1)
        distance = np.hypot(columns - ax - along * dx, rows - ay - along * dy)
        found |= distance <= radius + 1e-9
    return found


def wound(points: list[tuple[float, float]]) -> NDArray[np.bool_]:
    """Pixels that a closed outline winds around; centres on the outline are left to chance."""
    rows, columns = np.indices(SHAPE).astype(float)
    angle = np.zeros(SHAPE)
    for (ax, ay), (bx, by) in zip(points, points[1:] + points[:1], strict=True):
        first, second = (ax - columns, ay - rows), (bx - columns, by - rows)
        cross = first[0] * second[1] - first[1] * second[0]
        angle += np.arctan2(cross, first[0] * second[0] + first[1] * second[1])
    return np.rint(angle / (2 * np.pi)) != 0


class TestBrush:
    @given(lines, st.floats(0, 9).map(lambda v: round(v * 8) / 8))
    @settings(max_examples=200, deadline=None)
    def test_all_pixels_near_the_line_and_no_others(self, points, radius):
        painted = brush(np.zeros(SHAPE, bool), points, radius)
        edge = near(points, radius + 1e-6) ^ near(points, radius - 1e-6)
        assert not ((painted ^ near(points, radius)) & ~edge).any()

    @given(lines, st.floats(0, 9))
    @settings(max_examples=60, deadline=None)
    def test_the_eraser_takes_what_the_brush_adds(self, points, radius):
        mask = np.random.default_rng(0).random(SHAPE) < 0.5
        painted, erased = (brush(mask, points, radius, erase=erase) for erase in (False, True))
        stroke = brush(np.zeros(SHAPE, bool), points, radius)
        assert (painted == (mask | stroke)).all()
        assert (erased == (mask & ~stroke)).all()

    def test_the_mask_that_was_given_stays(self):
        mask = np.zeros(SHAPE, bool)
        mask.flags.writeable = False
        assert brush(mask, [(5, 5)], 2).sum() == 13
        assert not mask.any()

    def test_a_stroke_outside_paints_nothing(self):
        assert not brush(np.zeros(SHAPE, bool), [(-50, 3), (-20, 3)], 4).any()

    @pytest.mark.parametrize(
        ("points", "radius", "reason"),
        [
            ([], 1, "shape"),
            ([(1, 2, 3)], 1, "shape"),
            ([(1, float("nan"))], 1, "finite"),
            ("ab", 1, "two numbers"),
            ([(1, 2)], -1, "radius"),
            ([(1, 2)], float("nan"), "radius"),
            (np.zeros((MOST_POINTS + 1, 2)), 1, "accepted are"),
        ],
    )
    def test_what_is_no_stroke_is_refused(self, points, radius, reason):
        with pytest.raises(ValueError, match=reason):
            brush(np.zeros(SHAPE, bool), points, radius)


class TestPolygon:
    @given(st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=7))
    @settings(max_examples=200, deadline=None)
    def test_all_pixels_that_the_outline_winds_around(self, points):
        drawn = polygon(np.zeros(SHAPE, bool), points)
        on_outline = near([*points, points[0]], 1e-6)
        assert not ((drawn ^ wound(points)) & ~on_outline).any()

    def test_neighbours_share_no_pixel_and_leave_none(self):
        left = polygon(np.zeros(SHAPE, bool), [(2, 2), (10, 2), (14, 20), (2, 20)])
        right = polygon(np.zeros(SHAPE, bool), [(10, 2), (28, 2), (28, 20), (14, 20)])
        together = polygon(np.zeros(SHAPE, bool), [(2, 2), (28, 2), (28, 20), (2, 20)])
        assert not (left & right).any()
        assert ((left | right) == together).all()

    def test_a_loop_that_crosses_itself_has_no_hole(self):
        twice = [(5, 5), (20, 5), (20, 18), (5, 18)] * 2
        once = polygon(np.zeros(SHAPE, bool), twice[:4])
        assert (polygon(np.zeros(SHAPE, bool), twice) == once).all()
        assert once.sum() == 15 * 13

    def test_the_inside_is_taken_away(self):
        out = polygon(np.ones(SHAPE, bool), [(5, 5), (20, 5), (20, 18), (5, 18)], erase=True)
        assert (~out).sum() == 15 * 13

    def test_two_corners_are_no_polygon(self):
        with pytest.raises(ValueError, match="accepted are 3"):
            polygon(np.zeros(SHAPE, bool), [(1, 1), (5, 5)])


def ring() -> NDArray[np.bool_]:
    mask = np.zeros(SHAPE, bool)
    mask[4:15, 4:15] = True
    mask[7:12, 7:12] = False
    mask[9, 9] = True
    mask[18:21, 20:28] = True
    return mask


class TestFill:
    def test_a_hole_is_filled(self):
        out = fill(ring(), 8, 8)
        assert (out & ~ring()).sum() == 24
        assert out[9, 9]

    def test_a_part_is_removed(self):
        out = fill(ring(), 24, 19)
        assert not out[15:].any()
        assert (out[:15] == ring()[:15]).all()

    def test_parts_that_touch_by_a_corner_are_one(self):
        mask = np.eye(6, dtype=bool)
        assert not fill(mask, 2, 2).any()

    def test_background_around_the_object_is_no_hole(self):
        for x, y in ((0, 0), (16, 16), (30, 22)):
            assert (fill(ring(), x, y) == ring()).all()

    def test_what_a_corner_of_the_picture_closes_is_no_hole(self):
        mask = np.zeros(SHAPE, bool)
        mask[:6, 5] = mask[5, :6] = True
        assert (fill(mask, 2, 2) == mask).all()

    @given(st.integers(0, 2**32 - 1), st.integers(0, SHAPE[1] - 1), st.integers(0, SHAPE[0] - 1))
    @settings(max_examples=60, deadline=None)
    def test_against_labels_of_the_whole_picture(self, seed, x, y):
        mask = np.random.default_rng(seed).random(SHAPE) < 0.6
        holes = cv2.connectedComponents((~mask).astype(np.uint8), connectivity=4)[1]
        parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[1]
        border = np.ones(SHAPE, bool)
        border[1:-1, 1:-1] = False
        expected = mask.copy()
        if mask[y, x]:
            expected &= parts != parts[y, x]
        elif holes[y, x] not in holes[border]:
            expected |= holes == holes[y, x]
        assert (fill(mask, x, y) == expected).all()

    def test_all_holes_or_the_small_ones(self):
        mask = ring()
        mask[19, 22] = False
        assert fill_holes(mask)[7:12, 7:12].all()
        small = fill_holes(mask, largest=1)
        assert small[19, 22]
        assert not small[8, 8]
        assert (fill_holes(np.zeros(SHAPE, bool)) == 0).all()

    def test_a_point_outside_is_refused(self):
        with pytest.raises(ValueError, match="outside the image"):
            fill(ring(), 31, 2)


class TestScribble:
    def test_clicks_lie_evenly_on_the_line(self):
        clicks = scribble_clicks([(0, 10), (40, 10), (40, 50)], (100, 100), spacing=10)
        expected = [(5 + 10 * i, 10) for i in range(4)] + [(40, 15 + 10 * i) for i in range(4)]
        assert np.abs([(c.x, c.y) for c in clicks] - np.array(expected)).max() <= 0.25
        assert all(click.positive for click in clicks)

    def test_what_leaves_the_picture_gives_no_clicks(self):
        clicks = scribble_clicks([(-100, 5), (20, 5), (20, 400)], (30, 40), spacing=5)
        assert len(clicks) == 9
        assert {click.pixel[0] for click in clicks} == {5, 7, 12, 17, 22, 27}

    def test_a_dot_is_one_click(self):
        assert scribble_clicks([(3, 4)], (9, 9), False) == (Click(3, 4, False),)

    @given(lines, st.booleans(), st.floats(0.01, 500))
    @settings(max_examples=100, deadline=None)
    def test_they_are_few_and_in_the_picture(self, points, positive, spacing):
        # A point of the line in the picture keeps it from lying outside as a whole.
        clicks = scribble_clicks([(15, 11), *points, (15, 11)], SHAPE, positive, spacing=spacing)
        assert 1 <= len(clicks) <= 12
        for click in clicks:
            row, column = click.pixel
            assert 0 <= row < SHAPE[0]
            assert 0 <= column < SHAPE[1]
            assert near([(15, 11), *points, (15, 11)], 1)[row, column]

    def test_a_line_outside_is_refused(self):
        with pytest.raises(ValueError, match="line lies outside the image"):
            scribble_clicks([(-9, 1), (-9, 5)], SHAPE)

    def test_a_spacing_of_nothing_is_refused(self):
        with pytest.raises(ValueError, match="spacing"):
            scribble_clicks([(1, 1)], SHAPE, spacing=0)
