from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iseg_widget.clicks import Click
from iseg_widget.masks import contours
from iseg_widget.methods.ris_net import roi_boxes
from iseg_widget.training.click_simulation import initial_clicks
from iseg_widget.training.roi_simulation import N_ROI, neighbours, sample_rois, slide

SHAPE = (60, 80)


def disk(x=40, y=30, radius=20):
    rows, columns = np.indices(SHAPE)
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def pair_at(degrees, reach=4.0):
    """A positive click inside the disk's outline and a negative one outside, on one ray."""
    angle = math.radians(degrees)
    return [
        (round(40 + r * math.cos(angle)), round(30 + r * math.sin(angle)), positive)
        for r, positive in ((20 - reach, 1.0), (20 + reach, 0.0))
    ]


def pairs(*degrees):
    return np.array([row for d in degrees for row in pair_at(d)])


def angle_of(box):
    x, y = (box[0] + box[2] - 1) / 2 - 40, (box[1] + box[3] - 1) / 2 - 30
    return math.degrees(math.atan2(y, x)), math.hypot(x, y)


class TestSampling:
    def test_pairs_come_first_and_the_rest_slides_between_them(self):
        clicks = pairs(0, 90)
        boxes = sample_rois(clicks, disk(), np.random.default_rng(0))
        assert boxes.shape == (N_ROI, 4)
        given_boxes = roi_boxes([Click(*row) for row in clicks], SHAPE)
        assert [tuple(box) for box in boxes[:2].tolist()] == list(given_boxes)
        for box in boxes[2:].tolist():
            angle, radius = angle_of(box)
            assert -3 <= angle <= 93  # the shorter way
            assert radius == pytest.approx(20, abs=1.5)
            assert box[2] - box[0] == box[3] - box[1] in {b[2] - b[0] for b in given_boxes}

    def test_they_spread_over_the_whole_way(self):
        clicks = pairs(0, 90)
        drawn = [
            angle_of(box)[0]
            for seed in range(30)
            for box in sample_rois(clicks, disk(), np.random.default_rng(seed))[2:].tolist()
        ]
        assert min(drawn) < 10
        assert max(drawn) > 80

    def test_one_positive_click_gives_one_box_again_and_again(self):
        clicks = np.array([*pair_at(0), (70.0, 5.0, 0.0)])
        boxes = sample_rois(clicks, disk(), np.random.default_rng(0))
        assert len(np.unique(boxes, axis=0)) == 1
        assert tuple(boxes[0].tolist()) == roi_boxes([Click(*r) for r in clicks], SHAPE)[0]

    def test_without_negative_clicks_all_are_the_whole_image(self):
        boxes = sample_rois(
            np.array([[40.0, 30, 1], [45, 30, 1]]), disk(), np.random.default_rng(0)
        )
        assert boxes.tolist() == [[0, 0, 80, 60]] * N_ROI

    def test_of_many_pairs_some_are_drawn(self):
        clicks = pairs(*range(0, 360, 40))
        boxes = {tuple(b) for b in sample_rois(clicks, disk(), np.random.default_rng(0)).tolist()}
        every = set(roi_boxes([Click(*row) for row in clicks], SHAPE))
        assert len(boxes) == N_ROI
        assert boxes < every
        other = {tuple(b) for b in sample_rois(clicks, disk(), np.random.default_rng(1)).tolist()}
        assert other != boxes

    def test_rois_of_different_parts_do_not_slide_into_each_other(self):
        truth = disk(20, 30, 12) | disk(60, 30, 12)
        clicks = np.array([[20, 20, 1], [20, 16, 0], [60, 20, 1], [60, 16, 0]], float)
        boxes = sample_rois(clicks, truth, np.random.default_rng(0))
        assert len(np.unique(boxes, axis=0)) == 2

    @settings(deadline=None, max_examples=40)
    @given(st.integers(0, 2**32 - 1), st.integers(1, 9))
    def test_any_clicks_give_as_many_boxes_as_asked_for_all_in_the_image(self, seed, count):
        rng = np.random.default_rng(seed)
        noise = cv2.GaussianBlur(rng.random(SHAPE), (0, 0), 4)
        truth = noise > np.quantile(noise, rng.uniform(0.5, 0.98))
        clicks = initial_clicks(
            truth,
            np.ones(SHAPE, bool),
            rng,
            limit=8,
            decay=0.9,
            centre_probability=0.5,
            single_probability=0.1,
        )
        boxes = sample_rois(clicks, truth, rng, count=count)
        assert boxes.shape == (count, 4)
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, 2:] <= (80, 60)).all()
        assert (boxes[:, :2] < boxes[:, 2:]).all()

    def test_the_seed_decides(self):
        clicks = pairs(0, 130, 250)
        one, same, other = (
            sample_rois(clicks, disk(), np.random.default_rng(seed)) for seed in (5, 5, 6)
        )
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, other)


class TestSliding:
    @pytest.mark.parametrize(("start", "stop"), [(0, 60), (60, 0), (-40, 40), (170, -150)])
    def test_half_the_shorter_way_lies_in_the_middle(self, start, stop):
        first, second = (
            roi_boxes([Click(*row) for row in pair_at(d)], SHAPE)[0] for d in (start, stop)
        )
        (outline,) = contours(disk())
        angle, _ = angle_of(slide(first, second, outline, 0.5, SHAPE))
        turn = (stop - start + 180) % 360 - 180
        assert (angle - (start + turn / 2) + 180) % 360 - 180 == pytest.approx(0, abs=6)

    def test_neighbours_follow_each_other_on_the_outline(self):
        boxes = [roi_boxes([Click(*r) for r in pair_at(d)], SHAPE)[0] for d in (0, 180, 90, 270)]
        found = {(boxes.index(a), boxes.index(b)) for a, b, _ in neighbours(boxes, disk())}
        ring = [(0, 2), (2, 1), (1, 3), (3, 0)]
        assert found == {*ring, *((b, a) for a, b in ring)}

    def test_an_empty_object_has_no_neighbours(self):
        assert neighbours([(0, 0, 4, 4), (5, 5, 9, 9)], np.zeros(SHAPE, bool)) == []
