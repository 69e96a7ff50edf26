"""What a run writes about itself."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from iseg_widget.training.interaction import Interaction
from iseg_widget.training.logs import Journal, Table, open_board
from iseg_widget.training.pictures import GAP, NEGATIVE, OUTLINE, POSITIVE, draw
from iseg_widget.training.pool import Pool
from iseg_widget.training.seen import Seen
from iseg_widget.training.tasks import TASKS
from iseg_widget.training.trainer import Trainer, Watch
from tests.training.tiny import tiny_pool, tiny_recipe


class TestTable:
    def test_rows_after_the_step_are_dropped(self, tmp_path: Path):
        table = Table(tmp_path / "log.csv", 0)
        for step in (10, 20, 30):
            table.write({"step": step, "loss": step / 4})
        Table(tmp_path / "log.csv", 20).write({"step": 30, "loss": 9})
        text = (tmp_path / "log.csv").read_text()
        assert text.split() == ["step,loss", "10,2.5", "20,5", "30,9"]

    def test_half_a_row_is_dropped(self, tmp_path: Path):
        path = tmp_path / "log.csv"
        path.write_text("step,side,loss\n10,64,2.5\n20,6", "utf-8")
        Table(path, 20)
        assert path.read_text().split() == ["step,side,loss", "10,64,2.5"]

    def test_a_new_run_takes_the_old_one_s_place(self, tmp_path: Path):
        Table(tmp_path / "log.csv", 0).write({"step": 10, "loss": 1})
        Table(tmp_path / "log.csv", 0)
        assert not (tmp_path / "log.csv").exists()


class TestBoard:
    def scalars(self, folder: Path) -> dict[str, list[tuple[int, float]]]:
        module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
        found = module.EventAccumulator(str(folder))
        found.Reload()
        tags = found.Tags()["scalars"]
        assert found.Tags()["images"] in ([], ["samples"])
        return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in tags}

    def test_scalars_and_pictures(self, tmp_path: Path):
        pytest.importorskip("tensorboard")
        journal = Journal(tmp_path, 0, tensorboard=True)
        journal.training(10, {"loss": 0.5, "focus_iou": float("nan")})
        journal.training(20, {"loss": 0.25, "focus_iou": 0.5})
        journal.validation(20, {"noc90": 3.0})
        journal.picture(20, np.full((9, 9, 3), 7, np.uint8))
        journal.close()
        assert self.scalars(tmp_path / "tensorboard") == {
            "training/loss": [(10, 0.5), (20, 0.25)],
            "training/focus_iou": [(20, 0.5)],
            "validation/noc90": [(20, 3.0)],
        }
        again = Journal(tmp_path, 10, tensorboard=True)
        again.training(20, {"loss": 0.125})
        again.close()
        assert self.scalars(tmp_path / "tensorboard")["training/loss"] == [(10, 0.5), (20, 0.125)]

    def test_absent(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
        real = builtins.__import__

        def without(name: str, *more: Any) -> Any:
            if "tensorboard" in name:
                raise ImportError(name)
            return real(name, *more)

        monkeypatch.setattr(builtins, "__import__", without)
        with pytest.raises(ValueError, match=r"it is not installed: pip install .*tensorboard"):
            open_board(tmp_path, 0)
        Journal(tmp_path, 0, tensorboard=False).training(10, {"loss": 1.0})


def seen(side: int = 40) -> Seen:
    truth = torch.zeros(2, 1, side, side)
    truth[:, :, 10:30, 10:30] = 1
    valid = torch.ones_like(truth)
    valid[0, :, :, 35:] = 0
    clicks = [np.array([[20, 20, 1], [5, 36, 0]], np.float32), np.array([[12, 14, 1]], np.float32)]
    given = Interaction(clicks, np.full((2, side, side), 0.25, np.float32))
    return Seen(torch.full((2, 3, side, side), 0.5), given, truth, valid, 8 * (truth - 0.5))


def test_pictures_show_clicks_truth_previous_and_answer():
    picture = draw(seen())
    step = 40 + GAP
    assert picture.shape == (2 * step - GAP, 4 * step - GAP, 3)
    assert picture.dtype == np.uint8
    assert tuple(picture[20, 20]) == POSITIVE
    assert tuple(picture[36, 5]) == NEGATIVE
    assert tuple(picture[step + 14, 12]) == POSITIVE
    assert tuple(picture[20, step + 20]) == (255, 255, 255)
    assert tuple(picture[20, step + 37]) == (128, 128, 128)
    assert tuple(picture[20, 2 * step + 5]) == (64, 64, 64)
    assert picture[20, 3 * step + 20, 0] > 240
    assert picture[5, 3 * step + 5, 0] < 15
    assert tuple(picture[10, 3 * step + 20]) == OUTLINE
    assert draw(seen(), rows=1).shape[0] == 40


@pytest.mark.usefixtures("light")
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("ritm-lite0", {}),
        ("fca_net-lite0", {}),
        ("focuscut-lite0", {"focus": 1.0}),
        ("focalclick-lite0", {}),
        ("ris_net-lite0", {}),
        ("ia_fpn-lite0", {}),
    ],
)
def test_every_task_shows_what_its_network_saw(name: str, changes: dict, tmp_path: Path):
    from iseg_widget.training.recipes import load_recipe

    packaged = load_recipe(name)
    simulation = {**packaged.simulation, "iterations": [1.0], **changes}
    recipe = tiny_recipe(network=packaged.network, simulation=simulation)
    task = TASKS[recipe.network](simulation)
    pool = Pool(tiny_pool(tmp_path), {"blobs": 1.0}, 1)
    batch = task.batch(pool, np.random.default_rng(0), 2, (64, 64))
    torch.manual_seed(0)
    found: list[Seen] = []
    task.losses(task.network(), batch, torch.device("cpu"), None, found.append)
    (shown,) = found
    assert shown.image.shape == (2, 3, 64, 64)
    assert shown.truth.shape == shown.valid.shape == shown.logits.shape == (2, 1, 64, 64)
    assert shown.logits.requires_grad
    assert len(shown.given.clicks) == 2
    assert shown.given.previous.shape == (2, 64, 64)
    assert draw(shown).shape == (2 * 68 - 4, 4 * 68 - 4, 3)


@pytest.mark.usefixtures("light")
def test_a_run_draws_its_samples(tmp_path: Path):
    recipe = tiny_recipe(network="ritm-lite0", init="imagenet", steps=4)
    pool = Pool(tiny_pool(tmp_path / "data"), recipe.sets, recipe.development)
    out = tmp_path / "run"
    run = Trainer(recipe, pool, out, device="cpu", precision="fp32", watch=Watch(pictures=2))
    run.run()
    files = sorted((out / "samples").iterdir())
    assert [path.name for path in files] == ["000002.png", "000004.png"]
    assert cv2.imread(str(files[0])).shape == (2 * 68 - 4, 4 * 68 - 4, 3)
    with pytest.raises(ValueError, match="pictures must be a number of steps or 0, got -1"):
        Watch(pictures=-1)
