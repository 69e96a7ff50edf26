"""From simulated arrays to tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iseg_widget.training.crop_simulation import SimulatedView


def stacked(arrays: Sequence[NDArray[Any]], device: torch.device) -> Tensor:
    """Stack ``(C, H, W)`` arrays to a float32 tensor on ``device``, channels last."""
    tensor = torch.from_numpy(np.stack(arrays)).float().to(device)
    return tensor.contiguous(memory_format=torch.channels_last)


def images(views: Sequence[SimulatedView], device: torch.device) -> Tensor:
    """What views show, ``(B, 3, H, W)``."""
    return stacked([view.image for view in views], device)


def targets(views: Sequence[SimulatedView], device: torch.device) -> tuple[Tensor, Tensor]:
    """Objects and valid pixels of views, each ``(B, 1, H, W)`` of 0 and 1."""
    truth = stacked([view.truth[None] for view in views], device)
    return truth, stacked([view.valid[None] for view in views], device)
