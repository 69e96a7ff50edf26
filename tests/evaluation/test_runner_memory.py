"""Memory does not grow with the number of objects: samples live while their object is evaluated."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from iseg_widget.datasets import Sample
from iseg_widget.evaluation.runner import evaluate
from tests.evaluation.closed_form import DiskMethod
from tests.evaluation.crowd import Crowd

COUNT = 40


class Counted(Crowd):
    """Counts its samples that are alive, and images that sessions hold."""

    def __init__(self, count: int, unreadable: tuple[int, ...] = ()) -> None:
        super().__init__(count, unreadable)
        self._lock = threading.Lock()
        self._alive: list[weakref.ref[object]] = []
        self.most = 0
        self.read = 0

    def _read(self, index: int) -> Sample:
        sample = super()._read(index)
        with self._lock:
            self.read += 1
            self._alive += [weakref.ref(sample), weakref.ref(sample.image)]
            self._alive = [reference for reference in self._alive if reference() is not None]
            self.most = max(self.most, len(self._alive))
        return sample


@pytest.mark.parametrize("batch", [1, 4])
def test_no_more_samples_live_than_a_batch_holds(batch: int):
    dataset = Counted(COUNT, unreadable=(3, 7))
    gc.disable()  # they go at once, not when the collector comes
    try:
        report = evaluate(DiskMethod(), dataset, 3, batch=batch, stop_iou=0.5, progress=False)
    finally:
        gc.enable()
    assert len(report.records) == COUNT
    assert dataset.read == COUNT - 2
    assert dataset.most == 2 * batch


def test_an_executor_gets_samples_only_as_it_has_room():
    dataset = Counted(COUNT)
    with ThreadPoolExecutor(2) as executor:
        evaluate(DiskMethod(), dataset, 3, executor=executor, progress=False)
    assert dataset.read == COUNT
    assert dataset.most <= 2 * 2


def test_samples_that_are_sent_are_taken_as_they_are_needed():
    from iseg_widget.evaluation.course import Settings
    from iseg_widget.evaluation.executors import run_executor
    from iseg_widget.evaluation.jobs import Order

    class Sent(Order):
        sends_samples = True

    dataset = Counted(COUNT)
    order = Sent(DiskMethod(), dataset, Settings(3), 1, 1)
    with ThreadPoolExecutor(1) as executor:
        done = 0
        for _ in run_executor(executor, order, order.tasks(range(COUNT)), in_flight=3):
            done += 1
            assert dataset.read <= done + 3
    assert done == COUNT
    assert dataset.most <= 2 * 5
