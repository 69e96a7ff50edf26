"""One object under evaluation: a session with a robot user; and several of them in lock-step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, is_dataclass, replace
from functools import partial
from typing import Any, cast

from iseg_widget.clicks import Click
from iseg_widget.datasets.base import Sample
from iseg_widget.evaluation.measures import MEASURES, Answer
from iseg_widget.evaluation.metrics import iou
from iseg_widget.evaluation.records import Record
from iseg_widget.evaluation.robot import Robot, find_robot
from iseg_widget.protocol import BatchMethod, Method, State, Step, step_many
from iseg_widget.session import PendingStep, Session


@dataclass(frozen=True)
class Settings:
    """How objects are evaluated; see :func:`iseg_widget.evaluate`."""

    max_clicks: int = 20
    stop_iou: float | None = None
    robot: Robot = field(default_factory=lambda: find_robot("ritm"))
    metrics: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a value outside what is accepted."""
        check_count("max_clicks", self.max_clicks)
        if self.stop_iou is not None and not 0.0 < self.stop_iou <= 1.0:
            raise ValueError(f"stop_iou must lie in 0..1 (0 excluded), got {self.stop_iou!r}")
        unknown = [name for name in self.metrics if name not in MEASURES]
        if unknown:
            raise ValueError(
                f"unknown metrics {', '.join(map(repr, unknown))}; accepted are "
                f"{', '.join(MEASURES)} (the IoU is always there)"
            )


def choose_robot(robot: str | Robot, seed: int | None) -> Robot:
    """Return a robot, given another seed if it draws random numbers (has a field ``seed``)."""
    chosen: Any = find_robot(robot)
    if seed is not None:
        check_count("seed", seed, least=0)
        if is_dataclass(chosen) and hasattr(chosen, "seed"):
            chosen = replace(chosen, seed=seed)  # type: ignore[type-var]
    return cast("Robot", chosen)


def check_count(name: str, value: object, least: int = 1) -> None:
    """Raise unless ``value`` is a whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


Source = Callable[[], Sample]
"""Reads a sample; called when its turn comes and not before."""


class Course:
    """The course of one object: its session, and its record while it grows."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.settings = settings
        self._clicks: list[Click] = []
        self._ious: list[float] = []
        self._seconds: list[float] = []
        self._scores: dict[str, list[float]] = {}
        self._initial_iou = 0.0
        self._start_seconds = 0.0
        self._left = False

    def begin(self, method: Method, source: Source) -> None:
        """Read the sample and open the session."""
        self._sample = source()
        sample = self._sample
        began = time.perf_counter()
        # The session need not know the truth: the mask is unpacked once, for robot and scores.
        self._session = Session(method, sample.image, mask=sample.initial_mask)
        self._start_seconds = time.perf_counter() - began
        self._mask = self._session.mask
        self._initial_iou = iou(self._mask, sample.mask, sample.ignore)
        self._scores = {name: [] for name in self.settings.metrics}

    def ask(self) -> PendingStep | None:
        """Return what the method is to be asked next; ``None`` when the robot has had enough.

        Raises
        ------
        ValueError: the robot does not click on this object at all.
        """
        sample = self._sample
        clicks = self._session.clicks
        click = self.settings.robot.next_click(
            self._mask, sample.mask, clicks, sample.ignore, sample=self.name
        )
        if click is not None:
            return self._session.prepare([click])
        if not clicks:
            raise ValueError("the robot has no click for this object")
        self._left = True
        return None

    def take(self, pending: PendingStep, answer: tuple[State, Step]) -> None:
        """Take the method's answer and score it."""
        sample = self._sample
        step = self._session.accept(pending, answer)
        self._mask = step.mask
        reached = iou(self._mask, sample.mask, sample.ignore)
        self._clicks += pending.clicks
        self._ious.append(reached)
        self._seconds.append(step.seconds)
        result = Answer(self._mask, sample.mask, sample.ignore, step.views)
        for name, values in self._scores.items():
            values.append(MEASURES[name](result))

    @property
    def over(self) -> bool:
        """Whether the object is done: by its IoU, its number of clicks, or the robot."""
        enough = 1.0 if self.settings.stop_iou is None else self.settings.stop_iou
        ious = self._ious
        reached = bool(ious) and ious[-1] >= enough
        return self._left or reached or len(ious) >= self.settings.max_clicks

    def record(self, error: Exception | None = None) -> Record:
        """Return what there is so far; ``error`` says why there is no more."""
        return Record(
            self.name,
            tuple(self._clicks),
            tuple(self._ious),
            tuple(round(value, 6) for value in self._seconds),
            self._initial_iou,
            round(self._start_seconds, 6),
            {metric: tuple(values) for metric, values in self._scores.items()},
            None if error is None else f"{type(error).__name__}: {error}",
        )


