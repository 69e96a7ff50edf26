"""Views that are no squares, in every task; and squares, drawn as they always were."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from iseg_widget.training import focalclick
from iseg_widget.training.click_strategies import STRATEGIES, placed_clicks
from iseg_widget.training.crop_simulation import FocusRanges, Scissors, Window, draw_focus
from iseg_widget.training.interaction import defective
from iseg_widget.training.logs import LOG, Table
from iseg_widget.training.pictures import GAP, draw
from iseg_widget.training.pool import Pool, Target
from iseg_widget.training.recipes import Phase, Recipe, load_recipe, parse_recipe
from iseg_widget.training.seen import Seen
from iseg_widget.training.tasks import build_task
from iseg_widget.training.trainer import Trainer, _size
from tests.training.stub import StubTask
from tests.training.test_recipes import text_of
from tests.training.tiny import tiny_pool, tiny_recipe

CPU = torch.device("cpu")
SIZE = (64, 96)


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pool:
    monkeypatch.setattr(focalclick, "REFINER_SIDE", 64)
    return Pool(tiny_pool(tmp_path / "data"), {"blobs": 1.0}, 1)


DRAWN = {
    "fca_net-lite0": [430799659, 1223409138, 1119195739],
    "focalclick-lite0": [814854448, 2083950923, 1490541066],
    "focalclick-lite0-more": [814854448, 2083950923, 1490541066],
    "focuscut-lite0": [1486127663, 130168481, 1617006876],
    "ia_fpn-lite0": [1486127663, 1898497724, 583094681],
    "ia_fpn-lite0-coarse": [1486127663, 1898497724, 583094681],
    "ifcn-lite0": [430799659, 1223409138, 1119195739],
    "ris_net-lite0": [430799659, 1223409138, 1119195739],
    "ritm-lite0": [1486127663, 1898497724, 583094681],
}
"""The last number that each of three batches of squares draws, when sides were single numbers."""


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_squares_are_drawn_as_they_always_were(name: str, pool: Pool):
    recipe = load_recipe(name)
    task = build_task(recipe.network, recipe.simulation)
    rng = np.random.default_rng(7)
    assert [task.batch(pool, rng, 3, (64, 64)).seed for _ in range(3)] == DRAWN[name]


@pytest.mark.parametrize("name", sorted(set(DRAWN) - {"focuscut-lite0", "focalclick-lite0-more"}))
def test_every_task_learns_from_rectangles(name: str, pool: Pool):
    recipe = load_recipe(name)
    task: Any = build_task(recipe.network, {**recipe.simulation, "iterations": [0.0, 1.0]})
    batch = task.batch(pool, np.random.default_rng(1), 2, SIZE)
    torch.manual_seed(0)
    net = task.network()
    task.begin(net)
    found: list[Seen] = []
    terms = task.losses(net, batch, CPU, None, found.append)
    assert all(torch.isfinite(value) for value in terms.values())
    (shown,) = found
    assert shown.image.shape == (2, 3, *SIZE)
    assert shown.truth.shape == shown.valid.shape == shown.logits.shape == (2, 1, *SIZE)
    assert shown.given.previous.shape == (2, *SIZE)
    step = (SIZE[0] + GAP, SIZE[1] + GAP)
    assert draw(shown).shape == (2 * step[0] - GAP, 4 * step[1] - GAP, 3)
    if name == "focalclick-lite0":
        assert all(crop.focus.image.shape == (3, 64, 64) for crop in batch.crops)


@pytest.mark.parametrize("focus", [0.0, 1.0])
def test_focuscut_asks_for_squares(focus: float, pool: Pool):
    recipe = load_recipe("focuscut-lite0")
    task = build_task(recipe.network, {**recipe.simulation, "focus": focus})
    with pytest.raises(ValueError, match="must be all sides of its phases: got 64 x 96"):
        task.batch(pool, np.random.default_rng(1), 2, SIZE)


class TestGeometry:
    def test_upright_window_is_a_plain_crop(self):
        """Pixel edges map to the window's edges: x 10 to 50, y 20 to 100."""
        matrix = Window((30, 60), (40, 80), 0.0, mirrored=False).matrix((10, 20))
        for pixel, source in (((-0.5, -0.5), (9.5, 19.5)), ((19.5, 9.5), (49.5, 99.5))):
            np.testing.assert_allclose(matrix @ (*pixel, 1), source, atol=1e-9)

    def test_part_of_a_window(self):
        window = Window((30, 60), (40, 80), 11.0, mirrored=True)
        part = window.matrix((16, 8), (0.25, 0.5, 0.75, 1.0))
        full = window.matrix((64, 32))
        np.testing.assert_allclose(part @ (-0.5, -0.5, 1), full @ (7.5, 31.5, 1), atol=1e-9)
        np.testing.assert_allclose(part @ (7.5, 15.5, 1), full @ (23.5, 63.5, 1), atol=1e-9)

    @pytest.mark.parametrize("scale", [1, 2, 4])
    def test_views_show_what_the_window_holds(self, scale: int):
        """A window without turn, at its own size and reduced."""
        truth = np.zeros((128, 160), bool)
        truth[32:64, 16:96] = True
        image = np.zeros((*truth.shape, 3), np.uint8)
        image[:, 80:] = 200
        target = Target(image, truth, np.ones_like(truth))
        window = Window((80.0, 64.0), (160.0, 128.0), 0.0, mirrored=False)
        size = (128 // scale, 160 // scale)
        view = Scissors(target, np.random.default_rng(0)).cut(window.matrix(size), size)
        assert view.image.shape == (3, *size)
        np.testing.assert_array_equal(view.truth, truth[::scale, ::scale])
        assert view.valid.all()
        left, right = np.split(view.image, 2, axis=2)
        assert left[:, :, :-2].max() < right[:, :, 2:].min()

    def test_parts_of_a_view_show_what_lies_there(self, pool: Pool):
        """FocalClick's focus crop, and what IA-FPN zooms in on."""

        def agree(part: np.ndarray, view: np.ndarray, box: Sequence[float]) -> float:
            y, x = np.indices(part.shape) + 0.5
            x = box[0] + x * (box[2] - box[0]) / part.shape[1]
            y = box[1] + y * (box[3] - box[1]) / part.shape[0]
            return float((view[y.astype(int), x.astype(int)] == part).mean())

        recipe = load_recipe("focalclick-lite0")
        simulation = {**recipe.simulation, "focus_object": 0.0}
        task: Any = build_task(recipe.network, simulation)
        for crop in task.batch(pool, np.random.default_rng(1), 12, SIZE).crops:
            assert agree(crop.focus.truth, crop.truth, crop.focus_box) > 0.9
        recipe = load_recipe("ia_fpn-lite0")
        task = build_task(recipe.network, recipe.simulation)
        for scene in task.batch(pool, np.random.default_rng(1), 4, SIZE).scenes:
            whole = scene.zoomed((0, 0, 96, 64))
            np.testing.assert_allclose(whole.image, scene.view.image, atol=1 / 255)
            box = (30, 5, 90, 40)
            assert agree(scene.zoomed(box).truth, scene.view.truth, box) > 0.93

    @pytest.mark.parametrize("shape", [(40, 90), (90, 40)])
    def test_focus_crops_stay_inside(self, shape: tuple[int, int]):
        ranges = FocusRanges(0.4, (0.2, 0.5), (1.1, 2.0))
        truth = np.ones(shape, bool)
        rng = np.random.default_rng(0)
        boxes = np.array([draw_focus(truth, rng, ranges) for _ in range(100)])
        assert boxes.min() >= 0
        assert boxes[:, 2].max() == shape[1]
        assert boxes[:, 3].max() == shape[0]
        assert draw_focus(~truth, rng, ranges) == (0, 0, shape[1], shape[0])


class TestInteraction:
    def test_lengths_go_by_the_shorter_side(self):
        strategy = dataclasses.replace(
            STRATEGIES["fca_net"], p1=(60,), p2=(1,), n1=(40,), n2=(41,), n3=(1,), side=128
        )
        rows, columns = np.indices(SIZE)
        truth = np.hypot(rows - 32, columns - 32) <= 31
        for seed in range(10):
            for shape in (truth, truth.T):
                valid = np.ones_like(shape)
                clicks = placed_clicks(shape, valid, np.random.default_rng(seed), strategy)
                centre = (32, 32)
                for x, y, positive in clicks:
                    away = np.hypot(x - centre[0], y - centre[1])
                    # Half the length: 30 pixels from the boundary, or 20 to 20.5 from the disk.
                    assert away < 3 if positive else 50 < away < 52.5

    def test_damage_falls_everywhere(self):
        truth = np.zeros((40, 120), bool)
        truth[15:25, 5:15] = True
        touched = np.zeros_like(truth)
        for seed in range(200):
            touched |= defective(truth, np.random.default_rng(seed)) != truth
        assert touched[:, 60:].any(0).mean() > 0.5
        assert touched.any(1).mean() > 0.9


class TestPhases:
    text = text_of("ritm-lite0") + "\n[[phases]]\nuntil = 1.0\nsides = {}\nweights = [0.5, 0.5]\n"

    def recipe(self, sides: str) -> Recipe:
        return parse_recipe(self.text.replace("{}", sides))

    def test_a_side_may_be_a_pair(self):
        (phase,) = self.recipe("[256, [320, 480]]").phases
        assert phase.sides == (256, (320, 480))
        assert phase.sizes == ((256, 256), (320, 480))

    @pytest.mark.parametrize("side", ["[320]", "[320, 480, 3]", "[320, 0]", "0", "1.5", "true"])
    def test_what_is_no_side_is_refused(self, side: str):
        with pytest.raises(ValueError, match=r"number of pixels, or \[height, width\]: got"):
            self.recipe(f"[256, {side}]")

    def test_each_step_has_its_size(self):
        recipe = tiny_recipe(steps=40, phases=(Phase(1.0, (64, SIZE), (0.5, 0.5)),))
        found = [_size(recipe, step) for step in range(40)]
        assert set(found) == {(64, 64), SIZE}
        squares = dataclasses.replace(recipe, phases=(Phase(1.0, (64, 96), (0.5, 0.5)),))
        old = [
            int(np.random.default_rng([recipe.seed, step]).choice((64, 96), p=[0.5, 0.5]))
            for step in range(40)
        ]
        assert [_size(squares, step) for step in range(40)] == [(side, side) for side in old]


class TestLog:
    def test_the_size_of_rectangles_is_written_out(
        self, pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        from iseg_widget.training import trainer

        monkeypatch.setattr(trainer, "build_task", lambda *_: StubTask())
        monkeypatch.setattr(trainer, "initialise", lambda *_: None)
        for sides, expected in (((SIZE,), "64x96"), ((64,), "64")):
            recipe = tiny_recipe(steps=10, phases=(Phase(1.0, sides, (1.0,)),))
            run = Trainer(recipe, pool, tmp_path / expected, device="cpu", precision="fp32")
            run.run()
            with (run.out / LOG).open(encoding="utf-8") as file:
                (row,) = csv.DictReader(file)
            assert row["side"] == expected

    def test_text_and_numbers(self, tmp_path: Path):
        Table(tmp_path / "log.csv", 0).write({"step": 10, "side": "64x96", "loss": 0.25})
        assert (tmp_path / "log.csv").read_text().split() == ["step,side,loss", "10,64x96,0.25"]
