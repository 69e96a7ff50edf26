"""From simulated arrays to tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def stacked(arrays: Sequence[NDArray[Any]], device: torch.device) -> Tensor:
    """Stack ``(C, H, W)`` arrays to a float32 tensor on ``device``, channels last."""
    tensor = torch.from_numpy(np.stack(arrays)).float().to(device)
    return tensor.contiguous(memory_format=torch.channels_last)