def evaluate_many(
    method: Method, objects: Iterable[tuple[str, Source]], settings: Settings, batch: int = 1
) -> Iterator[Record]:
    """Evaluate objects, ``batch`` of them in lock-step; yield each record when it is done.

    What comes of an object depends on nothing but the method, the sample and the settings, so
    objects may be evaluated in any order and in any process. Whatever goes wrong with a sample or
    in the method is in the record's ``error``.

    Parameters
    ----------
    method: answers; several objects at once when it is a
        :class:`~iseg_widget.protocol.BatchMethod`.
    objects: name and source of each sample. No more than ``batch`` samples are alive at a time.
    settings: what is evaluated.
    batch: objects that are under way at a time; one that is done makes room for the next.
    """
    group = _Group(method, objects, settings, batch)
    while group.live or not group.exhausted:
        if group.has_room:
            faulty = group.open()
            if faulty is not None:
                yield faulty
        else:
            yield from group.advance()


class _Group:
    """Objects that are under way together.

    No local variable outlives a method here, so a sample is gone when its object is done.
    """

    def __init__(
        self,
        method: Method,
        objects: Iterable[tuple[str, Source]],
        settings: Settings,
        batch: int,
    ) -> None:
        self.live: list[Course] = []
        self.exhausted = False
        self._method = method
        self._waiting = iter(objects)
        self._settings = settings
        self._batch = batch

    @property
    def has_room(self) -> bool:
        return len(self.live) < self._batch and not self.exhausted

    def open(self) -> Record | None:
        """Begin the next object; return its record when that fails."""
        found = next(self._waiting, None)
        if found is None:
            self.exhausted = True
            return None
        course = Course(found[0], self._settings)
        try:
            course.begin(self._method, found[1])
        except Exception as error:  # noqa: BLE001 (one bad object must not end a run of hours)
            return course.record(error)
        self.live.append(course)
        return None

    def advance(self) -> list[Record]:
        """Give every object its next click; return the records of those that are done."""
        errors: dict[Course, Exception] = {}
        asked: list[tuple[Course, PendingStep]] = []
        for course in self.live:
            try:
                pending = course.ask()
                if pending is not None:
                    asked.append((course, pending))
            except Exception as error:  # noqa: BLE001
                errors[course] = error
        for (course, pending), answer in zip(asked, self._answers(asked), strict=True):
            try:
                course.take(pending, answer())
            except Exception as error:  # noqa: BLE001
                errors[course] = error
        done = [course for course in self.live if course.over or course in errors]
        self.live = [course for course in self.live if course not in done]
        return [course.record(errors.get(course)) for course in done]

    def _answers(
        self, asked: list[tuple[Course, PendingStep]]
    ) -> list[Callable[[], tuple[State, Step]]]:
        """Return the answers; a call raises what went wrong with that object."""
        method = self._method
        pending = [waiting for _, waiting in asked]
        if len(pending) > 1 and isinstance(method, BatchMethod):
            states, clicks = [p.state for p in pending], [p.clicks for p in pending]
            try:
                answers = step_many(method, states, clicks)
                return [partial(_same, answer) for answer in answers]
            except Exception:  # noqa: BLE001, S110 (one by one tells whose fault it was)
                pass
        return [partial(method.step, p.state, p.clicks) for p in pending]


def _same(answer: tuple[State, Step]) -> tuple[State, Step]:
    return answer
