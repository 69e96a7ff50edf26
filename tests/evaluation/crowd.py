"""Many small objects, and methods that are slow or bring their process down: for workers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.datasets import BaseDataset, Sample
from iseg_widget.evaluation.report import Report
from iseg_widget.protocol import Step
from tests.evaluation.closed_form import DiskMethod, _Soft


class Crowd(BaseDataset):
    """Rectangles of growing size; pixel (0, 0) of the image holds the index."""

    name = "crowd"

    def __init__(self, count: int = 12, unreadable: Sequence[int] = ()) -> None:
        self.count = count
        self.unreadable = tuple(unreadable)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"object {index:03}" for index in range(self.count))

    def _read(self, index: int) -> Sample:
        if index in self.unreadable:
            raise ValueError(f"cannot read object {index}")
        mask = np.zeros((40, 40), bool)
        mask[5 : 12 + index % 20, 8 : 14 + (7 * index) % 23] = True
        image = np.zeros((40, 40, 3), np.uint8)
        image[0, 0] = index
        return Sample(self.names[index], image, mask)


@dataclass
class SlowDisk(DiskMethod):
    """Takes its time for every click."""

    pause: float = 0.01

    def step(
        self, state: _Soft, clicks: Sequence[Click], *, trace: bool = False
    ) -> tuple[_Soft, Step]:
        time.sleep(self.pause)
        return super().step(state, clicks, trace=trace)


@dataclass
class DeadlyDisk(SlowDisk):
    """Kills its process when it sees image ``deadly``, the first ``times`` times.

    ``folder`` counts them, for all processes.
    """

    folder: str = ""
    deadly: int = 3
    times: int = 1

    def start(self, image: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> _Soft:
        if image[0, 0, 0] == self.deadly and len(list(Path(self.folder).iterdir())) < self.times:
            (Path(self.folder) / str(time.monotonic_ns())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().start(image, mask)


@dataclass
class SigningDisk(SlowDisk):
    """Leaves its process's id in ``folder`` and begins when ``together`` have done so."""

    folder: str = ""
    together: int = 2

    def start(self, image: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> _Soft:
        (Path(self.folder) / str(os.getpid())).touch()
        until = time.monotonic() + 100
        while len(list(Path(self.folder).iterdir())) < self.together:
            if time.monotonic() > until:
                raise TimeoutError("the others do not come")
            time.sleep(0.02)
        return super().start(image, mask)


@dataclass(frozen=True)
class Stillborn:
    """A factory that ends every process that calls it but the one with ``parent`` as its id."""

    parent: int

    def __call__(self) -> DiskMethod:
        if os.getpid() != self.parent:
            os._exit(7)
        return DiskMethod()


@dataclass(frozen=True)
class Unloadable:
    """A factory that fails in every process but ``parent``."""

    parent: int

    def __call__(self) -> DiskMethod:
        if os.getpid() != self.parent:
            raise ValueError("no weights here")
        return DiskMethod()


def course(report: Report) -> list[tuple[object, ...]]:
    """Everything but the measured times."""
    return [(r.name, r.clicks, r.ious, r.initial_iou, r.scores, r.error) for r in report.records]
