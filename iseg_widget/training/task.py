"""What a method brings to the training loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from iseg_widget.training.pool import Pool
from iseg_widget.training.seen import Show


def in_backbone(name: str) -> bool:
    """Whether a parameter is one of the module ``backbone``."""
    return name.startswith("backbone.")


class Task(Protocol):
    """What a method brings to the loop."""

    def network(self) -> nn.Module:
        """Return a new network whose ``backbone`` takes ImageNet weights."""

    def begin(self, net: Any) -> None:
        """Make a network ready, with its first weights loaded: parts may be copied or frozen."""

    def ready(self, net: Any) -> None:
        """Make a copy of a half-trained network answer clicks as its method does."""

    @property
    def pretrained(self) -> Callable[[str], bool]:
        """Which parameters come pretrained and learn at their own rate, by name."""

    def batch(self, pool: Pool, rng: np.random.Generator, count: int, size: tuple[int, int]) -> Any:
        """Draw ``count`` samples with views of ``size`` (H, W).

        Runs beside the previous step, on numpy only.
        """

    def losses(
        self,
        net: Any,
        batch: Any,
        device: torch.device,
        dtype: torch.dtype | None,
        show: Show | None = None,
    ) -> dict[str, Tensor]:
        """Return loss terms, always of the same names.

        Those that end in ``iou`` are logged and not added up; NaN is left out of their means.
        ``show`` is told what the network saw in the pass that counts.
        """


class WholeNetwork:
    """Part of a task whose network is trained as a whole, in one stage."""

    def begin(self, net: nn.Module) -> None:
        """All of the network is trained, from the weights it has."""

    def ready(self, net: nn.Module) -> None:
        """Nothing is missing at any time."""

    pretrained: Callable[[str], bool] = staticmethod(in_backbone)
    """Which parameters belong to the pretrained backbone, by name."""
