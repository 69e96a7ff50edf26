"""Objects in lock-step: one question to the method for all, each object by itself otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from iseg_widget.clicks import Click
from iseg_widget.datasets import MemoryDataset
from iseg_widget.evaluation.report import Report
from iseg_widget.evaluation.runner import evaluate
from iseg_widget.protocol import BatchMethod, Step, step_many
from tests.evaluation.closed_form import DiskMethod, _Soft, rectangle
from tests.evaluation.crowd import Crowd, course


@dataclass
class BatchDisk(DiskMethod):
    """Notes how many objects it was asked about; never gets over an image of ``poison`` size."""

    asked: list[int] = field(default_factory=list)
    poison: int | None = None

    def step_many(
        self, states: Sequence[_Soft], clicks: Sequence[Sequence[Click]]
    ) -> list[tuple[_Soft, Step]]:
        self.asked.append(len(states))
        return [self.step(state, new) for state, new in zip(states, clicks, strict=True)]

    def step(
        self, state: _Soft, clicks: Sequence[Click], *, trace: bool = False
    ) -> tuple[_Soft, Step]:
        if state.shape[0] == self.poison:
            raise RuntimeError("too bad")
        return super().step(state, clicks, trace=trace)


def run(method: DiskMethod, dataset: object = None, **more: object) -> Report:
    return evaluate(
        method,
        Crowd() if dataset is None else dataset,  # type: ignore[arg-type]
        progress=False,
        **{"max_clicks": 3, **more},  # type: ignore[arg-type]
    )


def test_all_objects_of_a_batch_are_asked_together():
    method = BatchDisk()
    assert isinstance(method, BatchMethod)
    assert not isinstance(DiskMethod(), BatchMethod)
    report = run(method, batch=5)
    assert method.asked == [5, 5, 5, 5, 5, 5, 2, 2, 2]
    assert course(report) == course(run(DiskMethod()))


def test_an_object_that_is_done_makes_room_for_the_next():
    """The first needs one click, the second all; the third takes the first's place."""
    rows, columns = np.indices((48, 48))
    easy = rectangle("easy", (0, 0, 4, 4))
    disk = np.hypot(rows - 20, columns - 20) <= 6
    easy = type(easy)("easy", easy.image, disk)
    hard = rectangle("hard", (4, 4, 44, 44))
    dataset = MemoryDataset([easy, hard, rectangle("next", (6, 6, 40, 42))])
    method = BatchDisk()
    report = run(method, dataset, batch=2, max_clicks=3)
    assert [len(record.clicks) for record in report.records] == [1, 3, 3]
    assert method.asked == [2, 2, 2]  # and one alone at the end


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_only_the_object_that_breaks_the_method_is_faulty(batch: int):
    samples = [
        rectangle("a", (10, 10, 30, 30)),
        rectangle("b", (10, 10, 30, 30), size=40),
        rectangle("c", (5, 8, 30, 20)),
    ]
    report = run(BatchDisk(poison=40), MemoryDataset(samples), batch=batch)
    assert [record.error for record in report.records] == [None, "RuntimeError: too bad", None]
    others = MemoryDataset([samples[0], samples[2]])
    assert course(run(DiskMethod(), others)) == [
        row for row in course(report) if row[0] in ("a", "c")
    ]


def test_step_many_falls_back_to_one_after_the_other():
    method = DiskMethod()
    states = [method.start(np.zeros((20, 20, 3), np.uint8)) for _ in range(2)]
    answers = step_many(method, states, [[Click(3, 3)], [Click(9, 9)]])
    assert [step.mask[3, 3] for _, step in answers] == [True, False]
    assert [step.mask[9, 9] for _, step in answers] == [False, True]
    with pytest.raises(ValueError, match="2 states and clicks for 1 objects"):
        step_many(method, states, [[Click(3, 3)]])


@dataclass(frozen=True)
class Dice:
    """A user who clicks at random, and has enough after ``patience`` clicks."""

    seed: int = 0
    patience: int = 2
    name: str = "dice"

    @property
    def description(self) -> str:
        return f"dice:seed={self.seed},patience={self.patience}"

    def next_click(self, prediction, truth, clicks=(), ignore=None, *, sample=""):  # noqa: ARG002
        if len(clicks) >= self.patience:
            return None
        numbers = [self.seed, len(clicks), *sample.encode()]
        row, column = np.random.default_rng(numbers).integers(0, truth.shape)
        return Click(int(column), int(row), bool(truth[row, column]))


def test_the_seed_decides_whatever_the_way_to_run():
    first = run(DiskMethod(), robot=Dice(), seed=3)
    assert first.info.robot == "dice:seed=3,patience=2"
    assert {len(record.clicks) for record in first.records} == {2}
    for more in ({"batch": 4}, {"workers": 2}, {"workers": 3, "batch": 2}):
        assert course(run(DiskMethod(), robot=Dice(), seed=3, **more)) == course(first)
    other = run(DiskMethod(), robot=Dice(seed=3), seed=4)
    assert course(other) != course(first)
    assert course(run(DiskMethod(), robot=Dice(seed=4))) == course(other)


def test_an_object_without_any_click_is_faulty():
    report = run(DiskMethod(), Crowd(2), robot=Dice(patience=0))
    assert {record.error for record in report.faulty} == {
        "ValueError: the robot has no click for this object"
    }
