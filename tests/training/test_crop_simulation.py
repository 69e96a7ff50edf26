from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from iseg_widget.masks import box_of
from iseg_widget.training import crop_simulation
from iseg_widget.training.crop_simulation import (
    FocusRanges,
    Scissors,
    SimulatedCrops,
    Window,
    colour_table,
    draw_focus,
    draw_window,
    simulate,
)
from iseg_widget.training.pool import Target

HEIGHT, WIDTH = 200, 240
SIDE, FOCUS_SIDE = 128, 192
EXPANSION = (1.2, 1.9)
RANGES = FocusRanges(0.4, (0.2, 0.5), (1.1, 2.0))


def ellipse(x: float = 110, y: float = 90, rx: float = 45, ry: float = 30) -> NDArray[np.bool_]:
    rows, columns = np.indices((HEIGHT, WIDTH))
    return np.asarray(((columns - x) / rx) ** 2 + ((rows - y) / ry) ** 2 <= 1)


@pytest.fixture
def target() -> Target:
    """An image that tells where each pixel is: red is its column, green its row."""
    rows, columns = np.indices((HEIGHT, WIDTH))
    image = np.dstack([columns, rows, np.zeros_like(rows)]).astype(np.uint8)
    valid = np.ones((HEIGHT, WIDTH), bool)
    valid[:20, :50] = False
    return Target(image, ellipse(), valid)


@pytest.fixture
def _true_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """No colour jitter: colours stay coordinates."""
    levels = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, axis=2)
    monkeypatch.setattr(crop_simulation, "colour_table", lambda *_: levels)
    monkeypatch.setattr(crop_simulation, "GREY_PROBABILITY", 0.0)


def cut_out(
    target: Target, seed: int, *, whole: bool = False, rotation: float = 0.2
) -> SimulatedCrops:
    rng = np.random.default_rng(seed)
    window = draw_window(target.truth, rng, whole=whole, expansion=EXPANSION, rotation=rotation)
    return simulate(
        Scissors(target, rng),
        window,
        rng,
        size=(SIDE, SIDE),
        focus_side=FOCUS_SIDE,
        ranges=RANGES,
    )


def located(
    target: Target, seed: int, *, whole: bool, rotation: float
) -> tuple[SimulatedCrops, NDArray[np.float32], NDArray[np.float32]]:
    """Crops, and the source columns and rows ``(2, side, side)`` that both crops show.

    The negative is cut out as well: whole-number colours are rounded up in one and down in the
    other, so that their mean is free of bias.
    """
    crops = cut_out(target, seed, whole=whole, rotation=rotation)
    negative = cut_out(
        dataclasses.replace(target, image=255 - target.image), seed, whole=whole, rotation=rotation
    )
    return (
        crops,
        (crops.image + 1 - negative.image)[:2] * 127.5,
        (crops.focus.image + 1 - negative.focus.image)[:2] * 127.5,
    )


def affine_of(places: NDArray[np.float32]) -> NDArray[np.float64]:
    """Affine map from crop pixels to source pixels, fitted away from the border."""
    x, y = places
    inside = (x > 2) & (x < WIDTH - 3) & (y > 2) & (y < HEIGHT - 3)
    rows, columns = np.nonzero(inside)
    known = np.stack([columns, rows, np.ones_like(rows)], 1).astype(float)
    fitted, *_ = np.linalg.lstsq(known, np.stack([x[inside], y[inside]], 1), rcond=None)
    return np.asarray(fitted.T)


