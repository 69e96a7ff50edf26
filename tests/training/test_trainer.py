from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from iseg_widget.networks.efficientnet_lite import EfficientNetLite0
from iseg_widget.networks.focalclick import FocalClickLite0
from iseg_widget.networks.lite import LiteSegmenter
from iseg_widget.training import focalclick, logs, start
from iseg_widget.training.pool import Pool
from iseg_widget.training.recipes import Phase
from iseg_widget.training.trainer import MovingAverage, Processes, Trainer, take_over, train
from iseg_widget.weights.registry import export
from tests.training.tiny import tiny_pool, tiny_recipe


@pytest.fixture(autouse=True)
def _light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights in place of ImageNet's, and a small Refiner."""
    torch.manual_seed(7)
    state = EfficientNetLite0().state_dict()
    monkeypatch.setattr(
        start, "imagenet_backbone", lambda: {k: v.clone() for k, v in state.items()}
    )
    monkeypatch.setattr(focalclick, "REFINER_SIDE", 64)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Trainer]:
    root = tiny_pool(tmp_path / "data")

    def _make(name: str = "run", *, resume: bool = False, **changes: Any) -> Trainer:
        recipe = tiny_recipe(**changes)
        pool = Pool(root, recipe.sets, recipe.development)
        return Trainer(recipe, pool, tmp_path / name, device="cpu", precision="fp32", resume=resume)

    return _make


def interrupt_after(run: Trainer, steps: int) -> None:
    """Let the run save after every step and die in the one after ``steps``."""
    take = run._train_step

    def _take(batch: Any) -> dict[str, float]:
        if run.step == steps:
            raise KeyboardInterrupt
        return take(batch)

    run._train_step = _take  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        run.run(save_every=0.0)


def state_of(run: Trainer) -> dict[str, Tensor]:
    state = {f"network.{k}": v for k, v in run.net.state_dict().items()}
    state |= {f"average.{k}": v for k, v in run.average.state.items()}
    for index, entry in run.optimiser.state_dict()["state"].items():
        state |= {f"optimiser.{index}.{k}": torch.as_tensor(v) for k, v in entry.items()}
    return state


class TestRun:
    def test_two_steps(self, make: Callable[..., Trainer]):
        run = make(steps=2)
        before = {k: v.clone() for k, v in run.net.state_dict().items()}
        run.run()
        assert run.step == 2
        after = run.net.state_dict()
        changed = [k for k, p in run.net.named_parameters() if not torch.equal(before[k], after[k])]
        assert len(changed) == len(list(run.net.named_parameters()))
        assert all(bool(torch.isfinite(v).all()) for v in after.values())
        assert run.checkpoint.is_file()

    def test_backbone_starts_from_imagenet(self, make: Callable[..., Trainer]):
        given = start.imagenet_backbone()
        found = make().net.backbone.state_dict()
        assert all(torch.equal(found[key], given[key]) for key in given)

    def test_interrupted_and_resumed_is_as_never_interrupted(self, make: Callable[..., Trainer]):
        straight = make("straight")
        straight.run()
        interrupt_after(make("broken"), 2)
        resumed = make("broken", resume=True)
        assert resumed.step == 2
        resumed.run()
        expected, found = state_of(straight), state_of(resumed)
        assert set(expected) == set(found)
        different = [key for key in expected if not torch.equal(expected[key], found[key])]
        assert different == []
        assert resumed.average.updates == straight.average.updates == 4

    def test_resuming_nothing_begins(self, make: Callable[..., Trainer]):
        assert make(resume=True).step == 0

    def test_a_finished_run_stays_as_it_is(self, make: Callable[..., Trainer]):
        run = make(steps=1)
        run.run()
        again = make(steps=1, resume=True)
        again.run()
        assert again.step == 1
        first, second = state_of(run), state_of(again)
        assert all(torch.equal(first[key], second[key]) for key in first)

    def test_without_resume_an_old_checkpoint_is_not_read(self, make: Callable[..., Trainer]):
        make(steps=1).run()
        assert make(steps=1).step == 0

    def test_starting_from_given_weights(self, make: Callable[..., Trainer], tmp_path: Path):
        first = make("first", steps=1)
        first.run()
        path = tmp_path / "start.safetensors"
        export(first.net.state_dict(), path, {"network": "focalclick-lite0"})
        recipe = tiny_recipe()
        run = Trainer(
            recipe, first.pool, tmp_path / "second", device="cpu", precision="fp32", init=path
        )
        expected = first.net.state_dict()
        for key, value in run.net.state_dict().items():
            torch.testing.assert_close(value, expected[key], rtol=1e-3, atol=1e-6)
        assert run.step == 0


