"""Views cut as the papers' own training cuts them, and the settings of views."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from iseg_widget.training import focalclick
from iseg_widget.training.crop_simulation import (
    SMALLEST_TRUTH,
    Scissors,
    SimulatedView,
    Window,
    colour_table,
    draw_crop,
)
from iseg_widget.training.focuscut import Patch, cut_patch
from iseg_widget.training.pool import Pool, Target
from iseg_widget.training.recipes import load_recipe, parse_recipe
from iseg_widget.training.simulation import OF_OBJECT, ViewSettings
from iseg_widget.training.tasks import build_task
from tests.training.test_recipes import text_of
from tests.training.tiny import tiny_pool

SHAPE = (120, 200)
SIZE = (64, 96)
CROP = {"view": "crop", "scale": [0.75, 1.4]}


def box_truth(x0: int, y0: int, x1: int, y1: int) -> NDArray[np.bool_]:
    truth = np.zeros(SHAPE, bool)
    truth[y0:y1, x0:x1] = True
    return truth


def plain(truth: NDArray[np.bool_], seed: int, **changes: Any) -> Window:
    values: dict[str, Any] = {"size": SIZE, "scale": 1.0, "rotation": 0.0, "flip": 0.0}
    return draw_crop(truth, np.random.default_rng(seed), **{**values, **changes})


def edges(window: Window) -> tuple[float, float, float, float]:
    (x, y), (width, height) = window.centre, window.size
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def located(truth: NDArray[np.bool_]) -> Target:
    """An image that tells where each pixel is: red is its column, green its row."""
    rows, columns = np.indices(truth.shape)
    image = np.dstack([columns, rows, np.zeros_like(rows)]).astype(np.uint8)
    return Target(image, truth, np.ones_like(truth))


def cut(target: Target, window: Window, size: tuple[int, int] = SIZE) -> SimulatedView:
    return Scissors(target, np.random.default_rng(0), 0.0).cut(window.matrix(size), size)


class TestDrawing:
    @pytest.mark.parametrize("seed", range(5))
    def test_at_its_own_size_a_crop_is_a_part_of_the_image(self, seed: int):
        target = located(box_truth(40, 30, 150, 100))
        window = plain(target.truth, seed)
        x0, y0, x1, y1 = (int(edge) for edge in edges(window))
        assert (x0, y0, x1, y1) == edges(window)
        view = cut(target, window)
        expected = target.image[y0:y1, x0:x1].transpose(2, 0, 1) / 255.0
        np.testing.assert_allclose(view.image, expected, atol=1e-6)
        np.testing.assert_array_equal(view.truth, target.truth[y0:y1, x0:x1])
        assert view.valid.all()

    @pytest.mark.parametrize("scale", [0.75, 1.0, 1.4, 2.56])
    def test_crops_stay_inside_and_reach_everywhere(self, scale: float):
        """In pixels of the source they are smaller the more it is enlarged."""
        windows = [plain(np.ones(SHAPE, bool), seed, scale=scale) for seed in range(400)]
        found = np.array([edges(window) for window in windows])
        np.testing.assert_allclose(found[:, 2] - found[:, 0], SIZE[1] / scale)
        np.testing.assert_allclose(found[:, 3] - found[:, 1], SIZE[0] / scale)
        assert found.min() >= 0
        assert found[:, 2].max() <= SHAPE[1] + 1e-6
        assert found[:, 3].max() <= SHAPE[0] + 1e-6
        # Both ends are reached (but for the last whole pixels), and the middle as often as they.
        reach = (SHAPE[1] - SIZE[1] / scale, SHAPE[0] - SIZE[0] / scale)
        for places, most in zip(found.T[:2], reach, strict=True):
            assert places.min() < 0.05 * most + 1
            assert places.max() > 0.95 * most - 1
            thirds = np.histogram(places, 3, (0, most))[0] / len(places)
            assert thirds.min() > 0.2

    @pytest.mark.parametrize("scale", [0.75, 1.0, 1.4])
    @pytest.mark.parametrize(
        "truth",
        [
            box_truth(2, 2, 9, 9),
            box_truth(190, 110, 200, 120),
            box_truth(0, 50, 200, 52),
            box_truth(90, 50, 96, 56),
            box_truth(0, 0, 7, 7) | box_truth(193, 113, 200, 120),
        ],
    )
    def test_at_least_a_part_of_the_object_is_shown(self, truth: NDArray[np.bool_], scale: float):
        """Also of two far parts, between which a crop may show neither."""
        target, shown = located(truth), []
        for seed in range(60):
            view = cut(target, plain(truth, seed, scale=scale))
            shown.append(view.truth.sum())
        assert min(shown) >= SMALLEST_TRUTH * 0.7

    def test_not_all_of_the_object_is_always_shown(self):
        truth = box_truth(80, 40, 120, 80)
        target = located(truth)
        areas = [cut(target, plain(truth, seed)).truth.sum() for seed in range(80)]
        assert max(areas) == truth.sum()
        assert min(areas) < 0.4 * truth.sum()

    def test_a_small_object_in_a_corner_is_shown_at_many_places(self):
        """Crops that cannot show it are not tried, so that few have to be aimed at it."""
        truth = box_truth(180, 100, 200, 120)
        found = [edges(plain(truth, seed))[:2] for seed in range(200)]
        # 104 and 56 are the last offsets; from 85 and 37 on the object comes into view.
        assert len({x for x, _ in found}) >= 18
        assert len({y for _, y in found}) >= 18
        assert sum(place == (104, 56) for place in found) < 10

    @pytest.mark.parametrize("scale", [0.3, 0.5])
    def test_small_images_lie_in_the_middle_of_what_is_not_valid(self, scale: float):
        target = located(np.ones(SHAPE, bool))
        window = plain(target.truth, 3, scale=scale)
        view = cut(target, window)
        rows, columns = np.nonzero(view.valid)
        height, width = SHAPE[0] * scale, SHAPE[1] * scale
        for places, inside, side in ((rows, height, SIZE[0]), (columns, width, SIZE[1])):
            if inside < side:
                assert np.ptp(places) + 1 == pytest.approx(inside, abs=1)
                assert places.min() == pytest.approx((side - inside) / 2, abs=1)
            else:
                assert np.ptp(places) + 1 == side
        np.testing.assert_array_equal(view.truth, view.valid)

    def test_what_is_outside_is_black(self):
        """Not so around objects, where the border is repeated."""
        target = located(np.ones(SHAPE, bool))
        target.image[:] = 200
        window = plain(target.truth, 3, scale=0.3)
        for view, level in (("crop", 0), ("object", 200)):
            how = ViewSettings(view=view, colour=0.0)
            found = how.scissors(target, np.random.default_rng(0)).cut(window.matrix(SIZE), SIZE)
            assert not found.valid[:, 0].any()
            np.testing.assert_allclose(found.image[:, :, :8] * 255, level, atol=1e-4)
            np.testing.assert_allclose(found.image[:, 20:40, 30:60] * 255, 200, atol=1e-4)

    def test_turned_and_mirrored_as_often_as_asked(self):
        truth = np.ones(SHAPE, bool)
        for rotation, flip in ((0.0, 1.0), (1.0, 0.0), (0.3, 0.6)):
            found = [plain(truth, seed, rotation=rotation, flip=flip) for seed in range(200)]
            turned = np.mean([window.degrees != 0.0 for window in found])
            mirrored = np.mean([window.mirrored for window in found])
            assert turned == pytest.approx(rotation, abs=0.1 * (rotation % 1 > 0))
            assert mirrored == pytest.approx(flip, abs=0.1 * (flip % 1 > 0))
            assert max(abs(window.degrees) for window in found) <= 15

    def test_nothing_to_show(self):
        with pytest.raises(ValueError, match="no pixel to crop around"):
            plain(np.zeros(SHAPE, bool), 0)


class TestSettings:
    def test_short_side_and_scale(self):
        truth = np.ones(SHAPE, bool)
        how = ViewSettings.of({"view": "crop", "short_side": 512})
        for seed in range(20):
            window = how.window(truth, np.random.default_rng(seed), (512, 512), first=True)
            assert window.size == pytest.approx((120, 120))
            assert edges(window)[1] == pytest.approx(0, abs=1e-3)
        how = ViewSettings.of({**CROP, "short_side": 240})
        windows = [
            how.window(truth, np.random.default_rng(seed), SIZE, first=True) for seed in range(200)
        ]
        factors = [SIZE[1] / window.size[0] / 2 for window in windows]
        assert 0.75 <= min(factors) < 0.78
        assert 1.36 < max(factors) <= 1.4

    def test_objects_are_what_they_were(self):
        """Defaults: turned with 0.2, mirrored with 0.5, the colours of today."""
        simulation = load_recipe("ritm-lite0").simulation
        how = ViewSettings.of(simulation)
        assert (how.view, how.rotation, how.flip, how.colour) == ("object", 0.2, 0.5, 1.0)
        assert (how.whole_image_first, how.whole_image_later) == (0.75, 0.35)
        assert how.target_expansion == (1.2, 2.2)
        windows = [
            ViewSettings.of({**simulation, "rotation": 1.0, "flip": 0.0}).window(
                box_truth(40, 30, 150, 100), np.random.default_rng(seed), SIZE, first=True
            )
            for seed in range(20)
        ]
        assert all(window.degrees and not window.mirrored for window in windows)

    def test_colours(self):
        rng = np.random.default_rng(0)
        levels = np.arange(256)[:, None, None].repeat(3, 2)
        np.testing.assert_array_equal(colour_table(rng, 0.0), levels)
        far = [
            np.mean(
                [
                    np.abs(colour_table(np.random.default_rng(seed), strength) - levels).mean()
                    for seed in range(40)
                ]
            )
            for strength in (0.25, 0.5, 1.0)
        ]
        assert 1.5 < far[1] / far[0] < 2.5
        assert 1.5 < far[2] / far[1] < 2.5
        target = located(np.ones(SHAPE, bool))

        def grey(strength: float) -> list[int]:
            how = ViewSettings(colour=strength)
            every = (how.scissors(target, np.random.default_rng(seed)) for seed in range(300))
            return [seed for seed, scissors in enumerate(every) if scissors.grey]

        assert grey(0.0) == []
        assert 3 < len(grey(1.0)) < 30
        assert len(grey(0.5)) < len(grey(1.0))

    def test_focus_patches_are_mirrored_and_coloured_so(self):
        target = located(np.ones(SHAPE, bool))
        patch = Patch((100.0, 60.0), 31.5)
        for seed in range(8):
            how = ViewSettings(flip=0.0, colour=0.0)
            view = cut_patch(target, patch, 64, np.random.default_rng(seed), how)
            expected = target.image[28:92, 68:132].transpose(2, 0, 1) / 255.0
            np.testing.assert_allclose(view.image, expected, atol=2.5 / 255)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"view": "whole"}, "view must be one of object, crop, got 'whole'"),
            ({"view": "crop", "scale": [1.4, 0.7]}, r"scale must be a range .*got \[1.4, 0.7\]"),
            ({"view": "crop", "scale": [0.0, 0.7]}, "scale must be a range"),
            ({"view": "crop", "scale": 0.7}, "scale must be a range"),
            ({"view": "crop", "scale": ["a", "b"]}, "scale must be a range"),
            ({"view": "crop", "short_side": -1}, "short_side must be a number of pixels, or 0"),
            ({"view": "crop", "short_side": 1.5}, "short_side must be a number of pixels, or 0"),
            ({"view": "crop", "flip": 1.5}, "flip must lie in 0..1, got 1.5"),
            ({"view": "crop", "rotation": "often"}, "rotation must lie in 0..1, got 'often'"),
            ({"view": "crop", "colour": True}, "colour must lie in 0..1, got True"),
            ({"short_side": 512}, 'scale and short_side belong to the view "crop"'),
            ({"scale": [0.75, 1.4]}, 'scale and short_side belong to the view "crop"'),
        ],
    )
    def test_refused(self, settings: dict[str, Any], message: str):
        simulation = load_recipe("ritm-lite0").simulation
        with pytest.raises(ValueError, match=message):
            ViewSettings.of({**simulation, **settings})

    def test_what_an_object_view_needs(self):
        with pytest.raises(ValueError, match='"object" needs whole_image_later, target_expansion'):
            ViewSettings.of({"whole_image_first": 1.0})
        assert ViewSettings.of({"view": "crop"}) == ViewSettings(view="crop")


class TestRecipes:
    text = text_of("ritm-lite0")  # its last table is the simulation

    def test_settings_that_nothing_reads_are_refused(self):
        with pytest.raises(ValueError, match=r"settings \['scales'\]; accepted are .*'scale'"):
            parse_recipe(self.text + "scales = [0.75, 1.4]\n")
        with pytest.raises(ValueError, match="view must be one of object, crop, got 'cut'"):
            parse_recipe(self.text + 'view = "cut"\n')

    def test_crops(self):
        recipe = parse_recipe(self.text + 'view = "crop"\nscale = [0.75, 1.4]\nrotation = 0.0\n')
        how = ViewSettings.of(recipe.simulation)
        assert (how.view, how.scale, how.rotation) == ("crop", (0.75, 1.4), 0.0)


class TestTasks:
    @pytest.fixture
    def pool(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pool:
        monkeypatch.setattr(focalclick, "REFINER_SIDE", 64)
        return Pool(tiny_pool(tmp_path), {"blobs": 1.0}, 1)

    @pytest.mark.parametrize(
        ("name", "changes", "size"),
        [
            ("ritm-lite0", CROP, (32, 64)),
            ("ifcn-lite0", CROP, (32, 64)),
            ("fca_net-lite0", {"view": "crop", "short_side": 64}, (64, 64)),
            ("focuscut-lite0", {"view": "crop", "focus": 0.0}, (64, 64)),
            ("focuscut-lite0", {"view": "crop", "focus": 1.0}, (64, 64)),
            ("focalclick-lite0", CROP, (64, 64)),
            ("ia_fpn-lite0", CROP, (32, 64)),
            ("ia_fpn-lite0-coarse", CROP, (32, 64)),
            ("ris_net-lite0", CROP, (64, 64)),
        ],
    )
    def test_every_task_learns_from_crops(
        self, pool: Pool, name: str, changes: dict[str, Any], size: tuple[int, int]
    ):
        recipe = load_recipe(name)
        # Nothing of what belongs to the other view is needed.
        own = {k: v for k, v in recipe.simulation.items() if k not in OF_OBJECT}
        task: Any = build_task(recipe.network, {**own, "iterations": [0.0, 1.0], **changes})
        batch = task.batch(pool, np.random.default_rng(0), 2, size)
        again = task.batch(pool, np.random.default_rng(0), 2, size)
        assert batch.seed == again.seed
        views = batch.crops if name == "focalclick-lite0" else batch.views
        assert all(view.truth.sum() >= SMALLEST_TRUTH for view in views)
        torch.manual_seed(0)
        net = task.network()
        task.begin(net)
        terms = task.losses(net, batch, torch.device("cpu"), None)
        shown = [v for k, v in terms.items() if k not in ("whole_iou", "focus_iou")]
        assert all(torch.isfinite(value) for value in shown)

    @pytest.mark.parametrize("name", ["ritm-lite0", "focalclick-lite0", "ia_fpn-lite0"])
    def test_crops_have_the_size_of_the_source(self, pool: Pool, name: str):
        """A disk of the pool keeps its area but for the scale; object views enlarge it."""
        recipe = load_recipe(name)
        areas = {}
        for view in ("crop", "object"):
            task: Any = build_task(recipe.network, {**recipe.simulation, "view": view})
            batch = task.batch(pool, np.random.default_rng(0), 12, (72, 96))
            found = batch.crops if name == "focalclick-lite0" else batch.views
            areas[view] = [int(entry.truth.sum()) for entry in found]
        assert max(areas["crop"]) <= 1.02 * np.pi * 17.5**2
        assert max(areas["object"]) > 1.5 * np.pi * 17.5**2

    def test_focus_crops_lie_in_the_random_crop(self, pool: Pool):
        recipe = load_recipe("focalclick-lite0")
        task: Any = build_task(recipe.network, {**recipe.simulation, **CROP, "focus_object": 1.0})
        for crop in task.batch(pool, np.random.default_rng(0), 8, (64, 64)).crops:
            x0, y0, x1, y1 = (round(edge) for edge in crop.focus_box)
            assert crop.truth.sum() == crop.truth[y0:y1, x0:x1].sum()
            share = crop.truth[y0:y1, x0:x1].mean()
            assert crop.focus.truth.mean() == pytest.approx(share, abs=0.08)
