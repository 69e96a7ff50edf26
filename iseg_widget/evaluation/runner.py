"""Evaluate a method on a dataset with a robot user, through the same session as the widget."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from iseg_widget.clicks import Click
from iseg_widget.datasets.base import Dataset, Sample
from iseg_widget.evaluation import metrics as measures
from iseg_widget.evaluation.measures import MEASURES, Answer
from iseg_widget.evaluation.records import (
    Record,
    RunInfo,
    names_fingerprint,
    plain_options,
    weights_fingerprint,
)
from iseg_widget.evaluation.report import Report
from iseg_widget.evaluation.robot import Robot, find_robot
from iseg_widget.evaluation.stream import RecordStream
from iseg_widget.protocol import Method
from iseg_widget.session import Session

_PROGRESS_TARGET = 0.90


@dataclass(frozen=True)
class Settings:
    """How objects are evaluated; see :func:`evaluate`."""

    max_clicks: int = 20
    stop_iou: float | None = None
    robot: str | Robot = "ritm"
    metrics: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a value outside what is accepted."""
        if isinstance(self.max_clicks, bool) or not isinstance(self.max_clicks, int):
            raise TypeError(f"max_clicks must be a whole number, got {self.max_clicks!r}")
        if self.max_clicks < 1:
            raise ValueError(f"max_clicks must be at least 1, got {self.max_clicks}")
        if self.stop_iou is not None and not 0.0 < self.stop_iou <= 1.0:
            raise ValueError(f"stop_iou must lie in 0..1 (0 excluded), got {self.stop_iou!r}")
        find_robot(self.robot)
        unknown = [name for name in self.metrics if name not in MEASURES]
        if unknown:
            raise ValueError(
                f"unknown metrics {', '.join(map(repr, unknown))}; accepted are "
                f"{', '.join(MEASURES)} (the IoU is always there)"
            )


@dataclass
class _Course:
    """The record of an object while it grows."""

    clicks: list[Click] = field(default_factory=list)
    ious: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    scores: dict[str, list[float]] = field(default_factory=dict)
    initial_iou: float = 0.0
    start_seconds: float = 0.0

    def record(self, name: str, error: str | None = None) -> Record:
        return Record(
            name,
            tuple(self.clicks),
            tuple(self.ious),
            tuple(round(value, 6) for value in self.seconds),
            self.initial_iou,
            round(self.start_seconds, 6),
            {metric: tuple(values) for metric, values in self.scores.items()},
            error,
        )


def _click_through(method: Method, sample: Sample, settings: Settings, course: _Course) -> None:
    begin = time.perf_counter()
    session = Session(
        method, sample.image, mask=sample.initial_mask, truth=sample.mask, ignore=sample.ignore
    )
    course.start_seconds = time.perf_counter() - begin
    mask = session.mask
    course.initial_iou = measures.iou(mask, sample.mask, sample.ignore)
    course.scores = {name: [] for name in settings.metrics}
    enough = 1.0 if settings.stop_iou is None else settings.stop_iou
    robot = find_robot(settings.robot)
    for _ in range(settings.max_clicks):
        click = robot.next_click(
            mask, sample.mask, session.clicks, sample.ignore, sample=sample.name
        )
        if click is None:
            break
        step = session.click(click.x, click.y, click.positive)
        mask = step.mask
        reached = measures.iou(mask, sample.mask, sample.ignore) if step.iou is None else step.iou
        course.clicks.append(click)
        course.ious.append(reached)
        course.seconds.append(step.seconds)
        for name, values in course.scores.items():
            values.append(MEASURES[name](Answer(mask, sample.mask, sample.ignore, step.views)))
        if reached >= enough:
            break


def evaluate_sample(method: Method, dataset: Dataset, index: int, settings: Settings) -> Record:
    """Evaluate one object; the unit of work of every way to run an evaluation.

    Depends on nothing but its arguments, so that objects may be evaluated in any order and in any
    process. Whatever goes wrong with the sample or in the method is in the record's ``error``.
    """
    name = dataset.names[index]
    course = _Course()
    try:
        _click_through(method, dataset[index], settings, course)
    except Exception as error:  # noqa: BLE001 (one bad object must not end a run of hours)
        return course.record(name, f"{type(error).__name__}: {error}")
    return course.record(name)