class TestTakeOver:
    def test_what_both_networks_have(self):
        source, net = FocalClickLite0(), LiteSegmenter()
        left = take_over(net, source.state_dict(), "start")
        assert left == []
        for key, value in net.state_dict().items():
            assert torch.equal(value, source.state_dict()[key])

    def test_a_click_stem_without_the_previous_mask_takes_the_clicks(self):
        source, net = FocalClickLite0().state_dict(), LiteSegmenter(maps=2)
        assert take_over(net, source, "start") == []
        stem = "interaction.layers.0.weight"
        assert torch.equal(net.state_dict()[stem], source[stem][:, 1:])
        assert source[stem].shape[1] == 3

    def test_entries_of_another_shape_are_left(self):
        source, net = FocalClickLite0().state_dict(), LiteSegmenter(channels=32)
        left = take_over(net, source, "start")
        assert "head.fuse.conv.weight" in left
        assert not any(key.startswith(("backbone.", "interaction.")) for key in left)

    def test_another_backbone_is_refused(self):
        with pytest.raises(ValueError, match=r"start has 0 of the .* entries of LiteSegmenter"):
            take_over(LiteSegmenter(), {"conv1.weight": torch.zeros(3)}, "start")

    def test_unknown_names_are_refused(self, make: Callable[..., Trainer], tmp_path: Path):
        run = make()
        with pytest.raises(ValueError, match="no weights 'nothing' to start from"):
            Trainer(run.recipe, run.pool, tmp_path, device="cpu", init="nothing")


