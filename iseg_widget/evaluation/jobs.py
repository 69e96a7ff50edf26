"""What goes to a worker: once the job (method, dataset, settings), then task after task."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from iseg_widget.datasets.base import Dataset, MemoryDataset, Sample
from iseg_widget.evaluation.course import Settings, Source, evaluate_many
from iseg_widget.evaluation.records import Record
from iseg_widget.protocol import Method
from iseg_widget.weights.registry import Weights


@dataclass(frozen=True)
class MethodSpec:
    """How a method is loaded: what goes to workers instead of the loaded method.

    The fields are the arguments of :func:`iseg_widget.load_method`. Every worker reads the weights
    from the same file, and resolves ``device="auto"`` for itself.
    """

    name: str
    weights: Weights = None
    options: Mapping[str, Any] | object | None = None
    device: str = "auto"
    compat: bool = False

    def __call__(self) -> Method:
        """Load the method; raises what :func:`iseg_widget.load_method` does."""
        from iseg_widget.methods.registry import load_method

        return load_method(
            self.name,
            weights=self.weights,
            options=self.options,
            device=self.device,
            compat=self.compat,
        )


MethodFactory = Callable[[], Method]
"""Builds a method without arguments, e.g. a :class:`MethodSpec`."""


@dataclass(frozen=True)
class Task:
    """Objects that a worker evaluates together.

    Attributes
    ----------
    indices, names: of the objects in the dataset.
    samples: the objects themselves when the worker has no dataset to read them from.
    deaths: workers that have died over this task.
    """

    indices: tuple[int, ...]
    names: tuple[str, ...]
    samples: tuple[Sample, ...] | None = None
    deaths: int = 0

    def split(self) -> list[Task]:
        """Return a task for each object."""
        return [
            replace(
                self,
                indices=(index,),
                names=(self.names[at],),
                samples=None if self.samples is None else (self.samples[at],),
            )
            for at, index in enumerate(self.indices)
        ]

    def faulty(self, reason: str) -> list[Record]:
        """Return a record with ``reason`` for each object."""
        return [Record(name, error=reason) for name in self.names]


@dataclass(frozen=True)
class Job:
    """What a worker keeps; ``dataset`` is ``None`` when samples come with the tasks."""

    method: Method
    dataset: Dataset | None
    settings: Settings
    batch: int = 1

    def evaluate(self, task: Task) -> list[Record]:
        """Evaluate the objects of a task, in lock-step as far as ``batch`` allows."""
        sources: list[Source] = []
        for at, index in enumerate(task.indices):
            if task.samples is not None:
                sources.append(partial(_given, task.samples[at]))
            elif self.dataset is not None:
                sources.append(partial(self.dataset.__getitem__, index))
        objects = zip(task.names, sources, strict=True)
        return list(evaluate_many(self.method, objects, self.settings, self.batch))


def _given(sample: Sample) -> Sample:
    return sample


@dataclass(frozen=True)
class Order:
    """A job as it is sent: ``method`` may still be a factory."""

    method: Method | MethodFactory
    dataset: Dataset
    settings: Settings
    batch: int
    threads: int

    @property
    def sends_samples(self) -> bool:
        """Whether samples go with the tasks: those in memory are not sent all at once."""
        return isinstance(self.dataset, MemoryDataset)

    def tasks(self, indices: Sequence[int]) -> Iterator[Task]:
        """Yield the tasks, ``batch`` objects each; a sample is read when its task is taken."""
        names = self.dataset.names
        for first in range(0, len(indices), self.batch):
            chosen = tuple(indices[first : first + self.batch])
            samples = tuple(self.dataset[i] for i in chosen) if self.sends_samples else None
            yield Task(chosen, tuple(names[i] for i in chosen), samples)

    def pack(self, dumps: Callable[[Any], bytes] = pickle.dumps) -> bytes:
        """Return the order as bytes.

        Raises
        ------
        ValueError: the method or the dataset cannot be pickled.
        """
        dataset = None if self.sends_samples else self.dataset
        parts = []
        for name, part in (("method", self.method), ("dataset", dataset)):
            try:
                parts.append(dumps(part))
            except Exception as error:
                raise ValueError(
                    f"the {name} cannot be sent to workers ({type(error).__name__}: {error}); "
                    "define its class in a module, or evaluate with workers=1"
                ) from error
        return dumps((self.threads, self.settings, self.batch, *parts))


def unpack(content: bytes) -> Job:
    """Return the job of an order, in the process that is to do it; sets its threads.

    Raises whatever loading the method or the dataset raises.
    """
    threads, settings, batch, method, dataset = pickle.loads(content)  # noqa: S301 (from pack)
    _set_threads(threads)
    made = build(pickle.loads(method))  # noqa: S301
    _set_threads(threads)  # once more: torch may have come with the method
    return Job(made, pickle.loads(dataset), settings, batch)  # noqa: S301


def build(method: Method | MethodFactory) -> Method:
    """Return the method itself, called if it is a factory.

    Raises
    ------
    TypeError: it is no method and makes none.
    """
    made = method() if callable(method) and not isinstance(method, Method) else method
    if not isinstance(made, Method):
        raise TypeError(
            "method must be a loaded method, the name of one, or something that makes one when "
            f"called (such as a MethodSpec), got {type(made).__name__}"
        )
    return made


def _set_threads(count: int) -> None:
    """Give this process ``count`` CPU threads; torch is not imported for that."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(count)
    for name, setter in (("torch", "set_num_threads"), ("cv2", "setNumThreads")):
        if name in sys.modules:
            getattr(sys.modules[name], setter)(count)


@contextmanager
def threads_here(count: int | None) -> Iterator[None]:
    """Use ``count`` CPU threads in this process for a while; ``None`` changes nothing."""
    if count is None:
        yield
        return
    import cv2
    import torch

    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(count)
    cv2.setNumThreads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
