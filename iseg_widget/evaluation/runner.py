"""Evaluate a method on a dataset with a robot user, through the same session as the widget."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
from tqdm.auto import tqdm

from iseg_widget.datasets.base import Dataset
from iseg_widget.evaluation import metrics as measures
from iseg_widget.evaluation.course import (
    Settings,
    check_count,
    choose_robot,
    evaluate_many,
)
from iseg_widget.evaluation.executors import run_executor
from iseg_widget.evaluation.jobs import MethodFactory, MethodSpec, Order, build, threads_here
from iseg_widget.evaluation.ray_runner import RayExecutor, run_ray
from iseg_widget.evaluation.records import (
    Record,
    RunInfo,
)
from iseg_widget.evaluation.report import Report
from iseg_widget.evaluation.robot import Robot
from iseg_widget.evaluation.run_folder import RunLog
from iseg_widget.evaluation.stream import RECORDS, RecordStream, records_path
from iseg_widget.evaluation.workers import LocalWorker, run_workers
from iseg_widget.protocol import Method
from iseg_widget.provenance import (
    changed_options,
    names_fingerprint,
    plain_options,
    weights_fingerprint,
)

__all__ = ["MethodSpec", "RayExecutor", "Settings", "evaluate"]

_PROGRESS_TARGET = 0.90


@dataclass(frozen=True)
class _Plan:
    """How an evaluation runs; nothing here changes what it finds (up to rounding)."""

    workers: int | None = None
    batch: int = 1
    executor: Executor | RayExecutor | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        for name in ("workers", "threads"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        check_count("batch", self.batch)
        if not (self.executor is None or isinstance(self.executor, (Executor, RayExecutor))):
            raise TypeError(
                'executor must be "ray", a RayExecutor or a concurrent.futures.Executor, got '
                f"{self.executor!r}"
            )

    @property
    def here(self) -> bool:
        """Whether everything happens in this process, one task after another."""
        return self.executor is None and (self.workers or 1) == 1

    def to_dict(self) -> dict[str, Any]:
        executor = None if self.executor is None else type(self.executor).__name__
        return {
            "workers": self.workers,
            "batch": self.batch,
            "executor": executor,
            "threads": self.threads,
        }

    def run(
        self,
        method: Method | MethodFactory,
        dataset: Dataset,
        indices: list[int],
        settings: Settings,
    ) -> Iterator[Record]:
        """Yield a record for every index as they come: the place for other ways to run."""
        if not indices:
            return
        if self.here:
            names = dataset.names
            objects = ((names[index], partial(dataset.__getitem__, index)) for index in indices)
            with threads_here(self.threads):
                yield from evaluate_many(build(method), objects, settings, self.batch)
            return
        order = Order(method, dataset, settings, self.batch, self.threads or 1)
        if isinstance(self.executor, RayExecutor):
            yield from run_ray(self.executor, order, indices, self.workers)
        elif self.executor is not None:
            # One more than there are workers keeps each of them busy.
            count = self.workers or getattr(self.executor, "_max_workers", None) or os.cpu_count()
            tasks = order.tasks(indices)
            yield from run_executor(self.executor, order, tasks, in_flight=(count or 1) + 1)
        else:
            count = min(self.workers or 1, math.ceil(len(indices) / self.batch))
            content = order.pack()
            yield from run_workers(lambda: LocalWorker(content), count, order.tasks(indices))


class _Progress:
    """A progress bar with the running NoC; ``done`` are the records of an earlier run."""

    def __init__(
        self, total: int, title: str, settings: Settings, done: Iterable[Record], *, show: bool
    ) -> None:
        self._target = min(_PROGRESS_TARGET, settings.stop_iou or 1.0)
        self._max = settings.max_clicks
        self._clicks: list[int] = []
        self._faulty = 0
        for record in done:
            self._count(record)
        self._bar: tqdm[Any] = tqdm(
            total=total, initial=len(self._clicks), desc=title, unit="object", disable=not show
        )

    def _count(self, record: Record) -> None:
        if record.error is None:
            clicks, _ = measures.clicks_to_reach([record.ious], self._target, self._max)
            self._clicks.append(int(clicks[0]))
        else:
            self._faulty += 1

    def add(self, record: Record) -> None:
        self._count(record)
        shown = {}
        if self._clicks:
            shown[f"NoC@{100 * self._target:g}"] = f"{np.mean(self._clicks):.2f}"
        if self._faulty:
            shown["faulty"] = str(self._faulty)
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update()

    def close(self) -> None:
        self._bar.close()


def _resolve_dataset(dataset: Dataset | str) -> Dataset:
    if isinstance(dataset, str):
        from iseg_widget.datasets import load

        dataset = load(dataset)
    for name in ("name", "names", "__getitem__"):
        if not hasattr(dataset, name):
            raise TypeError(
                f"dataset must be a Dataset or the name of one, got {type(dataset).__name__} "
                f"without {name}; a list of samples becomes one with datasets.MemoryDataset"
            )
    return dataset


def _describe(method: Method, dataset: Dataset, settings: Settings) -> RunInfo:
    names = dataset.names
    return RunInfo(
        method=method.name,
        options=plain_options(method.options),
        weights=weights_fingerprint(method),
        dataset=dataset.name,
        samples=len(names),
        sample_names=names_fingerprint(names),
        max_clicks=settings.max_clicks,
        stop_iou=settings.stop_iou,
        robot=settings.robot.description,
        metrics=settings.metrics,
        changed=changed_options(method.options),
        dataset_description=str(getattr(dataset, "description", "")),
    )


@dataclass
class _Results:
    """Records by name, and where they are written."""

    records: dict[str, Record] = field(default_factory=dict)
    stream: RecordStream | None = None

    def add(self, record: Record) -> None:
        self.records[record.name] = record
        if self.stream is not None:
            self.stream.add(record)


@contextmanager
def _results(
    out: str | os.PathLike[str] | None,
    info: RunInfo,
    names: Sequence[str],
    wanted: Sequence[str],
    conditions: dict[str, Any],
) -> Iterator[_Results]:
    """Take up what an earlier run left in ``out``, and write there what comes."""
    if out is None:
        yield _Results()
        return
    path = records_path(out)
    with RecordStream(path, info) as stream:
        before = stream.records
        done = {n: before[n] for n in wanted if n in before and before[n].error is None}
        log = RunLog(path.parent, info, conditions, len(done)) if path.name == RECORDS else None
        results = _Results(done, stream)
        yield results
        stream.finish(names)
        if log is not None:
            log.end(len(results.records))


def evaluate(  # noqa: PLR0913 (a run is described here and nowhere else)
    method: Method | MethodFactory | str,
    dataset: Dataset | str,
    max_clicks: int = 20,
    *,
    stop_iou: float | None = None,
    robot: str | Robot = "ritm",
    metrics: Sequence[str] = (),
    seed: int | None = None,
    limit: int | None = None,
    out: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    batch: int = 1,
    executor: Executor | RayExecutor | Literal["ray"] | None = None,
    threads: int | None = None,
    progress: bool = True,
) -> Report:
    """Let a robot user click through a dataset (the protocol of FocalClick Sec. 4.1).

    Every object is one :class:`~iseg_widget.session.Session`, exactly as in the widget; the mask
    that is scored, and that the robot sees, is the one a user would get. The threshold is among
    the method's options for that reason.

    What is evaluated depends on the parameters down to ``limit`` only; those after it say how.
    They change nothing but the times (and, with another ``batch`` or number of threads, the last
    digits of what the networks say). Settings that papers change for a dataset, such as a larger
    input, are options of the method; the report names those that are not at their defaults.

    Parameters
    ----------
    method: a loaded method, a name for :func:`iseg_widget.load_method`, or something that makes a
        method when it is called, such as a :class:`~iseg_widget.evaluation.jobs.MethodSpec`.
        Workers get a loaded method with its weights; a name or a spec they load for themselves.
    dataset: a dataset, or a name for :func:`iseg_widget.datasets.load`. Workers read it for
        themselves; the samples of a ``MemoryDataset`` are sent.
    max_clicks: clicks per object; an object that needs more counts as a failure.
    stop_iou: an object is done at this IoU. ``None``: only when its mask is perfect, so that all
        measures can be had. Lower saves time: the published evaluations of RITM and FocalClick
        stop at the highest target of interest. Targets above cannot be reported then.
    robot: who clicks: a :class:`~iseg_widget.evaluation.robot.Robot`, or the name or description
        of one (:func:`~iseg_widget.evaluation.robot.find_robot`).
    metrics: further measures at every click, of :mod:`iseg_widget.evaluation.measures`.
    seed: for a robot that draws random numbers, instead of its own; each object has its own
        series, whatever the order they are evaluated in.
    limit: evaluate only the first objects.
    out: folder of the run: ``records.jsonl`` takes each record at once, ``run.json`` tells what
        was run, how and where. Or the name of a ``.jsonl`` file, for the records alone. When they
        are there already and belong to the same run, its objects are not evaluated again, except
        faulty ones. A run may be killed at any moment and continued so.
    workers: processes, or actors of Ray, that evaluate objects at the same time. Default: this
        process alone, or all actors the cluster has CPUs for. One that dies is replaced, and its
        objects are redone; an object over which three have died is faulty.
    batch: objects that advance in lock-step, so that a
        :class:`~iseg_widget.protocol.BatchMethod` answers for all of them in one pass; worthwhile
        on a GPU. Their images are in memory together.
    executor: any ``concurrent.futures.Executor`` to evaluate objects by, or ``"ray"`` or a
        :class:`~iseg_widget.evaluation.ray_runner.RayExecutor` for a Ray cluster.
    threads: CPU threads of torch and OpenCV: of each worker (default 1), or here while it runs.
    progress: show a bar with the running NoC.

    Returns
    -------
    Report over all objects (up to ``limit``), in the dataset's order. Objects that could not be
    read or evaluated are in its :attr:`~iseg_widget.evaluation.report.Report.faulty`.

    Raises
    ------
    ValueError, TypeError: an argument is outside what is accepted, ``out`` holds another run or is
        being written, or workers are wanted for what cannot be pickled.
    RuntimeError: workers die before they have begun, or the executor broke.
    ImportError: Ray is wanted and not installed.
    """
    settings = Settings(max_clicks, stop_iou, choose_robot(robot, seed), tuple(metrics))
    if limit is not None:
        check_count("limit", limit)
    plan = _Plan(workers, batch, RayExecutor() if executor == "ray" else executor, threads)
    dataset = _resolve_dataset(dataset)
    made: Method | MethodFactory = MethodSpec(method) if isinstance(method, str) else method
    loaded = build(made)
    info = _describe(loaded, dataset, settings)
    title = f"{loaded.name} on {dataset.name}"
    if plan.here:
        made = loaded
    del loaded  # workers that load a method leave no use for one here
    names = dataset.names
    wanted = names[:limit]
    conditions = {**plan.to_dict(), "limit": limit}
    with _results(out, info, names, wanted, conditions) as results:
        done = results.records
        todo = [index for index, name in enumerate(wanted) if name not in done]
        bar = _Progress(len(wanted), title, settings, done.values(), show=progress)
        try:
            for record in plan.run(made, dataset, todo, settings):
                results.add(record)
                bar.add(record)
        finally:
            bar.close()
    return Report(info, tuple(done[name] for name in wanted))