class TestCheckpoint:
    def test_a_crash_while_saving_leaves_the_old_one(
        self, make: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
    ):
        run = make(steps=1)
        run.run()
        old = run.checkpoint.read_bytes()

        def half(_: object, path: Path) -> None:
            path.write_bytes(old[: len(old) // 2])
            raise OSError("no space left on device")

        monkeypatch.setattr(torch, "save", half)
        with pytest.raises(OSError, match="no space"):
            run.save()
        assert run.checkpoint.read_bytes() == old
        monkeypatch.undo()
        assert make(steps=1, resume=True).step == 1

    def test_holds_nothing_but_plain_data(self, make: Callable[..., Trainer]):
        """It opens without running code from the file."""
        run = make(steps=1)
        run.run()
        saved = torch.load(run.checkpoint, weights_only=True)
        assert saved["settings"]["name"] == run.recipe.name
        assert saved["step"] == 1

    def test_of_another_recipe(self, make: Callable[..., Trainer]):
        run = make(steps=1)
        run.run()
        other = tiny_recipe(name="other")
        with pytest.raises(ValueError, match="belongs to the recipe 'focalclick-lite0', not to"):
            Trainer(other, run.pool, run.out, device="cpu", precision="fp32", resume=True)


class TestLog:
    def rows(self, run: Trainer) -> list[dict[str, str]]:
        with (run.out / logs.LOG).open(encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def counting(self, run: Trainer) -> Trainer:
        """Each step costs its own number, and nothing is learnt."""
        run._train_step = lambda _: {  # type: ignore[method-assign]
            "loss": float(run.step), "coarse_iou": 0.5,
        }  # fmt: skip
        return run

    def test_rows_are_means_over_ten_steps(self, make: Callable[..., Trainer]):
        run = self.counting(make(steps=25))
        run.run()
        rows = self.rows(run)
        assert [int(row["step"]) for row in rows] == [10, 20]
        assert [float(row["loss"]) for row in rows] == [4.5, 14.5]
        assert {row["side"] for row in rows} == {"64"}

    def test_values_that_are_not_there_do_not_count(self, make: Callable[..., Trainer]):
        run = make(steps=10)
        run._train_step = lambda _: {  # type: ignore[method-assign]
            "loss": 1.0, "a_iou": 0.5 if run.step % 2 else float("nan"), "b_iou": float("nan"),
        }  # fmt: skip
        run.run()
        (row,) = self.rows(run)
        assert (row["a_iou"], row["b_iou"]) == ("0.5", "nan")

    def test_a_resumed_run_goes_on_with_means(self, make: Callable[..., Trainer]):
        """Its first row covers all ten steps, those before the interruption, too."""
        interrupt_after(self.counting(make(steps=20)), 13)
        run = self.counting(make(steps=20, resume=True))
        run.run()
        rows = self.rows(run)
        assert [int(row["step"]) for row in rows] == [10, 20]
        assert [float(row["loss"]) for row in rows] == [4.5, 14.5]


class TestOptimisation:
    def test_groups_by_backbone_and_decay(self, make: Callable[..., Trainer]):
        run = make(backbone_factor=0.25, weight_decay=0.02)
        kinds = {}
        names = {id(p): name for name, p in run.net.named_parameters()}
        for group in run.optimiser.param_groups:
            for parameter in group["params"]:
                kinds[names[id(parameter)]] = (group["factor"], group["weight_decay"])
        assert len(kinds) == len(names)
        assert kinds["backbone.stem.0.weight"] == (0.25, 0.02)
        assert kinds["backbone.stem.1.weight"] == (0.25, 0.0)
        assert kinds["head.predict.weight"] == (1.0, 0.02)
        assert kinds["head.predict.bias"] == (1.0, 0.0)

    def test_a_recipe_chooses_the_optimiser(self, make: Callable[..., Trainer]):
        sgd = {"kind": "sgd", "momentum": 0.8, "decay_all": True}
        run = make(optimiser=sgd, weight_decay=0.02, clip=0.0, ema=0.0, steps=2)
        assert isinstance(run.optimiser, torch.optim.SGD)
        assert {group["weight_decay"] for group in run.optimiser.param_groups} == {0.02}
        assert {group["momentum"] for group in run.optimiser.param_groups} == {0.8}
        before = {key: value.clone() for key, value in state_of(run).items()}
        run.run()
        after = state_of(run)
        assert not all(torch.equal(before[key], after[key]) for key in before)
        # Without an average, what is exported are the weights themselves.
        weights = run.net.state_dict()
        assert all(torch.equal(run.average.state[key], value) for key, value in weights.items())

    def test_no_limit_of_the_gradient(self, make: Callable[..., Trainer]):
        """SGD's step is the gradient itself, however long."""
        runs = [make(optimiser={"kind": "sgd"}, clip=clip, steps=1) for clip in (0.0, 1e9, 1e-6)]
        for run in runs:
            run.run()
        free, far, near = (run.net.head.predict.weight for run in runs)
        assert torch.equal(free, far)
        assert not torch.equal(free, near)

    def test_rates_follow_the_schedule(self, make: Callable[..., Trainer]):
        run = make(steps=1, warmup=4, decay=0.0, learning_rate=1e-3, backbone_factor=0.25)
        run.run()
        rates = {group["factor"]: group["lr"] for group in run.optimiser.param_groups}
        assert rates == pytest.approx({1.0: 0.25e-3, 0.25: 0.0625e-3})

    def test_a_step_that_went_wrong_is_left_out(self, make: Callable[..., Trainer]):
        run = make()

        class Broken:
            def losses(self, net: nn.Module, *_: object) -> dict[str, Tensor]:
                return {"nfl": next(net.parameters()).sum() * float("nan")}

        run.task = Broken()  # type: ignore[assignment]
        before = {k: v.clone() for k, v in state_of(run).items()}
        assert np.isnan(run._train_step([None])["loss"])
        after = state_of(run)
        assert all(torch.equal(before[key], after[key]) for key in before)

    def test_all_processes_draw_the_same_side_but_other_samples(self, make: Callable[..., Trainer]):
        phases = (Phase(1.0, (64, 96), (0.5, 0.5)),)
        first, second = make(phases=phases, batch=1), make(phases=phases, batch=1)
        second.processes = Processes(rank=1, count=2)
        ours, theirs = (list(run._batches(0, 8)) for run in (first, second))
        assert [size for size, _ in ours] == [size for size, _ in theirs]
        assert {size for size, _ in ours} == {(64, 64), (96, 96)}
        assert all(
            a.crops[0].image.tobytes() != b.crops[0].image.tobytes()
            for (_, [a]), (_, [b]) in zip(ours, theirs, strict=True)
        )


class TestMovingAverage:
    def test_follows_quickly_at_first_and_slowly_then(self):
        net = nn.Linear(1, 1, bias=False)
        nn.init.constant_(net.weight, 0.0)
        average = MovingAverage(net, 0.5)
        nn.init.constant_(net.weight, 1.0)
        expected = 0.0
        for update in range(1, 30):
            average.update(net)
            decay = min(0.5, (1 + update) / (10 + update))
            expected = decay * expected + (1 - decay)
            assert average.state["weight"].item() == pytest.approx(expected, abs=1e-6)

    def test_counters_are_copied(self):
        net = nn.BatchNorm2d(2)
        average = MovingAverage(net, 0.9)
        net(torch.zeros(2, 2, 3, 3))
        average.update(net)
        assert average.state["num_batches_tracked"].item() == 1

    def test_does_not_share_memory_with_the_network(self):
        net = nn.Linear(2, 2)
        average = MovingAverage(net, 0.9)
        before = average.state["weight"].clone()
        nn.init.constant_(net.weight, 9.0)
        torch.testing.assert_close(average.state["weight"], before)


class TestArguments:
    def test_precision(self, make: Callable[..., Trainer], tmp_path: Path):
        with pytest.raises(ValueError, match="precision must be 'bf16' or 'fp32', got 'fp8'"):
            Trainer(tiny_recipe(), make().pool, tmp_path, device="cpu", precision="fp8")

    def test_network(self, make: Callable[..., Trainer]):
        with pytest.raises(ValueError, match=r"no training for 'hrnet'.*focalclick-lite0"):
            make(network="hrnet")

    def test_train_stretches_the_schedule_and_may_overfit(self, tmp_path: Path):
        root = tiny_pool(tmp_path / "data")
        run = train(
            tiny_recipe(), root, tmp_path / "run", steps=1, overfit=2, device="cpu",
            precision="fp32",
        )  # fmt: skip
        assert (run.step, run.recipe.steps) == (1, 1)
        rng = np.random.default_rng(0)
        assert len({run.pool.draw(rng).image.tobytes() for _ in range(20)}) <= 2
