from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from iseg_widget.training.click_simulation import (
    initial_clicks,
    inner_pixel,
    next_click,
    point_count,
)
from iseg_widget.views import resize

Mask = NDArray[np.bool_]
SHAPE = (60, 80)
EVERYWHERE = np.ones(SHAPE, bool)


def disk(x: int, y: int, radius: int) -> Mask:
    rows, columns = np.indices(SHAPE)
    return np.asarray((columns - x) ** 2 + (rows - y) ** 2 <= radius**2)


def blobs(seed: int) -> Mask:
    rng = np.random.default_rng(seed)
    return np.asarray(resize(rng.random((4, 5)).astype(np.float32), SHAPE) > 0.55)


class TestInnerPixel:
    def test_half_as_deep_as_the_deepest(self):
        rng = np.random.default_rng(0)
        found = {inner_pixel(disk(40, 30, 20), rng) for _ in range(200)}
        distances = [np.hypot(x - 40, y - 30) for x, y in found]
        assert max(distances) <= 11
        assert max(distances) > 7  # and not only the centre
        assert len(found) > 50

    def test_the_maps_border_counts_as_the_objects(self):
        rng = np.random.default_rng(0)
        for _ in range(50):
            x, y = inner_pixel(EVERYWHERE, rng) or (0, 0)
            assert min(x, y, SHAPE[1] - 1 - x, SHAPE[0] - 1 - y) >= 14

    @pytest.mark.parametrize("seed", range(5))
    def test_always_on_the_mask(self, seed: int):
        mask = blobs(seed)
        x, y = inner_pixel(mask, np.random.default_rng(seed)) or (-1, -1)
        assert mask[y, x]

    def test_single_pixel_and_nothing(self):
        rng = np.random.default_rng(0)
        assert inner_pixel(disk(7, 9, 0), rng) == (7, 9)
        assert inner_pixel(~EVERYWHERE, rng) is None


class TestPointCount:
    def test_each_next_count_is_decay_times_as_likely(self):
        rng = np.random.default_rng(0)
        counts = np.bincount([point_count(rng, 24, 0.8) for _ in range(8000)], minlength=25)
        assert counts[0] == 0
        assert len(counts) == 25
        ratios = counts[2:8] / counts[1:7]
        np.testing.assert_allclose(ratios, 0.8, atol=0.12)

    def test_limit_one(self):
        assert point_count(np.random.default_rng(0), 1, 0.8) == 1


class TestInitialClicks:
    def draw(
        self,
        truth: Mask,
        seed: int,
        *,
        valid: Mask = EVERYWHERE,
        centre: float = 0.5,
        single: float = 0.0,
    ) -> NDArray[np.float32]:
        return initial_clicks(
            truth, valid, np.random.default_rng(seed),
            limit=24, decay=0.8, centre_probability=centre, single_probability=single,
        )  # fmt: skip

    def test_positives_lie_on_the_object_and_negatives_off_it(self):
        valid = ~disk(10, 10, 9)
        kinds = set()
        for seed in range(60):
            truth = blobs(seed % 6)
            clicks = self.draw(truth, seed, valid=valid)
            assert clicks.dtype == np.float32
            assert clicks[0, 2] == 1
            for x, y, positive in clicks.astype(int):
                assert truth[y, x] == bool(positive)
                assert positive or valid[y, x]
                kinds.add(positive)
        assert kinds == {0, 1}

    def test_numbers_of_both_kinds_vary_up_to_the_limit(self):
        truth = disk(40, 30, 15)
        drawn = [self.draw(truth, seed) for seed in range(300)]
        positives = [int(c[:, 2].sum()) for c in drawn]
        negatives = [int((1 - c[:, 2]).sum()) for c in drawn]
        assert 1 == min(positives) < 10 < max(positives) <= 24
        assert 0 == min(negatives) < 10 < max(negatives) <= 24

    def test_alone_as_a_person_starts(self):
        for seed in range(20):
            clicks = self.draw(disk(40, 30, 15), seed, single=1.0)
            assert clicks[:, 2].tolist() == [1.0]

    def test_first_click_in_the_inner_half(self):
        truth = disk(40, 30, 20)
        inside, anywhere = (
            [self.draw(truth, seed, centre=centre, single=1.0)[0] for seed in range(100)]
            for centre in (1.0, 0.0)
        )
        assert max(np.hypot(x - 40, y - 30) for x, y, _ in inside) <= 11
        assert max(np.hypot(x - 40, y - 30) for x, y, _ in anywhere) > 15

    def test_no_object_and_no_background(self):
        assert self.draw(~EVERYWHERE, 0).shape == (0, 3)
        for seed in range(10):
            assert self.draw(EVERYWHERE, seed)[:, 2].all()


class TestNextClick:
    def test_lies_in_the_error_with_its_sign(self):
        signs = set()
        for seed in range(40):
            truth, prediction = blobs(seed), blobs(seed + 100)
            click = next_click(prediction, truth, EVERYWHERE, np.random.default_rng(seed))
            assert click is not None
            x, y, positive = int(click[0]), int(click[1]), bool(click[2])
            assert truth[y, x] != prediction[y, x]
            assert truth[y, x] == positive
            signs.add(positive)
        assert signs == {False, True}

    def test_the_deeper_error_is_clicked(self):
        """A thin ring is larger than a small disk, but not as deep."""
        truth = disk(40, 30, 25)
        prediction = disk(40, 30, 24) & ~disk(40, 30, 6)
        click = next_click(prediction, truth, EVERYWHERE, np.random.default_rng(0))
        assert click is not None
        assert np.hypot(click[0] - 40, click[1] - 30) <= 4
        assert click[2] == 1
        added = next_click(truth | disk(8, 8, 7), truth, EVERYWHERE, np.random.default_rng(0))
        assert added is not None
        assert np.hypot(added[0] - 8, added[1] - 8) <= 5
        assert added[2] == 0

    def test_ignored_pixels_are_never_clicked(self):
        truth, wrong = disk(40, 30, 15), disk(10, 10, 9)
        rng = np.random.default_rng(0)
        assert next_click(truth | wrong, truth, ~wrong, rng) is None
        half = next_click(truth | wrong, truth, ~disk(5, 10, 9), rng)
        assert half is not None
        assert not disk(5, 10, 9)[int(half[1]), int(half[0])]

    def test_perfect_prediction_needs_no_click(self):
        truth = blobs(3)
        assert next_click(truth, truth.copy(), EVERYWHERE, np.random.default_rng(0)) is None

    def test_errors_thinner_than_three_pixels_are_found(self):
        truth = disk(40, 30, 15)
        grown = cv2.dilate(truth.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        click = next_click(grown, truth, EVERYWHERE, np.random.default_rng(0))
        assert click is not None
        assert (grown & ~truth)[int(click[1]), int(click[0])]
