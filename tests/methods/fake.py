"""A method in closed form, for tests of everything around methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.masks import PackedMask
from iseg_widget.protocol import Step, View
from iseg_widget.views import Layers, mask_layers


@dataclass(frozen=True)
class DiskOptions:
    radius: float = 4.0
    """Of the disk that a click paints, in pixels."""


@dataclass(frozen=True)
class DiskState:
    shape: tuple[int, int]
    steps: int
    packed: PackedMask


@dataclass(frozen=True)
class DiskMethod:
    """A positive click adds a disk to the mask, a negative one removes it.

    The radius grows by half a pixel with every step and with every click that came in the same
    step, so that neither the order nor the grouping of clicks can be lost without a trace.
    """

    options: DiskOptions = DiskOptions()
    name: str = "disks"

    def start(self, image: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> DiskState:
        shape = (image.shape[0], image.shape[1])
        existing = np.zeros(shape, bool) if mask is None else mask
        return DiskState(shape, 0, PackedMask.pack(existing))

    def step(
        self, state: DiskState, clicks: Sequence[Click], *, trace: bool = False
    ) -> tuple[DiskState, Step]:
        mask = state.packed.unpack()
        rows, columns = np.indices(state.shape)
        radius = self.options.radius + 0.5 * (state.steps + len(clicks) - 1)
        for click in clicks:
            inside = (columns - click.x) ** 2 + (rows - click.y) ** 2 <= radius**2
            mask[inside] = click.positive
        box = (0, 0, state.shape[1], state.shape[0])
        recorded: dict[str, Any] = {"radius": np.array(radius)} if trace else {}
        following = DiskState(state.shape, state.steps + 1, PackedMask.pack(mask))
        soft: Layers = mask_layers(mask)
        return following, Step(
            tuple(clicks), soft, following.packed, (View("roi", box),), recorded, 0.001
        )

    def edit(self, state: DiskState, mask: NDArray[np.bool_]) -> tuple[DiskState, Step]:
        edited = replace(state, packed=PackedMask.pack(mask))
        return edited, Step((), mask_layers(mask), edited.packed)
