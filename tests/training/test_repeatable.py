"""Accumulated batches, runs that repeat to the bit, and checkpoints of earlier versions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from iseg_widget.training import trainer
from iseg_widget.training.determinism import check_deterministic, deterministic_algorithms
from iseg_widget.training.pool import Pool
from iseg_widget.training.trainer import Trainer
from tests.training.stub import StubTask, Views
from tests.training.tiny import tiny_pool, tiny_recipe

pytestmark = pytest.mark.usefixtures("light")

RITM = {"network": "ritm-lite0", "method": "ritm", "init": "imagenet"}


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Trainer]:
    root = tiny_pool(tmp_path / "data")

    def _make(name: str = "run", *, run: dict[str, Any] | None = None, **changes: Any) -> Trainer:
        recipe = tiny_recipe(**{**RITM, "steps": 3, **changes})
        pool = Pool(root, recipe.sets, recipe.development)
        given = {"device": "cpu", "precision": "fp32", **(run or {})}
        return Trainer(recipe, pool, tmp_path / name, **given)

    return _make


@pytest.fixture
def stub(make: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Trainer]:
    monkeypatch.setattr(trainer, "build_task", lambda *_: StubTask())
    monkeypatch.setattr(trainer, "initialise", lambda *_: None)
    return make


def weights(run: Trainer) -> dict[str, Tensor]:
    own = {f"net.{key}": value.clone() for key, value in run.net.state_dict().items()}
    return own | {f"average.{key}": value.clone() for key, value in run.average.state.items()}


def differing(first: Trainer, second: Trainer) -> list[str]:
    ours, theirs = weights(first), weights(second)
    assert set(ours) == set(theirs)
    return [key for key in ours if not torch.equal(ours[key], theirs[key])]


def die_in(run: Trainer, step: int) -> None:
    """Save after every step and die in the one after ``step``."""
    take = run._train_step

    def _take(batches: Any) -> dict[str, float]:
        if run.step == step:
            raise KeyboardInterrupt
        return take(batches)

    run._train_step = _take  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        run.run(save_every=0.0)


class TestAccumulation:
    def test_is_the_larger_batch(self, stub: Callable[..., Trainer]):
        views = [batch for _, [batch] in stub(batch=6, steps=3)._batches(0, 3)]
        whole, parts = stub(batch=6, clip=1e9), stub(batch=2, accumulate=3, clip=1e9)
        for step, batch in enumerate(views):
            whole.step = parts.step = step
            ours = whole._train_step([batch])
            theirs = parts._train_step([batch[0:2], batch[2:4], batch[4:6]])
            assert theirs == pytest.approx(ours, rel=1e-5)
            for a, b in zip(whole.net.parameters(), parts.net.parameters(), strict=True):
                torch.testing.assert_close(b.grad, a.grad, rtol=1e-4, atol=1e-7)
        first, second = weights(whole), weights(parts)
        for key, value in first.items():
            torch.testing.assert_close(second[key], value, rtol=1e-5, atol=1e-7)
        untouched = stub().net.state_dict()
        assert not torch.allclose(whole.net[0].weight, untouched["0.weight"], atol=1e-4)

    def test_batches_of_a_step_differ_and_the_first_is_that_without(
        self, stub: Callable[..., Trainer]
    ):
        alone, three = stub(), stub(accumulate=3)
        first: list[Views] = [batch for _, [batch] in alone._batches(0, 2)]
        steps = [batches for _, batches in three._batches(0, 2)]
        assert all(torch.equal(a.image, b[0].image) for a, b in zip(first, steps, strict=True))
        images = [batch.image for batches in steps for batch in batches]
        assert len({image.numpy().tobytes() for image in images}) == 6

    def test_more_workers_draw_the_same(self, stub: Callable[..., Trainer]):
        one, four = stub(accumulate=2), stub(accumulate=2, run={"workers": 4})
        for (_, ours), (_, theirs) in zip(one._batches(1, 7), four._batches(1, 7), strict=True):
            assert all(torch.equal(a.image, b.image) for a, b in zip(ours, theirs, strict=True))
        with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
            stub(run={"workers": 0})


class TestDeterministic:
    options = {"deterministic": True}  # noqa: RUF012 (a test's constant)

    def test_two_runs_and_a_resumed_one_are_equal_to_the_bit(self, make: Callable[..., Trainer]):
        """With accumulation and validation, which must leave no trace in what is learnt."""
        plain = {"accumulate": 2, "steps": 3}
        validated = {**plain, "validate_every": 2, "validate_objects": 1}
        first, second = (
            make("a", run=self.options, **validated),
            make("b", run=self.options, **plain),
        )
        first.run()
        second.run()
        assert differing(first, second) == []
        die_in(make("c", run=self.options, **validated), 2)
        resumed = make("c", run={**self.options, "resume": True}, **validated)
        assert resumed.step == 2
        resumed.run()
        assert differing(first, resumed) == []
        assert resumed.best == first.best
        tables = [(run.out / "validation.csv").read_text() for run in (first, resumed)]
        assert tables[0] == tables[1]
        assert tables[0].count("\n") == 3  # the header, step 2, and step 3, the last
        ours, theirs = (torch.load(r.out / "best.pt")["average"] for r in (first, resumed))
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)

    def test_holds_while_it_runs_only(self, stub: Callable[..., Trainer]):
        run = stub(run=self.options)
        seen = []
        take = run._train_step

        def _take(batches: Any) -> dict[str, float]:
            seen.append(torch.are_deterministic_algorithms_enabled())
            return take(batches)

        run._train_step = _take  # type: ignore[method-assign]
        run.run()
        assert seen == [True] * 3
        assert not torch.are_deterministic_algorithms_enabled()
        with pytest.raises(KeyError), deterministic_algorithms():
            raise KeyError
        assert not torch.are_deterministic_algorithms_enabled()

    def test_a_gpu_needs_a_setting(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
        with pytest.raises(ValueError, match="needs CUBLAS_WORKSPACE_CONFIG=:4096:8"):
            check_deterministic(torch.device("cuda"))
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
        check_deterministic(torch.device("cuda"))


def test_checkpoints_of_earlier_versions_resume(stub: Callable[..., Trainer]):
    straight = stub("straight")
    straight.run()
    die_in(stub("broken"), 2)
    path = stub("broken").checkpoint
    saved = torch.load(path, weights_only=True)
    new = {"means", "seconds", "best"}
    assert new < set(saved)
    settings = {
        key: value
        for key, value in saved["settings"].items()
        if key not in ("accumulate", "validate_every", "validate_objects", "options", "augment")
    }
    old = {key: value for key, value in saved.items() if key not in new}
    torch.save({**old, "settings": settings}, path)
    resumed = stub("broken", run={"resume": True})
    assert resumed.step == 2
    resumed.run()
    assert differing(straight, resumed) == []


def test_rows_of_steps_that_come_again_are_dropped(stub: Callable[..., Trainer]):
    """The checkpoint is of step 14; rows of 20 and 30 were written before the run was killed."""
    straight = stub("straight", steps=40)
    straight.run()
    die_in(stub("broken", steps=40), 14)
    broken = stub("broken", steps=40)
    kept = broken.checkpoint.read_bytes()
    once = stub("broken", steps=40, run={"resume": True})
    die_in(once, 33)
    assert (broken.out / "log.csv").read_text().count("\n") == 4
    broken.checkpoint.write_bytes(kept)
    resumed = stub("broken", steps=40, run={"resume": True})
    assert resumed.step == 14
    resumed.run()

    def rows(run: Trainer) -> list[list[str]]:
        lines = (run.out / "log.csv").read_text().splitlines()
        seconds = lines[0].split(",").index("seconds")
        cells = [line.split(",") for line in lines]
        return [row[:seconds] + row[seconds + 1 :] for row in cells]

    assert [row[0] for row in rows(resumed)] == ["step", "10", "20", "30", "40"]
    assert rows(resumed) == rows(straight)


def test_a_new_run_begins_a_new_log(stub: Callable[..., Trainer]):
    for _ in range(2):
        stub(steps=10).run()
    assert (stub().out / "log.csv").read_text().count("\n") == 2