def at_source(affine: NDArray[np.float64], grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Source coordinates ``(2, …)`` of crop coordinates ``(2, …)`` (x, y)."""
    return np.asarray(np.tensordot(affine[:, :2], grid, 1) + affine[:, 2].reshape(2, 1, 1))


@pytest.mark.usefixtures("_true_colours")
class TestGeometry:
    """Image, truth, valid pixels, and both crops must agree about where they look."""

    @pytest.fixture(params=[0.0, 1.0], ids=["upright", "turned"])
    def rotation(self, request: pytest.FixtureRequest) -> float:
        return float(request.param)

    @pytest.mark.parametrize("whole", [False, True])
    @pytest.mark.parametrize("seed", range(6))
    def test_truth_and_valid_lie_where_the_image_does(
        self, target: Target, seed: int, whole: bool, rotation: float
    ):
        crops, places, _ = located(target, seed, whole=whole, rotation=rotation)
        grid = np.indices((SIDE, SIDE))[::-1].astype(float)
        affine = affine_of(places)
        sides = affine[:, :2] / np.linalg.norm(affine[:, :2], axis=0)
        assert abs(sides[:, 0] @ sides[:, 1]) < 0.02  # a rectangle, turned but not sheared
        x, y = at_source(affine, grid)
        value = ((x - 110) / 45) ** 2 + ((y - 90) / 30) ** 2
        assert crops.truth[value < 0.9].all()
        assert not crops.truth[value > 1.1].any()
        outside = (x < -1.5) | (y < -1.5) | (x > WIDTH + 0.5) | (y > HEIGHT + 0.5)
        ignored = (x < 48) & (y < 18)
        assert not crops.valid[outside | ignored].any()
        good = (x > 1) & (y > 1) & (x < WIDTH - 2) & (y < HEIGHT - 2) & ((x > 52) | (y > 22))
        assert crops.valid[good].all()

    @pytest.mark.parametrize("whole", [False, True])
    @pytest.mark.parametrize("seed", range(6))
    def test_focus_crop_shows_its_box_of_the_target_crop(
        self, target: Target, seed: int, whole: bool, rotation: float
    ):
        crops, places, focus_places = located(target, seed, whole=whole, rotation=rotation)
        x0, y0, x1, y1 = crops.focus_box
        assert 0 <= x0 < x1 <= SIDE
        assert 0 <= y0 < y1 <= SIDE
        columns = x0 + (np.arange(FOCUS_SIDE) + 0.5) * (x1 - x0) / FOCUS_SIDE - 0.5
        rows = y0 + (np.arange(FOCUS_SIDE) + 0.5) * (y1 - y0) / FOCUS_SIDE - 0.5
        expected = at_source(affine_of(places), np.stack(np.meshgrid(columns, rows)))
        expected[0] = expected[0].clip(0, WIDTH - 1)
        expected[1] = expected[1].clip(0, HEIGHT - 1)
        difference = focus_places - expected
        assert np.abs(difference).max() < 1.2
        assert np.abs(difference.mean(axis=(1, 2))).max() < 0.15
        value = ((expected[0] - 110) / 45) ** 2 + ((expected[1] - 90) / 30) ** 2
        assert crops.focus.truth[value < 0.9].all()
        assert not crops.focus.truth[value > 1.1].any()


@pytest.mark.usefixtures("_true_colours")
class TestDetail:
    def test_focus_crop_carries_what_the_target_crop_has_lost(self, target: Target):
        """Stripes of two source pixels drown in a crop of a third of the size."""
        stripes = (np.indices((900, 900))[1] // 2 % 2 * 255).astype(np.uint8)
        truth = np.zeros((900, 900), bool)
        truth[200:800, 200:800] = True
        fine = Target(np.dstack([stripes] * 3), truth, np.ones_like(truth))
        ranges = dataclasses.replace(
            RANGES, focus_object=0.0, focus_length=(0.1, 0.1), focus_expansion=(1.0, 1.0)
        )
        rng = np.random.default_rng(1)
        window = draw_window(fine.truth, rng, whole=True, expansion=EXPANSION)
        crops = simulate(
            Scissors(fine, rng), window, rng, size=(64, 64), focus_side=256, ranges=ranges
        )
        assert crops.focus.image.std() > 2 * crops.image.std()
        assert target.image.shape == (HEIGHT, WIDTH, 3)


class TestTypes:
    def test_arrays(self, target: Target):
        crops = cut_out(target, 0)
        assert crops.image.shape == (3, SIDE, SIDE)
        assert crops.focus.image.shape == (3, FOCUS_SIDE, FOCUS_SIDE)
        for planes in (crops.image, crops.focus.image):
            assert planes.dtype == np.float32
            assert planes.min() >= 0
            assert planes.max() <= 1
        for view, side in ((crops, SIDE), (crops.focus, FOCUS_SIDE)):
            for mask in (view.truth, view.valid):
                assert mask.shape == (side, side)
                assert mask.dtype == np.bool_

    def test_the_seed_decides(self, target: Target):
        first, same, other = (cut_out(target, seed) for seed in (3, 3, 4))
        assert first.focus_box == same.focus_box
        np.testing.assert_array_equal(first.image, same.image)
        np.testing.assert_array_equal(first.focus.image, same.focus.image)
        assert (first.image != other.image).any()


class TestWindow:
    def test_upright_window_is_a_plain_crop(self):
        """Pixel edges map to the window's edges: x 10 to 50, y 20 to 100."""
        matrix = Window((30, 60), (40, 80), 0.0, mirrored=False).matrix((20, 20))
        for pixel, source in (((-0.5, -0.5), (9.5, 19.5)), ((19.5, 19.5), (49.5, 99.5))):
            np.testing.assert_allclose(matrix @ (*pixel, 1), source, atol=1e-9)

    def test_mirrored(self):
        matrix = Window((30, 60), (40, 80), 0.0, mirrored=True).matrix((20, 20))
        np.testing.assert_allclose(matrix @ (-0.5, -0.5, 1), (49.5, 19.5), atol=1e-9)

    def test_turned_about_its_centre(self):
        matrix = Window((30, 60), (40, 80), 90.0, mirrored=False).matrix((20, 20))
        np.testing.assert_allclose(matrix @ (9.5, 9.5, 1), (29.5, 59.5), atol=1e-9)
        # The right edge's middle turns to the bottom.
        np.testing.assert_allclose(matrix @ (19.5, 9.5, 1), (29.5, 79.5), atol=1e-9)

    def test_part_of_a_window(self):
        window = Window((30, 60), (40, 80), 11.0, mirrored=True)
        part = window.matrix((16, 16), (0.25, 0.5, 0.75, 1.0))
        full = window.matrix((32, 32))
        np.testing.assert_allclose(part @ (-0.5, -0.5, 1), full @ (7.5, 15.5, 1), atol=1e-9)
        np.testing.assert_allclose(part @ (15.5, 15.5, 1), full @ (23.5, 31.5, 1), atol=1e-9)

    @pytest.mark.parametrize("whole", [False, True])
    def test_drawn_windows_hold_the_object_and_stay_in_the_image(self, whole: bool):
        """1.2 is enough for the variation of an eighth along each axis not to cut anything."""
        truths = (ellipse(), ellipse(30, 25), ellipse(120, 100, 119, 99), ellipse(239, 0, 20, 20))
        sizes = set()
        for seed in range(120):
            truth = truths[seed % len(truths)]
            x0, y0, x1, y1 = box_of(truth) or (0, 0, 0, 0)
            window = draw_window(
                truth, np.random.default_rng(seed), whole=whole, expansion=(1.2, 1.9)
            )
            left, right = (window.centre[0] + s * window.size[0] / 2 for s in (-1, 1))
            top, bottom = (window.centre[1] + s * window.size[1] / 2 for s in (-1, 1))
            slack = 1e-5
            assert -slack <= left <= x0 + slack
            assert x1 - slack <= right <= WIDTH + slack
            assert -slack <= top <= y0 + slack
            assert y1 - slack <= bottom <= HEIGHT + slack
            sizes.add(round(window.size[0]))
        assert len(sizes) > 20

    def test_whole_image_is_among_the_first_clicks(self):
        windows = [
            draw_window(ellipse(), np.random.default_rng(s), whole=True, expansion=(1.2, 1.9))
            for s in range(60)
        ]
        widths = [window.size[0] / WIDTH for window in windows]
        assert max(widths) > 0.97
        assert min(widths) < 0.75

    def test_nothing_to_look_at(self):
        with pytest.raises(ValueError, match="no pixel to crop around"):
            draw_window(
                np.zeros((9, 9), bool), np.random.default_rng(0), whole=True, expansion=(1, 2)
            )


class TestFocus:
    truth = ellipse()[:HEIGHT, :HEIGHT]

    def boxes(self, **changes: Any) -> NDArray[np.float64]:
        ranges = dataclasses.replace(RANGES, **changes)
        return np.array(
            [draw_focus(self.truth, np.random.default_rng(s), ranges) for s in range(100)]
        )

    def test_the_object_expanded(self):
        """Sec. 4.1: the external box of the mask with an expansion from 1.1 to 2.0."""
        x0, y0, x1, y1 = box_of(self.truth) or (0, 0, 0, 0)
        boxes = self.boxes(focus_object=1.0)
        widths = (boxes[:, 2] - boxes[:, 0]) / (x1 - x0)
        assert widths.min() >= 1.1 - 1e-6
        assert widths.max() <= 2.0 + 1e-6
        assert (boxes[:, :2] <= (x0, y0)).all()
        assert (boxes[:, 2:] >= (x1, y1)).all()

    def test_local_crops_are_centred_on_the_boundary(self):
        """Sec. 4.1: random local crops centred on boundaries, 0.2 to 0.5 of the object's length."""
        boxes = self.boxes(focus_object=0.0, focus_expansion=(1.0, 1.0))
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        value = ((centres[:, 0] - 110) / 45) ** 2 + ((centres[:, 1] - 90) / 30) ** 2
        assert (np.abs(np.sqrt(value) - 1) < 0.1).all()
        length = 91
        widths = (boxes[:, 2] - boxes[:, 0]) / length
        assert widths.min() >= 0.2 * 0.75 - 1e-6
        assert widths.max() <= 0.5 * 1.33 + 1e-6

    def test_boxes_stay_in_the_crop_and_are_never_tiny(self):
        for truth in (self.truth, np.eye(64, dtype=bool), np.zeros((64, 64), bool)):
            for seed in range(50):
                box = draw_focus(truth, np.random.default_rng(seed), RANGES)
                assert 0 <= box[0] < box[2] <= truth.shape[0]
                assert 0 <= box[1] < box[3] <= truth.shape[0]
                assert min(box[2] - box[0], box[3] - box[1]) >= 6


def test_colours_vary_but_keep_their_order():
    tables = [colour_table(np.random.default_rng(seed)) for seed in range(30)]
    for table in tables:
        assert table.shape == (256, 1, 3)
        assert table.dtype == np.uint8
        assert (np.diff(table.astype(int), axis=0) >= 0).all()
    assert np.std([table.mean() for table in tables]) > 5
    assert any(np.ptp(table[128].astype(int)) > 5 for table in tables)