def _run(
    method: Method, dataset: Dataset, indices: Sequence[int], settings: Settings
) -> Iterator[Record]:
    """Yield a record for every index, in any order: the place for other ways to run."""
    for index in indices:
        yield evaluate_sample(method, dataset, index, settings)


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


def _resolve(method: Method | str, dataset: Dataset | str) -> tuple[Method, Dataset]:
    if isinstance(dataset, str):
        from iseg_widget.datasets import load

        dataset = load(dataset)
    for name in ("name", "names", "__getitem__"):
        if not hasattr(dataset, name):
            raise TypeError(
                f"dataset must be a Dataset or the name of one, got {type(dataset).__name__} "
                f"without {name}; a list of samples becomes one with datasets.MemoryDataset"
            )
    if isinstance(method, str):
        from iseg_widget.methods.registry import load_method

        method = load_method(method)
    return method, dataset


def evaluate(  # noqa: PLR0913 (a run is described here and nowhere else)
    method: Method | str,
    dataset: Dataset | str,
    max_clicks: int = 20,
    *,
    stop_iou: float | None = None,
    robot: str | Robot = "ritm",
    metrics: Sequence[str] = (),
    limit: int | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Report:
    """Let a robot user click through a dataset (the protocol of FocalClick Sec. 4.1).

    Every object is one :class:`~iseg_widget.session.Session`, exactly as in the widget; the mask
    that is scored, and that the robot sees, is the one a user would get. The threshold is among
    the method's options for that reason.

    Parameters
    ----------
    method: a loaded method, or a name for :func:`iseg_widget.load_method`.
    dataset: a dataset, or a name for :func:`iseg_widget.datasets.load`.
    max_clicks: clicks per object; an object that needs more counts as a failure.
    stop_iou: an object is done at this IoU. ``None``: only when its mask is perfect, so that all
        measures can be had. Lower saves time: the published evaluations of RITM and FocalClick
        stop at the highest target of interest. Targets above cannot be reported then.
    robot: who clicks: ``"ritm"``, ``"fcanet"``, ``"focuscut"``, or another
        :class:`~iseg_widget.evaluation.robot.Robot` or its description.
    metrics: further measures at every click, of :mod:`iseg_widget.evaluation.measures`.
    limit: evaluate only the first objects.
    out: file of JSON lines that takes each record at once. When it is there already and belongs to
        the same run, its objects are not evaluated again, except faulty ones.
    progress: show a bar with the running NoC.

    Returns
    -------
    Report over all objects (up to ``limit``). Objects that could not be read or evaluated are in
    its :attr:`~iseg_widget.evaluation.report.Report.faulty`.

    Raises
    ------
    ValueError, TypeError: an argument is outside what is accepted, or ``out`` holds another run.
    """
    settings = Settings(max_clicks, stop_iou, robot, tuple(metrics))
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1, got {limit}")
    method, dataset = _resolve(method, dataset)
    names = dataset.names
    info = RunInfo(
        method=method.name,
        options=plain_options(method.options),
        weights=weights_fingerprint(method),
        dataset=dataset.name,
        samples=len(names),
        sample_names=names_fingerprint(names),
        max_clicks=max_clicks,
        stop_iou=stop_iou,
        robot=find_robot(robot).description,
        metrics=settings.metrics,
    )
    wanted = names[:limit]
    with RecordStream(out, info) if out is not None else nullcontext() as stream:
        before = {} if stream is None else stream.records
        done = {n: before[n] for n in wanted if n in before and before[n].error is None}
        todo = [index for index, name in enumerate(wanted) if name not in done]
        title = f"{method.name} on {dataset.name}"
        bar = _Progress(len(wanted), title, settings, done.values(), show=progress)
        try:
            for record in _run(method, dataset, todo, settings):
                done[record.name] = record
                if stream is not None:
                    stream.add(record)
                bar.add(record)
        finally:
            bar.close()
    return Report(info, tuple(done[name] for name in wanted))
