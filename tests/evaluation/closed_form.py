"""A method in closed form, without a network: a click paints or erases a disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.datasets import MemoryDataset, Sample
from iseg_widget.masks import PackedMask
from iseg_widget.protocol import Step


@dataclass(frozen=True)
class DiskOptions:
    radius: float = 6.0


@dataclass(frozen=True)
class _Soft:
    mask: NDArray[np.bool_]

    @property
    def shape(self) -> tuple[int, int]:
        return self.mask.shape[0], self.mask.shape[1]

    def render(self, box: tuple[int, int, int, int] | None = None) -> NDArray[np.float32]:
        x0, y0, x1, y1 = box or (0, 0, self.shape[1], self.shape[0])
        return self.mask[y0:y1, x0:x1].astype(np.float32)


@dataclass
class DiskMethod:
    """Paints a disk of ``options.radius`` around every click; ``fails_at`` click n it raises."""

    options: DiskOptions = field(default_factory=DiskOptions)
    name: str = "disk"
    fails_at: int | None = None
    steps: int = 0

    def start(self, image: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> _Soft:
        return _Soft(np.zeros(image.shape[:2], bool) if mask is None else mask)

    def step(
        self, state: _Soft, clicks: Sequence[Click], *, trace: bool = False
    ) -> tuple[_Soft, Step]:
        del trace
        self.steps += 1
        if self.steps == self.fails_at:
            raise RuntimeError("the method broke")
        mask = state.mask.copy()
        rows, columns = np.indices(mask.shape)
        for click in clicks:
            near = np.hypot(columns - click.x, rows - click.y) <= self.options.radius
            mask[near] = click.positive
        return self._answer(mask, tuple(clicks))

    def edit(self, state: _Soft, mask: NDArray[np.bool_]) -> tuple[_Soft, Step]:
        del state
        return self._answer(mask, ())

    @staticmethod
    def _answer(mask: NDArray[np.bool_], clicks: tuple[Click, ...]) -> tuple[_Soft, Step]:
        soft = _Soft(mask)
        return soft, Step(clicks, soft, PackedMask.pack(mask), seconds=0.25)


def rectangle(name: str, box: tuple[int, int, int, int], size: int = 48, **more: object) -> Sample:
    """A sample whose object is a rectangle ``(x0, y0, x1, y1)``."""
    x0, y0, x1, y1 = box
    mask = np.zeros((size, size), bool)
    mask[y0:y1, x0:x1] = True
    return Sample(name, np.zeros((size, size, 3), np.uint8), mask, **more)  # type: ignore[arg-type]


def rectangles() -> MemoryDataset:
    """Three rectangles; a disk of radius 6 covers the first but for its corners."""
    return MemoryDataset(
        [
            rectangle("square", (10, 10, 21, 21)),
            rectangle("bar", (4, 20, 44, 30)),
            rectangle("block", (6, 6, 40, 42)),
        ],
        name="rectangles",
    )
