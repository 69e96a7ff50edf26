"""Evaluation by several processes or any executor finds what one process finds."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import pytest

from iseg_widget.datasets import MemoryDataset, load
from iseg_widget.evaluation.report import Report
from iseg_widget.evaluation.runner import MethodSpec, RayExecutor, evaluate
from iseg_widget.evaluation.stream import read_stream
from tests.evaluation.closed_form import DiskMethod
from tests.evaluation.crowd import Crowd, DeadlyDisk, Stillborn, Unloadable, course


def run(method: object, dataset: object = None, **more: object) -> Report:
    return evaluate(
        method,  # type: ignore[arg-type]
        Crowd() if dataset is None else dataset,  # type: ignore[arg-type]
        progress=False,
        **{"max_clicks": 4, **more},  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def undisturbed() -> Report:
    return run(DiskMethod())


@pytest.mark.parametrize("more", [{"workers": 2}, {"workers": 3, "batch": 5}, {"batch": 5}])
def test_neither_workers_nor_batches_change_the_results(
    undisturbed: Report, more: dict[str, object]
):
    report = run(DiskMethod(), **more)
    assert course(report) == course(undisturbed)
    assert report.info == undisturbed.info


def test_samples_in_memory_are_sent(undisturbed: Report):
    memory = MemoryDataset(Crowd(), name="crowd")
    assert course(run(DiskMethod(), memory, workers=2)) == course(undisturbed)


@dataclass
class FirstWaits(DiskMethod):
    """Does not begin with image 0 before ``out`` has the records of three others."""

    out: str = ""

    def start(self, image, mask=None):
        until = time.monotonic() + 60
        while image[0, 0, 0] == 0 and len(Path(self.out).read_bytes().splitlines()) < 4:
            assert time.monotonic() < until
            time.sleep(0.05)
        return super().start(image, mask)


def test_records_are_written_as_they_are_done_and_reported_in_order(tmp_path: Path):
    out = tmp_path / "run.jsonl"
    report = run(FirstWaits(out=str(out)), Crowd(4), workers=2, out=out)
    assert [record.name for record in report.records] == list(Crowd(4).names)
    assert not report.faulty
    assert Report.load(out) == report


@pytest.mark.parametrize("workers", [2, None])
def test_faulty_samples_are_recorded(workers: int | None):
    report = run(DiskMethod(), Crowd(unreadable=[2, 5]), workers=workers, batch=3)
    assert [record.error for record in report.faulty] == [
        "ValueError: cannot read object 2",
        "ValueError: cannot read object 5",
    ]
    assert len(report.valid) == 10


@pytest.mark.parametrize("batch", [1, 4])
def test_objects_of_a_dead_worker_are_redone(tmp_path: Path, undisturbed: Report, batch: int):
    method = DeadlyDisk(folder=str(tmp_path), times=2)
    assert course(run(method, workers=2, batch=batch)) == course(undisturbed)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_deadly_object_is_faulty_in_the_end_and_costs_no_other(
    tmp_path: Path, undisturbed: Report
):
    method = DeadlyDisk(folder=str(tmp_path), times=100)
    report = run(method, workers=2, batch=2)
    (faulty,) = report.faulty
    assert faulty.name == "object 003"
    assert faulty.error is not None
    assert "3 workers died over it" in faulty.error
    assert "exit code -9" in faulty.error
    assert len(list(tmp_path.iterdir())) == 3
    others = [row for row in course(undisturbed) if row[0] != faulty.name]
    assert [row for row in course(report) if row[0] != faulty.name] == others


def test_workers_that_cannot_start_end_the_run():
    with pytest.raises(RuntimeError, match="died while starting: exit code 7"):
        run(Stillborn(os.getpid()), workers=2)
    with pytest.raises(ValueError, match="no weights here"):
        run(Unloadable(os.getpid()), workers=2)


def test_what_cannot_be_sent_is_named():
    class Local(DiskMethod):
        pass

    class LocalCrowd(Crowd):
        pass

    with pytest.raises(ValueError, match="the method cannot be sent to workers"):
        run(Local(), workers=2)
    with pytest.raises(ValueError, match="the dataset cannot be sent to workers"):
        run(DiskMethod(), LocalCrowd(), workers=2)
    assert run(Local(), LocalCrowd(), workers=1).valid


def test_no_worker_is_left_behind():
    import multiprocessing

    run(DiskMethod(), workers=2)
    with pytest.raises(RuntimeError):
        run(Stillborn(os.getpid()), workers=2)
    with pytest.raises(ValueError, match="no weights here") as caught:
        run(Unloadable(os.getpid()), workers=2)
    assert caught.value is not None  # and holds on to where it was raised
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: ThreadPoolExecutor(2),
        lambda: ProcessPoolExecutor(2, mp_context=get_context("spawn")),
    ],
    ids=["threads", "processes"],
)
def test_any_executor_will_do(make, undisturbed: Report):
    executor: Executor
    with make() as executor:
        assert course(run(DiskMethod(), executor=executor)) == course(undisturbed)
        memory = MemoryDataset(Crowd(), name="crowd")
        assert course(run(DiskMethod(), memory, executor=executor)) == course(undisturbed)
        assert executor.submit(len, "abc").result() == 3  # it stays the caller's


def test_an_executor_that_breaks_is_an_error_and_the_run_can_go_on(
    tmp_path: Path, undisturbed: Report
):
    counter, out = tmp_path / "deaths", tmp_path / "run"
    counter.mkdir()
    method = DeadlyDisk(folder=str(counter), deadly=6)
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor,
        pytest.raises(RuntimeError, match="workers=N instead of executor="),
    ):
        run(method, executor=executor, out=out)
    _, written = read_stream(out)
    assert 0 < len(written) < 12
    assert course(run(method, workers=2, out=out)) == course(undisturbed)


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"workers": 0}, ValueError, "workers must be at least 1, got 0"),
        ({"workers": 1.5}, TypeError, "workers must be a whole number"),
        ({"batch": 0}, ValueError, "batch must be at least 1"),
        ({"threads": 0}, ValueError, "threads must be at least 1"),
        ({"executor": "dask"}, TypeError, "concurrent.futures.Executor, got 'dask'"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
    ],
)
def test_refusals(more: dict[str, object], error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        run(DiskMethod(), **more)
    with pytest.raises(TypeError, match="something that makes one when called"):
        run(object())
    with pytest.raises(TypeError, match="got int"):
        run(lambda: 3)


@pytest.mark.slow
def test_a_real_network_goes_to_workers_by_name_and_loaded():
    """One torch thread here as there: the numbers of threads may change a last digit."""
    from iseg_widget.methods.registry import load_method

    loaded = load_method("focalclick", device="cpu")
    more = {"max_clicks": 2, "limit": 3, "threads": 1}
    expected = course(run(loaded, "demo", **more))
    assert expected == course(run(loaded, load("demo"), workers=2, **more))
    spec = MethodSpec("focalclick", device="cpu")
    assert expected == course(run(spec, "demo", workers=2, **more))


def test_without_ray_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"iseg-widget\[ray\]"):
        run(DiskMethod(), executor="ray")
    with pytest.raises(ValueError, match="num_gpus must not be negative, got -1"):
        RayExecutor(num_gpus=-1)


def test_threads_here_are_put_back():
    import torch

    before = torch.get_num_threads()
    seen = []

    class Watching(DiskMethod):
        def start(self, *arguments):
            seen.append(torch.get_num_threads())
            return super().start(*arguments)

    run(Watching(), Crowd(2), threads=before + 1)
    assert seen == [before + 1] * 2
    assert torch.get_num_threads() == before
